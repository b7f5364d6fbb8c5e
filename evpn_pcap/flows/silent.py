"""VTEPs that frames were sent to, whose captured underlay shows none of them, become places of the flow all the same.

A flow whose every frame is lost between two VTEPs is seen at the first only. The outer header says where it
was sent (RFC 7348); where that VTEP's underlay was captured, its silence is worth a row.
"""

import numpy as np
import pandas as pd

from evpn_pcap.flows.places import COVERAGE, LAST, true
from evpn_pcap.model import FOREVER, Role


def silent_places(
    sightings: pd.DataFrame, places: pd.DataFrame, points: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return such places, as `places.describe` does, numbered on, and from_place and to_place of the step to each.

    Only frames to one receiver count, as their own VTEP sent them.
    """
    is_own = sightings["is_inside"].to_numpy(bool) & true(sightings["outer_source_ip"] == sightings["vtep_ip"])
    sent = sightings[is_own & ~sightings["is_multicast"].fillna(value=True).to_numpy(bool)]
    sent = sent[["flow", "place", "outer_destination_ip"]].drop_duplicates()
    ends = points[
        true(points["shows_vxlan"]) & (points["role"] == Role.UNDERLAY).to_numpy() & points["vtep_ip"].notna()
    ]
    ends = ends[~ends["vtep_ip"].isin(_shared(points))].sort_values("point_id").drop_duplicates("vtep_ip")
    expected = sent.merge(
        ends[["vtep_ip", "host", "point", *COVERAGE]],
        left_on="outer_destination_ip",
        right_on="vtep_ip",
        how="inner",
        validate="many_to_one",
    )
    seen = places[["flow", "host"]].drop_duplicates()
    found = expected.merge(seen, on=["flow", "host"], how="left", indicator=True, validate="many_to_one")
    found = found[found["_merge"] == "left_only"].reset_index(drop=True)
    number = len(places) + found.groupby(["flow", "host"], sort=False).ngroup().to_numpy(np.int64)
    edges = pd.DataFrame({"from_place": found["place"].to_numpy(np.int64), "to_place": number})
    kept_level = sightings.groupby("host")["kept_level"].max().reindex(found["host"]).fillna(0).to_numpy()
    silent = found.assign(
        is_inside=True, depth_min=LAST - 1, depth_max=LAST - 1, longest_bytes=FOREVER, most_kept_level=kept_level
    ).set_index(number)[list(places.columns)]
    return silent[~silent.index.duplicated()], edges


def _shared(points: pd.DataFrame) -> pd.Series:
    """Return addresses that several hosts have as their VTEP's (anycast): a frame to one of them says not which."""
    owners = points.dropna(subset=["vtep_ip"])[["vtep_ip", "host"]].drop_duplicates()
    return owners.loc[owners["vtep_ip"].duplicated(), "vtep_ip"]

"""Frames not seen at one of several next places become frames that went another way, and frames expected there.

A way parts where a machine has moved, and where a frame is flooded. Inside VXLAN the outer header says for
whom a copy is (RFC 7348). Elsewhere a frame that another next place shows went there; and one that
none shows was expected where the frames before and after it went. Where a place shows it of which nobody knows
whether it comes before or after, or it was for another machine than those that came by, nothing is claimed.
"""

from ipaddress import ip_address
from typing import Literal

import numpy as np
import pandas as pd

OF_ONE_KIND = ["step", "destination_mac"]
EXPECTED, ELSEWHERE, OPEN = "expected", "elsewhere", "open"


def ways(
    missing: pd.DataFrame, matched: pd.DataFrame, sightings: pd.DataFrame, places: pd.DataFrame, edges: pd.DataFrame
) -> np.ndarray:
    """Return, for each missing frame, whether it was expected at the step's end, or went elsewhere, or is open.

    `missing` and `matched` have step, is_hop, from_place, to_place, transmission, time_ns_a, and
    destination_mac as the step's begin shows it; `sightings` place, transmission,
    outer_destination_ip; `edges` from_place and to_place, all that are known.
    """
    if missing.empty:
        return np.empty(0, object)
    missing = missing.reset_index(drop=True)
    sightings = sightings[sightings["transmission"].isin(missing["transmission"])]
    tunnels = sightings.loc[sightings["outer_destination_ip"].notna(), ["transmission", "outer_destination_ip"]]
    is_addressed, is_for_it = _addressed(missing, tunnels, places)
    is_hop = missing["is_hop"].to_numpy(bool)
    is_beyond = _is_seen_after(missing, "to_place", sightings, edges)
    is_seen = np.where(is_hop, _is_seen_after(missing, "from_place", sightings, edges), _is_matched(missing, matched))
    before, after = (_neighbour(missing, matched, direction) for direction in _LOOKS)
    step = missing["step"].to_numpy()
    is_other = ((before >= 0) & (before != step)) | ((after >= 0) & (after != step))
    is_own = (before == step) | (after == step)
    is_like_others = _is_in(missing, matched[OF_ONE_KIND].drop_duplicates(), OF_ONE_KIND)
    is_doubtful = _is_seen_aside(missing, sightings, edges) | ~is_like_others
    return np.select(
        [is_addressed & is_for_it & ~is_beyond, is_addressed, is_seen, is_doubtful | (is_other & is_own), is_other],
        [EXPECTED, ELSEWHERE, ELSEWHERE, OPEN, ELSEWHERE],
        EXPECTED,
    ).astype(object)


def _is_seen_after(missing: pd.DataFrame, end: str, sightings: pd.DataFrame, edges: pd.DataFrame) -> np.ndarray:
    """Return which frames were seen at some place that is known to be after one end of their step."""
    shown = sightings[["place", "transmission"]].drop_duplicates()
    behind = edges[edges["from_place"].isin(missing[end])].merge(
        shown, left_on="to_place", right_on="place", how="inner", validate="many_to_many"
    )
    behind = behind[["from_place", "transmission"]].drop_duplicates().rename(columns={"from_place": end})
    return _is_in(missing, behind, [end, "transmission"])


def _is_seen_aside(missing: pd.DataFrame, sightings: pd.DataFrame, edges: pd.DataFrame) -> np.ndarray:
    """Return which frames were seen at a place that is not known to be before the step's begin, nor after it."""
    shown = sightings[["place", "transmission"]].drop_duplicates()
    asked = missing[["from_place", "transmission"]].drop_duplicates()
    others = asked.merge(shown, on="transmission", how="inner", validate="many_to_many")
    others = others[others["place"] != others["from_place"]].rename(columns={"place": "to_place"})
    turned = others.rename(columns={"from_place": "to_place", "to_place": "from_place"})
    is_known = _is_in(others, edges, ["from_place", "to_place"]) | _is_in(turned, edges, ["from_place", "to_place"])
    aside = others[~is_known][["from_place", "transmission"]].drop_duplicates()
    return _is_in(missing, aside, ["from_place", "transmission"])


def _is_matched(missing: pd.DataFrame, matched: pd.DataFrame) -> np.ndarray:
    """Return which frames went another of the whole ways that begin where their step does."""
    keys = ["from_place", "is_hop", "transmission"]
    return _is_in(missing, matched[keys].drop_duplicates(), keys)


def _is_in(rows: pd.DataFrame, known: pd.DataFrame, keys: list[str]) -> np.ndarray:
    found = rows[keys].merge(known[keys], on=keys, how="left", indicator=True, validate="many_to_one")
    return np.asarray(found["_merge"] == "both")


_LOOKS: tuple[Literal["backward"], Literal["forward"]] = ("backward", "forward")


def _addressed(missing: pd.DataFrame, tunnels: pd.DataFrame, places: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return which frames, between two hosts and inside VXLAN, say for which VTEP they are; and which for this."""
    begin, end = (places.reindex(missing[f"{name}_place"]).reset_index(drop=True) for name in ("from", "to"))
    is_between = begin["is_inside"] & end["is_inside"] & (begin["host"] != end["host"])
    crosses = (is_between & end["vtep_ip"].notna()).to_numpy(bool)
    sent = tunnels.drop_duplicates()
    is_group = sent["outer_destination_ip"].map(lambda text: ip_address(text).is_multicast).astype(bool)
    grouped = sent.loc[is_group, "transmission"]
    asked = missing[["transmission"]].assign(outer_destination_ip=end["vtep_ip"])
    keys = ["transmission", "outer_destination_ip"]
    is_for_it = _is_in(asked, sent, keys)
    is_known = missing["transmission"].isin(sent["transmission"]) & ~missing["transmission"].isin(grouped)
    return crosses & is_known.to_numpy(), is_for_it


def _neighbour(missing: pd.DataFrame, matched: pd.DataFrame, direction: Literal["backward", "forward"]) -> np.ndarray:
    """Return the step that the nearest frame before or after went on, from the same place; -1 where there is none."""
    keys = ["from_place", "is_hop"]
    near = pd.merge_asof(
        missing.assign(row=np.arange(len(missing)))[["row", "time_ns_a", *keys]].sort_values(
            "time_ns_a", kind="stable"
        ),
        matched[["time_ns_a", "step", *keys]].sort_values(["time_ns_a", "step"], kind="stable"),
        on="time_ns_a",
        by=keys,
        direction=direction,
    )
    steps = near.sort_values("row")["step"].fillna(-1)
    return np.asarray(steps.to_numpy(np.int64))

"""EVENTS, ANCHORS and POINTS -> frames at the access side of each VTEP: who was heard there, and when."""

import numpy as np
import pandas as pd

from evpn_pcap.model import FOREVER, Role
from evpn_pcap.points import at_points

MAC_IP_ROUTE = 2
OWN_LINK = ""  # in place of a VTEP: seen on the machine's own link, wherever that is
# Of several records of one frame, that of the machine's own link with the VTEP is named.
_PREFERRED = {Role.TAP: 0, Role.ACCESS: 0, Role.VM: 0, Role.ANY: 2, Role.BRIDGE: 3, Role.VXLAN: 4}


def own_address_routes(routes: pd.DataFrame) -> pd.DataFrame:
    """Return the MAC/IP routes that speakers announced themselves, with their vtep_ip."""
    is_own = (routes["receiver_ip"] == routes["sender_ip"]) & (routes["route_type"] == MAC_IP_ROUTE)
    own = routes[is_own & routes["mac"].notna()]
    return own.assign(vtep_ip=own["next_hop"].fillna(own["sender_ip"]))


def access_frames(events: pd.DataFrame, anchors: pd.DataFrame, points: pd.DataFrame, macs: np.ndarray) -> pd.DataFrame:
    """Return frames of some MACs, where they entered a VTEP or on the machine's own link.

    Columns: vtep_ip (OWN_LINK on the machine's own link), mac, ip (the address that the frame
    claims or comes from), message of ARP and ND, target_ip, destination_mac, is_multicast, frame_id, host, time_ns,
    margin_ns. In order of time. Frames of the underlay, inside VXLAN, or that arrived inside VXLAN at that
    host are left out; of an ARP or ND frame that a host shows several times the record nearest to the machine counts.
    """
    events, anchors = (table[table["source_mac"].isin(macs)] for table in (events, anchors))
    seen = pd.concat([_of_events(events), _of_anchors(anchors, points)], ignore_index=True)
    vteps = points.dropna(subset=["vtep_ip"]).drop_duplicates("host").set_index("host")["vtep_ip"]
    seen = seen.assign(host_vtep=seen["host"].map(vteps).astype("str"))
    inside = seen[seen["vni"].notna() & (seen["outer_source_ip"] != seen["host_vtep"])]
    arrived = pd.MultiIndex.from_frame(inside[["frame", "host"]])
    bare = seen[seen["vni"].isna() & ~pd.MultiIndex.from_frame(seen[["frame", "host"]]).isin(arrived)]
    known = points.set_index("point_id")[["role", "station_mac", "is_hypervisor"]]
    bare = bare.join(known, on="point_id")
    is_link = (bare["station_mac"] == bare["mac"]).fillna(value=False) & ~bare["is_hypervisor"].astype(
        "boolean"
    ).fillna(value=False)
    bare = bare[(bare["host_vtep"].notna() & (bare["role"] != Role.UNDERLAY)) | is_link]
    preference = bare["role"].map(_PREFERRED).fillna(1).astype("int64")
    placed = bare.assign(vtep_ip=bare["host_vtep"].fillna(OWN_LINK), preference=preference)
    placed = placed.sort_values(["preference", "time_ns", "frame_id"], kind="stable")
    placed = placed[placed["message"].isna() | ~placed.duplicated(["frame", "host"])]  # the best record of each
    return placed.sort_values(["time_ns", "preference", "frame_id"], kind="stable").reset_index(drop=True)


def _of_events(events: pd.DataFrame) -> pd.DataFrame:
    """Return ARP and ND frames with the address that each claims for its sender."""
    seen = events[events["segment"] != "underlay"]
    asks = seen["message"].isin(["request", "rs"])
    tells = seen["message"].isin(["reply", "announcement"]) & (seen["told_mac"] == seen["source_mac"]).fillna(
        value=False
    )
    ip = seen["requester_ip"].where(asks, seen["target_ip"].where(tells))
    kept = [
        "point_id",
        "host",
        "frame_id",
        "time_ns",
        "margin_ns",
        "vni",
        "outer_source_ip",
        "message",
        "is_multicast",
        "target_ip",
        "destination_mac",
    ]
    return seen[kept].assign(
        mac=seen["source_mac"], ip=ip.astype("str"), frame=seen["transmission_id"].astype("uint64")
    )


def _of_anchors(anchors: pd.DataFrame, points: pd.DataFrame) -> pd.DataFrame:
    """Return ordinary frames with their source address."""
    located = at_points(anchors, points, ["point_id"])
    kept = [
        "point_id",
        "host",
        "frame_id",
        "time_ns",
        "margin_ns",
        "vni",
        "outer_source_ip",
        "is_multicast",
        "destination_mac",
    ]
    return located[kept].assign(mac=located["source_mac"], ip=located["source_ip"], frame=located["anchor_key"])


def are_comparable(
    host: pd.Series, margin_ns: pd.Series, other_host: pd.Series, other_margin_ns: pd.Series
) -> np.ndarray:
    """Return, elementwise, whether two moments can be told apart at all: same host, or both on the common clock."""
    aligned = (margin_ns != FOREVER) & (other_margin_ns != FOREVER)
    found: np.ndarray = (aligned | (host == other_host)).fillna(value=False).to_numpy(dtype=bool)
    return found

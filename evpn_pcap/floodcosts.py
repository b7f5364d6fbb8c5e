"""RESOLUTIONS and ANCHORS -> FLOOD_COSTS: what flooded requests and unknown unicast cost (RFC 9161; RFC 7348).

A copy on the wire counts once, however many captures show it; so does a frame of the underlay.
"""

import pandas as pd

from evpn_pcap import columns
from evpn_pcap.model import FOREVER, AnsweredBy, Kind, Role, RouteState
from evpn_pcap.points import TRAVEL_NS, at_points

UNKNOWN_UNICAST = "unknown unicast"
VXLAN_BYTES = {False: 50, True: 70}  # Ethernet, IPv4 or IPv6, UDP, VXLAN around an inner frame
KEY = ["vni", "kind", "protocol", "requester_mac", "requester_ip", "target_ip", "target_mac", "reason"]
COUNTS = ["request_count", "copy_count", "byte_count", "savable_copy_count", "savable_byte_count"]
PACKET = ["vni", "outer_source_ip", "source_mac", "destination_mac", "anchor_key"]
FRAME = ["key", "vni", "outer_source_ip", "outer_destination_ip"]


def find_flood_costs(
    resolutions: pd.DataFrame,
    packets: pd.DataFrame,
    anchors: pd.DataFrame,
    points: pd.DataFrame,
    interfaces: pd.DataFrame,
) -> pd.DataFrame:
    """Return FLOOD_COSTS, the dearest first: per requester, target and reason what its copies cost the underlay.

    Copies of requests are those of RESOLUTIONS, of any kind. Suppression would have saved (`savable`) the copies of
    the rows of kind `resolution` whose target's MAC/IP route was in force at the ingress VTEP, or would have been
    had its own VTEP learned it: somebody answered for the address, so it is in use. Requests for nobody, probes,
    announcements and unicast requests it would not. A flooded unicast frame costs one copy per VTEP that it was seen
    to be sent to at once, all but one of them savable by a MAC route; where frames were sampled, it is an estimate.

    `underlay_share` is of the octets of all frames at points of role underlay, as captured; missing without any.
    """
    requests = _of_requests(resolutions)
    unicast = _of_unicast(anchors)
    found = pd.concat([requests, unicast], ignore_index=True) if len(unicast) else requests
    total_bytes = _underlay_bytes(packets, anchors, points, interfaces)
    share = found["byte_count"] / total_bytes if total_bytes else pd.Series(float("nan"), index=found.index)
    found = found.assign(underlay_share=share)
    found = found.sort_values(["byte_count", *KEY], ascending=[False] + [True] * len(KEY), kind="stable")
    return columns.FLOOD_COSTS.build({one.name: found[one.name] for one in columns.FLOOD_COSTS.columns})


def _of_requests(resolutions: pd.DataFrame) -> pd.DataFrame:
    """Return the cost of requests."""
    rows = resolutions[resolutions["fabric_copy_count"] > 0]
    is_answered = rows["answered_by"].isin([AnsweredBy.PROXY, AnsweredBy.GATEWAY, AnsweredBy.TARGET])
    is_known = (rows["route_state"] == RouteState.IN_FORCE) | is_answered
    is_savable = (rows["kind"] == Kind.RESOLUTION) & is_known
    rows = rows.assign(
        target_mac=pd.array([pd.NA] * len(rows), dtype="UInt64"),
        copy_count=rows["fabric_copy_count"],
        byte_count=rows["fabric_byte_count"],
        savable_copy_count=rows["fabric_copy_count"].where(is_savable, 0),
        savable_byte_count=rows["fabric_byte_count"].where(is_savable, 0),
    )
    return _summed(rows)


def _of_unicast(anchors: pd.DataFrame) -> pd.DataFrame:
    """Return the cost of unicast frames that a VTEP sent to several VTEPs at once."""
    is_group = anchors["is_multicast"].fillna(value=True).astype(bool)
    copies = anchors[anchors["vni"].notna() & ~is_group & (anchors["margin_ns"] != FOREVER)]
    copies = copies.drop_duplicates([*PACKET, "outer_destination_ip"])
    by_packet = copies.groupby(PACKET)
    is_near = by_packet["time_ns"].transform("max") - by_packet["time_ns"].transform("min") < TRAVEL_NS
    flooded = copies[is_near & (by_packet["outer_destination_ip"].transform("size") > 1)]
    is_first = ~flooded.duplicated(PACKET)
    each = 2 ** flooded["kept_level"].astype("int64")  # frames that a sampled one stands for
    length_bytes = _wire_bytes(flooded)
    rows = flooded.assign(
        kind=UNKNOWN_UNICAST, protocol=None, reason=None, requester_mac=flooded["source_mac"],
        requester_ip=flooded["source_ip"], requester_host=None, target_ip=flooded["destination_ip"],
        target_mac=flooded["destination_mac"], request_count=each.where(is_first, 0), copy_count=each,
        byte_count=each * length_bytes, savable_copy_count=each.where(~is_first, 0),
        savable_byte_count=(each * length_bytes).where(~is_first, 0),
    )  # fmt: skip
    return _summed(rows)


def _summed(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the sums of rows of the same KEY."""
    figures = {name: (name, "sum") for name in COUNTS}
    grouped = rows.groupby(KEY, dropna=False, sort=False)
    return grouped.agg(requester_host=("requester_host", "first"), **figures).reset_index()


def _underlay_bytes(
    packets: pd.DataFrame, anchors: pd.DataFrame, points: pd.DataFrame, interfaces: pd.DataFrame
) -> int | None:
    """Return the octets that went over the captured part of the underlay, each frame once; None without any.

    All octets of the points' interfaces, less the part that several points show: as the frames tell that became
    rows (a sample of ordinary ones where they were many).
    """
    under = points[points["role"] == Role.UNDERLAY]
    inside = under[["capture_ids", "interface_index"]].explode("capture_ids")
    inside = inside.rename(columns={"capture_ids": "capture_id"}).astype({"capture_id": "int64"})
    counted = interfaces.merge(inside, on=["capture_id", "interface_index"], how="inner", validate="one_to_one")
    ordinary = anchors.assign(key=anchors["anchor_key"], wire_bytes=_wire_bytes(anchors))
    bare = packets[packets["protocol"] != "bgp"]  # ANCHORS has these
    both = pd.concat([ordinary, bare.assign(key=bare["frame_key"], kept_level=0)], ignore_index=True)
    seen = at_points(both, under, ["point_id"], how="inner")
    seen = seen.assign(each=2 ** seen["kept_level"].astype("int64"))
    at_each = seen.groupby([*FRAME, "point_id"], dropna=False).agg(
        count=("key", "size"), length_bytes=("wire_bytes", "min"), each=("each", "min")
    )
    once = at_each.groupby(FRAME, dropna=False).agg(
        count=("count", "max"), length_bytes=("length_bytes", "min"), each=("each", "min")
    )
    sighted, distinct = (int((one["count"] * one["length_bytes"] * one["each"]).sum()) for one in (at_each, once))
    return int(counted["byte_count"].sum()) * distinct // sighted if sighted else None


def _wire_bytes(anchors: pd.DataFrame) -> pd.Series:
    """Return the octets of each frame on the wire, what VXLAN puts around it included."""
    around = anchors["outer_source_ip"].str.contains(":").map(VXLAN_BYTES).astype("Int64")
    return anchors["length_bytes"] + around.where(anchors["vni"].notna()).fillna(0).astype("int64")

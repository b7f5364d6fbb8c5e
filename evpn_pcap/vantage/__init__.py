"""INTERFACES and what was seen there -> POINTS: where each vantage point sits, by its content.

Names are not trusted: a host is a hypervisor because VXLAN or BGP was seen there, its VTEP address
is the one that sends what leaves, and a point is one machine's link because that machine's MAC
is an end of every unicast frame there.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from evpn_pcap import columns
from evpn_pcap.model import FOREVER, Capture, Options, Role
from evpn_pcap.points import at_points
from evpn_pcap.vantage.stations import find_stations, forwarding_hosts
from evpn_pcap.vantage.vteps import vtep_addresses

COOKED_LINK_TYPES = (113, 276)  # tcpdump -i any (tcpdump.org link types)
POINT = ["host", "label", "interface_index"]
CUT_BEFORE_ARP = frozenset({"ethernet", "ipv4", "ipv6", "udp", "vxlan", "arp"})  # ipv4 to vxlan: outside ARP
CUT_BEFORE_ND = frozenset({"ethernet", "ipv4", "ipv6", "udp", "vxlan", "icmpv6"})
SILENCES_ALLOWED = 10  # a gap between two ring-buffer files of so many mean packet distances is no gap


def find_points(
    interfaces: pd.DataFrame, packets: pd.DataFrame, anchors: pd.DataFrame, anomalies: pd.DataFrame, options: Options
) -> pd.DataFrame:
    """Return POINTS: one row per host, point and interface, ring-buffer files that join taken together.

    Reads INTERFACES, PACKETS, ANCHORS and ANOMALIES (what the snapshot length cut).
    Coverage is that of the whole file: an interface of an
    `-i any` capture that was silent for a while was listened to all the same. What the fabric file
    states (options.hosts) goes before what is inferred.
    """
    points = _grouped(_with_file_coverage(interfaces))
    frames = _frames(packets, anchors, points)
    hypervisors = _hypervisors(interfaces, frames, options)
    points = points.assign(
        is_hypervisor=points["host"].isin(hypervisors).astype("boolean"),
        vtep_ip=points["host"].map(vtep_addresses(frames, options)),
        station_mac=points["point_id"].map(find_stations(frames, hypervisors)).astype("UInt64"),
    )
    points = points.assign(
        role=_roles(points, frames),
        cuts_arp=_cuts(points, anomalies, CUT_BEFORE_ARP),
        cuts_nd=_cuts(points, anomalies, CUT_BEFORE_ND),
    )
    return columns.POINTS.build({column.name: points[column.name] for column in columns.POINTS.columns})


def with_roles(captures: Sequence[Capture], points: pd.DataFrame) -> tuple[Capture, ...]:
    """Return the captures with the role of their point, `any` where a file holds several interfaces."""
    roles = points[["capture_ids", "role"]].explode("capture_ids").groupby("capture_ids")["role"].agg(tuple)
    pairs = zip(roles.index.astype(int), roles, strict=True)
    shown = {capture: found[0] if len(found) == 1 else str(Role.ANY) for capture, found in pairs}
    return tuple(replace(capture, role=shown.get(capture.capture_id, capture.role)) for capture in captures)


def _cuts(points: pd.DataFrame, anomalies: pd.DataFrame, layers: frozenset[str]) -> list[bool]:
    """Return whether a capture of each point has frames that the snapshot length cut in one of these layers."""
    is_cut = anomalies["name"].isin([f"{layer}.truncated" for layer in layers])
    cut = frozenset(anomalies.loc[is_cut, "capture_id"])
    return [not cut.isdisjoint(captures) for captures in points["capture_ids"]]


def _hypervisors(interfaces: pd.DataFrame, frames: pd.DataFrame, options: Options) -> set[str]:
    """Return the hosts that run a VTEP: stated, or they carry VXLAN or BGP, or forward frames."""
    carries = interfaces[(interfaces["bgp_count"] > 0) | (interfaces["vxlan_count"] > 0)]
    found = set(carries["host"]) | forwarding_hosts(frames)
    stated = {host: facts.role for host, facts in options.hosts.items() if facts.role}
    return {host for host in found if host not in stated} | {host for host, role in stated.items() if role != "vm"}


def _with_file_coverage(interfaces: pd.DataFrame) -> pd.DataFrame:
    """Return INTERFACES with the first and last moment of the whole file, a name for each point, and its stretch.

    Ring-buffer files of one point are one stretch while the gap between two is no longer than ten
    times their mean distance between packets: a file that was overwritten leaves a longer one.
    """
    by_file = interfaces.groupby("capture_id")
    is_one = by_file["interface_index"].transform("size") == 1
    number = interfaces["interface_index"].astype("str")
    unnamed = interfaces["point"].where(is_one & (interfaces["link_type"] != 276), interfaces["point"] + "#" + number)
    whole = interfaces.assign(
        first_ns=by_file["first_ns"].transform("min"),
        last_ns=by_file["last_ns"].transform("max"),
        file_packet_count=by_file["packet_count"].transform("sum"),
        label=interfaces["name"].fillna(unnamed),
    ).sort_values([*POINT, "first_ns", "capture_id"], kind="stable")
    by_point = whole.groupby(POINT)
    mean_ns = (whole["last_ns"] - whole["first_ns"]) // whole["file_packet_count"].clip(lower=1)
    before_ns = whole.assign(mean_ns=mean_ns).groupby(POINT)["mean_ns"].shift()
    longest_ns = pd.concat([mean_ns, before_ns], axis=1).max(axis=1)
    gap_ns = whole["first_ns"] - by_point["last_ns"].shift()
    is_broken = (gap_ns > SILENCES_ALLOWED * longest_ns).fillna(value=False).astype(bool)
    return whole.assign(stretch=is_broken.cumsum())


def _grouped(interfaces: pd.DataFrame) -> pd.DataFrame:
    """Return one row per vantage point with what INTERFACES tells about it."""
    keys = [*POINT, "stretch"]
    grouped = interfaces.groupby(keys, sort=True)
    points = grouped.agg(
        capture_ids=("capture_id", lambda ids: tuple(sorted(ids))),
        link_type=("link_type", "first"),
        arp_count=("arp_count", "sum"),
        nd_count=("nd_count", "sum"),
        bgp_count=("bgp_count", "sum"),
        vxlan_count=("vxlan_count", "sum"),
        first_ns=("first_ns", "min"),
        last_ns=("last_ns", "max"),
        packet_count=("packet_count", "sum"),
    ).reset_index()
    dropped = grouped["dropped_count"].sum(min_count=1).reset_index(drop=True)
    return points.rename(columns={"label": "point"}).assign(
        point_id=np.arange(len(points)),
        dropped_count=dropped,
        shows_arp=points["arp_count"] > 0,
        shows_nd=points["nd_count"] > 0,
        shows_vxlan=points["vxlan_count"] > 0,
        first_ns=points["first_ns"].fillna(FOREVER).astype("int64"),
        last_ns=points["last_ns"].fillna(-FOREVER).astype("int64"),
    )


def _frames(packets: pd.DataFrame, anchors: pd.DataFrame, points: pd.DataFrame) -> pd.DataFrame:
    """Return every frame that became a row, with its point and one key for its identity."""
    shared = [
        "frame_id", "host", "captured_ns", "interface_index", "direction", "outer_source_ip", "outer_destination_ip",
        "vni", "source_mac", "destination_mac", "is_multicast",
    ]  # fmt: skip
    neighbour = packets[~packets["protocol"].isin(["bgp", "mld"])]
    frames = pd.concat(
        [
            neighbour[shared].assign(key=neighbour["frame_key"], **_asked_and_told(neighbour)),
            anchors[shared].assign(key=anchors["anchor_key"], sender_ip=anchors["source_ip"]),
        ],
        ignore_index=True,
    )
    cooked = points.assign(is_cooked=points["link_type"].isin(COOKED_LINK_TYPES))
    return at_points(frames.assign(is_encapsulated=frames["vni"].notna()), cooked, ["point_id", "is_cooked"])


def _asked_and_told(packets: pd.DataFrame) -> dict[str, pd.Series]:
    """Return the address that each request asks for, that each answer tells of, and that each is sent from."""
    is_arp = packets["protocol"] == "arp"
    asks = (is_arp & (packets["operation"] == 1)) | (packets["operation"] == 135)
    answers = (is_arp & (packets["operation"] == 2)) | (packets["operation"] == 136)
    told = packets["sender_ip"].where(is_arp, packets["target_ip"])
    about = {"asks_for": packets["target_ip"].where(asks), "tells_of": told.where(answers)}
    return {**about, "sender_ip": packets["sender_ip"]}


def _share_encapsulated(frames: pd.DataFrame) -> pd.Series:
    """Return, per point, the share of its bare frames that the same host also shows inside VXLAN."""
    inside = frames.loc[frames["is_encapsulated"], ["host", "key"]].drop_duplicates()
    bare = frames.loc[~frames["is_encapsulated"] & frames["point_id"].notna(), ["point_id", "host", "key"]]
    found = bare.merge(inside, on=["host", "key"], how="left", indicator=True, validate="many_to_one")
    return found.assign(is_inside=found["_merge"] == "both").groupby("point_id")["is_inside"].mean()


def _roles(points: pd.DataFrame, frames: pd.DataFrame) -> np.ndarray:
    """Return the role of each point, from what was seen there.

    On a hypervisor the vxlan device shows only what is also inside VXLAN, and least of all; of
    several points with one station the tap shows the most answers to it (proxied ones appear
    nowhere else), and of equals it shows less than the bridge device.
    """
    is_bare = points["is_hypervisor"] & ~points["shows_vxlan"]
    least = points[is_bare].groupby("host")["packet_count"].min().reindex(points["host"]).to_numpy()
    is_vxlan = (points["point_id"].map(_share_encapsulated(frames)).fillna(0) > 0.95) & (
        points["packet_count"] == least
    )
    has_station = points["station_mac"].notna()
    is_cooked = points["link_type"].isin(COOKED_LINK_TYPES)
    return np.select(
        [
            points["shows_vxlan"] | (points["bgp_count"] > 0),
            points["is_hypervisor"] & is_vxlan & ~has_station,
            points["is_hypervisor"] & has_station & points["point_id"].isin(_nearest(points, frames)),
            points["is_hypervisor"] & ~is_cooked & (points["shows_arp"] | points["shows_nd"]),
            ~points["is_hypervisor"] & has_station,
            is_cooked,
        ],
        [Role.UNDERLAY, Role.VXLAN, Role.TAP, Role.BRIDGE, Role.VM, Role.ANY],
        Role.UNKNOWN,
    )


def _nearest(points: pd.DataFrame, frames: pd.DataFrame) -> pd.Series:
    """Return, of the points of one host that have one station, the point_id of the nearest to it."""
    stations = points.set_index("point_id")["station_mac"]
    answers = frames[frames["tells_of"].notna() & ~frames["is_encapsulated"]]
    to_it = answers[answers["destination_mac"] == answers["point_id"].map(stations)]
    counted = points.assign(answer_count=points["point_id"].map(to_it.groupby("point_id").size()).fillna(0))
    ordered = counted[counted["station_mac"].notna() & ~counted["shows_vxlan"]].sort_values(
        ["answer_count", "packet_count", "point_id"], ascending=[False, True, True]
    )
    return ordered.drop_duplicates(["host", "station_mac"])["point_id"]

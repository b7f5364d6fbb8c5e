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
from evpn_pcap.addresses import capture_of
from evpn_pcap.model import FOREVER, Capture, HostFacts, Options, Role

COOKED_LINK_TYPES = (113, 276)  # tcpdump -i any (tcpdump.org link types)
NO_FACTS = HostFacts()


def find_points(
    interfaces: pd.DataFrame, packets: pd.DataFrame, anchors: pd.DataFrame, options: Options
) -> pd.DataFrame:
    """Return POINTS: one row per host, point and interface, ring-buffer files taken together.

    Reads INTERFACES, PACKETS and ANCHORS. Coverage is that of the whole file: an interface of an
    `-i any` capture that was silent for a while was listened to all the same. What the fabric file
    states (options.hosts) goes before what is inferred.
    """
    points = _grouped(_with_file_coverage(interfaces))
    frames = _frames(packets, anchors, points)
    vteps = _vtep_addresses(frames, options)
    stations = _stations(frames)
    carries_bgp = interfaces.groupby("host")["bgp_count"].sum() > 0
    carries_vxlan = interfaces.groupby("host")["vxlan_count"].sum() > 0
    hypervisors = {
        host: _stated(options, host).role == "hypervisor"
        or (_stated(options, host).role is None and bool(carries_bgp[host] or carries_vxlan[host]))
        for host in points["host"].unique()
    }
    is_hypervisor = points["host"].map(hypervisors).astype("boolean")
    points = points.assign(
        is_hypervisor=is_hypervisor,
        vtep_ip=points["host"].map(vteps),
        station_mac=points["point_id"].map(stations).astype("UInt64"),
    )
    in_vxlan = _share_encapsulated(frames)
    points = points.assign(role=_roles(points, in_vxlan))
    return columns.POINTS.build({column.name: points[column.name] for column in columns.POINTS.columns})


def with_roles(captures: Sequence[Capture], points: pd.DataFrame) -> tuple[Capture, ...]:
    """Return the captures with the role of their point, `any` where a file holds several interfaces."""
    roles = points[["capture_ids", "role"]].explode("capture_ids").groupby("capture_ids")["role"].agg(tuple)
    pairs = zip(roles.index.astype(int), roles, strict=True)
    shown = {capture: found[0] if len(found) == 1 else str(Role.ANY) for capture, found in pairs}
    return tuple(replace(capture, role=shown.get(capture.capture_id, capture.role)) for capture in captures)


def _stated(options: Options, host: str) -> HostFacts:
    return options.hosts.get(host, NO_FACTS)


def _with_file_coverage(interfaces: pd.DataFrame) -> pd.DataFrame:
    """Return INTERFACES with the first and last moment of the whole file, and a name for each point."""
    by_file = interfaces.groupby("capture_id")
    is_one = by_file["interface_index"].transform("size") == 1
    number = interfaces["interface_index"].astype("str")
    unnamed = interfaces["point"].where(is_one & (interfaces["link_type"] != 276), interfaces["point"] + "#" + number)
    return interfaces.assign(
        first_ns=by_file["first_ns"].transform("min"),
        last_ns=by_file["last_ns"].transform("max"),
        label=interfaces["name"].fillna(unnamed),
    )


def _grouped(interfaces: pd.DataFrame) -> pd.DataFrame:
    """Return one row per vantage point with what INTERFACES tells about it."""
    keys = ["host", "label", "interface_index"]
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
    neighbour = packets[packets["protocol"] != "bgp"]
    frames = pd.concat(
        [
            neighbour[shared].assign(key=neighbour["frame_key"]),
            anchors[shared].assign(key=anchors["anchor_key"]),
        ],
        ignore_index=True,
    )
    place = points[["point_id", "capture_ids", "interface_index"]].explode("capture_ids")
    place = place.rename(columns={"capture_ids": "capture_id"}).astype({"capture_id": "int64"})
    frames = frames.assign(capture_id=capture_of(frames["frame_id"]), is_encapsulated=frames["vni"].notna())
    return frames.merge(place, on=["capture_id", "interface_index"], how="left", validate="many_to_one")


def _vtep_addresses(frames: pd.DataFrame, options: Options) -> dict[str, str]:
    """Return the VTEP address of each host where content, or the fabric file, tells it."""
    outer = frames[frames["is_encapsulated"]]
    sends = outer["direction"] == "outgoing"
    receives = outer["direction"] == "incoming"
    told = outer.assign(vtep=outer["outer_source_ip"].where(sends, outer["outer_destination_ip"].where(receives)))
    votes = pd.concat([told[["host", "vtep"]].dropna(), _order_votes(frames)], ignore_index=True)
    addresses = {}
    for host, mine in outer.groupby("host"):
        counts = votes.loc[votes["host"] == host, "vtep"].value_counts()
        if len(counts) and counts.iloc[0] >= 0.9 * counts.sum():
            addresses[str(host)] = str(counts.index[0])
        elif shared := _common_end(mine):
            addresses[str(host)] = shared
    stated = {host: facts.vtep_ip for host, facts in options.hosts.items() if facts.vtep_ip}
    return {**addresses, **stated}


def _order_votes(frames: pd.DataFrame) -> pd.DataFrame:
    """Return host and VTEP address for each frame seen both inside and outside VXLAN at one host.

    What is seen bare first is encapsulated here, so the outer source is the host's own; what is
    seen inside VXLAN first arrives here, so the outer destination is.
    """
    bare = frames[~frames["is_encapsulated"]].groupby(["host", "key"], as_index=False)["captured_ns"].min()
    inside = frames[frames["is_encapsulated"]].sort_values(["captured_ns", "frame_id"], kind="stable")
    inside = inside.drop_duplicates(["host", "key"])
    both = inside.merge(bare, on=["host", "key"], how="inner", validate="one_to_one", suffixes=("", "_bare"))
    apart = both["captured_ns"] - both["captured_ns_bare"]
    both = both[(apart != 0) & (apart.abs() < 1_000_000)]
    leaves = both["captured_ns_bare"] < both["captured_ns"]
    return pd.DataFrame(
        {"host": both["host"], "vtep": both["outer_source_ip"].where(leaves, both["outer_destination_ip"])}
    )


def _common_end(outer: pd.DataFrame) -> str | None:
    """Return the one address that is an end of every tunnel seen here, if two tunnels or more leave just one."""
    pairs = {frozenset(pair) for pair in zip(outer["outer_source_ip"], outer["outer_destination_ip"], strict=True)}
    common = frozenset.intersection(*pairs) if pairs else frozenset()
    return next(iter(common)) if len(common) == 1 else None


def _stations(frames: pd.DataFrame) -> dict[int, int]:
    """Return the point's station: the one MAC that is an end of every bare unicast frame seen there.

    Where all unicast is between two machines, both are; then the one whose requests take longer
    to be answered here than at another host is the nearer one.
    """
    bare = frames[
        ~frames["is_encapsulated"] & frames["destination_mac"].notna() & ~frames["is_multicast"].fillna(value=True)
    ]
    total = bare.groupby("point_id").size()
    ends = pd.concat(
        [bare[["point_id"]].assign(mac=bare["source_mac"]), bare[["point_id"]].assign(mac=bare["destination_mac"])]
    )
    shares = ends.groupby(["point_id", "mac"]).size().reset_index(name="frame_count")
    always = shares[shares["frame_count"] >= shares["point_id"].map(total)]
    counts = always.groupby("point_id").size()
    alone = always[always["point_id"].map(counts) == 1]
    stations = dict(zip(alone["point_id"].astype(int), alone["mac"].astype(int), strict=True))
    twos = bare[bare["point_id"].isin(counts[counts == 2].index)]
    return {**stations, **_nearer_stations(twos, bare)}


def _nearer_stations(twos: pd.DataFrame, bare: pd.DataFrame) -> dict[int, int]:
    """Return the nearer of two machines for each point where every unicast frame is between the same two.

    A frame of one machine followed by a frame of the other: seen nearer to the first machine, the
    time between them is longer, whatever the clocks say (each time is measured on one clock).
    """
    turns = _turns(bare)
    pairs = _turns(twos).merge(
        turns, on=["key", "next_key"], how="inner", suffixes=("", "_there"), validate="many_to_many"
    )
    pairs = pairs[(pairs["host"] != pairs["host_there"]) & (pairs["took_ns"] != pairs["took_ns_there"])]
    is_nearer = pairs["took_ns"] > pairs["took_ns_there"]
    pairs = pairs.assign(nearer=pairs["source_mac"].where(is_nearer, pairs["destination_mac"]))
    votes = pairs.groupby(["point_id", "nearer"]).size().reset_index(name="vote_count")
    total = votes.groupby("point_id")["vote_count"].transform("sum")
    clear = votes[votes["vote_count"] >= 0.9 * total]
    return dict(zip(clear["point_id"].astype(int), clear["nearer"].astype(int), strict=True))


def _turns(bare: pd.DataFrame) -> pd.DataFrame:
    """Return each frame that is followed at its point, within a second, by one the other way, and the time between."""
    ordered = bare.sort_values(["point_id", "captured_ns", "frame_id"], kind="stable")
    columns_read = ["point_id", "host", "source_mac", "destination_mac", "key", "captured_ns"]
    first = ordered[columns_read].iloc[:-1].reset_index(drop=True)
    second = ordered[columns_read].iloc[1:].reset_index(drop=True)
    took_ns = second["captured_ns"] - first["captured_ns"]
    is_turn = (
        (first["point_id"] == second["point_id"])
        & (first["source_mac"] == second["destination_mac"])
        & (first["destination_mac"] == second["source_mac"])
        & (took_ns < 1_000_000_000)
    )
    turns = first.drop(columns="captured_ns").assign(next_key=second["key"], took_ns=took_ns)[is_turn]
    return turns.drop_duplicates(["point_id", "key", "next_key"])


def _share_encapsulated(frames: pd.DataFrame) -> pd.Series:
    """Return, per point, the share of its bare frames that the same host also shows inside VXLAN."""
    inside = frames.loc[frames["is_encapsulated"], ["host", "key"]].drop_duplicates()
    bare = frames.loc[~frames["is_encapsulated"] & frames["point_id"].notna(), ["point_id", "host", "key"]]
    found = bare.merge(inside, on=["host", "key"], how="left", indicator=True, validate="many_to_one")
    return found.assign(is_inside=found["_merge"] == "both").groupby("point_id")["is_inside"].mean()


def _roles(points: pd.DataFrame, in_vxlan: pd.Series) -> np.ndarray:
    """Return the role of each point, from what was seen there."""
    is_vxlan = points["point_id"].map(in_vxlan).fillna(0) > 0.95
    has_station = points["station_mac"].notna()
    is_cooked = points["link_type"].isin(COOKED_LINK_TYPES)
    return np.select(
        [
            points["shows_vxlan"] | (points["bgp_count"] > 0),
            points["is_hypervisor"] & is_vxlan,
            points["is_hypervisor"] & has_station,
            points["is_hypervisor"] & ~is_cooked & (points["shows_arp"] | points["shows_nd"]),
            ~points["is_hypervisor"] & has_station,
            is_cooked,
        ],
        [Role.UNDERLAY, Role.VXLAN, Role.TAP, Role.BRIDGE, Role.VM, Role.ANY],
        Role.UNKNOWN,
    )

"""EVENTS and ANCHORS -> the frames that rules about the data plane read: who sent what where, of any protocol."""

import pandas as pd

from evpn_pcap.model import AnsweredBy, Kind, Role, Tables
from evpn_pcap.rules._once import once

READ = [
    *("frame_id", "host", "time_ns", "margin_ns", "vni", "outer_source_ip", "outer_destination_ip"),
    *("source_mac", "destination_mac", "is_multicast"),
]


@once
def frames_seen(tables: Tables) -> pd.DataFrame:
    """Return every ARP and ND frame and every sampled IP frame, at every vantage point, in order of time.

    READ, and `packet`: the same for all sightings of one packet.
    """
    events = tables.events[READ].assign(packet=tables.events["frame_key"])
    anchors = tables.anchors[READ].assign(packet=tables.anchors["anchor_key"])
    both = pd.concat([events, anchors], ignore_index=True)
    is_multicast = both["is_multicast"].fillna(value=False).astype(bool)
    return both.assign(is_multicast=is_multicast).sort_values(["time_ns", "frame_id"], kind="stable")


def frames_of_own(tables: Tables) -> pd.DataFrame:
    """Return the frames that their Ethernet source surely sent itself: none that a VTEP may have sent in its name.

    A proxied answer carries the target's MAC. An answer counts where it crossed the fabric, or on
    the link of the machine that it names.
    """
    events = tables.events
    stations = tables.points.loc[tables.points["role"].isin([Role.VM, Role.TAP]), ["point_id", "station_mac"]]
    station = events["point_id"].map(stations.set_index("point_id")["station_mac"])
    at_home = (station == events["source_mac"]).fillna(value=False)
    is_own = (events["message"] != "reply") | events["vni"].notna() | at_home
    both = pd.concat([events.loc[is_own, READ], tables.anchors[READ]], ignore_index=True)
    return both.sort_values(["time_ns", "frame_id"], kind="stable")


@once
def gateway_macs(tables: Tables) -> frozenset[int]:
    """Return the MACs that VTEPs answer with for addresses of their own, or announce as default gateway's."""
    rows, routes = tables.resolutions, tables.routes
    answered = rows.loc[rows["answered_by"] == AnsweredBy.GATEWAY, "target_mac"]
    announced = routes.loc[routes["is_default_gateway"].fillna(value=False).astype(bool), "mac"]
    return frozenset(int(mac) for mac in pd.concat([answered, announced]).dropna())


@once
def addresses_used(tables: Tables) -> pd.DataFrame:
    """Return vni, ip, source_mac, time_ns, margin_ns and frame_id of each row of RESOLUTIONS that uses an address.

    A request uses its sender's, an announcement its own; probes use none. Gateways' are left out.
    """
    rows = tables.resolutions[tables.resolutions["kind"] != Kind.PROBE]
    rows = rows[~rows["requester_mac"].isin(gateway_macs(tables)) & rows["frame_ids"].map(bool).astype(bool)]
    ip = rows["target_ip"].where(rows["kind"] == Kind.ANNOUNCEMENT, rows["requester_ip"])
    found = rows.assign(ip=ip, source_mac=rows["requester_mac"], frame_id=[ids[0] for ids in rows["frame_ids"]])
    return found[["vni", "ip", "source_mac", "time_ns", "margin_ns", "frame_id"]].dropna()


@once
def segment_vni(events: pd.DataFrame) -> pd.Series:
    """Return the VNI of each event's broadcast domain, where it is known."""
    return events["segment"].str.extract(r"^vni:(\d+)$")[0].astype("UInt32")

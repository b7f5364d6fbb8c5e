"""One row of RESOLUTIONS -> its moments across hosts in order: requests, copies, answers, UPDATEs, first use."""

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from evpn_pcap.addresses import mac_text
from evpn_pcap.model import FOREVER, Analysis
from evpn_pcap.points import TRAVEL_NS
from evpn_pcap.report.values import capture_names, frame_text

BEFORE_NS, AFTER_NS = 500_000_000, 3_000_000_000  # UPDATEs this long before the request, and after it
MAC_IP = 2


@dataclass(frozen=True, slots=True)
class Moment:
    """One frame at one vantage point."""

    time_ns: int
    margin_ns: int  # FOREVER: the host's clock cannot be compared, and time_ns is its own
    host: str
    point: str
    what: str
    frame: str
    frame_id: int
    part: str  # "request" | "copy" | "answer" | "update" | "use"


def moments_of(analysis: Analysis, resolution: pd.Series) -> list[Moment]:
    """Return every moment of a resolution; those of hosts whose clocks cannot be compared come last."""
    names = capture_names(analysis.captures)
    places = {one.capture_id: one.point for one in analysis.captures}
    found = [*_asked(analysis, resolution), *_told(analysis, resolution), *_used(analysis, resolution)]
    made = [
        Moment(
            int(row["time_ns"]), int(row["margin_ns"]), row["host"], places.get(int(row["frame_id"]) >> 40, ""),
            what, frame_text(int(row["frame_id"]), names), int(row["frame_id"]), part,
        )
        for part, what, row in found
    ]  # fmt: skip
    return sorted(made, key=lambda one: (one.margin_ns == FOREVER, one.time_ns, one.frame_id))


def _asked(analysis: Analysis, resolution: pd.Series) -> Iterator[tuple[str, str, pd.Series]]:
    """Yield the requests, their copies and the answers, wherever they were seen."""
    events = analysis.tables.events
    known = events["frame_id"].isin(resolution["frame_ids"])
    seen = events[events["transmission_id"].isin(events.loc[known, "transmission_id"])]
    for _, row in seen.iterrows():
        is_copy = pd.notna(row["outer_source_ip"])
        if pd.notna(row["kind"]):
            yield ("copy" if is_copy else "request"), _question(row) + _tunnel(row), row
        else:
            told = mac_text(int(row["told_mac"])) if pd.notna(row["told_mac"]) else "an unnamed MAC"
            yield "answer", f"answer: {row['target_ip']} is at {told}{_flags(row)}{_tunnel(row)}", row


def _tunnel(row: pd.Series) -> str:
    """Return between which VTEPs a frame travels, where it is seen inside VXLAN."""
    if pd.isna(row["outer_source_ip"]):
        return ""
    vni = f" VNI {row['vni']}" if pd.notna(row["vni"]) else ""
    return f" [VXLAN{vni}: {row['outer_source_ip']} > {row['outer_destination_ip']}]"


def _question(row: pd.Series) -> str:
    """Return what a request says."""
    target = row["target_ip"] if pd.notna(row["target_ip"]) else "(no address)"
    if row["kind"] == "announcement":
        return f"announcement: I have {target}"
    how = "broadcast" if row["protocol"] == "arp" else "multicast"
    return f"request: who has {target}? ({how if row['is_multicast'] is True else 'unicast'})"


def _flags(row: pd.Series) -> str:
    """Return the flags of a neighbour advertisement."""
    named = {"R": "has_router_flag", "S": "has_solicited_flag", "O": "has_override_flag"}
    letters = [letter for letter, name in named.items() if pd.notna(row[name]) and bool(row[name])]
    return f" (flags {' '.join(letters)})" if letters else ""


def _told(analysis: Analysis, resolution: pd.Series) -> Iterator[tuple[str, str, pd.Series]]:
    """Yield each UPDATE about an address of the resolution around it, once: where it was seen first."""
    updates = analysis.tables.updates
    about = {one for one in (resolution["target_ip"], resolution["requester_ip"]) if pd.notna(one)}
    macs = {one for one in (resolution["target_mac"], resolution["requester_mac"]) if pd.notna(one)}
    near = updates[updates["action"].isin(["advertise", "withdraw"]) & (updates["route_type"] == MAC_IP)]
    near = near[near["ip"].isin(about) | (near["ip"].isna() & near["mac"].isin(macs))]
    near = near[(near["time_ns"] - resolution["time_ns"]).between(-BEFORE_NS, AFTER_NS)]
    near = near.sort_values(["margin_ns", "time_ns"], kind="stable")
    key = ["sender_ip", "action", "mac", "ip", "vni", "mobility_sequence"]
    for _, group in near.groupby(key, dropna=False, sort=False):
        row = group.sort_values("time_ns", kind="stable").iloc[0]
        to = ", ".join(sorted(set(group["receiver_ip"])))
        ip = f" with {row['ip']}" if pd.notna(row["ip"]) else " without an IP address"
        verb = "announces" if row["action"] == "advertise" else "withdraws"
        sequence = 0 if pd.isna(row["mobility_sequence"]) else int(row["mobility_sequence"])
        moved = f", mobility sequence {sequence}" if sequence else ""
        yield "update", f"BGP: {row['sender_ip']} {verb} {mac_text(int(row['mac']))}{ip}{moved} to {to}", row


def _used(analysis: Analysis, resolution: pd.Series) -> Iterator[tuple[str, str, pd.Series]]:
    """Yield the first frame that uses the resolved address, and the first that came back, once a host: there first."""
    tables = analysis.tables
    use = tables.aftermaths[tables.aftermaths["id"] == resolution["id"]]
    anchors = tables.anchors
    for name, words in (("first_frame_id", "first use: a frame to"), ("answer_frame_id", "came back: a frame to")):
        for frame_id in use[name].dropna():
            for _, one in anchors[anchors["frame_id"] == frame_id].iterrows():
                same = anchors[anchors["anchor_key"] == one["anchor_key"]]
                spread = same["margin_ns"].clip(upper=TRAVEL_NS) + min(one["margin_ns"], TRAVEL_NS) + TRAVEL_NS
                near = same[(same["time_ns"] - one["time_ns"]).abs() <= spread]
                near = near.sort_values(["time_ns", "frame_id"], kind="stable").drop_duplicates("host")
                for _, row in near.iterrows():
                    yield "use", f"{words} {one['destination_ip']}{_tunnel(row)}", row

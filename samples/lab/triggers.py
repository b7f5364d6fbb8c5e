"""Frames, kernel notices and FRR's logs -> the frame that made a VTEP announce an address, and when the UPDATE went.

A bridge learns a MAC from its first frame (br_fdb_update in net/bridge/br_fdb.c), so that is the trigger of a MAC; it
came in by a port, for a MAC behind the tunnel is another VTEP's. An address is learned by a neighbour entry; its
trigger came before the kernel told of the entry, whoever heard that first: zebra, or `ip monitor neigh`. Both stamp
what they hear when they are scheduled, so each is late and never early.
"""

from bisect import bisect_left
from collections.abc import Iterable
from typing import Any

from samples.lab.neighbours import Neighbours

TRIGGER_NS = 20_000_000  # from the frame to the kernel's notice to zebra
Row = dict[str, Any]


def notice_ns(neighbours: Neighbours, vtep: str, mac: str, ip: str, told_ns: int) -> int:
    """Return when the kernel's notice of a VTEP's own neighbour entry was first heard: by told_ns zebra had it."""
    heard = neighbours.learned(vtep, ip, mac)
    at = bisect_left(heard, told_ns - TRIGGER_NS)
    return min([told_ns, *heard[at : at + 1]])


def trigger(frames: Iterable[Row], ip: str, heard_ns: int, told_ns: int) -> Row | None:
    """Return the frame after which a VTEP told of a MAC (no ip) or an address, of those that came in and name it."""
    fitting = [one for one in frames if told_ns - TRIGGER_NS <= one["t_ns"] <= heard_ns]
    best = max if ip else min
    return best(fitting, key=lambda one: one["t_ns"], default=None)


def settled(event: Row, truth: Row, neighbours: Neighbours) -> Row | None:
    """Return the trigger of one of truth.json's macip_events, held against the kernel's notices.

    A run's truth.json may be older than these laws. Besides the event's own trigger it lists what its guests asked
    and announced, though not their answers and MLD reports.
    """
    if event["trigger"] is None:
        return None
    vtep, mac, ip = event["vtep"], event["mac"], event["ip"]
    own = [event["trigger"]] if event["trigger"]["interface"] in {one["tap"] for one in truth["ports"].values()} else []
    heard_ns = notice_ns(neighbours, vtep, mac, ip, event["t_ns"]) if ip else event["t_ns"]
    return trigger([*own, *_entered(truth, vtep, mac, ip)], ip, heard_ns, event["t_ns"])


def _entered(truth: Row, vtep: str, mac: str, ip: str) -> list[Row]:
    """Return the requests and announcements of a guest that truth.json lists, and that name its address, if one."""
    asked = [(row, one) for row in truth["resolutions"] for one in row["requests"]]
    asked += [(row, row) for row in truth["unicast_probes"]]
    found = [
        {"t_ns": one["t_ns"], "op": "arp-request" if row["protocol"] == "arp" else "ns"}
        for row, one in asked
        if (row["vtep"], row["requester_mac"]) == (vtep, mac) and row["requester_ip"] == (ip or row["requester_ip"])
    ]
    return found + [
        {"t_ns": row["t_ns"], "op": row["frame"]}
        for row in truth["announcements"]
        if (row["vtep"], row["mac"]) == (vtep, mac) and not ip
    ]

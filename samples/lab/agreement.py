"""A truth is held against the other witnesses: nftables' counters, the kernel's neighbour tables, the pings' own words.

The counters were read just before and just after each deed. What truth.json tells until then, frame by frame, must
give the same counts: at every guest's NIC what it sent and received, at every uplink the copies that went out.
"""

from bisect import bisect_right
from collections import Counter, defaultdict
from typing import Any, NamedTuple

TRAVEL_NS = 5_000_000  # a frame that was sent this short before a reading may be counted before or after it
KINDS = {("arp", True): "arp_request", ("nd", True): "ns", ("arp", False): "arp_reply", ("nd", False): "na"}
TOLD_NS = 200_000_000  # the kernel's notice of a learned neighbour
NOT_LEARNED = ("FAILED", "INCOMPLETE")
Row = dict[str, Any]


class Count(NamedTuple):
    """One frame that a counter must have counted."""

    time_ns: int
    host: str
    counter: str


def disagreements(truth: Row) -> list[str]:
    """Return where truth.json and another witness contradict each other, one sentence each."""
    counts = sorted(_counts(truth))
    return [*_miscounted(truth, counts), *_unlearned(truth), *_unpinged(truth)]


def _miscounted(truth: Row, counts: list[Count]) -> list[str]:
    """Compare all readings with the frames told until then; each gap is told once, where it opens."""
    times: dict[tuple[str, str], list[int]] = defaultdict(list)
    for one in counts:
        times[one.host, one.counter].append(one.time_ns)
    found = []
    counted: Counter[tuple[str, str]] = Counter()
    gaps: Counter[tuple[str, str]] = Counter()
    for reading in truth["nft_readings"]:
        counted.update(_counted(truth, reading["deltas"]))
        for key in sorted({*counted, *times}):
            least = bisect_right(times[key], reading["begin_ns"] - TRAVEL_NS) + gaps[key]
            most = bisect_right(times[key], reading["end_ns"]) + gaps[key]
            if not least <= counted[key] <= most:
                gaps[key] += counted[key] - (least if counted[key] < least else most)
                words = f"nftables has counted {counted[key]} {key[1]} at {key[0]}, the truth {least} to {most}"
                found.append(f"{reading['begin_ns'] / 1e9:.6f} {reading['when']}: {words}")
    return found


def _counted(truth: Row, deltas: Row) -> dict[tuple[str, str], int]:
    """Return the counters that the truth must account for: guests' NICs, and requests that leave on an uplink."""
    kept = {}
    for host, counters in deltas.items():
        for counter, count in counters.items():
            _, kind, direction = counter.split(":")
            is_answer = kind.endswith(("reply", "na"))
            if host in truth["vteps"]:
                is_kept = kind.startswith("vxlan_") and direction == "out" and not is_answer
            else:
                is_kept = direction == "in" or not is_answer
            if is_kept:
                kept[host, counter] = count
    return kept


def _counts(truth: Row) -> list[Count]:
    found = []
    vtep_of = {ip: name for name, ip in truth["vteps"].items()}
    for row in (*_requests(truth), *truth["announcements"], *truth["svi_requests"]):
        kind = _kind(row)
        if kind is None:
            continue
        if sender := row.get("requester") or row.get("vm"):
            found.append(Count(row["t_ns"], sender, f"ens19:{kind}:out"))
        found += [Count(row["t_ns"], vm, f"ens19:{kind}:in") for vm in row["delivered_to"]]
        copies = [vtep_of[copy.partition(">")[0]] for copy in row["underlay_copies"]]
        found += [Count(row["t_ns"], vtep, f"ens18:vxlan_{kind}:out") for vtep in copies]
        answers = row.get("answers", ()) if sender else ()  # what an SVI receives is not counted
        found += [Count(one["t_ns"], sender, f"ens19:{KINDS[row['protocol'], False]}:in") for one in answers]
    for one in truth["unasked_answers"]:
        kind = KINDS["nd" if ":" in one["address"] else "arp", False]
        found.append(Count(one["t_ns"], one["vm"], f"ens19:{kind}:in"))
    return found


def _requests(truth: Row) -> list[Row]:
    """Return every request of a guest as a row of its own."""
    shared = ("requester", "protocol")
    repeats = [
        request | {name: row[name] for name in shared} for row in truth["resolutions"] for request in row["requests"]
    ]
    return [*repeats, *truth["unicast_probes"]]


def _kind(row: Row) -> str | None:
    """Return the counter's word for a row's frame; None where it is not counted, or counted where it arrives."""
    return None if row.get("frame") in ("rs", "rarp", "na", "arp-reply") else KINDS[row["protocol"], True]


def _unlearned(truth: Row) -> list[str]:
    """Return proxied answers for which the kernel's table had nothing to answer with."""
    found = []
    for row in truth["resolutions"]:
        for request in row["requests"]:
            proxied = any(one["by"] == f"{row['vtep']}:proxy" for one in request["answers"])
            entry = request["ingress_neigh"]
            if proxied and (not entry or any(word in entry for word in NOT_LEARNED)):
                words = (
                    f"{row['vtep']} answered for {row['target']}, which ip monitor did not have: {entry or 'nothing'}"
                )
                found.append(f"{request['t']:.6f} {words}")
    return found


def _unpinged(truth: Row) -> list[str]:
    """Return pings that were answered although the truth knows no answer to their resolution."""
    found = []
    for deed in truth["driven"]:
        if deed["what"] != "resolve" or deed.get("answered") is not True:
            continue
        rows = [
            row
            for row in truth["resolutions"]
            if row["requester"] == deed["vm"] and row["target"] == deed["target"]
            if any(deed["t0_ns"] <= request["t_ns"] <= deed["t1_ns"] for request in row["requests"])
        ]
        is_routed = not any(row["target"] == deed["target"] for row in truth["resolutions"])
        if not is_routed and not any(row["answered"] for row in rows):
            found.append(f"{deed['t0']:.6f} ping of {deed['vm']} to {deed['target']} came back, no resolution answered")
    return found

"""truth.json becomes the rows that the program should list, in its words: by the definitions of what one row is.

Frames are one row if they are repeats (the same segment, kind, protocol, requester, target), each within 3 s of the
last, without an answer between; such a row is flooded if any of its frames crossed the fabric. A row has one ingress
VTEP: equal anycast gateways are requesters of their own, and what comes from another VTEP (a guest that has moved, a
second one with the same MAC and address) begins another row.
"""

from collections import defaultdict
from typing import Any

from samples.lab.answers import REPEAT_NS

Row = dict[str, Any]
KINDS = {"dad": "probe", "probe": "probe", "garp": "announcement", "na": "announcement", "rarp": "announcement"}


def resolutions(truth: Row) -> list[Row]:
    """Return what the headline counts: the guests' own requests."""
    return [
        {
            "protocol": row["protocol"],
            "requester_mac": row["requester_mac"],
            "target_ip": row["target"],
            "t_ns": row["t_ns"],
            "outcome": row["class"],
            "answered_by": _answerer(row["answered_by"]),
            "seen_at": {place for request in row["requests"] for place in request["seen_at"]},
        }
        for row in truth["resolutions"]
    ]


def others(truth: Row) -> list[Row]:
    """Return what else there are rows of: probes, announcements, refreshes, and requests of the VTEPs."""
    segments = {name: vm["vnet"] for name, vm in truth["vms"].items()}
    defended = defaultdict(list)
    for row in truth["unasked_answers"]:
        defended[row["vm"], row["address"]].append(row["t_ns"])
    frames = []
    for row in truth["announcements"]:
        if row["op"] in KINDS:
            answers = defended[row["vm"], row["address"]] if KINDS[row["op"]] == "probe" else ()
            frames.append(_frame(row, KINDS[row["op"]], segments[row["vm"]], row["mac"], row["address"], answers))
    for row in truth["unicast_probes"]:
        answers = [one["t_ns"] for one in row["answers"]]
        frames.append(_frame(row, "refresh", segments[row["requester"]], row["requester_mac"], row["target"], answers))
    for row in truth["svi_requests"]:
        kind = "probe" if row["op"] == "dad" else "refresh" if row["unicast"] else "resolution"
        answers = [one["t_ns"] for one in row.get("answers", ())]
        frames.append(_frame(row, kind, f"{row['vtep']} {row['vnet']}", row["mac"], row["target"], answers))
    return _grouped(sorted(frames, key=lambda frame: frame["t_ns"]))


def _frame(row: Row, kind: str, by: str, mac: str, target: str, answers: Any) -> Row:
    """Return one frame; `by` is its segment, and the VTEP for an SVI, `answers` when it was answered (ns)."""
    return {
        "kind": kind,
        "by": by,
        "vtep": row["vtep"],
        "protocol": row["protocol"],
        "requester_mac": mac,
        "requester_ip": row.get("requester_ip", row.get("from")),
        "target_ip": target or None,
        "t_ns": row["t_ns"],
        "is_flooded": bool(row["underlay_copies"]),
        "seen_at": set(row["seen_at"]),
        "answers": answers,
    }


def _grouped(frames: list[Row]) -> list[Row]:
    """Return one row for a frame and its repeats."""
    last: dict[tuple, Row] = {}
    rows = []
    for frame in frames:
        key = tuple(frame[name] for name in ("kind", "by", "protocol", "requester_mac", "requester_ip", "target_ip"))
        row = last.get(key)
        if row is None or not _is_repeat(row, frame):
            row = last[key] = frame | {"last_ns": frame["t_ns"], "frame_count": 0, "answers": []}
            rows.append(row)
        row["last_ns"] = frame["t_ns"]
        row["frame_count"] += 1
        row["is_flooded"] |= frame["is_flooded"]
        row["seen_at"] |= frame["seen_at"]
        row["answers"] += frame["answers"]
    return rows


def _is_repeat(row: Row, frame: Row) -> bool:
    is_answered = any(row["t_ns"] <= at_ns <= frame["t_ns"] for at_ns in row["answers"])
    is_near = frame["t_ns"] - row["last_ns"] <= REPEAT_NS
    return is_near and not is_answered and row["vtep"] == frame["vtep"]


def _answerer(word: str | None) -> str:
    """Return the truth's words for who answered in the program's: pve1:proxy, pve1:EVPN1, vm2 or nobody."""
    if not word:
        return "none"
    return "proxy" if word.endswith(":proxy") else "gateway" if ":" in word else "target"

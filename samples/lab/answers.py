"""Which answer belongs to which request: what arrived at a guest, and what guests told an SVI that had asked."""

from bisect import bisect_right
from collections import defaultdict
from typing import Any

from samples.lab.tracing import JOURNEY_NS, Journeys
from samples.lab.witness.reading import Frame

REPEAT_NS = 3_000_000_000  # requests within this of the last, without an answer between, are one resolution
REPLIES = ("arp-reply", "na")
Row = dict[str, Any]


def answer(asked: list[Row], journeys: Journeys, vms: list[str]) -> list[Row]:
    """Give each guest's request the answers that came before it asked for that address again; return the others."""
    asked_by = defaultdict(list)
    for row in asked:
        asked_by[row["requester"], row["target"]].append(row)
    unasked: list[Row] = []
    for vm in vms:
        for reply in journeys.received(vm):
            frame = reply.frame
            if frame.name not in REPLIES:
                continue
            rows = asked_by[vm, _told(frame)]
            index = bisect_right(rows, reply.time_ns, key=lambda row: row["t_ns"]) - 1
            source = journeys.source(reply)
            one = _times(reply.time_ns) | {
                "by": source.by,
                "mac": frame.told_mac,
                "flags": frame.flags,
                "came_over_underlay": source.came_over_underlay,
            }
            if index >= 0 and not frame.is_multicast and reply.time_ns - rows[index]["t_ns"] <= REPEAT_NS:
                delay_us = (reply.time_ns - rows[index]["t_ns"]) // 1000
                rows[index]["answers"].append(one | {"delay_us": delay_us})
            else:
                unasked.append(one | {"vm": vm, "address": _told(frame)})
    return unasked


def answer_svis(asked: list[Row], journeys: Journeys) -> None:
    """Give each SVI's request the answer of a guest that it reached; of equal ones (anycast) the first without one."""
    asked_for = defaultdict(list)
    for row in asked:
        asked_for[row["mac"], row["target"]].append(row)
    for vm, sent in journeys.sent_by_guests():
        if sent.frame.name not in REPLIES:
            continue
        for row in asked_for[sent.frame.destination_mac, _told(sent.frame)]:
            is_near = 0 <= sent.time_ns - row["t_ns"] <= JOURNEY_NS
            if is_near and vm in row["delivered_to"] and not row["answers"]:
                row["answers"].append(_times(sent.time_ns) | {"by": vm})
                break


def _told(frame: Frame) -> str:
    return frame.target_ip if frame.name == "na" else frame.sender_ip


def _times(ns: int) -> Row:
    return {"t": ns // 1000 / 1_000_000, "t_ns": ns}

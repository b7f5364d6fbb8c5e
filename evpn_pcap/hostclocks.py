"""Decoded captures -> the same, with those that do not share the clock of their host's others as hosts of their own.

Interfaces and files of one machine are stamped by one clock, so times within a host are compared without any doubt.
An adapter that stamps by a clock of its own, or a file that came from another machine under the same name, breaks that:
then one frame, seen at two points of the "host", is always far apart. One direction alone could be a queue; both
directions, apart the same way, are two clocks.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from evpn_pcap import columns
from evpn_pcap.model import Decoded
from evpn_pcap.table import Columns, Values, Words

LEAST_APART_NS = 5_000_000  # no kernel takes so long between two points, always and both ways
LEAST_COUNT = 4  # frames a direction
SAMPLE_COUNT = 2_000  # frames of a capture that are looked at


def with_own_clocks(decoded: Sequence[Decoded]) -> list[Decoded]:
    """Return the captures; of each host those on another clock than most of its own get `host:point` as their host.

    Each that is given another host has an anomaly that says by how much it differs.
    """
    groups: dict[str, list[list[Decoded]]] = {}
    for one in sorted(decoded, key=lambda one: (-one.capture.packet_count, one.capture.capture_id)):
        known = groups.setdefault(one.capture.host, [])
        shared = next((group for group in known if clock_difference_ns(group[0].anchors, one.anchors) is None), None)
        if shared is None:
            known.append([one])
        else:
            shared.append(one)
    renamed: dict[int, Decoded] = {}
    for known in groups.values():
        most, *others = sorted(known, key=len, reverse=True)
        for group in others:
            apart_ns = clock_difference_ns(most[0].anchors, group[0].anchors) or 0
            host = f"{group[0].capture.host}:{group[0].capture.point or group[0].capture.name}"
            renamed |= {one.capture.capture_id: _as_host(one, host, apart_ns, most[0].capture.name) for one in group}
    return [renamed.get(one.capture.capture_id, one) for one in decoded]


def clock_difference_ns(one: pd.DataFrame, other: pd.DataFrame) -> int | None:
    """Return by how much the clock of the second capture is ahead of the first's (ns); None where they may be one.

    Reads ANCHORS of two captures of one host.
    """
    pairs = _once(one).merge(_once(other), on="anchor_key", how="inner", suffixes=("", "_there"), validate="one_to_one")
    apart_ns = (pairs["captured_ns_there"] - pairs["captured_ns"]).to_numpy(np.int64)
    is_forth = (pairs["source_ip"] < pairs["destination_ip"]).to_numpy(bool)
    if min(is_forth.sum(), (~is_forth).sum()) < LEAST_COUNT or np.abs(apart_ns).min() < LEAST_APART_NS:
        return None
    is_one_sign = bool((apart_ns > 0).all() or (apart_ns < 0).all())
    return int(np.median(apart_ns)) if is_one_sign else None


def _as_host(decoded: Decoded, host: str, apart_ns: int, other: str) -> Decoded:
    """Return the capture as one of another host, with the anomaly that says why."""
    told = {
        name: Columns(one.table, {**one.data, "host": Words(np.zeros(len(one), np.int8), (host,))})
        for name, one in decoded.columns.items()
        if name != "anomalies"
    }
    detail = f"{apart_ns / 1e9:+.3f} s from {other} of the same host, both ways: two clocks, so taken for host {host}"
    anomaly: dict[str, Values] = {
        "capture_id": [decoded.capture.capture_id],
        "frame_id": [None],
        "layer": ["clock"],
        "name": ["clock.own"],
        "detail": [detail],
        "count": [1],
        "offset_bytes": [None],
    }
    told["anomalies"] = columns.ANOMALIES.joined([decoded.columns["anomalies"], Columns(columns.ANOMALIES, anomaly)])
    return Decoded(replace(decoded.capture, host=host), told)


def _once(anchors: pd.DataFrame) -> pd.DataFrame:
    """Return a sample of the frames that a capture shows once: those with the least keys, which are hashes."""
    once = anchors[~anchors["anchor_key"].duplicated(keep=False).to_numpy()]
    least = np.argsort(once["anchor_key"].to_numpy(), kind="stable")[:SAMPLE_COUNT]
    return once.iloc[least][["anchor_key", "captured_ns", "source_ip", "destination_ip"]]

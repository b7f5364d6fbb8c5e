"""Courses of clocks become PairMargins: how well any two hosts are known against each other, over time."""

from collections.abc import Sequence

import numpy as np

from evpn_pcap.clocks.graph import Courses, at_moments
from evpn_pcap.clocks.paths import MOST_COMPARED, between_all
from evpn_pcap.model import ClockFit
from evpn_pcap.order import PairMargins


def pair_margins(hosts: tuple[str, ...], courses: Courses | None, fits: Sequence[ClockFit]) -> PairMargins:
    """Return the doubt between every two aligned hosts; of many hosts, between those that have frames in common.

    It is about times as the fits give them, so what a fit differs from its course is added.
    """
    count = len(hosts)
    row = np.full((count, count), -1, np.int32)
    if courses is None or not courses.constraints:
        return PairMargins(hosts, row, np.zeros(0, np.int64), np.zeros((0, 0), np.int64))
    moment_count = len(courses.moments_ns)
    gap = at_moments(courses.gap, np.maximum, moment_count)
    aside = np.stack([_aside(courses, host, fit) for host, fit in enumerate(fits)]) + gap
    doubts: list[np.ndarray] = []
    if count <= MOST_COMPARED:
        most = between_all(count, courses.constraints)
        found = [(a, b, np.maximum(most[a, b], most[b, a])) for a in range(count) for b in range(a)]
    else:
        found = [(one.a, one.b, np.maximum(one.most, one.least)) for one in courses.constraints]
    for a, b, doubt in found:
        if np.isfinite(doubt).all() and fits[a].knots and fits[b].knots:
            row[a, b] = row[b, a] = len(doubts)
            known = at_moments(doubt, np.maximum, moment_count)
            doubts.append(np.ceil(known + aside[a] + aside[b]).astype(np.int64))
    table = np.stack(doubts) if doubts else np.zeros((0, 0), np.int64)
    return PairMargins(hosts, row, courses.moments_ns, table)


def _aside(courses: Courses, host: int, fit: ClockFit) -> np.ndarray:
    """Return, for each moment, how far the fit's offset is from the course's estimate, and what rounding adds."""
    if not fit.knots or not np.isfinite(courses.estimate[host]).all():
        return np.zeros(len(courses.moments_ns))
    base, moments = courses.base_ns[host], courses.moments_ns
    start = moments[0]
    local = np.array([knot.local_ns for knot in fit.knots], np.int64) - base - start
    offset = np.array([knot.offset_ns for knot in fit.knots], np.int64) - base
    shown = (moments - start).astype(float) + courses.estimate[host]
    return np.abs(np.interp(shown, local.astype(float), offset.astype(float)) - courses.estimate[host]) + 3

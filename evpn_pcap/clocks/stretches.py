"""Matched frames become the stretches of each host's clock that they bracket closely; all else is extrapolated.

A bound holds after its frame only as long as no clock is set, and a clock that is set or slewed shows only in later
frames: forward steps in those of one direction, backward ones in those of the other (Paxson, SIGMETRICS 1998). So
before the first and after the last frame of either direction, and in a silence of either, a margin rests on clocks
having run on as they did. How long a silence is follows from the bounds: within a gap a slew can take the difference
of two clocks a quarter of SLEW_RATE times the gap off its course (unsteady.py), which the bounds must leave room for.
"""

from collections.abc import Sequence

import numpy as np

from evpn_pcap.clocks.graph import Courses
from evpn_pcap.clocks.pairs import PairFit, Stamps
from evpn_pcap.clocks.unsteady import SLEW_RATE

MOST_CLOSE_NS = 2e9  # frames of one direction further apart than this always leave a silence
LEAST = 5  # frames of one direction: of fewer, all may have waited (Curve's flag few)
QUARTER = 0.25  # the most of share * (1 - share)
MOST_MOMENTS = 4_000  # of the grid on which the stretches of all pairs meet

Stretch = tuple[int, int]


def close_stretches(pair: PairFit, stamps: Stamps) -> np.ndarray:
    """Return where frames of both directions are never far apart: rows of from and to, a's clock (int64 ns)."""
    if pair.curve is None:
        return np.zeros((0, 2), np.int64)
    width_ns = float(np.median(np.interp(stamps.x_ns - pair.base_x_ns, pair.curve.x, pair.curve.high - pair.curve.low)))
    close_ns = min(MOST_CLOSE_NS, width_ns / 2 / (QUARTER * SLEW_RATE))
    upper, lower = (_runs(stamps.x_ns[np.flatnonzero(way)], close_ns) for way in (stamps.is_upper, ~stamps.is_upper))
    if not (len(upper) and len(lower)):
        return np.zeros((0, 2), np.int64)
    first = np.searchsorted(lower[:, 1], upper[:, 0])  # the first run of the other direction that is not over yet
    last = np.searchsorted(lower[:, 0], upper[:, 1], side="right")  # and the first that begins too late
    count = np.maximum(last - first, 0)
    one = np.repeat(np.arange(len(upper)), count)
    other = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count) + np.repeat(first, count)
    return np.column_stack(
        [np.maximum(upper[one, 0], lower[other, 0]), np.minimum(upper[one, 1], lower[other, 1])]
    ).astype(np.int64)


def _runs(times: np.ndarray, close_ns: float) -> np.ndarray:
    """Return first and last of the frames of each run without a silence, in order; of LEAST frames at least."""
    if not len(times):
        return np.zeros((0, 2), np.int64)
    breaks = np.flatnonzero(np.diff(times) > close_ns)
    first, last = np.append(0, breaks + 1), np.append(breaks, len(times) - 1)
    is_told = last - first >= LEAST - 1
    return np.column_stack([times[first[is_told]], times[last[is_told]]])


def bracketed(
    host_count: int, pairs: Sequence[PairFit], close: Sequence[np.ndarray], courses: Courses, reference: int
) -> list[tuple[Stretch, ...]]:
    """Return for each host the stretches of its own clock in which close frames lead from it to the reference.

    `close` holds what close_stretches says of each pair.
    """
    there = [
        (pair.a, pair.b, _on_reference(rows, courses, pair.a)) for pair, rows in zip(pairs, close, strict=True)
        if len(rows) and np.isfinite(courses.estimate[pair.a]).all()
    ]  # fmt: skip
    if not there:
        return [() for _ in range(host_count)]
    ends = np.unique(np.concatenate([courses.moments_ns[[0, -1]], *(rows.ravel() for *_, rows in there)]))
    grid = ends[:: 1 + len(ends) // MOST_MOMENTS]
    reached = np.zeros((host_count, max(len(grid) - 1, 0)), bool)
    reached[reference] = True
    links = [(a, b, _holds(rows, grid)) for a, b, rows in there]
    before = -1
    while before < (before := int(reached.sum())):
        for a, b, is_close in links:
            either = (reached[a] | reached[b]) & is_close
            reached[a] |= either
            reached[b] |= either
    return [
        _on_own(reached[host], grid, courses, host) if np.isfinite(courses.estimate[host]).all() else ()
        for host in range(host_count)
    ]


def _holds(rows: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """Return which intervals of the grid lie within one of the stretches (in order, apart)."""
    at = np.searchsorted(rows[:, 0], grid[:-1], side="right") - 1
    return np.asarray((at >= 0) & (rows[np.maximum(at, 0), 1] >= grid[1:]))


def _on_reference(local_ns: np.ndarray, courses: Courses, host: int) -> np.ndarray:
    """Return times of a host's clock on the reference's."""
    start = courses.moments_ns[0]
    rough = local_ns - courses.base_ns[host]
    moments = (courses.moments_ns - start).astype(float)
    apart = np.interp((rough - start).astype(float), moments, courses.estimate[host])
    return np.asarray(rough - np.rint(apart).astype(np.int64))


def _on_own(is_reached: np.ndarray, grid: np.ndarray, courses: Courses, host: int) -> tuple[Stretch, ...]:
    """Return the runs of intervals that are reached, on the host's own clock."""
    change = np.diff(is_reached.astype(np.int8), prepend=0, append=0)
    ends = np.column_stack([grid[np.flatnonzero(change > 0)], grid[np.flatnonzero(change < 0)]])
    start = courses.moments_ns[0]
    moments = (courses.moments_ns - start).astype(float)
    apart = np.interp((ends - start).astype(float), moments, courses.estimate[host])
    local = ends + courses.base_ns[host] + np.rint(apart).astype(np.int64)
    return tuple((int(first), int(last)) for first, last in local.tolist())

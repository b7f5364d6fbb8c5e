"""Bounds of pairs of hosts become bounds of every host against one reference (clock.md, section 6).

Bounds add up along a path; for each moment the path that leaves the least doubt counts. All is done on a grid of
moments of the reference's clock, and bounds between grid points are never tighter than those of the pairs.
"""

from dataclasses import dataclass

import numpy as np

from evpn_pcap.clocks.pairs import PairBounds
from evpn_pcap.clocks.sweep import Envelope

MOST_MOMENTS = 1_000  # grid points of one fit
MOST_KNOTS = 100_000  # grid points over all hosts
BEYOND_NS = 2_000_000_000  # the grid reaches this far beyond the captures, so that any clock's time there is found
WHEN_DOUBT = (
    300e-6  # a pair's bounds are read at times that are themselves off by at most its width: rates bound the error
)


@dataclass(frozen=True, slots=True)
class HostBounds:
    """Bounds of clock(host) - clock(reference) at times of the reference's clock, one row a host (ns, float).

    Both are counted from `base_ns` of the host. Rows of hosts that nothing connects hold infinities.
    """

    moments_ns: np.ndarray  # int64, the reference's clock
    base_ns: np.ndarray  # int64, one a host
    low: np.ndarray
    high: np.ndarray
    is_approximate: np.ndarray  # one a host


def best_reference(host_count: int, pairs: list[PairBounds], rank: list[tuple[int, str]]) -> int:
    """Return the host that most others are connected to, with the least total doubt; `rank` settles ties."""
    doubt = all_paths(host_count, pairs)
    reached = np.isfinite(doubt)
    total_us = np.round(np.where(reached, doubt, 0).sum(axis=1) / 1000)
    return min(range(host_count), key=lambda host: (-int(reached[host].sum()), int(total_us[host]), rank[host]))


def all_paths(host_count: int, pairs: list[PairBounds]) -> np.ndarray:
    """Return the typical width of the bounds between all hosts along the best paths (Floyd and Warshall)."""
    doubt = np.full((host_count, host_count), np.inf)
    np.fill_diagonal(doubt, 0)
    for pair in pairs:
        width = np.median(_inside(pair.envelope)) if pair.envelope else np.inf
        doubt[pair.a, pair.b] = doubt[pair.b, pair.a] = min(width, doubt[pair.a, pair.b])
    for via in range(host_count):
        doubt = np.minimum(doubt, doubt[:, via, None] + doubt[None, via, :])
    return doubt


def _inside(envelope: Envelope) -> np.ndarray:
    """Return the widths at the knots that lie between the pair's frames."""
    rows = (envelope.x >= envelope.first_x) & (envelope.x <= envelope.last_x)
    return np.asarray((envelope.high - envelope.low)[rows])


def bound_hosts(host_count: int, pairs: list[PairBounds], reference: int, covered: list[tuple[int, int]]) -> HostBounds:
    """Return the bounds of every host against the reference, over the time that `covered` (host's own clock) spans."""
    rough = _rough_offsets(host_count, pairs, reference)
    usable = [pair for pair in pairs if pair.envelope and pair.a in rough]
    moments = _moments(usable, rough, covered, host_count)
    base = np.array([rough.get(host, 0) for host in range(host_count)], np.int64)
    apart = np.zeros((host_count, len(moments)))
    for _ in range(2):  # when each host saw a moment follows from its offset: first roughly, then well
        edges = [_edge(pair, pair.envelope, moments, base, apart[pair.a]) for pair in usable if pair.envelope]
        low, high, is_approximate = _best_paths(host_count, edges, reference, len(moments))
        apart = np.where(np.isfinite(low), (low + high) / 2, 0)
    low, high, is_torn = _reconciled(low, high, edges)
    return HostBounds(moments, base, low, high, is_approximate | is_torn)


def _middle(envelope: Envelope) -> int:
    """Return the typical difference of the two clocks, for choosing where to look only."""
    rows = (envelope.x >= envelope.first_x) & (envelope.x <= envelope.last_x)
    return envelope.base_y_ns + round(float(np.median((envelope.low + envelope.high)[rows] / 2)))


def _rough_offsets(host_count: int, pairs: list[PairBounds], reference: int) -> dict[int, int]:
    """Return clock(host) - clock(reference), roughly, of every host that two-way pairs connect with the reference."""
    offsets = {reference: 0}
    for _ in range(host_count):
        for pair in pairs:
            if pair.envelope is None:
                continue
            if pair.a in offsets and pair.b not in offsets:
                offsets[pair.b] = offsets[pair.a] + _middle(pair.envelope)
            elif pair.b in offsets and pair.a not in offsets:
                offsets[pair.a] = offsets[pair.b] - _middle(pair.envelope)
    return offsets


def _moments(
    pairs: list[PairBounds], rough: dict[int, int], covered: list[tuple[int, int]], host_count: int
) -> np.ndarray:
    """Return the grid: knots of all pairs and the ends of all captures, on the reference's clock, thinned if many."""
    first, last = zip(*((covered[host][0] - off, covered[host][1] - off) for host, off in rough.items()), strict=True)
    ends = np.array([*first, *last, min(first) - BEYOND_NS, max(last) + BEYOND_NS], np.int64)
    knots = [
        pair.envelope.base_x_ns - rough[pair.a] + pair.envelope.x.astype(np.int64) for pair in pairs if pair.envelope
    ]
    knots_ns = np.concatenate(knots) if knots else ends  # a stray stamp of 1970 must not stretch the grid beyond these
    grid = np.unique(np.concatenate([ends, knots_ns]))
    grid = grid[(grid >= max(ends.min(), knots_ns.min())) & (grid <= min(ends.max(), knots_ns.max()))]
    most = max(20, min(MOST_MOMENTS, MOST_KNOTS // host_count))
    return np.asarray(grid[np.unique(np.linspace(0, len(grid) - 1, min(most, len(grid))).astype(np.int64))])


@dataclass(frozen=True, slots=True)
class _Edge:
    """Bounds of clock_b - clock_a on the grid, less the rough difference of the two."""

    a: int
    b: int
    low: np.ndarray
    high: np.ndarray
    is_approximate: bool


def _edge(pair: PairBounds, envelope: Envelope, moments: np.ndarray, base: np.ndarray, apart_a: np.ndarray) -> _Edge:
    """Return the pair's bounds on the grid, loosened so that lines between grid points keep to them."""
    x = np.maximum.accumulate((moments + base[pair.a] - envelope.base_x_ns).astype(float) + apart_a)
    shift = float(envelope.base_y_ns - (int(base[pair.b]) - int(base[pair.a])))
    high = _covering(x, envelope.x, envelope.high) + shift
    low = -_covering(x, envelope.x, -envelope.low) + shift
    doubt = WHEN_DOUBT * (high - low)
    return _Edge(pair.a, pair.b, low - doubt, high + doubt, pair.is_approximate)


def _covering(x: np.ndarray, knot_x: np.ndarray, knot_y: np.ndarray) -> np.ndarray:
    """Return values at `x` such that the line through them is nowhere under the line through the knots."""
    values = np.interp(x, knot_x, knot_y)
    inside = (knot_x > x[0]) & (knot_x < x[-1])
    excess = np.zeros(len(x) + 1)
    interval = np.searchsorted(x, knot_x[inside])
    np.maximum.at(excess, interval, knot_y[inside] - np.interp(knot_x[inside], x, values))
    return np.asarray(values + np.maximum(excess[:-1], excess[1:]))


def _best_paths(
    host_count: int, edges: list[_Edge], reference: int, moment_count: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the bounds of every host along the path of least width, chosen for each interval of the grid.

    Bellman and Ford over all intervals at once; widths are never negative. One path serves a whole
    interval, so the line between its two ends is a bound, too.
    """
    shape = (host_count, max(moment_count - 1, 1))
    bounds = [np.full(shape, np.inf) for _ in range(4)]  # low and high at the interval's start, then at its end
    width, is_poor = np.full(shape, np.inf), np.zeros(shape, bool)
    for values in (*bounds, width):
        values[reference] = 0
    steps = [step for edge in edges for step in _steps(edge)]
    for _ in range(host_count):
        is_changed = False
        for source, target, parts, cost, edge_is_poor in steps:
            better = width[source] + cost < width[target] - 1e-6
            if not better.any():
                continue
            is_changed = True
            width[target] = np.where(better, width[source] + cost, width[target])
            is_poor[target] = np.where(better, is_poor[source] | edge_is_poor, is_poor[target])
            for values, part in zip(bounds, parts, strict=True):
                values[target] = np.where(better, values[source] + part, values[target])
        if not is_changed:
            break
    low_start, high_start, low_stop, high_stop = bounds
    low = np.fmin(_at_knots(low_start, np.inf), _at_knots(low_stop, np.inf, at_stop=True))[:, :moment_count]
    high = np.fmax(_at_knots(high_start, -np.inf), _at_knots(high_stop, -np.inf, at_stop=True))[:, :moment_count]
    return low, high, np.asarray(is_poor.any(axis=1))


def _steps(edge: _Edge) -> list[tuple[int, int, tuple[np.ndarray, ...], np.ndarray, bool]]:
    """Return the edge in both directions: from, to, low and high at each interval's start and end, cost."""
    start = slice(None, -1) if len(edge.low) > 1 else slice(None)
    stop = slice(1, None) if len(edge.low) > 1 else slice(None)
    low, high = edge.low, edge.high
    cost = (high - low)[start] + (high - low)[stop]
    there = (low[start], high[start], low[stop], high[stop])
    back = (-high[start], -low[start], -high[stop], -low[stop])
    return [(edge.a, edge.b, there, cost, edge.is_approximate), (edge.b, edge.a, back, cost, edge.is_approximate)]


def _at_knots(values: np.ndarray, missing: float, *, at_stop: bool = False) -> np.ndarray:
    """Return values of intervals at the grid points they start (or stop) at."""
    pad = ((0, 0), (1, 0)) if at_stop else ((0, 0), (0, 1))
    return np.pad(values, pad, constant_values=missing)


def _reconciled(low: np.ndarray, high: np.ndarray, edges: list[_Edge]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the bounds widened where a pair outside the chosen paths contradicts them, and for which hosts."""
    is_torn = np.zeros(len(low), bool)
    widened_low, widened_high = low.copy(), high.copy()
    for edge in edges:
        a, b = edge.a, edge.b
        gap = np.maximum(edge.low - (high[b] - low[a]), (low[b] - high[a]) - edge.high)
        gap = np.where(gap > 0, gap, 0)
        for host in (a, b):
            is_torn[host] |= bool(gap.any())
            widened_low[host] = np.minimum(widened_low[host], low[host] - gap)
            widened_high[host] = np.maximum(widened_high[host], high[host] + gap)
    return widened_low, widened_high, is_torn

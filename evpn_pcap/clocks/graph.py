"""Curves of pairs of hosts become the course of every host's clock against one reference (clock.md, section 6).

Where pairs form loops, weighted least squares spread what they disagree about (Huygens, NSDI 2018); bounds are
difference constraints, of which shortest paths are the tightest that can be proved. All is done on a grid of moments
of the reference's clock; between its points bounds are never tighter than those of the pairs.
"""

import heapq
from dataclasses import dataclass, replace

import numpy as np

from evpn_pcap.clocks.consensus import agreed, needed
from evpn_pcap.clocks.curve import CONTRADICTION, SLEW, STEP, Curve
from evpn_pcap.clocks.pairs import PairFit
from evpn_pcap.clocks.paths import Constraint, contradicted, from_reference

MOST_MOMENTS = 1_000  # grid points of one fit
MOST_KNOTS = 100_000  # grid points over all hosts
BEYOND_NS = 2_000_000_000  # the grid reaches this far beyond the captures, so that any clock's time there is found
WHEN_DOUBT = 300e-6  # a curve is read at times that are themselves off by at most its width: rates bound the error
UNSTEADY = {CONTRADICTION, SLEW, STEP}  # flags of pairs: clocks of these captures do not run freely
STAMP_NS = 2.0  # what rounding to whole ns may add along a path
# this long before its first frame and after its last, and so many mean gaps, a pair's curve is as good as between
NEAR_NS, NEAR_SPACINGS = 200e6, 5.0
FAR_NS = 1e14  # as good as no bound, and no weight
NOISE_NS = 50_000.0  # of an estimate from one frame each way; falls with the root of their number
FLOOR_SHARE = 0.02  # of the half round trip: directions are never quite alike
ENOUGH = 100.0  # frames a direction tell whatever a clock does
MUCH_LESS = 0.25  # of the frames that better pairs have
FEW_LESS = 4.0  # frames of a pair too few to tell the course count so much less
LOOSE_SHARE = 0.3  # of what a bracket is wider than usual: there the estimate is poorer, too


@dataclass(frozen=True, slots=True)
class Courses:
    """Every host's clock - the reference's at moments of the reference's clock (ns, counted from base_ns of the host).

    Rows of hosts that nothing connects hold nan and infinities. Constraints are between hosts, on
    how far the differences of estimates may be wrong in each interval of the grid.
    """

    moments_ns: np.ndarray  # int64
    base_ns: np.ndarray  # int64, one a host
    estimate: np.ndarray
    low: np.ndarray
    high: np.ndarray
    constraints: list[Constraint]
    flags: list[set[str]]  # one a host
    gap: np.ndarray  # what contradicted pairs add to the doubt of their hosts, in each interval
    contradicted: set[tuple[int, int]]  # pairs that others show to be wrong somewhere


def best_reference(host_count: int, pairs: list[PairFit], rank: list[tuple[int, str]]) -> int:
    """Return the host that most others are connected to, with the least total doubt; `rank` settles ties."""
    doubt = np.full((host_count, host_count), np.inf)
    np.fill_diagonal(doubt, 0)
    for pair in pairs:
        doubt[pair.a, pair.b] = doubt[pair.b, pair.a] = min(_width(pair), doubt[pair.a, pair.b])
    for via in range(host_count):  # Floyd and Warshall
        doubt = np.minimum(doubt, doubt[:, via, None] + doubt[None, via, :])
    reached = np.isfinite(doubt)
    total_us = np.round(np.where(reached, doubt, 0).sum(axis=1) / 1000)
    return min(range(host_count), key=lambda host: (-int(reached[host].sum()), int(total_us[host]), rank[host]))


def best_tree(host_count: int, pairs: list[PairFit], reference: int) -> dict[int, tuple[int, PairFit] | None]:
    """Return the hosts that the reference reaches, nearest in doubt first, each with the host before it (Dijkstra)."""
    beside: list[list[tuple[float, int, int]]] = [[] for _ in range(host_count)]
    for number, pair in enumerate(pairs):
        if pair.curve:
            width = _width(pair)
            beside[pair.a].append((width, pair.b, number))
            beside[pair.b].append((width, pair.a, number))
    reached: dict[int, tuple[int, PairFit] | None] = {}
    waiting: list[tuple[float, int, int, int]] = [(0.0, reference, -1, -1)]
    while waiting:
        doubt, host, before, number = heapq.heappop(waiting)
        if host not in reached:
            reached[host] = (before, pairs[number]) if number >= 0 else None
            for width, other, via in beside[host]:
                heapq.heappush(waiting, (doubt + width, other, host, via))
    return reached


def telling(host_count: int, pairs: list[PairFit]) -> list[PairFit]:
    """Return the two-way pairs without those whose hosts are joined by pairs of many more frames.

    A frame that passes several hosts counts at each hop, so what a pair of distant hosts says, the
    hops between them say as well, and more often: also steps and slews that few frames cannot show.
    """
    usable = [pair for pair in pairs if pair.curve]
    ranked = sorted(usable, key=lambda pair: (-_worth(pair), pair.a, pair.b))
    group = np.arange(host_count)
    least = np.full((host_count, host_count), np.inf)  # the fewest frames of a pair on the best way between two hosts
    for pair in ranked:
        one, other = np.flatnonzero(group == group[pair.a]), np.flatnonzero(group == group[pair.b])
        if group[pair.a] != group[pair.b]:
            least[np.ix_(one, other)] = _worth(pair)
            least[np.ix_(other, one)] = _worth(pair)
            group[other] = group[pair.a]
    return [pair for pair in usable if _worth(pair) >= min(MUCH_LESS * least[pair.a, pair.b], ENOUGH)]


def _worth(pair: PairFit) -> float:
    """Return by how many frames a pair tells the course of its clocks; few tell bounds only."""
    count = min(pair.upper_count, pair.lower_count)
    return count if pair.curve and pair.curve.is_smooth else count / FEW_LESS


def follow(host_count: int, pairs: list[PairFit], reference: int, covered: list[tuple[int, int]]) -> Courses:
    """Return the course of every host against the reference, over the time that `covered` (own clocks) spans."""
    tree = best_tree(host_count, pairs, reference)
    rough = {reference: 0}
    for host, step in tree.items():
        if step:
            before, pair = step
            rough[host] = rough[before] + (_middle(pair) if pair.b == host else -_middle(pair))
    usable = [(pair, pair.curve) for pair in telling(host_count, pairs) if pair.curve and pair.a in tree]
    moments = _moments([(pair, pair.told or curve) for pair, curve in usable], rough, covered, host_count)
    base = np.array([rough.get(host, 0) for host in range(host_count)], np.int64)
    apart = np.zeros((host_count, len(moments)))
    for host, step in tree.items():  # when each host saw a moment follows from its offset, to a ms well enough
        if step:
            apart[host] = _beyond(step, host, moments, base, apart)
    seen_by_a = [apart[pair.a] for pair, _ in usable]
    read = [_read(pair, curve, moments, base, seen) for (pair, curve), seen in zip(usable, seen_by_a, strict=True)]
    ends = [(pair.a, pair.b) for pair, _ in usable]
    is_needed = needed(host_count, ends, [one.is_shown for one in read])
    is_told = [one.is_shown | rows for one, rows in zip(read, is_needed, strict=True)]
    read = [_only_where(one, rows) for one, rows in zip(read, is_told, strict=True)]
    apart = agreed(host_count, reference, ends, [one.estimate for one in read], [one.sigma for one in read])
    is_rough = np.array([not _is_smooth(tree, host) for host in range(host_count)])
    apart, constraints, wrong, gap = _reconciled(is_rough, reference, usable, read, apart)
    is_steady = not wrong and not any(UNSTEADY & set(curve.flags) for _, curve in usable)
    told = [
        _only_where(_read(pair, pair.bounding(is_steady=is_steady) or curve, moments, base, seen), known)
        for (pair, curve), seen, known in zip(usable, seen_by_a, is_told, strict=True)
    ]
    if is_steady:
        constraints = [_constraint(pair, one, apart) for (pair, _), one in zip(usable, told, strict=True)]
    else:
        apart, constraints, more_wrong, gap = _reconciled(np.zeros(host_count, bool), reference, usable, told, apart)
        wrong |= more_wrong
    least, most = from_reference(host_count, reference, constraints)
    low, high = (
        apart + at_moments(least - gap, np.minimum, len(moments)),
        apart + at_moments(most + gap, np.maximum, len(moments)),
    )
    is_known = np.isin(np.arange(host_count), list(tree))
    low[~is_known], high[~is_known], apart[~is_known] = -np.inf, np.inf, np.nan
    flags = [_flags(tree, host) for host in range(host_count)]
    for a, b in wrong:
        flags[a].add(CONTRADICTION)
        flags[b].add(CONTRADICTION)
    return Courses(moments, base, apart, low, high, constraints, flags, gap, wrong)


def _beyond(
    step: tuple[int, PairFit], host: int, moments: np.ndarray, base: np.ndarray, apart: np.ndarray
) -> np.ndarray:
    """Return how far a host's clock is off its rough offset, by that of the host before it on the tree."""
    before, pair = step
    if pair.curve is None:
        return apart[host]
    moved = _read(pair, pair.curve, moments, base, apart[before]).estimate  # a's time or b's: the rough ones agree
    return apart[before] + (moved if pair.b == host else -moved)


def _reconciled(
    is_rough: np.ndarray, reference: int, usable: list[tuple[PairFit, Curve]], read: list["_Read"], apart: np.ndarray
) -> tuple[np.ndarray, list[Constraint], set[tuple[int, int]], np.ndarray]:
    """Return estimates inside what can be proved, constraints, pairs that others contradict, and hosts' doubt of that.

    Of hosts `is_rough`, known by few frames, nothing is likelier than the middle.
    """
    host_count = len(is_rough)

    def constraints_of(estimate: np.ndarray) -> list[Constraint]:
        return [_constraint(pair, one, estimate) for (pair, _), one in zip(usable, read, strict=True)]

    constraints = constraints_of(apart)
    least, most = from_reference(host_count, reference, constraints)
    low, high = at_moments(least, np.maximum, apart.shape[1]), at_moments(most, np.minimum, apart.shape[1])
    is_bounded = np.isfinite(low) & np.isfinite(high)
    middle = np.where(is_bounded, (np.where(is_bounded, low, 0) + np.where(is_bounded, high, 0)) / 2, 0)
    inside = apart + np.where(is_rough[:, None], middle, np.clip(0, low, high))
    constraints = constraints_of(np.where(np.isfinite(inside), inside, apart))
    least, most = from_reference(host_count, reference, constraints)
    is_torn = np.asarray((most < least - STAMP_NS).any(axis=(0, 1)))
    if not is_torn.any():
        return inside, constraints, set(), np.zeros_like(most)
    return apart, *contradicted(host_count, constraints_of(apart), is_torn)


def _inside(curve: Curve) -> np.ndarray:
    """Return which knots lie between the pair's frames."""
    return np.asarray((curve.x >= curve.first_x) & (curve.x <= curve.last_x))


def _width(pair: PairFit) -> float:
    """Return the typical width of a pair's bounds."""
    if pair.curve is None:
        return np.inf
    return float(np.median((pair.curve.high - pair.curve.low)[_inside(pair.curve)]))


def _middle(pair: PairFit) -> int:
    """Return the typical difference of the two clocks, for choosing where to look only."""
    curve = pair.curve
    return 0 if curve is None else pair.base_y_ns + round(float(np.median(curve.estimate[_inside(curve)])))


def _flags(tree: dict[int, tuple[int, PairFit] | None], host: int) -> set[str]:
    """Return what does not hold of the pairs on the best way from the reference to the host."""
    flags: set[str] = set()
    step = tree.get(host)
    while step:
        host, pair = step
        flags |= set(pair.curve.flags) if pair.curve else set()
        step = tree[host]
    return flags


def _is_smooth(tree: dict[int, tuple[int, PairFit] | None], host: int) -> bool:
    """Return whether all pairs on the best way from the reference are of many frames."""
    step = tree.get(host)
    while step:
        host, pair = step
        if pair.curve is None or not pair.curve.is_smooth:
            return False
        step = tree[host]
    return True


def _moments(
    pairs: list[tuple[PairFit, Curve]], rough: dict[int, int], covered: list[tuple[int, int]], host_count: int
) -> np.ndarray:
    """Return the grid: knots of all pairs and the ends of all captures, on the reference's clock, thinned if many."""
    first, last = zip(*((covered[host][0] - off, covered[host][1] - off) for host, off in rough.items()), strict=True)
    ends = np.array([*first, *last, min(first) - BEYOND_NS, max(last) + BEYOND_NS], np.int64)
    knots = [pair.base_x_ns - rough[pair.a] + np.rint(curve.x).astype(np.int64) for pair, curve in pairs]
    knots_ns = np.concatenate(knots) if knots else ends  # a stray stamp of 1970 must not stretch the grid beyond these
    edges = [_edges(pair, curve, rough) for pair, curve in pairs]
    grid = np.unique(np.concatenate([ends, knots_ns]))
    grid = grid[(grid >= max(ends.min(), knots_ns.min())) & (grid <= min(ends.max(), knots_ns.max()))]
    most = max(20, min(MOST_MOMENTS, MOST_KNOTS // host_count))
    thinned = grid[np.unique(np.linspace(0, len(grid) - 1, min(most, len(grid))).astype(np.int64))]
    sharp = np.unique(np.concatenate([*edges, np.zeros(0, np.int64)]))
    kept = np.concatenate([thinned, sharp[:: 1 + 2 * len(sharp) // most]])
    return np.unique(kept[(kept >= thinned[0]) & (kept <= thinned[-1])])


def _edges(pair: PairFit, curve: Curve, rough: dict[int, int]) -> np.ndarray:
    """Return the first and last moments of a pair's breaks, which thinning must not blur."""
    times = np.array([time for one in curve.breaks for time in (one.start, one.stop)])
    return pair.base_x_ns - rough[pair.a] + np.rint(times).astype(np.int64)


@dataclass(frozen=True, slots=True)
class _Read:
    """A curve on the grid, less the rough difference of its hosts; excess: how far it bulges between grid points."""

    low: np.ndarray
    high: np.ndarray
    estimate: np.ndarray
    sigma: np.ndarray
    low_excess: np.ndarray
    high_excess: np.ndarray
    is_shown: np.ndarray  # whether the pair has frames before and after


def _read(pair: PairFit, curve: Curve, moments: np.ndarray, base: np.ndarray, apart_a: np.ndarray) -> _Read:
    """Return the pair's curve at the moments; `apart_a` is by how much a's clock is off its rough offset then."""
    x = np.maximum.accumulate((moments + (base[pair.a] - pair.base_x_ns)).astype(float) + apart_a)
    shift = float(pair.base_y_ns - (int(base[pair.b]) - int(base[pair.a])))
    high, high_excess = _covering(x, curve.x, curve.high)
    low, low_excess = _covering(x, curve.x, -curve.low)
    half = (high + low) / 2
    floor = float(np.median(((curve.high - curve.low) / 2)[_inside(curve)]))
    noise = NOISE_NS / np.sqrt(max(1, min(pair.upper_count, pair.lower_count)))
    sigma = noise + FLOOR_SHARE * floor + LOOSE_SHARE * np.maximum(half - floor, 0)
    estimate = np.interp(x, curve.x, curve.estimate) + shift
    spacing = (curve.last_x - curve.first_x) / max(1, pair.matched_count)
    near = NEAR_NS + NEAR_SPACINGS * spacing if curve.is_smooth else np.inf  # of few frames, all must count
    is_shown = (x >= curve.first_x - near) & (x <= curve.last_x + near)
    return _Read(shift - low, high + shift, estimate, sigma, low_excess, high_excess, is_shown)


def _only_where(read: _Read, rows: np.ndarray) -> _Read:
    """Return the curve as one that says nothing at other moments."""
    low, high = np.where(rows, read.low, -FAR_NS), np.where(rows, read.high, FAR_NS)
    return replace(read, low=low, high=high, sigma=np.where(rows, read.sigma, FAR_NS))


def _covering(x: np.ndarray, knot_x: np.ndarray, knot_y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return values at `x`, and for each interval how far the line through the knots rises above the chord."""
    values = np.interp(x, knot_x, knot_y)
    inside = (knot_x > x[0]) & (knot_x < x[-1])
    excess = np.zeros(max(1, len(x) - 1))
    interval = np.searchsorted(x, knot_x[inside]) - 1
    np.maximum.at(excess, interval, knot_y[inside] - np.interp(knot_x[inside], x, values))
    return values, excess


def _constraint(pair: PairFit, read: _Read, apart: np.ndarray) -> Constraint:
    """Return, for each interval, how far the difference of the hosts' estimates may be below and above the truth."""
    difference = apart[pair.b] - apart[pair.a]
    doubt = WHEN_DOUBT * (read.high - read.low) + STAMP_NS
    most, least = read.high - difference + doubt, difference - read.low + doubt
    return Constraint(pair.a, pair.b, _in_intervals(most) + read.high_excess, _in_intervals(least) + read.low_excess)


def _in_intervals(values: np.ndarray) -> np.ndarray:
    """Return values at moments as those at the start and the stop of each interval."""
    return np.stack([values[:-1], values[1:]]) if len(values) > 1 else np.stack([values, values])


def at_moments(values: np.ndarray, worse: np.ufunc, moment_count: int) -> np.ndarray:
    """Return values of intervals (start or stop, interval) at moments: the worse of the two that meet there."""
    starts, stops = values[..., 0, :], values[..., 1, :]
    before = np.concatenate([starts[..., :1], stops], axis=-1)
    after = np.concatenate([starts, stops[..., -1:]], axis=-1)
    return np.asarray(worse(before, after))[..., :moment_count]

"""Windows of constraints become one envelope: the least and the greatest possible difference of two clocks, over time.

Each bound is carried forward and backward at its window's rate, loosened by rho; the tightest counts. Where windows
exclude each other a clock was set in between (a regime ends), and there the envelope spans both regimes. A
silence in which nothing contradicts is named: whatever happened there looks like a rate.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from evpn_pcap.clocks.curve import SILENCE, SLEW, STEP, Break
from evpn_pcap.clocks.edges import SLEW_PPM, Edges
from evpn_pcap.clocks.windows import GAP_NS, Pace, Window

FAR_RHO = 100e-6  # beyond NEAR_NS from any frame the rate is known no better (clock.md, section 5)
NEAR_NS = 20e9
STEP_RATE = 20e-6  # what moved slower than this, over all its interval, may have been a slew
FAR_NS = 1e15  # as far as an envelope reaches, and what stands for a bound that nobody gave


@dataclass(frozen=True, slots=True)
class Envelope:
    """Piecewise linear bounds of clock_b - clock_a at times of a's clock (ns), exact at and between its knots."""

    x: np.ndarray  # increasing
    low: np.ndarray
    high: np.ndarray
    first_x: float  # first and last constraint: between them the envelope rests on frames
    last_x: float
    breaks: tuple[Break, ...]
    is_contradicted: bool


def envelope(found: list[Window], pace: Pace, edges: Edges | None = None) -> Envelope:
    """Return the envelope of all windows, in order of time; with `edges` it holds although a clock was slewed there."""
    regimes = _regimes(found, pace)
    x, low, high = _one_regime(regimes[0], pace, edges=edges)
    breaks = []
    for before, after in pairwise(regimes):
        (x, low, high), happened = _joined((x, low, high), _one_regime(after, pace, edges=edges), before, after, pace)
        breaks.append(happened)
    for one, other in pairwise(found):
        if other.start - one.stop > GAP_NS:
            breaks.append(Break(one.stop, other.start, 0.0, SILENCE))
    breaks.sort(key=lambda one: one.start)
    is_wrong = low > high
    return Envelope(
        x, np.minimum(low, high), np.maximum(low, high), found[0].start, found[-1].stop, tuple(breaks),
        is_contradicted=bool(is_wrong.any()) or len(regimes) > 1,
    )  # fmt: skip


Bounds = tuple[np.ndarray, np.ndarray, np.ndarray]


def _regimes(found: list[Window], pace: Pace) -> list[list[Window]]:
    """Return the windows in groups whose bounds agree."""
    groups: list[list[Window]] = [found[:1]]
    for window in found[1:]:
        if _agree(groups[-1], window, pace):
            groups[-1].append(window)
        else:
            groups.append([window])
    return groups


def _agree(group: list[Window], window: Window, pace: Pace) -> bool:
    """Return whether one clock that was not set can fulfil the group and the window."""
    _, low, high = _bounds_at_constraints([*group, window], pace)
    return bool(np.all(low <= high))


def _bounds_at_constraints(
    group: list[Window], pace: Pace, edges: Edges | None = None
) -> tuple["_Rates", np.ndarray, np.ndarray]:
    """Return the rates over the group's constraints in order of time, and the bounds at each, less the run."""
    rates = _rates(group, pace, edges)
    run, doubt = rates.run, rates.doubt
    upper = np.where(rates.is_upper, rates.y - run, np.inf)
    lower = np.where(rates.is_upper, -np.inf, rates.y - run)
    high = np.minimum(
        np.minimum.accumulate(upper - doubt) + doubt, np.minimum.accumulate((upper + doubt)[::-1])[::-1] - doubt
    )
    low = np.maximum(
        np.maximum.accumulate(lower + doubt) - doubt, np.maximum.accumulate((lower - doubt)[::-1])[::-1] + doubt
    )
    return rates, np.maximum(low, -FAR_NS), np.minimum(high, FAR_NS)


@dataclass(frozen=True, slots=True)
class _Rates:
    """A group's constraints in order of time; how far the clocks have run apart by then, and the doubt of that."""

    x: np.ndarray
    y: np.ndarray
    is_upper: np.ndarray
    run: np.ndarray
    doubt: np.ndarray


def _rates(group: list[Window], pace: Pace, edges: Edges | None = None) -> _Rates:
    x = np.concatenate([part for window in group for part in (window.upper.x, window.lower.x)])
    y = np.concatenate([part for window in group for part in (window.upper.y, window.lower.y)])
    size = [(len(window.upper.x), len(window.lower.x)) for window in group]
    is_upper = np.concatenate([np.arange(up + down) < up for up, down in size])
    number = np.repeat(np.arange(len(group)), [up + down for up, down in size])
    order = np.lexsort((x, number))
    x, y, is_upper, number = x[order], y[order], is_upper[order], number[order]

    rate, rho = np.array([w.rate for w in group])[number], np.array([w.rho for w in group])[number]
    apart = np.diff(x)
    is_link, is_far = np.diff(number) > 0, apart > NEAR_NS
    between_rate = (rate[:-1] + rate[1:]) / 2
    between_rho = np.maximum(rho[:-1], rho[1:]) + np.where(is_link, np.abs(np.diff(rate)) / 2, 0)
    between_rho = np.where(is_far, np.maximum(between_rho, pace.rho if pace.is_known else FAR_RHO), between_rho)
    if edges:
        is_unwatched = edges.reached(x[:-1], x[1:])
        between_rho = np.where(is_unwatched, np.maximum(between_rho, SLEW_PPM * edges.ppm), between_rho)
    run = np.concatenate([[0.0], np.cumsum(between_rate * apart)])
    doubt = np.concatenate([[0.0], np.cumsum(between_rho * apart)])
    return _Rates(x, y, is_upper, run, doubt)


def _one_regime(group: list[Window], pace: Pace, far_rho: float = FAR_RHO, edges: Edges | None = None) -> Bounds:
    """Return the envelope of one regime: knots at its constraints, at the peaks between them, and beyond its ends."""
    rates, low, high = _bounds_at_constraints(group, pace, edges)
    is_last = np.concatenate([np.diff(rates.x) > 0, [True]])
    x, run, doubt, low, high = (values[is_last] for values in (rates.x, rates.run, rates.doubt, low, high))
    if len(x) > 1:
        x, run, low, high = _with_peaks(x, run, doubt, low, high)
    first, last = group[0], group[-1]
    near = np.array([NEAR_NS, NEAR_NS + FAR_NS])

    def loosened(rho: float) -> np.ndarray:
        return np.array([rho * NEAR_NS, rho * NEAR_NS + max(rho, far_rho) * FAR_NS])

    before, after = loosened(first.rho), loosened(last.rho)
    x_all = np.concatenate([x[0] - near[::-1], x, x[-1] + near])
    run_all = np.concatenate([run[0] - first.rate * near[::-1], run, run[-1] + last.rate * near])
    low_all = np.concatenate([low[0] - before[::-1], low, low[-1] - after])
    high_all = np.concatenate([high[0] + before[::-1], high, high[-1] + after])
    return x_all, np.maximum(low_all + run_all, -FAR_NS), np.minimum(high_all + run_all, FAR_NS)


def _with_peaks(
    x: np.ndarray, run: np.ndarray, doubt: np.ndarray, low: np.ndarray, high: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the knots with those added where, between two, bounds carried from both sides meet."""
    here, there = slice(None, -1), slice(1, None)
    span = doubt[there] - doubt[here]
    all_x, all_run, all_low, all_high = [x], [run], [low], [high]
    for meets in ((high[there] - high[here] + span) / 2, (low[here] - low[there] + span) / 2):
        past = np.clip(meets, 0, span)
        share = np.divide(past, span, out=np.zeros_like(past), where=span > 0)
        all_x.append(x[here] + share * (x[there] - x[here]))
        all_run.append(run[here] + share * (run[there] - run[here]))
        all_low.append(np.maximum(low[here] - past, low[there] - (span - past)))
        all_high.append(np.minimum(high[here] + past, high[there] + (span - past)))
    every_x = np.concatenate(all_x)
    order = np.argsort(every_x, kind="stable")
    columns = (every_x, np.concatenate(all_run), np.concatenate(all_low), np.concatenate(all_high))
    ordered = tuple(values[order] for values in columns)
    is_new = np.diff(ordered[0], prepend=-np.inf) > 0
    return ordered[0][is_new], ordered[1][is_new], ordered[2][is_new], ordered[3][is_new]


def _joined(left: Bounds, right: Bounds, before: list[Window], after: list[Window], pace: Pace) -> tuple[Bounds, Break]:
    """Return two regimes as one curve; between the last frame that only the first allows and the first frame that
    only the second allows, the clock was set at an unknown moment, so the curve spans both.
    """
    far_rho = pace.rho if pace.is_known else FAR_RHO
    start = _excluded(before, _one_regime(after, pace, far_rho), pace, at_end=True)
    stop = _excluded(after, _one_regime(before, pace, far_rho), pace, at_end=False)
    start, stop = min(start, stop), max(start, stop)
    at = (start + stop) / 2
    size = sum(np.interp(at, right[0], right[i]) - np.interp(at, left[0], left[i]) for i in (1, 2)) / 2
    happened = Break(start, stop, float(size), STEP if abs(size) > STEP_RATE * (stop - start) else SLEW)
    inside = np.unique(np.concatenate([[start, stop], left[0], right[0]]))
    inside = inside[(inside >= start) & (inside <= stop)]
    low = np.minimum(np.interp(inside, left[0], left[1]), np.interp(inside, right[0], right[1]))
    high = np.maximum(np.interp(inside, left[0], left[2]), np.interp(inside, right[0], right[2]))
    keep_left, keep_right = left[0] < start, right[0] > stop
    x = np.concatenate([left[0][keep_left], [start - 1], inside, [stop + 1], right[0][keep_right]])
    parts = [
        np.concatenate([
            left[i][keep_left], [np.interp(start - 1, left[0], left[i])], middle,
            [np.interp(stop + 1, right[0], right[i])], right[i][keep_right],
        ])
        for i, middle in ((1, low), (2, high))
    ]  # fmt: skip
    order = np.argsort(x, kind="stable")
    return (x[order], parts[0][order], parts[1][order]), happened


def _excluded(group: list[Window], other: Bounds, pace: Pace, *, at_end: bool) -> float:
    """Return the time of the last (or first) constraint of the group that the other regime cannot fulfil."""
    rates = _rates(group, pace)
    too_low = rates.is_upper & (rates.y < np.interp(rates.x, other[0], other[1]))
    too_high = ~rates.is_upper & (rates.y > np.interp(rates.x, other[0], other[2]))
    times = rates.x[too_low | too_high]
    if not len(times):
        return float(rates.x[-1] if at_end else rates.x[0])
    return float(times[-1] if at_end else times[0])

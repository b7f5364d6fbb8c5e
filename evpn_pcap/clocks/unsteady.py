"""Frames become bounds of two clocks' difference that hold although a clock is set or slewed where no frame shows it.

A bound carried forward in time is wrong after a clock was set, one carried backward before it, until frames contradict
what was carried. So the truth lies in what earlier frames say or in what later ones say, and the bounds span both. How
steady the clocks seem counts for nothing: they may part by RATE at any time. Between two groups of frames at most one
thing begins or ends, so there the difference, less its course, goes one way only.
"""

from dataclasses import dataclass, replace

import numpy as np

from evpn_pcap.clocks.curve import CONTRADICTION, SLEW, Curve
from evpn_pcap.clocks.direction import RATE_LIMIT
from evpn_pcap.clocks.edges import SLEW_PPM
from evpn_pcap.clocks.few import believed

BEYOND_NS = 10e6  # before the first and after the last frame a clock may have been set, by no more than this
SHORT_NS = 120e9  # captures that are shorter do not show how steady the clocks are
GROUP_NS, MOST_GROUPS = 10e6, 2_000  # frames this close together are of one moment, or as close as so many allow
SLEW_RATE = SLEW_PPM * 1e-6  # ns a ns
SILENCE_NS, SILENCE_GAPS = 2e9, 8.0  # so long, and so many times the usual gap of its direction, is a silence
SHARES = (0.25, 0.5, 0.75)  # of a gap, where bounds have knots
FAR_NS = 1e15
EDGE_NS = 1.0


def unsteady(curve: Curve, x: np.ndarray, y: np.ndarray, is_upper: np.ndarray) -> Curve | None:
    """Return the curve with bounds that hold for clocks of which nothing is known, too, never closer than its own.

    x and y in ns, x in order. None where frames are many over a long time, and nothing contradicts them: the course
    that they tell is steady. The graph takes these bounds where any pair of its hosts shows a step, a slew or a
    contradiction.
    """
    if curve.is_smooth and x[-1] - x[0] >= SHORT_NS and not {CONTRADICTION, SLEW} & set(curve.flags):
        return None
    upper, lower = believed(x, y, is_upper)
    if not (len(upper.x) and len(lower.x)):
        return None
    x, y = np.concatenate([upper.x, lower.x]), np.concatenate([upper.y, lower.y])
    order = np.argsort(x, kind="stable")
    groups = _groups(x[order], y[order], order < len(upper.x))
    there, back = _carried(groups), _carried(groups.reversed()).reversed()
    bounds = [_between(groups, there, back, _usual_rate(curve), sign) for sign in (1, -1)]
    (knots, high), (_, low) = bounds
    return _spanning(curve, *_shown_twice(knots, -low, high, _set_between(groups, there, back)))


def slewing(curve: Curve, x: np.ndarray, is_upper: np.ndarray) -> Curve:
    """Return the curve with bounds that allow for a slew wherever no frames of their direction would show it.

    Each bound is carried before its first frame, after its last one and through silences; there nothing contradicts
    it, whatever the clocks do, so it widens by SLEW_RATE away from frames, however steady the clocks seem: in a
    silence by a quarter of its length times that at most, for until its end the slew has to be made good. x in ns, in
    order.
    """
    directions = [(x[np.flatnonzero(is_upper)], "high", 1), (x[np.flatnonzero(~is_upper)], "low", -1)]
    silences = [_silences(times) for times, *_ in directions]
    corners = [np.concatenate([ends, (3 * ends + ends[:, ::-1]) / 4]).ravel() for ends in silences]
    knots = np.unique(np.concatenate([curve.x, *corners, *(times[[0, -1]] for times, *_ in directions)]))
    bounds = {
        name: np.interp(knots, curve.x, getattr(curve, name)) + sign * SLEW_RATE * _unwatched(knots, times, ends)
        for (times, name, sign), ends in zip(directions, silences, strict=True)
    }
    return replace(curve, x=knots, estimate=np.interp(knots, curve.x, curve.estimate), **bounds)


def _silences(times: np.ndarray) -> np.ndarray:
    """Return begin and end of each silence between frames, in order: long by itself, and for these frames."""
    gaps = np.diff(times)
    if not len(gaps) or gaps.max() <= SILENCE_NS:
        return np.zeros((0, 2))
    at = np.flatnonzero(gaps > max(SILENCE_NS, SILENCE_GAPS * float(np.median(gaps))))
    return np.column_stack([times[at], times[at + 1]])


def _unwatched(knots: np.ndarray, times: np.ndarray, silences: np.ndarray) -> np.ndarray:
    """Return for how long (ns) a slew may run unseen until each knot: before the first frame, after the last, between.

    In a silence never for more than a quarter of it; elsewhere not at all.
    """
    outside = np.maximum(np.maximum(times[0] - knots, knots - times[-1]), 0)
    if not len(silences):
        return outside
    at = np.clip(np.searchsorted(silences[:, 0], knots, side="right") - 1, 0, None)
    begin, end = silences[at, 0], silences[at, 1]
    within = np.minimum(np.minimum(knots - begin, end - knots), (end - begin) / 4)
    return np.asarray(outside + np.maximum(within, 0))


@dataclass(frozen=True, slots=True)
class _Groups:
    """Frames close in time: from when to when, the least upper bound and the greatest lower one (negated)."""

    start: np.ndarray
    stop: np.ndarray
    high: np.ndarray
    low: np.ndarray

    def reversed(self) -> "_Groups":
        """Return the groups as time runs backward."""
        return _Groups(-self.stop[::-1], -self.start[::-1], self.high[::-1], self.low[::-1])


def _groups(x: np.ndarray, y: np.ndarray, is_upper: np.ndarray) -> _Groups:
    """Return the frames in groups; where those of one moment exclude each other, each alone."""
    width = max(GROUP_NS, (x[-1] - x[0]) / MOST_GROUPS)
    high, low = np.where(is_upper, y, FAR_NS), np.where(is_upper, FAR_NS, -y)
    number = np.floor((x - x[0]) / width).astype(np.int64)
    # a frame within a group's width of the one before it belongs to it, but no group is longer than two widths
    is_first = (np.diff(x, prepend=-np.inf) > width) | (np.diff(number // 2, prepend=-1) > 0)
    first = np.flatnonzero(is_first)
    group = np.cumsum(is_first) - 1
    is_torn = np.minimum.reduceat(high, first) + np.minimum.reduceat(low, first) < 0
    is_first |= is_torn[group]
    first = np.flatnonzero(is_first)
    last = np.append(first[1:], len(x)) - 1
    length = RATE_LIMIT * (x[last] - x[first])  # by so much the difference may change within a group
    least_high, least_low = (np.minimum.reduceat(values, first) for values in (high, low))
    return _Groups(
        x[first],
        x[last],
        np.where(least_high < FAR_NS, least_high + length, FAR_NS),
        np.where(least_low < FAR_NS, least_low + length, FAR_NS),
    )


@dataclass(frozen=True, slots=True)
class _Carried:
    """Bounds after each group, of it and all before it; FAR_NS before any frame, -FAR_NS where they began anew."""

    high: np.ndarray
    low: np.ndarray

    def reversed(self) -> "_Carried":
        """Return the bounds in the other order of time."""
        return _Carried(self.high[::-1], self.low[::-1])


def _carried(groups: _Groups) -> _Carried:
    """Return bounds carried forward, loosened by RATE_LIMIT; where frames contradict them, a clock was set: anew."""
    result = _Carried(np.empty(len(groups.start)), np.empty(len(groups.start)))
    high = low = FAR_NS
    before = groups.start[0]
    columns = (groups.start, groups.stop, groups.high, groups.low)
    for at, (start, stop, new_high, new_low) in enumerate(zip(*(one.tolist() for one in columns), strict=True)):
        high, low = (_loosened(one, RATE_LIMIT * (start - before)) for one in (high, low))
        if min(_known(high), new_high) + min(_known(low), new_low) < 0:
            high, low = (one if one < FAR_NS else -FAR_NS for one in (new_high, new_low))
        else:
            high = new_high if new_high < _known(high) else _loosened(high, RATE_LIMIT * (stop - start))
            low = new_low if new_low < _known(low) else _loosened(low, RATE_LIMIT * (stop - start))
        result.high[at], result.low[at] = high, low
        before = stop
    return result


def _loosened(bound: float, by: float) -> float:
    return bound + by if abs(bound) < FAR_NS else bound


def _known(bound: float) -> float:
    """Return a bound, FAR_NS where there is none."""
    return bound if bound > -FAR_NS else FAR_NS


def _between(groups: _Groups, there: _Carried, back: _Carried, rate: float, sign: int) -> tuple[np.ndarray, np.ndarray]:
    """Return knots and the upper bounds there (`sign` -1: the lower, negated): in groups, between them, and beyond."""
    before, after = (one.high if sign > 0 else one.low for one in (there, back))
    start, stop = groups.start, groups.stop
    inside = _either(before, after)
    gap = start[1:] - stop[:-1]
    run = sign * rate * gap
    first = _either(before[:-1], _moved(after[1:], -run))  # just after a group
    last = _either(_moved(before[:-1], run), after[1:])  # just before the next
    # the usual course may lie between that before and that after a slew began: at most so far off in between
    middle = [
        (stop[:-1] + share * gap, _moved(first + share * (last - first), share * (1 - share) * SLEW_RATE * gap))
        for share in SHARES
    ]
    edge = np.minimum(EDGE_NS, gap / 3)
    beyond = [_beyond(inside[0], after[0]), _beyond(inside[-1], before[-1])]
    parts = [
        (start, inside), (stop, inside),
        (stop[:-1] + edge, first), *middle, (start[1:] - edge, last),
        (np.array([start[0] - EDGE_NS, stop[-1] + EDGE_NS]), np.array(beyond)),
    ]  # fmt: skip
    knots, values = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.lexsort((-values, knots))
    is_first = np.diff(knots[order], prepend=-np.inf) > 0  # of several at one time the widest
    return knots[order][is_first], np.clip(values[order][is_first], -FAR_NS, FAR_NS)


def _set_between(groups: _Groups, there: _Carried, back: _Carried) -> np.ndarray:
    """Return between which times (rows of from, to) clocks were set, where what was carried from both sides excludes
    each other: from as much before the last group that is old, to as much after the first that is new, as they moved.

    A clock that is set back shows that much time twice, so old and new frames may have either's times.
    """
    old_high, old_low, new_high, new_low = there.high[:-1], there.low[:-1], back.high[1:], back.low[1:]
    is_told = np.max(np.abs([old_high, old_low, new_high, new_low]), axis=0) < FAR_NS
    is_apart = is_told & ((old_high + new_low < 0) | (new_high + old_low < 0))
    moved = np.maximum(np.abs(new_high + old_low), np.abs(old_high + new_low))[is_apart]
    return np.column_stack([groups.stop[:-1][is_apart] - moved, groups.start[1:][is_apart] + moved])


def _shown_twice(
    knots: np.ndarray, low: np.ndarray, high: np.ndarray, zones: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return knots and bounds that are as wide as anywhere in a zone all over it."""
    for begin, end in zones:
        x = np.unique(np.concatenate([knots, [begin - EDGE_NS, begin, end, end + EDGE_NS]]))
        low, high = np.interp(x, knots, low), np.interp(x, knots, high)
        within = (x >= begin) & (x <= end)
        low[within], high[within] = low[within].min(), high[within].max()
        knots = x
    return knots, low, high


def _moved(bound: np.ndarray, by: np.ndarray) -> np.ndarray:
    return np.where(np.abs(bound) < FAR_NS, bound + by, bound)


def _either(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return the wider of two bounds; where one is not known because no frame came yet, a clock may have been set."""
    wider, tighter = np.maximum(one, other), np.minimum(one, other)
    beyond = np.where(tighter > -FAR_NS, tighter + BEYOND_NS, FAR_NS)
    return np.where(np.abs(wider) >= FAR_NS, np.minimum(beyond, FAR_NS), wider)


def _beyond(inside: float, bound: float) -> float:
    """Return the bound beyond all frames."""
    return max(inside, min(bound + BEYOND_NS, FAR_NS)) if abs(bound) < FAR_NS else FAR_NS


def _usual_rate(curve: Curve) -> float:
    """Return the rate at which the clocks part most of the time."""
    inside = (curve.x >= curve.first_x) & (curve.x <= curve.last_x)
    at = np.linspace(curve.first_x, curve.last_x, 41) if inside.sum() > 1 else np.zeros(1)
    moved, apart = np.diff(np.interp(at, curve.x, curve.estimate)), np.diff(at)
    rates = moved[apart > 0] / apart[apart > 0]
    return float(np.clip(np.median(rates), -RATE_LIMIT, RATE_LIMIT)) if len(rates) else 0.0


def _spanning(curve: Curve, x: np.ndarray, low: np.ndarray, high: np.ndarray) -> Curve:
    """Return the curve with its bounds and these, whichever are wider; beyond their knots by RATE_LIMIT ever wider."""
    knots = np.union1d(x, curve.x[(curve.x > x[0]) & (curve.x < x[-1])])
    own_low, own_high = np.interp(knots, curve.x, curve.low), np.interp(knots, curve.x, curve.high)
    low, high = np.interp(knots, x, low), np.interp(knots, x, high)
    low = np.where(low <= -FAR_NS, own_low, np.minimum(low, own_low))
    high = np.where(high >= FAR_NS, own_high, np.maximum(high, own_high))
    far = max(abs(float(curve.x[0])), abs(float(curve.x[-1])), FAR_NS)
    x = np.concatenate([[x[0] - far], knots, [x[-1] + far]])
    low = np.concatenate([low[:1] - RATE_LIMIT * far, low, low[-1:] - RATE_LIMIT * far])
    high = np.concatenate([high[:1] + RATE_LIMIT * far, high, high[-1:] + RATE_LIMIT * far])
    return replace(curve, x=x, low=low, high=high, estimate=np.interp(x, curve.x, curve.estimate))

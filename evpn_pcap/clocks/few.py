"""Few frames between two hosts become hard bounds on the difference of their clocks (clock.md, sections 3 and 5).

Nothing is assumed of delays, so the true difference is inside wherever rates keep to their bounds; the estimate is the
middle.
"""

from dataclasses import replace

import numpy as np

from evpn_pcap.clocks.cleaning import believable, rough_rate
from evpn_pcap.clocks.curve import SILENCE, Break, Curve
from evpn_pcap.clocks.direction import RATE_LIMIT
from evpn_pcap.clocks.edges import edges_of
from evpn_pcap.clocks.sweep import envelope
from evpn_pcap.clocks.windows import GAP_NS, Constraints, Pace, rated_between, tightest, windows

STAMP_SLACK_NS = 2_000  # microsecond stamps are cut off, one at each host; measured disorder is below that
NEIGHBOURS = 5  # on either side, in time, that a frame must not contradict
MOST_PASSES = 8  # what is removed uncovers what its neighbours hid
UNKNOWN_NS = 1e13  # a bound beyond is none
FEW_COUNT = 5  # frames a direction: fewer leave the fit approximate
MANY = 24  # frames of a direction that tell by themselves which of them are wrong matches
NEAREST_NS = 5e9  # between blocks that tell a rate
BLOCK = 8  # frames of a direction whose fastest tells the level
LEAST_SLOPES = 3  # between blocks, of which one may hold a step
LEAST_DOUBT, MOST_DOUBT = 1e-6, 20e-6  # of a rate that is known
BY_MEDIAN = 1.4826  # standard deviation of a normal distribution, by its median deviation
SURE = 3.0


def fit_few(x: np.ndarray, y: np.ndarray, is_upper: np.ndarray) -> tuple[Curve, Curve] | None:
    """Return the curve of frames in order of time, and the same with bounds that hold although a clock was slewed near
    the ends; None where nothing is left of a direction; x and y in ns.
    """
    upper, lower = believed(x, y, is_upper)
    removed_count = len(x) - len(upper.x) - len(lower.x)
    if not (len(upper.x) and len(lower.x)):
        return None
    pace = max((_pace(upper, 1), _pace(lower, -1)), key=lambda one: (one.is_known, -one.rho))
    upper, lower = tightest(upper, lower)
    found = windows(upper, lower, pace)
    upper_x, lower_x = np.zeros(0), np.zeros(0)
    for window in found:  # in order of time
        upper_x, lower_x = np.append(upper_x, window.upper.x), np.append(lower_x, window.lower.x)
    upper_count, lower_count = len(upper_x), len(lower_x)
    if not (upper_count and lower_count):
        return None
    bounds = envelope(found, pace)
    breaks = sorted([*bounds.breaks, *_lone(upper_x, lower_x), *_lone(lower_x, upper_x)], key=lambda one: one.start)
    removed_count += len(upper.x) - upper_count + len(lower.x) - lower_count
    flags = {
        "few": min(upper_count, lower_count) < FEW_COUNT,
        "mismatches": removed_count > 0,
        "contradiction": bounds.is_contradicted,
        "silence": any(bool((np.diff(one.x) > GAP_NS).any()) for one in (upper, lower)),
    }
    low, high = (np.where(np.abs(one) < UNKNOWN_NS, one, np.nan) for one in (bounds.low, bounds.high))
    estimate = np.nan_to_num(np.where(np.isnan(low), high, np.where(np.isnan(high), low, (low + high) / 2)))
    curve = Curve(
        bounds.x, bounds.low, bounds.high, estimate, bounds.first_x, bounds.last_x,
        tuple(breaks), tuple(sorted(name for name, holds in flags.items() if holds)), removed_count, is_smooth=False,
    )  # fmt: skip
    edges = edges_of(upper_x, lower_x, _usual_room(curve, upper, lower), ppm=1e-6)
    inner = [rated_between(window, edges.first, edges.last, pace) for window in found]
    edged = envelope(inner, pace, edges)
    estimate = np.interp(edged.x, curve.x, curve.estimate)
    return curve, replace(curve, x=edged.x, low=edged.low, high=edged.high, estimate=estimate)


def _usual_room(curve: Curve, upper: Constraints, lower: Constraints) -> float:
    """Return how far apart upper and lower bounds of usual frames are; the curve's may be far closer at times."""
    above, below = (one.y - np.interp(one.x, curve.x, curve.estimate) for one in (upper, lower))
    inside = (curve.x >= curve.first_x) & (curve.x <= curve.last_x)
    return max(float(np.median(above) - np.median(below)), float(np.median((curve.high - curve.low)[inside])))


def believed(x: np.ndarray, y: np.ndarray, is_upper: np.ndarray) -> tuple[Constraints, Constraints]:
    """Return upper and lower bounds that frames in order of time give, without those that others show to be wrong."""
    upper = _without_strays(Constraints(x[is_upper], y[is_upper] + STAMP_SLACK_NS))
    lower = _without_strays(Constraints(x[~is_upper], y[~is_upper] - STAMP_SLACK_NS))
    return _without_mismatches(upper, lower)


def _lone(mine: np.ndarray, others: np.ndarray) -> list[Break]:
    """Return long stretches at the ends in which only the other direction has frames that bounds rest on (times of
    both): half of what tells is silent.
    """
    ends = [(others[0], mine[0]), (mine[-1], others[-1])]
    return [Break(float(start), float(stop), 0.0, SILENCE) for start, stop in ends if stop - start > GAP_NS]


def _without_strays(constraints: Constraints) -> Constraints:
    """Return the constraints of a direction, if they are many without those that agree with none around them."""
    if len(constraints.x) < MANY:
        return constraints
    x, y = constraints.x * 1e-9, (constraints.y - constraints.y[0]) * 1e-3
    return constraints.take(believable(x, y, rough_rate(x, y)))


def _pace(constraints: Constraints, sign: int) -> Pace:
    """Return the rate that the fastest frames of a direction tell: what most stretches of time agree on."""
    run = np.concatenate([[0], np.cumsum(np.diff(constraints.x) > GAP_NS)])
    first = np.flatnonzero(np.diff(run, prepend=-1))
    block = (np.arange(len(run)) - first[run]) // BLOCK
    block = np.cumsum((np.diff(run, prepend=run[0]) > 0) | (np.diff(block, prepend=0) > 0))
    rate, slopes = 1e-6 * rough_rate(constraints.x * 1e-9, (constraints.y - constraints.y[0]) * 1e-3), np.zeros(0)
    for _ in range(2):
        order = np.lexsort((sign * (constraints.y - rate * constraints.x), block))
        fastest = constraints.take(order[np.flatnonzero(np.diff(block, prepend=-1))])
        apart = np.diff(fastest.x)
        slopes = (np.diff(fastest.y) / np.maximum(apart, 1.0))[apart > NEAREST_NS]
        if len(slopes) < LEAST_SLOPES:
            return Pace()
        rate = float(np.median(slopes))
    doubt = LEAST_DOUBT + SURE * BY_MEDIAN * float(np.median(np.abs(slopes - rate)))
    return Pace(rate, doubt, doubt, is_known=True) if doubt < MOST_DOUBT else Pace()


def _without_mismatches(upper: Constraints, lower: Constraints) -> tuple[Constraints, Constraints]:
    """Return the constraints without those that contradict most of their neighbours, before and after.

    A clock that is set makes old frames contradict new ones on one side only, and is no mismatch.
    Times as far apart as GAP_NS are not compared: between them a clock may have been set.
    """
    for _ in range(MOST_PASSES):
        if not (len(upper.x) and len(lower.x)):
            break
        bad_upper = _contradicts(upper, lower, sign=1)
        bad_lower = _contradicts(lower, upper, sign=-1)
        if not (bad_upper.any() or bad_lower.any()):
            break
        upper, lower = upper.take(~bad_upper), lower.take(~bad_lower)
    return upper, lower


def _contradicts(mine: Constraints, others: Constraints, sign: int) -> np.ndarray:
    """Return which of `mine` most of the nearest `others` before and after it say are impossible."""
    at = np.searchsorted(others.x, mine.x)
    sides = []
    for steps in (range(-NEIGHBOURS, 0), range(NEIGHBOURS)):
        seen = np.zeros(len(mine.x), np.int64)
        against = np.zeros(len(mine.x), np.int64)
        for step in steps:
            index = at + step
            other = np.clip(index, 0, len(others.x) - 1)
            apart = np.abs(others.x[other] - mine.x)
            is_near = (index >= 0) & (index < len(others.x)) & (apart < GAP_NS)
            impossible = sign * (others.y[other] - mine.y) > RATE_LIMIT * apart
            seen += is_near
            against += is_near & impossible
        sides.append((seen, against))
    (seen_before, before), (seen_after, after) = sides
    is_against = (2 * before >= seen_before) & (2 * after >= seen_after)
    return is_against & (2 * (before + after) > seen_before + seen_after) & (before + after >= 2)

"""Matches of two hosts become hard bounds, over time, on the difference of their clocks (clock.md, sections 3 and 5).

A frame that leaves a at a's time x and reaches b gives an upper bound of clock_b - clock_a at x; one that comes from
b a lower bound. Bounds are carried over time by the rate at which the two clocks part, known to plus or minus `rho`.
No floor or symmetry of delays is assumed, so the true difference is inside wherever rates keep to their bounds.
"""

from dataclasses import dataclass

import numpy as np

from evpn_pcap.clocks.direction import RATE_LIMIT
from evpn_pcap.clocks.matching import Matches
from evpn_pcap.clocks.sweep import Envelope, envelope
from evpn_pcap.clocks.windows import GAP_NS, Constraints, tightest, windows

STAMP_SLACK_NS = 2_000  # microsecond stamps are cut off, one at each host; measured disorder is below that
NEIGHBOURS = 5  # on either side, in time, that a frame must not contradict
MOST_PASSES = 8  # what is removed uncovers what its neighbours hid
FEW_COUNT = 5  # frames a direction: fewer leave the fit approximate


@dataclass(frozen=True, slots=True)
class PairBounds:
    """What the frames of two hosts say about clock_b - clock_a; `envelope` is None for one direction only."""

    a: int
    b: int
    envelope: Envelope | None
    matched_count: int
    is_approximate: bool


def bound_pair(matches: Matches, order: np.ndarray) -> PairBounds:
    """Return the bounds that the matches of one pair give; `order` as from direction.find_order."""
    there, back = matches.take(order > 0), matches.take(order < 0)
    upper_x, upper_y = there.last_a_ns, there.first_b_ns - there.last_a_ns
    lower_x, lower_y = back.first_a_ns, back.last_b_ns - back.first_a_ns
    a, b = int(matches.a[0]), int(matches.b[0])
    count = len(upper_x) + len(lower_x)
    if not (len(upper_x) and len(lower_x)):
        return PairBounds(a, b, None, count, is_approximate=True)

    # Differences of clocks may be hours: subtract as integers, only then go to floats.
    base_x, base_y = int(min(upper_x.min(), lower_x.min())), int(np.median(np.concatenate([upper_y, lower_y])))
    upper = Constraints((upper_x - base_x).astype(float), (upper_y - base_y).astype(float) + STAMP_SLACK_NS)
    lower = Constraints((lower_x - base_x).astype(float), (lower_y - base_y).astype(float) - STAMP_SLACK_NS)
    upper, lower, removed_count = _without_mismatches(upper.in_order(), lower.in_order())
    if not (len(upper.x) and len(lower.x)):
        return PairBounds(a, b, None, count, is_approximate=True)

    upper, lower = tightest(upper, lower)
    found = windows(upper, lower)
    upper_count, lower_count = sum(len(w.upper.x) for w in found), sum(len(w.lower.x) for w in found)
    if not (upper_count and lower_count):
        return PairBounds(a, b, None, count, is_approximate=True)
    bounds = envelope(found, base_x, base_y)
    removed_count += len(upper.x) - upper_count + len(lower.x) - lower_count
    is_few = min(upper_count, lower_count) < FEW_COUNT
    is_approximate = is_few or removed_count > 0 or bounds.is_contradicted
    return PairBounds(a, b, bounds, count - removed_count, is_approximate)


def _without_mismatches(upper: Constraints, lower: Constraints) -> tuple[Constraints, Constraints, int]:
    """Return the constraints without those that contradict most of their neighbours, before and after.

    A clock that is set makes old frames contradict new ones on one side only, and is no mismatch.
    Times as far apart as GAP_NS are not compared: between them a clock may have been set.
    """
    removed_count = 0
    for _ in range(MOST_PASSES):
        if not (len(upper.x) and len(lower.x)):
            break
        bad_upper = _contradicts(upper, lower, sign=1)
        bad_lower = _contradicts(lower, upper, sign=-1)
        bad_count = int(bad_upper.sum() + bad_lower.sum())
        if not bad_count:
            break
        removed_count += bad_count
        upper, lower = upper.take(~bad_upper), lower.take(~bad_lower)
    return upper, lower, removed_count


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

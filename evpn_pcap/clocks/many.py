"""Many frames between two hosts become a curve: bounds on the difference of their clocks, an estimate, and the breaks.

Regimes (regime.py) are joined at breaks (breaks.py). Between the last frame that only the regime before allows and the
first that only the one after allows, a clock was set or slewed: the bounds there span both.
"""

from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from evpn_pcap.clocks.borders import LEAST_STEP_US, located
from evpn_pcap.clocks.breaks import Bins, bins, jumps, overall_rate, rate_doubt, usual_rate
from evpn_pcap.clocks.cleaning import believable, rough_rate
from evpn_pcap.clocks.curve import CONTRADICTION, MISMATCHES, SILENCE, STEP, STEP_OR_SLEW, Break, Curve, Zone
from evpn_pcap.clocks.edges import edges_of
from evpn_pcap.clocks.joining import joined, knots_of
from evpn_pcap.clocks.regime import FEW_RHO_PPM, SURE_SPREADS, Regime, fit_regime
from evpn_pcap.clocks.silences import long_silences, silences

LEAST_BINS = 8
LEAST_REGIME, END_FRAMES = 4, 6  # frames of a regime, and of one at an end of the capture
LEAST_REGIME_BINS = 3  # between two breaks; shorter ones are part of one longer break
SILENCE_DOUBT_US = 150.0  # a step of this size in a silence may not show
LOOK = 6  # frames a direction that are compared, before and after
CONTRADICTION_US = 30.0
MOST_CONTRADICTORY = 5_000  # with more frames the bins are fine enough
MOST_ROUNDS = 4


def fit_many(x: np.ndarray, y: np.ndarray, is_upper: np.ndarray) -> tuple[Curve, Curve] | None:
    """Return the curve of frames in order of time, and the same with bounds that hold although a clock was slewed near
    the ends; None where frames are too few for this; x in s, y in us.
    """
    rate = rough_rate(x, y)
    keep = np.zeros(len(x), bool)
    for rows in (np.flatnonzero(is_upper), np.flatnonzero(~is_upper)):
        if len(rows) < 4 * LEAST_BINS:
            return None
        keep[rows[believable(x[rows], y[rows], rate)]] = True
    right = np.flatnonzero(keep)
    mismatch_count = len(x) - len(right)
    wrong_share = (mismatch_count + 1) / len(x)
    ends = float(x[0]), float(x[-1])
    x, y, is_upper = x[right], y[right], is_upper[right]
    silent = silences(x)
    cuts = long_silences(x, is_upper, silent)
    found = bins(x, y - rate * x, is_upper, np.searchsorted(x, cuts[:, 1]))
    if len(found.time) < LEAST_BINS:
        return None
    zones = [*_zones(found), *_contradictions(x, y - rate * x, is_upper, found)]
    zones = _merged([*zones, *((start, stop) for start, stop in cuts.tolist())])
    rate += overall_rate(found)
    for attempt in range(MOST_ROUNDS):
        regimes, borders, changes = _fitted(x, y, is_upper, found, rate, zones, (silent, cuts), wrong_share)
        torn = [zone for regime in regimes if (zone := _torn(regime)) is not None]
        hidden = [regime.hidden for regime in regimes if regime.hidden is not None]
        if not (torn or hidden) or attempt == MOST_ROUNDS - 1:
            break
        zones = _merged([*zones, *torn, *hidden])
    removed = mismatch_count + sum(regime.mismatch_count for regime in regimes)
    flags = {one.kind for one in changes}
    flags |= {STEP_OR_SLEW} if any(one.may_be_slew for one in changes) else set()
    flags |= {CONTRADICTION} if torn else set()
    flags |= {SILENCE} if len(silent) else set()
    flags |= {MISMATCHES} if removed else set()
    ways = x[np.flatnonzero(is_upper)], x[np.flatnonzero(~is_upper)]
    curves = joined(regimes, borders, changes, ends, (None, edges_of(*ways, _open_us(found, regimes), ppm=1.0)))
    told = [replace(one, flags=tuple(sorted(flags)), mismatch_count=removed) for one in curves]
    return told[0], told[1]


def _open_us(found: Bins, regimes: list[Regime]) -> float:
    """Return what the bounds leave open, at least a usual round trip: they themselves may be closer, for a slew."""
    middles = [(one, np.array([(one.start + one.stop) / 2])) for one in regimes]
    widths = [float(np.diff(one.bounds(at), axis=0)[0, 0]) for one, at in middles]
    return max(float(np.median(found.upper - found.lower)), *widths)


def _zones(found: Bins) -> list[Zone]:
    """Return the stretches of time that hold a break: neither the regime before nor the one after is sure of them."""
    is_jump, is_turn = jumps(found)
    zones: list[Zone] = []
    last = len(found.time) - 1
    for flags, before, after in ((is_jump, 1, 1), (is_turn, -1, 3)):
        at = np.flatnonzero(flags)
        for run in _runs(at):
            first, stop = max(0, run[0] + before), min(last, run[-1] + after)
            if flags is is_turn and first < stop:  # a turn is blurred: leave enough on either side to know it by
                first, stop = max(first, min(LEAST_REGIME_BINS, stop)), min(stop, max(last - LEAST_REGIME_BINS, first))
            zones.append((float(found.start[first]), float(found.stop[stop])))
    return _merged(zones)


def _runs(at: np.ndarray) -> list[np.ndarray]:
    """Return the positions in groups without a hole."""
    return np.split(at, np.flatnonzero(np.diff(at) > 1) + 1) if len(at) else []


def _contradictions(x: np.ndarray, level: np.ndarray, is_upper: np.ndarray, found: Bins) -> list[Zone]:
    """Return where the next frames say that what the last frames said is impossible, one of each left aside."""
    if len(x) > MOST_CONTRADICTORY:
        return []
    middle = (found.upper + found.lower) / 2
    moved = usual_rate(np.diff(middle), np.diff(found.time)) * np.diff(found.time)
    doubt = rate_doubt(found)
    level = level - np.interp(x, found.time, np.concatenate([[0.0], np.cumsum(moved)]))
    zones: list[Zone] = []
    for sign in (1, -1):
        old, new = is_upper == (sign > 0), is_upper == (sign < 0)
        old_x, new_x = x[old], x[new]
        least = np.partition(sliding_window_view(sign * level[old], LOOK), 1, axis=1)[:, 1]
        most = -np.partition(sliding_window_view(-sign * level[new], LOOK), 1, axis=1)[:, 1]
        at = np.searchsorted(old_x, new_x[: len(most)])
        rows = np.flatnonzero(at >= LOOK)
        before = at[rows] - LOOK
        span = new_x[rows + LOOK - 1] - old_x[before]
        bad = rows[most[rows] - least[before] > CONTRADICTION_US + doubt * span]
        for run in _runs(bad):
            first, last = old_x[max(0, at[run[0]] - 2)], new_x[min(len(new_x) - 1, run[-1] + 1)]
            zones += [(float(first), float(last))]
    return zones


def _merged(zones: list[Zone]) -> list[Zone]:
    merged: list[Zone] = []
    for start, stop in sorted(zones):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(stop, merged[-1][1]))
        else:
            merged.append((start, stop))
    return merged


def _fitted(
    x: np.ndarray,
    y: np.ndarray,
    is_upper: np.ndarray,
    found: Bins,
    rate: float,
    zones: list[Zone],
    silent: tuple[np.ndarray, np.ndarray],
    wrong_share: float,
) -> tuple[list[Regime], list[Zone], list[Break]]:
    """Return the regimes, where each gives way to the next, and what happened there."""
    spans = _spans(x, found, _merged([_inside(zone, x) for zone in zones]))
    reach = 2 * float(np.median(found.stop - found.start))

    def fit(start: float, stop: float, near: float) -> Regime:
        first, end = np.searchsorted(x, start), np.searchsorted(x, stop, side="right")
        rows = slice(int(first), int(end))
        inside = silent[0][(silent[0][:, 0] >= start) & (silent[0][:, 1] <= stop)]
        return fit_regime(x[rows], y[rows], is_upper[rows], near, FEW_RHO_PPM, inside, SILENCE_DOUBT_US)

    regimes = [fit(*span, rate) for span in spans]
    usual = _usual_rate(regimes, rate)
    regimes = [one if one.is_sure else fit(*span, usual) for one, span in zip(regimes, spans, strict=True)]
    while True:  # first between the zones, then up to where each was found to end
        found_breaks = [located(x, y, is_upper, a, b, reach, wrong_share) for a, b in pairwise(regimes)]
        edges = [float(x[0]), *(edge for _, border in found_breaks for edge in border), float(x[-1])]
        nearer = list(zip(edges[::2], edges[1::2], strict=True))
        is_left = [np.diff(np.searchsorted(x, span))[0] >= LEAST_REGIME for span in nearer]
        if all(is_left[1:-1]):
            break
        chosen = [number for number, left in enumerate(is_left) if left or number in (0, len(spans) - 1)]
        spans, regimes = [spans[number] for number in chosen], [regimes[number] for number in chosen]
    if found_breaks:
        nearer = [new if left else old for new, left, old in zip(nearer, is_left, spans, strict=True)]
        refitted = [fit(*span, usual) for span in nearer]
        again = [located(x, y, is_upper, a, b, reach, wrong_share) for a, b in pairwise(refitted)]
        is_surer = [
            first[0].kind == STEP and _doubt(old, first[0]) < _doubt(new, first[0])
            for first, old, new in zip(found_breaks, pairwise(regimes), pairwise(refitted), strict=True)
        ]  # a step is as those regimes say that know more
        is_lost = [surer and other[0].kind != STEP for surer, other in zip(is_surer, again, strict=True)]
        kept = [any(is_lost[max(0, number - 1) : number + 1]) for number in range(len(regimes))]
        regimes = [old if keep else new for old, new, keep in zip(regimes, refitted, kept, strict=True)]
        found_breaks = [
            first if surer else other for first, other, surer in zip(found_breaks, again, is_surer, strict=True)
        ]
    pairs = zip(pairwise(regimes), found_breaks, strict=True)
    found_breaks = [_silent(sides, one, silent[1]) or one for sides, one in pairs]
    return regimes, [border for _, border in found_breaks], [one for one, _ in found_breaks]


def _silent(sides: tuple[Regime, Regime], found: tuple[Break, Zone], cuts: np.ndarray) -> tuple[Break, Zone] | None:
    """Return the long silence between two regimes, unless they are surely further apart than they may be off."""
    between = cuts[(cuts[:, 0] >= sides[0].stop) & (cuts[:, 1] <= sides[1].start)]
    if not len(between) or abs(found[0].size) > LEAST_STEP_US + SURE_SPREADS * _doubt(sides, found[0])[1]:
        return None
    start, stop = between[0].tolist()
    return Break(start, stop, 0.0, SILENCE), (start, stop)


def _doubt(sides: tuple[Regime, Regime], happened: Break) -> tuple[bool, float]:
    """Return how ill two regimes know what is between them: whether one is torn, and how far (us) they may be off."""
    at = np.array([(happened.start + happened.stop) / 2])
    ends = np.array([sides[0].stop]), np.array([sides[1].start])
    off = sum(float(one.model.spread(at, end)[0, 0]) for one, end in zip(sides, ends, strict=True))
    return any(_torn(one) is not None for one in sides), off


def _usual_rate(regimes: list[Regime], rate: float) -> float:
    """Return the mean rate of the longest regime that frames tell the course of."""
    sure = [one for one in regimes if one.is_sure]
    if not sure:
        return rate
    longest = max(sure, key=lambda one: one.stop - one.start)
    ends = np.array([longest.start, longest.stop])
    return float(np.diff(longest.estimate(ends))[0] / (longest.stop - longest.start))


def _inside(zone: Zone, x: np.ndarray) -> Zone:
    """Return the zone with some frames left before and after it: what an end of the capture shows must not be lost."""
    first, last = float(x[END_FRAMES]), float(x[-1 - END_FRAMES])
    start, stop = min(max(zone[0], first), last), max(min(zone[1], last), first)
    return (start, stop) if start < stop else (start, float(x[np.searchsorted(x, start) + 1]))


def _spans(x: np.ndarray, found: Bins, zones: list[Zone]) -> list[Zone]:
    """Return the stretches between the zones; short ones inside are left to the zones, at the ends they stay."""
    starts = [float(x[0]), *(stop for _, stop in zones)]
    stops = [*(start for start, _ in zones), float(x[-1])]
    spans = []
    for number, (start, stop) in enumerate(zip(starts, stops, strict=True)):
        count = int(((found.start >= start) & (found.stop <= stop)).sum())
        is_end = number in (0, len(zones))
        frames = np.searchsorted(x, [start, stop])
        if count >= LEAST_REGIME_BINS or (is_end and frames[1] - frames[0] >= LEAST_REGIME):
            # the frame at a zone's border belongs to the zone
            first = 0 if number == 0 else min(int(np.searchsorted(x, start, side="right")), len(x) - 1)
            last = len(x) - 1 if number == len(zones) else max(int(np.searchsorted(x, stop)) - 1, 0)
            spans.append((float(x[first]), float(x[last])))
    return spans or [(float(x[0]), float(x[-1]))]


def _torn(regime: Regime) -> Zone | None:
    """Return where the regime's bounds exclude each other."""
    knots = knots_of(regime)
    low, high = regime.bounds(knots)
    wrong = np.flatnonzero(low > high)
    if not len(wrong):
        return None
    run = wrong[: int(np.argmax(np.concatenate([np.diff(wrong) > 1, [True]]))) + 1]
    return float(knots[max(0, run[0] - 1)]), float(knots[min(len(knots) - 1, run[-1] + 1)])

"""Frames in order of time become stretches, and the places between them where the clocks did not keep their rate.

A step of a clock moves both directions the same way, congestion moves them apart (Paxson 1998), so a change counts
where both say it.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

BIN_COUNT = 5  # frames a direction in one bin, at least
MOST_BINS = 200
QUANTILE = 0.3
NEIGHBOURS = 10  # increments on either side that tell the usual rate
LEAST_JUMP_US = 110.0
SURE = 6.0  # standard deviations
RATE_DOUBT_PPM, MOST_RATE_DOUBT_PPM = 1.0, 10.0  # the usual rate's own error, at least and at most
RATE_BINS = 4  # bins between which a rate is measured
LEAST_TURN_PPM = 5.0
BY_MEDIAN = 1.4826  # standard deviation of a normal distribution, by its median deviation
BY_QUARTER = 3.14  # and by the quarter of deviations that is least


@dataclass(frozen=True, slots=True)
class Bins:
    """Stretches of frames: first and last time, level of both directions (us, less the rough rate)."""

    start: np.ndarray
    stop: np.ndarray
    time: np.ndarray
    upper: np.ndarray
    lower: np.ndarray


def bins(x: np.ndarray, level: np.ndarray, is_upper: np.ndarray, cuts: np.ndarray) -> Bins:
    """Return stretches with enough frames of both directions, never shorter than a 200th of the time; none goes on over
    the first frame of a cut.
    """
    up_count = int(is_upper.sum())
    each = max(BIN_COUNT, min(up_count, len(x) - up_count) // MOST_BINS)
    shortest = (x[-1] - x[0]) / MOST_BINS
    parts = [
        _bins(x[first:stop], level[first:stop], is_upper[first:stop], each, shortest)
        for first, stop in pairwise([0, *cuts.tolist(), len(x)])
    ]
    columns = [(one.start, one.stop, one.time, one.upper, one.lower) for one in parts]
    return Bins(*(np.concatenate(values) for values in zip(*columns, strict=True)))


def _bins(x: np.ndarray, level: np.ndarray, is_upper: np.ndarray, each: int, shortest: float) -> Bins:
    """Return stretches of at least so many frames of each direction, and no shorter than this."""
    ups, downs = np.cumsum(is_upper), np.cumsum(~is_upper)
    edges = [0]
    at = 0
    while True:
        need_up = ups[at] - is_upper[at] + each
        need_down = downs[at] - (not is_upper[at]) + each
        stop = max(
            ups.searchsorted(need_up),  # the methods: a third of the functions' time, for one value
            downs.searchsorted(need_down),
            x.searchsorted(x[at] + shortest) - 1,
        )
        if stop >= len(x) - 1:
            break
        edges.append(stop + 1)
        at = stop + 1
    edges_array = np.array(edges)
    count = len(edges)
    number = np.repeat(np.arange(count), np.diff(edges_array, append=len(x)))
    upper = _quantile(level, number, is_upper, count, 1)
    lower = _quantile(level, number, ~is_upper, count, -1)
    last = np.concatenate([edges_array[1:], [len(x)]]) - 1
    total = np.bincount(number, weights=x, minlength=count) / np.bincount(number, minlength=count)
    keep = np.isfinite(upper) & np.isfinite(lower)
    return Bins(x[edges_array][keep], x[last][keep], total[keep], upper[keep], lower[keep])


def _quantile(
    level: np.ndarray, number: np.ndarray, rows: np.ndarray, count: int, sign: int, share: float = QUANTILE
) -> np.ndarray:
    """Return the low quantile (of sign * level) of each bin's chosen frames; nan where a bin has none."""
    places = np.flatnonzero(rows)
    chosen, group = sign * level[places], number[places]
    least = chosen.min(initial=0.0)
    apart = chosen.max(initial=0.0) - least + 1
    chosen = np.sort(group * apart + (chosen - least)) - group * apart + least  # groups are in order, and stay so
    first = np.searchsorted(group, np.arange(count))
    size = np.searchsorted(group, np.arange(count), side="right") - first
    at = np.minimum(first + (share * np.maximum(size - 1, 0)).astype(np.int64), len(chosen) - 1)
    return np.where(size > 0, sign * chosen[at], np.nan)


def jumps(found: Bins) -> tuple[np.ndarray, np.ndarray]:
    """Return which moves from one bin to the next but one are not the usual rate's, and where that rate changes.

    Two bins on, since a step inside a bin moves one direction's quantile there and leaves the
    other's. Element k is about bins k to k + 2.
    """
    middle = (found.upper + found.lower) / 2
    if len(middle) < 4:
        none = np.zeros(max(0, len(middle) - 2), bool)
        return none, none
    apart = np.diff(found.time)
    usual = usual_rate(np.diff(middle), apart)
    expected = usual * apart
    expected, span = expected[1:] + expected[:-1], apart[1:] + apart[:-1]
    up, down = (level[2:] - level[:-2] - expected for level in (found.upper, found.lower))
    noise = BY_QUARTER * float(np.quantile(np.abs((up + down) / 2), 0.25))  # of few, most may hold a break
    limit = np.maximum(LEAST_JUMP_US, SURE * noise) + rate_doubt(found) * span
    is_jump = (np.sign(up) == np.sign(down)) & (np.minimum(np.abs(up), np.abs(down)) > limit / 2)
    is_jump &= np.abs(up + down) / 2 > limit
    turn = np.diff(usual)
    usual_turn = BY_MEDIAN * float(np.median(np.abs(turn)))
    return is_jump, np.abs(turn) > max(LEAST_TURN_PPM, SURE * usual_turn, 3 * noise / float(np.median(span)))


def overall_rate(found: Bins) -> float:
    """Return the weighted median rate of all increments."""
    moved, apart = np.diff(found.upper + found.lower) / 2, np.diff(found.time)
    order = np.argsort(moved / apart)
    weight = np.cumsum(np.minimum(apart, 2 * np.median(apart))[order])
    return float((moved / apart)[order][np.searchsorted(weight, weight[-1] / 2)])


def rate_doubt(found: Bins) -> float:
    """Return by how much (ppm) the rate is off the overall one: thrice the median, which a step is not."""
    lag = min(RATE_BINS, len(found.time) - 1)
    level = (found.upper + found.lower) / 2
    rate = (level[lag:] - level[:-lag]) / (found.time[lag:] - found.time[:-lag])
    off = np.median(np.abs(rate - overall_rate(found)))
    return float(np.clip(3 * off, RATE_DOUBT_PPM, MOST_RATE_DOUBT_PPM))


def usual_rate(moved: np.ndarray, apart: np.ndarray) -> np.ndarray:
    """Return the weighted median rate of the increments around each increment."""
    width = min(len(moved), 2 * NEIGHBOURS + 1)
    starts = np.clip(np.arange(len(moved)) - width // 2, 0, len(moved) - width)
    rows = starts[:, None] + np.arange(width)
    rate = (moved / apart)[rows]
    order = np.argsort(rate, axis=1)
    rate = np.take_along_axis(rate, order, 1)
    worth = np.minimum(apart, 2 * np.median(apart))  # a silence must not outweigh all else
    weight = np.cumsum(np.take_along_axis(worth[rows], order, 1), axis=1)
    at = (weight < weight[:, -1:] / 2).sum(axis=1)
    return rate[np.arange(len(rate)), at]

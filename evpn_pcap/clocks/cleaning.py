"""Stamps of matched frames become those to believe: a wrong match is alone, right ones agree with their neighbours.

One direction at a time, since queues make two directions unlike. The rate that neighbours are compared with is the
shorth's (the middle of the shortest interval that holds a share of all values, a mode): it survives many wrong matches.
"""

import numpy as np

AROUND = 6  # frames before, and as many after, that a frame is compared with
ENOUGH = 2  # of them that it must agree with
SLOPE_SHARE = 0.2  # a step and two fifths of wrong matches still leave this share of slopes right
MOST_SLOPES = 4_000
NEAR_US = 2_000.0  # what delays differ by, mostly
FASTEST_PPM = 1_000.0  # no slew is faster (Linux adjtime slews by 500 ppm)


def shorth(values: np.ndarray, share: float) -> tuple[np.ndarray, np.ndarray]:
    """Return middle and width of the shortest interval that holds `share` of each row's values."""
    ordered = np.sort(values, axis=-1)
    count = max(1, int(share * ordered.shape[-1]))
    width = ordered[..., count:] - ordered[..., :-count]
    best = np.argmin(width, axis=-1)[..., None]
    low = np.take_along_axis(ordered, best, -1)[..., 0]
    least = np.take_along_axis(width, best, -1)[..., 0]
    return low + least / 2, least


def rough_rate(x: np.ndarray, y: np.ndarray) -> float:
    """Return the rate (ppm) that most frames a quarter of the capture apart agree on; x in s, y in us."""
    lag = max(1, len(x) // 4)
    first = np.arange(len(x) - lag)
    first = first[:: max(1, len(first) // MOST_SLOPES)]
    apart = x[first + lag] - x[first]
    slopes = (y[first + lag] - y[first])[apart > 0] / apart[apart > 0]
    if len(slopes) < 5:
        return 0.0
    return float(np.clip(shorth(slopes, SLOPE_SHARE)[0], -FASTEST_PPM, FASTEST_PPM))


def believable(x: np.ndarray, y: np.ndarray, rate: float) -> np.ndarray:
    """Return which frames of one direction, in order of time, agree with several of those around them."""
    count = len(x)
    width = min(2 * AROUND, count - 1)
    level = y - rate * (x - x[0])
    first = np.clip(np.arange(count) - width // 2, 0, count - width - 1)
    near = np.zeros(count, np.int16)
    for step in range(width + 1):
        near += np.abs(level[first + step] - level) < NEAR_US
    return near > min(ENOUGH, width // 3)  # each agrees with itself

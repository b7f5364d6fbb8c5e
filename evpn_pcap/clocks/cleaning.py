"""Stamps of matched frames become those to believe: wrong matches lie far from what most frames near them say.

The bulk of each stretch of frames is its shortest interval that holds two fifths of them (the shorth, a mode that
survives when nearly half are wrong); one direction at a time, since queues make two directions unlike.
"""

import numpy as np

STRETCH_COUNT = 24  # frames whose bulk is looked for together
BULK_SHARE = 0.4
SLOPE_SHARE = 0.2  # a step and two fifths of wrong matches still leave this share of slopes right
MOST_SLOPES = 4_000
NEAR_US = 4_000.0  # from the bulk of its stretch, or of the one before or after
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
    """Return which frames of one direction, in order of time, lie near the bulk of those around them."""
    count = len(x)
    row = min(STRETCH_COUNT, max(4, count // 4))
    if count < 2 * row:
        row = count
    level = y - rate * (x - x[0])
    rows = count // row
    whole = level[: rows * row].reshape(rows, row)
    centre, _ = shorth(whole, BULK_SHARE)
    beside = np.concatenate([centre[:1], centre, centre[-1:]])
    number = np.minimum(np.arange(count) // row, rows - 1)
    off = [np.abs(level - beside[number + shift]) for shift in range(3)]
    return np.minimum(np.minimum(off[0], off[1]), off[2]) < NEAR_US

"""What slews do near the first and the last frame, where nothing contradicts them yet, or any more.

Until a slew has moved two clocks by all that their bounds leave open, about a round trip, no frame shows it. One that
begins shortly before the last frame would shift what later frames say by as much, and with it, carried back, all.
"""

from dataclasses import dataclass

import numpy as np

SLEW_PPM = 150.0  # by how much more two clocks part while one is slewed; chrony and adjtime do 100
SLOW_PPM = 50.0  # slower slews show: the course follows them
SURE_SHARE = 1.5  # of what bounds leave open: once a slew has moved the clocks so far, frames show it for sure


@dataclass(frozen=True, slots=True)
class Edges:
    """The first and the last stretch of frames; times and differences in any units, of which ppm is the rate."""

    first: float  # the first stretch ends
    last: float  # the last one begins
    most: float  # by how much a slew may have moved the clocks unseen
    ppm: float

    def doubt(self, x: np.ndarray, other: np.ndarray) -> np.ndarray:
        """Return by how much slews may have moved the clocks between times x, in rows, and other, in columns."""
        total = np.zeros((len(x), len(other)))
        for sign, inner in ((-1, self.first), (1, self.last)):
            depth, other_depth = (np.maximum(sign * (one - inner), 0) for one in (x, other))
            fast = SLEW_PPM * self.ppm * np.abs(depth[:, None] - other_depth[None, :])
            slow = SLOW_PPM * self.ppm * np.maximum(depth[:, None], other_depth[None, :])
            total += np.minimum(np.minimum(fast, slow), self.most)
        return total

    def reached(self, start: np.ndarray, stop: np.ndarray) -> np.ndarray:
        """Return which intervals reach into one of the stretches."""
        return np.asarray((start < self.first) | (stop > self.last))


def edges_of(upper_x: np.ndarray, lower_x: np.ndarray, left_open: float, ppm: float) -> Edges:
    """Return the stretches in which a slew would not show where bounds leave so much open; it takes frames of both
    directions, whose times are given, in order.
    """
    most = SURE_SHARE * left_open
    length = most / (SLOW_PPM * ppm)
    first, last = max(upper_x[0], lower_x[0]), min(upper_x[-1], lower_x[-1])
    return Edges(float(first) + length, float(last) - length, most, ppm)

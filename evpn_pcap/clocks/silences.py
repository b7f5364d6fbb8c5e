"""Times of frames become silences, and those too long to carry a rate over: whatever a clock does there looks like one.

A clock set by 5 ms in a silence of 240 s and one that ran 21 ppm faster show the same frames, so the frames on either
side of a long silence are fitted each for itself, and the silence is a border between two regimes.
"""

import numpy as np

SILENCE_S, SILENCE_SPACINGS = 20.0, 10.0  # a silence is longer than both
LONG_SHARE = 0.1  # of the capture, that a long silence takes
MOST_SHARE = 0.5  # of the time, that silences take where they are no rule; frames in bursts tell the course across them
LEAST_BESIDE = 6  # frames of each direction, before a long silence and after it


def silences(x: np.ndarray) -> np.ndarray:
    """Return start and stop of each silence between frames at times x (s), in order."""
    limit = max(SILENCE_S, SILENCE_SPACINGS * (x[-1] - x[0]) / len(x))
    at = np.flatnonzero(np.diff(x) > limit)
    return np.stack([x[at], x[at + 1]], axis=1)


def long_silences(x: np.ndarray, is_upper: np.ndarray, silent: np.ndarray) -> np.ndarray:
    """Return those of the silences that are long, with frames of both directions between any two of them."""
    chosen: list[np.ndarray] = []
    first = 0
    share = np.diff(silent)[:, 0] / (x[-1] - x[0])
    for one in silent[(share > LONG_SHARE) & (share.sum() <= MOST_SHARE)]:
        after = int(np.searchsorted(x, one[1]))
        sides = is_upper[first:after], is_upper[after:]
        if min(min(int(side.sum()), int((~side).sum())) for side in sides) >= LEAST_BESIDE:
            chosen.append(one)
            first = after
    return np.array(chosen).reshape(-1, 2)

"""Which ordinary packets become anchors: a sample that every host chooses alike (RFC 5475, 6.2.2).

A packet's level is the number of leading zero bits of its sample key. Of each second of a capture
those from some level on are kept: the least level that leaves no more than the wanted number.
So the sample of a busier second or host is a subset of that of a quieter one, and the choice
depends on the second's packets only, not on how they came in batches.
"""

import numpy as np

LEVELS = 17  # 1 / 2**16 of the packets at the rarest
OPEN_SECONDS_MOST = 4096
SECOND_NS = 1_000_000_000

_LEVEL_OF_TOP = np.array([16 - top.bit_length() for top in range(1 << 16)], np.uint8)  # of the top 16 bits


def level(key: np.ndarray) -> np.ndarray:
    """Return how rare each sample key is: kept with probability 2**-level."""
    found: np.ndarray = _LEVEL_OF_TOP[key >> np.uint64(48)]
    return found


class Sampler:
    """Counts packets by second and level, and tells the least level that is kept of a second."""

    def __init__(self, wanted_count: int) -> None:
        self.wanted_count = wanted_count
        self._seconds = np.zeros(0, np.int64)
        self._counts = np.zeros((0, LEVELS), np.int64)
        self._least: dict[int, int] = {}  # of seconds of which not everything is kept

    def count(self, second: np.ndarray, rarity: np.ndarray) -> None:
        """Count packets: the second and the level of each."""
        if not len(second):
            return
        seconds, index = _distinct(second)
        fresh = np.bincount(index * LEVELS + rarity, minlength=len(seconds) * LEVELS).reshape(-1, LEVELS)
        merged = np.union1d(self._seconds, seconds)
        counts = np.zeros((len(merged), LEVELS), np.int64)
        counts[np.searchsorted(merged, self._seconds)] = self._counts
        counts[np.searchsorted(merged, seconds)] += fresh
        # Packets of this level and rarer, one more column for "none of them".
        kept = np.pad(counts[:, ::-1].cumsum(axis=1)[:, ::-1], ((0, 0), (0, 1)))
        least = (kept <= self.wanted_count).argmax(axis=1)
        for dense in np.flatnonzero(least):
            self._least[int(merged[dense])] = max(int(least[dense]), self._least.get(int(merged[dense]), 0))
        self._seconds, self._counts = merged[-OPEN_SECONDS_MOST:], counts[-OPEN_SECONDS_MOST:]

    def keeps(self, second: np.ndarray, rarity: np.ndarray) -> np.ndarray:
        """Return which packets belong to the sample as far as it is known by now."""
        if not self._least or not len(second):
            return np.ones(len(second), bool)
        seconds, index = _distinct(second)
        least = np.array([self._least.get(one, 0) for one in seconds.tolist()], np.int64)
        kept: np.ndarray = rarity >= least[index]
        return kept


def _distinct(second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the distinct seconds, and for each element which of them it is; a batch rarely spans many."""
    first = int(second.min())
    span = int(second.max()) - first + 1
    if span > OPEN_SECONDS_MOST:
        return np.unique(second, return_inverse=True)
    present = np.bincount(second - first, minlength=span) > 0
    return np.flatnonzero(present) + first, (np.cumsum(present) - 1)[second - first]

"""Which ordinary packets become anchors: a sample that every host chooses alike (RFC 5475, 6.2.2).

A packet's level is the number of leading zero bits of its sample key. Of each second of a capture
those from some level on are kept: the least level that leaves no more than the wanted number.
So the sample of a busier second or host is a subset of that of a quieter one, and the choice
depends on the second's packets only, not on how they came in batches.
"""

from collections.abc import Sequence
from itertools import pairwise

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
        self._span: tuple[int, int] | None = None  # the earliest second counted, and the latest
        self._forgotten: int | None = None  # the latest second whose counts were dropped
        self._is_torn = False  # a second came again after its counts had been dropped

    def count(self, second: np.ndarray, rarity: np.ndarray) -> None:
        """Count packets: the second and the level of each."""
        if not len(second):
            return
        seconds, index = _distinct(second)
        earliest, latest = int(seconds[0]), int(seconds[-1])
        self._span = (min(earliest, self._span[0]), max(latest, self._span[1])) if self._span else (earliest, latest)
        self._is_torn |= self._forgotten is not None and earliest <= self._forgotten
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
        if len(merged) > OPEN_SECONDS_MOST:
            self._forgotten = int(merged[-OPEN_SECONDS_MOST - 1])
        self._seconds, self._counts = merged[-OPEN_SECONDS_MOST:], counts[-OPEN_SECONDS_MOST:]

    def keeps(self, second: np.ndarray, rarity: np.ndarray) -> np.ndarray:
        """Return which packets belong to the sample as far as it is known by now."""
        kept: np.ndarray = rarity >= self.least(second)
        return kept

    def least(self, second: np.ndarray) -> np.ndarray:
        """Return the least level that is kept of each second, as far as it is known by now."""
        if not self._least or not len(second):
            return np.zeros(len(second), np.int64)
        seconds, index = _distinct(second)
        least = np.array([self._least.get(one, 0) for one in seconds.tolist()], np.int64)
        found: np.ndarray = least[index]
        return found


def are_joinable(samplers: Sequence[Sampler]) -> bool:
    """Return whether the samples of a capture's parts, in its order, tell the sample of the whole capture.

    They do where every second was counted whole: the parts follow each other in time, or there are
    few enough seconds.
    """
    if any(one._is_torn for one in samplers):
        return False
    spans = [one._span for one in samplers if one._span]
    if all(latest <= earliest for (_, latest), (earliest, _) in pairwise(spans)):
        return True
    is_few = len(np.unique(np.concatenate([one._seconds for one in samplers]))) <= OPEN_SECONDS_MOST
    return is_few and all(one._forgotten is None for one in samplers)


def joined(samplers: Sequence[Sampler], second: np.ndarray, rarity: np.ndarray) -> Sampler:
    """Return what tells the sample of a capture from those of its parts: `second` and `rarity` of what they kept.

    Of a second that several parts share, the whole sample begins at no lower level than each
    part's, and from the highest of these on the parts kept everything: counting it once more
    finds the level. Of all other seconds the parts kept no more than is wanted.
    """
    whole = Sampler(samplers[0].wanted_count)
    for one in samplers:
        for dense, least in one._least.items():
            whole._least[dense] = max(least, whole._least.get(dense, 0))
    whole.count(second, rarity)
    return whole


def _distinct(second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the distinct seconds, and for each element which of them it is; a batch rarely spans many."""
    first = int(second.min())
    span = int(second.max()) - first + 1
    if span > OPEN_SECONDS_MOST:
        return np.unique(second, return_inverse=True)
    present = np.bincount(second - first, minlength=span) > 0
    return np.flatnonzero(present) + first, (np.cumsum(present) - 1)[second - first]

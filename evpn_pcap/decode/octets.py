"""A buffer of octets into numbers: fields of network order, read for many rows at once.

`at` is an int64 array of offsets. A read past a record's own end yields whatever follows (the
buffer ends with spare octets, see `model.Batch`): the caller masks what it had no right to read.
A gather costs the same for one octet as for four times eight, so layers are read in wide pieces.
"""

import numpy as np
from numpy.lib.stride_tricks import as_strided


class Octets:
    """One buffer, seen as fields of 1, 2, 4, 6 and 8 octets at any offset, aligned or not."""

    __slots__ = ("_four", "_one", "_word")

    def __init__(self, octets: np.ndarray) -> None:
        self._one = octets
        self._four = _overlapping(octets, "<u4")
        self._word = _overlapping(octets, "<u8")

    def u8(self, at: np.ndarray) -> np.ndarray:
        """Return the octet at each offset, uint8."""
        found: np.ndarray = self._one[at]
        return found

    def u16(self, at: np.ndarray) -> np.ndarray:
        """Return two octets at each offset, uint16. Two gathers of octets are faster than one unaligned."""
        high, low = self._one[at], self._one[at + 1]
        found: np.ndarray = high.astype(np.uint16) << np.uint16(8) | low
        return found

    def u32(self, at: np.ndarray) -> np.ndarray:
        """Return four octets at each offset, int64."""
        found: np.ndarray = self._four[at].byteswap().astype(np.int64)
        return found

    def u48(self, at: np.ndarray) -> np.ndarray:
        """Return six octets at each offset, int64: a MAC address as its number."""
        return (self.u64(at) >> np.uint64(16)).astype(np.int64)

    def u64(self, at: np.ndarray) -> np.ndarray:
        """Return eight octets at each offset, uint64."""
        found: np.ndarray = self._word[at].byteswap()
        return found

    def words(self, at: np.ndarray, count: int) -> np.ndarray:
        """Return so many times eight octets from each offset on, as they lie: one row an offset, uint64."""
        size = count * 8
        windows = as_strided(self._one, (max(0, len(self._one) - size + 1), size), (1, 1), writeable=False)
        found: np.ndarray = windows[at].view("<u8")
        return found

    def cut(self, start: int, stop: int) -> bytes:
        """Return the octets from start up to stop."""
        return self._one[start:stop].tobytes()

    def pieces(self, start: np.ndarray, stop: np.ndarray) -> list[bytes]:
        """Return the octets from each start up to its stop."""
        first = int(start.min(initial=len(self._one)))
        held = self._one[first : int(stop.max(initial=0))].tobytes()
        return [held[begin:end] for begin, end in zip((start - first).tolist(), (stop - first).tolist(), strict=True)]


def _overlapping(octets: np.ndarray, dtype: str) -> np.ndarray:
    """Return a view with one element for each octet that a field of the dtype can begin at."""
    count = max(0, len(octets) - np.dtype(dtype).itemsize + 1)
    return np.ndarray((count,), dtype, octets, 0, (1,))

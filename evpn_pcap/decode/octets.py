"""A buffer of octets into numbers: fields of network order, read for many rows at once.

`at` is an int64 array of offsets. A read past a record's own end yields whatever follows (the
buffer ends with spare octets, see `model.Batch`): the caller masks what it had no right to read.
"""

import numpy as np


class Octets:
    """One buffer, seen as fields of 1, 2, 4, 6 and 8 octets at any offset, aligned or not."""

    __slots__ = ("_four", "_one", "_two", "_word")

    def __init__(self, octets: np.ndarray) -> None:
        self._one = octets
        self._two = _overlapping(octets, ">u2")
        self._four = _overlapping(octets, ">u4")
        self._word = _overlapping(octets, "<u8")

    def u8(self, at: np.ndarray) -> np.ndarray:
        """Return the octet at each offset, uint8."""
        return self._one[at]

    def u16(self, at: np.ndarray) -> np.ndarray:
        """Return two octets at each offset, uint16."""
        return self._two[at].astype(np.uint16)

    def u32(self, at: np.ndarray) -> np.ndarray:
        """Return four octets at each offset, int64."""
        return self._four[at].astype(np.int64)

    def u48(self, at: np.ndarray) -> np.ndarray:
        """Return six octets at each offset, int64: a MAC address as its number."""
        return (self.u64(at) >> np.uint64(16)).astype(np.int64)

    def u64(self, at: np.ndarray) -> np.ndarray:
        """Return eight octets at each offset, uint64."""
        return self._word[at].byteswap()

    def word(self, at: np.ndarray) -> np.ndarray:
        """Return eight octets at each offset as they lie, first octet lowest: for hashing, uint64."""
        return self._word[at]

    def cut(self, start: int, stop: int) -> bytes:
        """Return the octets from start up to stop."""
        return self._one[start:stop].tobytes()


def _overlapping(octets: np.ndarray, dtype: str) -> np.ndarray:
    """Return a view with one element for each octet that a field of the dtype can begin at."""
    count = max(0, len(octets) - np.dtype(dtype).itemsize + 1)
    return np.ndarray((count,), dtype, octets, 0, (1,))

"""A part of a pcap file becomes a pcap file of its own: the file's header, and the records of one range."""

import io
from typing import Any, BinaryIO

FILE_HEADER_BYTES = 24


class Piece(io.RawIOBase):
    """Reads like a file that holds the first 24 octets of another and its octets begin_bytes .. end_bytes."""

    def __init__(self, file: BinaryIO, begin_bytes: int, end_bytes: int | None) -> None:
        self._file = file
        self._begin_bytes = max(begin_bytes, FILE_HEADER_BYTES)
        self._end_bytes = end_bytes  # None: the file's end
        self._at = 0

    def readable(self) -> bool:
        """Return True, as every file that is read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer as far as the range goes and return how many octets that was."""
        if self._at == FILE_HEADER_BYTES:
            self._at = self._file.seek(self._begin_bytes)
        bound = FILE_HEADER_BYTES if self._at < FILE_HEADER_BYTES else self._end_bytes
        view = memoryview(buffer)
        room = view if bound is None else view[: max(0, bound - self._at)]
        count = int(self._file.readinto(room) or 0)  # type: ignore[attr-defined]  # every binary file has it
        self._at += count
        return count

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()

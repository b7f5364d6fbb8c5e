"""A capture file, compressed or not, becomes one buffer that slides over its octets."""

import sys
from pathlib import Path
from typing import BinaryIO

import numpy as np

from evpn_pcap.errors import CaptureError
from evpn_pcap.model import Note
from evpn_pcap.sources.compression import decompressor

BUFFER_BYTES = 8 << 20
SPARE_BYTES = 256  # zero octets after the last one, so that a gather at a record's start never leaves the buffer


class Octets:
    """The octets of one file, of which `buffer[begin:end]` are in memory.

    Nothing is allocated because a file says so: the buffer grows only when it is full.
    """

    def __init__(self, file: Path) -> None:
        """Open the file. Raises CaptureError where that fails."""
        self.name = str(file)
        self.buffer = np.empty(BUFFER_BYTES + SPARE_BYTES, dtype=np.uint8)
        self.begin = 0
        self.end = 0
        self.is_complete = False  # nothing follows `end`
        self.notes: list[Note] = []
        self._file_offset = 0  # of buffer[0]
        try:
            self._file: BinaryIO = sys.stdin.buffer if self.name == "-" else file.open("rb", buffering=0)
        except OSError as error:
            raise CaptureError(f"{self.name}: cannot be opened: {error.strerror or error}") from error
        self._chunks = None
        self._read_more()
        self._chunks = decompressor(bytes(self.buffer[: min(self.end, 4)]), self.name)
        if self._chunks is not None:
            self._chunks.feed(bytes(self.buffer[: self.end]))

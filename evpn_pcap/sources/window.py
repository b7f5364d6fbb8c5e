"""A stream of octets becomes one buffer that slides over it."""

import numpy as np

from evpn_pcap.model import Note
from evpn_pcap.sources.compression import Stream

WINDOW_BYTES = 8 << 20
SPARE_BYTES = 256  # zero octets after the last one, so that a gather at a record's start never leaves the buffer
MOST_NOTES = 1000  # a hostile file has one at every record


class Window:
    """The part of a file that is in memory: `octets[begin:end]`, and then at least SPARE_BYTES zeros.

    Octets before `begin` stay where they are until `advance` is called. Nothing is allocated
    because a file says so: the buffer grows only when it is full of one record.
    """

    def __init__(self, stream: Stream, window_bytes: int = WINDOW_BYTES) -> None:
        """Read the first octets of the stream."""
        self.octets = np.empty(window_bytes + SPARE_BYTES, dtype=np.uint8)
        self.begin = 0
        self.end = 0
        self.is_last = False  # nothing follows `end`
        self.notes: list[Note] = []
        self._stream = stream
        self._base_bytes = stream.base_bytes  # offset in the file of octets[0]
        self.advance()

    @property
    def name(self) -> str:
        """Name of the file, for messages."""
        return self._stream.name

    @property
    def problem(self) -> str | None:
        """Why the stream ended early, in words; None where it did not."""
        return self._stream.problem

    @property
    def byte_count(self) -> int:
        """Octets read from the file so far, decompressed."""
        return self._base_bytes + self.end

    def offset(self, position: int) -> int:
        """Return the offset in the file of a position in the buffer."""
        return self._base_bytes + position

    def note(self, layer: str, name: str, detail: str, position: int, frame_number: int | None = None) -> None:
        """Keep one anomaly, found at a position of the buffer."""
        if len(self.notes) < MOST_NOTES:
            self.notes.append(Note(layer, name, detail, frame_number, self.offset(position)))

    def advance(self) -> None:
        """Move what is left to the front of the buffer and fill the rest of it from the stream."""
        left = self.octets[self.begin : self.end]
        if self.begin == 0 and len(left) == len(self.octets) - SPARE_BYTES:
            self.octets = np.empty(2 * len(left) + SPARE_BYTES, dtype=np.uint8)
        self.octets[: len(left)] = left  # numpy copies overlapping slices as if through a temporary
        self._base_bytes += self.begin
        self.begin, self.end = 0, len(left)
        room = self.octets.data[self.end : len(self.octets) - SPARE_BYTES]
        count = 0 if self.is_last else self._stream.read_into(room)
        self.is_last = count < len(room)
        self.end += count
        self.octets[self.end : self.end + SPARE_BYTES] = 0

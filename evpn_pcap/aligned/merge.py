"""Streams of records become one stream in order of time, in bounded memory.

Each stream says beforehand the least time in each of its batches and in all that follow it. What lies
before the least of these over all streams can be written: nothing earlier will come. Of a stream
in order one batch is in memory. Of one that is not, what comes too early in it is held back; beyond
a bound its octets are kept in a file without a name, and only their places in memory.
"""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from evpn_pcap.errors import CaptureError
from evpn_pcap.model import FOREVER


@dataclass(frozen=True, slots=True)
class Records:
    """Some records of one capture: arrays of one element a record, and the octets that they lie in."""

    octets: np.ndarray  # uint8
    start: np.ndarray  # int64, of the record's first octet in `octets`
    captured_bytes: np.ndarray  # int64
    wire_bytes: np.ndarray  # int64
    captured_ns: np.ndarray  # int64, the host's own clock
    time_ns: np.ndarray  # int64, the common clock
    channel: np.ndarray  # int64, number of the interface in the output
    direction: np.ndarray  # int8: 0 unknown, 1 incoming, 2 outgoing
    is_held: bool = False  # the octets stay when the next batch is asked for

    def __len__(self) -> int:
        return len(self.start)

    def take(self, rows: "np.ndarray | slice") -> "Records":
        """Return some of the records."""
        return replace(
            self,
            start=self.start[rows],
            captured_bytes=self.captured_bytes[rows],
            wire_bytes=self.wire_bytes[rows],
            captured_ns=self.captured_ns[rows],
            time_ns=self.time_ns[rows],
            channel=self.channel[rows],
            direction=self.direction[rows],
        )

    def in_order(self) -> "Records":
        """Return the records in order of time; those of one time stay in the file's order."""
        if (self.time_ns[1:] >= self.time_ns[:-1]).all():
            return self
        return self.take(np.argsort(self.time_ns, kind="stable"))


@dataclass(frozen=True, slots=True)
class Stream:
    """The records of one capture, batch by batch; a batch need not outlive the asking for the next."""

    name: str
    earliest_ns: Sequence[int]  # for each batch, the least time_ns in it and in all later ones
    batches: Iterator[Records]


class Store:
    """Keeps records that came too early: in memory, and what is beyond `most_bytes` in files without names."""

    def __init__(self, folder: Path, most_bytes: int) -> None:
        """Files are made in `folder`."""
        self._folder = folder
        self._room_bytes = most_bytes

    def hold(self, records: Records) -> Records:
        """Return the records with octets of their own."""
        size = int(records.captured_bytes.sum())
        kept = self._space(size)
        start = np.cumsum(records.captured_bytes) - records.captured_bytes
        copy_octets([records], np.zeros(len(records), np.int64), records.start, records.captured_bytes, kept, start)
        return replace(records, octets=kept, start=start, is_held=True)

    def _space(self, size: int) -> np.ndarray:
        self._room_bytes -= size
        if self._room_bytes >= 0 or not size:
            return np.empty(size, np.uint8)
        with tempfile.TemporaryFile(dir=self._folder) as file:
            file.truncate(size)
            return np.memmap(file, dtype=np.uint8, mode="r+", shape=(size,))


def merge(streams: Sequence[Stream], store: Store) -> Iterator[list[Records]]:
    """Yield groups of records, each group later than the one before; in a group they are in no order.

    Raises CaptureError where a stream brings what it did not announce: its file has changed meanwhile.
    """
    lanes = [_Lane(stream, store) for stream in streams]
    while lanes:
        horizon = min(lane.next_ns for lane in lanes)
        ready = [piece for lane in lanes for piece in lane.before(horizon)]
        if ready:
            yield ready
        for lane in lanes:
            if lane.next_ns == horizon:
                lane.load()
        lanes = [lane for lane in lanes if not lane.is_done]


def copy_octets(
    pieces: Sequence[Records],
    piece: np.ndarray,
    start: np.ndarray,
    count: np.ndarray,
    target: np.ndarray,
    at: np.ndarray,
) -> None:
    """Copy for each row `count` octets from `start` in pieces[piece] to `at` in `target`."""
    sources, into = [one.octets.data for one in pieces], target.data
    columns = (column.tolist() for column in (piece, start, start + count, at, at + count))
    for number, begin, end, to, to_end in zip(*columns, strict=True):
        into[to:to_end] = sources[number][begin:end]


class _Lane:
    """Where the reading of one stream stands."""

    def __init__(self, stream: Stream, store: Store) -> None:
        self._stream = stream
        self._store = store
        self._read_count = 0
        self._pending: list[Records] = []

    @property
    def next_ns(self) -> int:
        """The least time of what has not been read yet; FOREVER where nothing is left."""
        earliest = self._stream.earliest_ns
        return int(earliest[self._read_count]) if self._read_count < len(earliest) else FOREVER

    @property
    def is_done(self) -> bool:
        """Nothing is left, neither read nor unread."""
        return self._read_count > len(self._stream.earliest_ns) and not self._pending

    def before(self, horizon_ns: int) -> list[Records]:
        """Take what has been read of times before the horizon, all of it at FOREVER."""
        ready, left = [], []
        for records in self._pending:
            is_all = horizon_ns == FOREVER
            count = len(records) if is_all else int(np.searchsorted(records.time_ns, horizon_ns))
            if count:
                ready.append(records.take(slice(count)))
            if count < len(records):
                left.append(records.take(slice(count, None)))
        self._pending = left
        return ready

    def load(self) -> None:
        """Read the next batch; what is left of the last one is held back first."""
        self._pending = [one if one.is_held else self._store.hold(one) for one in self._pending]
        promised_ns = self.next_ns
        self._read_count += 1
        records = next(self._stream.batches, None)
        is_end = self._read_count > len(self._stream.earliest_ns)
        if is_end != (records is None) or (records is not None and records.time_ns.min() < promised_ns):
            raise CaptureError(f"{self._stream.name}: has changed while it was read")
        if records is not None:
            self._pending.append(records.in_order())

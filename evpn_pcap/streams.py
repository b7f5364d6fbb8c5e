"""TCP port 179 segments become in-order octets: each range once, with the frame that delivered it (RFC 9293, 3.4)."""

from collections.abc import Iterable
from heapq import heappop, heappush
from typing import Any, NamedTuple

import numpy as np

from evpn_pcap import columns
from evpn_pcap.addresses import capture_of
from evpn_pcap.table import Columns, Words, codes, numbers, plain, taken

FIN, SYN, RST = 0x01, 0x02, 0x04
ENDS = ["sender_ip", "sender_port", "receiver_ip", "receiver_port"]
BUFFERED_BYTES = 4 * 1024 * 1024  # kept of one direction while a missing segment may still come
BUFFERED_COUNT = 65_536  # the same for tiny segments
REACH_BYTES = 16 * 1024 * 1024  # further off is another connection on the same ports, not a late segment
SEQUENCE_COUNT = 1 << 32


class _Segment(NamedTuple):
    position: int  # row of the table of segments
    captured_ns: int
    sequence: int
    flags: int
    payload: bytes
    payload_bytes: int


class _Range(NamedTuple):
    """One row to be: an event, or octets that continue the stream."""

    position: int
    stream: int  # counted within the direction: a new one for each connection that reuses the ports
    captured_ns: int  # when the octets were in order, so never before those in front of them
    sequence: int
    octets: bytes
    event: str


class _Direction:
    """Puts one direction of a connection in order as one host saw it.

    Sequence numbers are kept unwrapped: `expected` only grows within a stream. Segments ahead of it
    wait in a heap; what is behind it has been delivered and is a retransmission, or another capture's copy.
    """

    def __init__(self) -> None:
        self.ranges: list[_Range] = []
        self.stream = -1
        self.first = 0  # sequence of the SYN, or just before the first octet seen
        self.expected = 0
        self.is_closed = True
        self.latest_ns = 0
        self.waiting: list[tuple[int, int, int, bytes | None]] = []  # sequence, ns, position, octets or None for FIN
        self.waiting_bytes = 0

    def feed(self, segment: _Segment) -> None:
        """Take the next segment in order of time."""
        if segment.flags & RST:
            self._reset(segment)
            return
        sequence = segment.sequence
        if segment.flags & SYN:
            if self.stream < 0 or sequence != self.first % SEQUENCE_COUNT:
                self._open(segment, sequence, "start")
            sequence += 1
        offset = self._offset(sequence)
        is_beyond = self.is_closed and offset + segment.payload_bytes > 0
        if self.stream < 0 or abs(offset) > REACH_BYTES or is_beyond:
            self._open(segment, sequence - 1, "preexisting")
            offset = 0
        self._wait(segment, self.expected + offset)
        self._deliver()
        while self.waiting_bytes > BUFFERED_BYTES or len(self.waiting) > BUFFERED_COUNT:
            self._skip_gap()
            self._deliver()

    def finish(self) -> None:
        """Deliver what still waits: the segments missing in front of it never came."""
        while self.waiting:
            self._skip_gap()
            self._deliver()

    def _offset(self, sequence: int) -> int:
        half = SEQUENCE_COUNT // 2
        return (sequence - self.expected + half) % SEQUENCE_COUNT - half

    def _emit(self, position: int, sequence: int, octets: bytes, event: str) -> None:
        self.ranges.append(_Range(position, self.stream, self.latest_ns, sequence % SEQUENCE_COUNT, octets, event))

    def _open(self, segment: _Segment, first: int, event: str) -> None:
        self.finish()
        self.stream += 1
        self.first, self.expected = first, first + 1
        self.is_closed = False
        self.latest_ns = segment.captured_ns
        self._emit(segment.position, first, b"", event)

    def _reset(self, segment: _Segment) -> None:
        """Close at once: RST is not ordered. One far from the stream is not this connection's (RFC 5961, 3)."""
        if self.stream < 0:
            self.stream = 0
            self.expected = segment.sequence
        elif self.is_closed or abs(self._offset(segment.sequence)) > REACH_BYTES:
            return
        self.finish()
        self.latest_ns = max(self.latest_ns, segment.captured_ns)
        self._emit(segment.position, segment.sequence, b"", "reset")
        self.is_closed = True

    def _wait(self, segment: _Segment, sequence: int) -> None:
        if octets := segment.payload[: segment.payload_bytes]:
            heappush(self.waiting, (sequence, segment.captured_ns, segment.position, octets))
            self.waiting_bytes += len(octets)
        if segment.flags & FIN and not self.is_closed:
            end = sequence + segment.payload_bytes
            heappush(self.waiting, (end, segment.captured_ns, segment.position, None))

    def _deliver(self) -> None:
        while self.waiting and self.waiting[0][0] <= self.expected:
            sequence, captured_ns, position, octets = heappop(self.waiting)
            if octets is None:
                if sequence == self.expected and not self.is_closed:
                    self.latest_ns = max(self.latest_ns, captured_ns)
                    self._emit(position, sequence, b"", "end")
                    self.expected += 1  # a FIN takes one sequence number
                    self.is_closed = True
                continue
            self.waiting_bytes -= len(octets)
            if new := octets[self.expected - sequence :]:
                self.latest_ns = max(self.latest_ns, captured_ns)
                self._emit(position, self.expected, new, "data")
                self.expected += len(new)

    def _skip_gap(self) -> None:
        """Give up waiting for what is missing in front of the earliest waiting segment."""
        sequence, captured_ns, position, _ = self.waiting[0]
        if sequence > self.expected:
            self.latest_ns = captured_ns
            self._emit(position, self.expected, b"", "gap")
            self.expected = sequence


def join_streams(segments: Columns) -> tuple[Columns, Columns]:
    """Return the octets of every BGP connection in order, by host and direction, and what is missing.

    A host's captures share its clock, so copies of a segment in several of them are one stream: the
    earliest sighting delivers, the rest are dropped like retransmissions. Octets that arrived early carry
    the time at which those in front of them arrived, because only then the receiver could read them.
    A segment that never came, or was cut by the snapshot length, becomes a gap once the captures end or
    4 MiB wait behind it.

    Reads SEGMENTS. Returns STREAM_BYTES and ANOMALIES (`bgp.stream.gap`, once per capture).
    `sequence` of a start is that of the SYN, of preexisting the one before the first octet seen, of a gap
    that of the first missing octet: so (stream_id, frame_id, sequence) tells all rows apart.
    """
    has_closing_flag = numbers(segments.data["flags"]) & (FIN | SYN | RST) != 0
    carrying = segments.where(has_closing_flag | (numbers(segments.data["payload_bytes"]) > 0))
    data = carrying.data
    host, _ = codes(data["host"])
    order = np.lexsort((numbers(data["frame_id"]), numbers(data["captured_ns"]), host))
    carrying = carrying.take(order)
    direction = _directions(carrying, host[order])

    ranges: list[_Range] = []
    streams: list[int] = []
    stream_count = 0
    fields = [plain(carrying.data[name]) for name in ("captured_ns", "sequence", "flags", "payload", "payload_bytes")]
    for rows in _split(direction):
        ordered = _in_order(map(_Segment._make, zip(rows, *(_some(field, rows) for field in fields), strict=True)))
        ranges += ordered
        streams += [stream_count + one.stream for one in ordered]
        stream_count += 1 + max((one.stream for one in ordered), default=-1)
    return _table(carrying, ranges, streams)


def _directions(carrying: Columns, host: np.ndarray) -> np.ndarray:
    """Return a number of each row's direction: host, and address and port of both ends."""
    found = host
    for name in ENDS:
        values = carrying.data[name]
        other = numbers(values) if name.endswith("port") else codes(values)[0]
        found = np.unique(found * (int(other.max(initial=0)) + 1) + other, return_inverse=True)[1]
    return found


def _split(direction: np.ndarray) -> list[list[int]]:
    """Return the row numbers of each direction, in order of first sight."""
    order = np.argsort(direction, kind="stable")
    borders = np.flatnonzero(np.diff(direction[order])) + 1
    parts = [part.tolist() for part in np.split(order, borders)] if len(order) else []
    return sorted(parts, key=lambda part: part[0])


def _some(values: list[Any], rows: list[int]) -> list[Any]:
    return [values[row] for row in rows]


def _in_order(segments: Iterable[_Segment]) -> list[_Range]:
    direction = _Direction()
    ranges, closing = direction.ranges, FIN | SYN | RST
    for segment in segments:
        position, captured_ns, sequence, flags, payload, payload_bytes = segment
        expected = direction.expected % SEQUENCE_COUNT
        is_usual = sequence == expected and 0 < payload_bytes == len(payload) and not flags & closing
        if is_usual and not direction.waiting and not direction.is_closed:  # the next, whole, and nothing waits for it
            direction.latest_ns = max(direction.latest_ns, captured_ns)
            ranges.append(_Range(position, direction.stream, direction.latest_ns, expected, payload, "data"))
            direction.expected += payload_bytes
        else:
            direction.feed(segment)
    direction.finish()
    return direction.ranges


def _table(carrying: Columns, ranges: list[_Range], streams: list[int]) -> tuple[Columns, Columns]:
    chosen = np.array([one.position for one in ranges], np.int64)
    words = tuple(dict.fromkeys(one.event for one in ranges))
    numbered = {word: number for number, word in enumerate(words)}
    table = Columns(
        columns.STREAM_BYTES,
        {
            **{name: taken(carrying.data[name], chosen) for name in ("frame_id", "host", *ENDS)},
            "captured_ns": np.array([one.captured_ns for one in ranges], np.int64),
            "stream_id": np.array(streams, np.int64),
            "sequence": np.array([one.sequence for one in ranges], np.int64),
            "octets": [one.octets for one in ranges],
            "event": Words(np.array([numbered[one.event] for one in ranges], np.int64), words),
        },
    )
    gaps = numbers(table.data["frame_id"])[np.array([one.event == "gap" for one in ranges], bool)]
    return table, _anomalies(gaps)


def _anomalies(gaps: np.ndarray) -> Columns:
    """Return ANOMALIES of the frames in front of which octets are missing."""
    captures, counts = np.unique(capture_of(gaps), return_counts=True)
    return Columns(
        columns.ANOMALIES,
        {
            "capture_id": captures,
            "frame_id": [None] * len(counts),
            "layer": ["bgp"] * len(counts),
            "name": ["bgp.stream.gap"] * len(counts),
            "detail": ["TCP octets in front of a segment are in no capture of this host"] * len(counts),
            "count": counts,
            "offset_bytes": [None] * len(counts),
        },
    )

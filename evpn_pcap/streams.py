"""TCP port 179 segments become in-order octets: each range once, with the frame that delivered it (RFC 9293, 3.4)."""

from collections.abc import Mapping
from heapq import heappop, heappush
from typing import Any, NamedTuple

import numpy as np

from evpn_pcap import columns
from evpn_pcap.addresses import capture_of
from evpn_pcap.table import Columns, Words, codes, numbers, plain, taken

FIN, SYN, RST = 0x01, 0x02, 0x04
ENDS = ["sender_ip", "sender_port", "receiver_ip", "receiver_port"]
FIELDS = ("captured_ns", "sequence", "flags", "payload_bytes")
BUFFERED_BYTES = 4 * 1024 * 1024  # kept of one direction while a missing segment may still come
BUFFERED_COUNT = 65_536  # the same for tiny segments
REACH_BYTES = 16 * 1024 * 1024  # further off is another connection on the same ports, not a late segment
SEQUENCE_COUNT = 1 << 32
AHEAD_COUNT = 1024  # segments looked at together: of the largest of them far less than half of all sequence numbers


class _Segment(NamedTuple):
    position: int  # row of the table of segments
    captured_ns: int
    sequence: int
    flags: int
    payload: bytes
    payload_bytes: int


class _Ranges:
    """Rows to be, column by column: events, and octets that continue the stream."""

    def __init__(self) -> None:
        self.position: list[int] = []
        self.stream: list[int] = []  # counted within the direction: a new one for each connection that reuses the ports
        self.captured_ns: list[int] = []  # when the octets were in order, so never before those in front of them
        self.sequence: list[int] = []
        self.octets: list[bytes] = []
        self.event: list[str] = []

    def take(self, other: "_Ranges", stream_count: int) -> None:
        """Add the rows of another direction, whose streams are counted on from those that there are."""
        self.position += other.position
        self.stream += [stream_count + one for one in other.stream]
        self.captured_ns += other.captured_ns
        self.sequence += other.sequence
        self.octets += other.octets
        self.event += other.event


class _Segments:
    """The segments of one direction in order of time, column by column."""

    def __init__(self, rows: np.ndarray, fields: Mapping[str, np.ndarray], payload: list[bytes]) -> None:
        self.rows = rows  # of the table of segments
        self.captured_ns, self.sequence, self.flags, self.payload_bytes = (fields[name][rows] for name in FIELDS)
        self.payload = [payload[row] for row in rows.tolist()]
        size = np.fromiter(map(len, self.payload), np.int64, len(rows))
        self.is_odd = (size != self.payload_bytes) | (self.flags & (FIN | SYN | RST) != 0)

    def __len__(self) -> int:
        return len(self.rows)

    def one(self, at: int) -> _Segment:
        """Return one segment."""
        fields = (self.rows, self.captured_ns, self.sequence, self.flags, self.payload_bytes)
        row, captured_ns, sequence, flags, payload_bytes = (int(values[at]) for values in fields)
        return _Segment(row, captured_ns, sequence, flags, self.payload[at], payload_bytes)


class _Ahead:
    """Some segments, compared with what a stream expects that has nothing waiting: what they would deliver."""

    def __init__(self, segments: _Segments, at: int, expected: int) -> None:
        chosen = slice(at, at + AHEAD_COUNT)
        self.first, self.expected = at, expected
        self.begin = _apart(segments.sequence[chosen], expected)  # of each segment, counted from `expected`
        end = self.begin + segments.payload_bytes[chosen]
        self.known = np.maximum.accumulate(np.append(0, end))  # in front of each segment, how far the stream is known
        before = self.known[:-1]
        is_partly_new = (self.begin < before) & (end > before)
        is_far = np.abs(self.begin - before) > REACH_BYTES
        odd = np.flatnonzero(segments.is_odd[chosen] | (self.begin > before) | is_partly_new | is_far)
        self.odd = np.append(odd, len(end))  # the segments that are neither the next nor repeated, and the end

    def is_expecting(self, at: int, expected: int) -> bool:
        """Return whether these segments are compared with this state of the stream, from one of them on."""
        return (
            self.first <= at < self.first + len(self.begin) and self.expected + self.known[at - self.first] == expected
        )

    def usual(self, at: int) -> tuple[int, np.ndarray]:
        """Return up to which segment all are the next or repeated, and which of them are the next."""
        begin = at - self.first
        stop = int(self.odd[np.searchsorted(self.odd, begin)])
        is_next = (self.begin[begin:stop] == self.known[begin:stop]) & (
            self.known[begin + 1 : stop + 1] > self.begin[begin:stop]
        )
        return self.first + stop, at + np.flatnonzero(is_next)


class _Direction:
    """Puts one direction of a connection in order as one host saw it.

    Sequence numbers are kept unwrapped: `expected` only grows within a stream. Segments ahead of it
    wait in a heap; what is behind it has been delivered and is a retransmission, or another capture's copy.
    """

    def __init__(self) -> None:
        self.ranges = _Ranges()
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
        return _apart(sequence, self.expected)

    def deliver(self, segments: _Segments, chosen: np.ndarray) -> None:
        """Take segments that continue the stream one after the other, while nothing waits."""
        told, count = self.ranges, len(chosen)
        captured_ns = np.maximum(segments.captured_ns[chosen], self.latest_ns)
        told.position += segments.rows[chosen].tolist()
        told.stream += [self.stream] * count
        told.captured_ns += captured_ns.tolist()
        told.sequence += segments.sequence[chosen].tolist()
        told.octets += [segments.payload[one] for one in chosen.tolist()]
        told.event += ["data"] * count
        self.latest_ns = int(captured_ns[-1])
        self.expected += int(segments.payload_bytes[chosen].sum())

    def _emit(self, position: int, sequence: int, octets: bytes, event: str) -> None:
        told = self.ranges
        told.position.append(position)
        told.stream.append(self.stream)
        told.captured_ns.append(self.latest_ns)
        told.sequence.append(sequence % SEQUENCE_COUNT)
        told.octets.append(octets)
        told.event.append(event)

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

    fields = {name: numbers(carrying.data[name]) for name in FIELDS}
    payload = plain(carrying.data["payload"])
    found = _Ranges()
    stream_count = 0
    for rows in _split(direction):
        ordered = _in_order(_Segments(rows, fields, payload))
        found.take(ordered, stream_count)
        stream_count += 1 + max(ordered.stream, default=-1)
    return _table(carrying, found)


def _directions(carrying: Columns, host: np.ndarray) -> np.ndarray:
    """Return a number of each row's direction: host, and address and port of both ends."""
    found = host
    for name in ENDS:
        values = carrying.data[name]
        other = numbers(values) if name.endswith("port") else codes(values)[0]
        found = np.unique(found * (int(other.max(initial=0)) + 1) + other, return_inverse=True)[1]
    return found


def _split(direction: np.ndarray) -> list[np.ndarray]:
    """Return the row numbers of each direction, in order of first sight."""
    order = np.argsort(direction, kind="stable")
    borders = np.flatnonzero(np.diff(direction[order])) + 1
    parts = np.split(order, borders) if len(order) else []
    return sorted(parts, key=lambda part: int(part[0]))


def _apart(sequence: Any, expected: int) -> Any:
    """Return how far behind what is expected sequence numbers are, negative in front of it (vectorizes)."""
    half = SEQUENCE_COUNT // 2
    return (sequence - expected + half) % SEQUENCE_COUNT - half


def _in_order(segments: _Segments) -> _Ranges:
    direction = _Direction()
    ahead = _Ahead(segments, 0, 0)
    at = 0
    while at < len(segments):
        stop = at
        if not direction.waiting and not direction.is_closed:
            if not ahead.is_expecting(at, direction.expected):
                ahead = _Ahead(segments, at, direction.expected)
            stop, chosen = ahead.usual(at)
            if len(chosen):
                direction.deliver(segments, chosen)
        if stop == at:
            direction.feed(segments.one(at))
        at = max(at + 1, stop)
    direction.finish()
    return direction.ranges


def _table(carrying: Columns, ranges: _Ranges) -> tuple[Columns, Columns]:
    chosen = np.array(ranges.position, np.int64)
    words = tuple(dict.fromkeys(ranges.event))
    numbered = {word: number for number, word in enumerate(words)}
    event = np.fromiter(map(numbered.__getitem__, ranges.event), np.int64, len(chosen))
    table = Columns(
        columns.STREAM_BYTES,
        {
            **{name: taken(carrying.data[name], chosen) for name in ("frame_id", "host", *ENDS)},
            "captured_ns": np.array(ranges.captured_ns, np.int64),
            "stream_id": np.array(ranges.stream, np.int64),
            "sequence": np.array(ranges.sequence, np.int64),
            "octets": ranges.octets,
            "event": Words(event, words),
        },
    )
    gaps = numbers(table.data["frame_id"])[event == numbered.get("gap", -1)]
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

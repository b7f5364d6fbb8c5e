"""A pcap file becomes batches of records (draft-ietf-opsawg-pcap; libpcap's sf-pcap.c)."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from evpn_pcap.errors import CaptureError
from evpn_pcap.model import Batch, FileEnd, Interface
from evpn_pcap.sources.piece import FILE_HEADER_BYTES
from evpn_pcap.sources.walk import LANE_COUNT, Layout, first_of_each, walk, words
from evpn_pcap.sources.window import Window

LONGEST_PACKET_BYTES = 262_144  # libpcap: MAXIMUM_SNAPLEN
GUESS_BYTES = 2048  # how far into a lane a record start is looked for
NEAR_S = 1 << 17  # a record's time is that near to its neighbours', or it is not taken for one
RESYNC_BYTES = 1 << 16  # how far after a broken record the next sound one is looked for at a time
MOST_RESYNCS = 100
RESYNC_RECORDS = 3  # that many plausible headers in a chain are taken for records
CHAINED_RECORDS = 32  # that many in a chain are taken for records in the middle of a file
EARLIEST_S = 1 << 28  # in 1978; what says that it is older may be a payload of zeros
NANOSECONDS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Variant:
    """One of the formats that share the file header: its magic number says which."""

    ticks_per_second: int
    header_bytes: int  # of a record


VARIANTS = {
    0xA1B2C3D4: Variant(1_000_000, 16),
    0xA1B23C4D: Variant(NANOSECONDS, 16),
    0xA1B2CD34: Variant(1_000_000, 24),  # Kuznetzov's: interface index, protocol and packet type follow the lengths
}


@dataclass(frozen=True, slots=True)
class FileHeader:
    """What the first 24 octets say."""

    variant: Variant
    byte_order: str
    captured_at: int  # offsets of the two length fields in a record header
    wire_at: int
    snaplen_bytes: int
    link_type: int

    @property
    def layout(self) -> Layout:
        """How the records follow each other."""
        header_bytes = self.variant.header_bytes
        return Layout(self.byte_order, header_bytes, self.captured_at, header_bytes, 0, LONGEST_PACKET_BYTES)


def byte_order_of(first: bytes) -> str | None:
    """Return "<" or ">" for the first four octets of a pcap file; None for anything else."""
    return next((order for order in "<>" if struct.unpack(order + "I", first)[0] in VARIANTS), None)


def read_pcap(window: Window) -> Iterator[Batch | FileEnd]:
    """Yield the records of a pcap file in batches, then its FileEnd.

    Raises CaptureError where not even the file header is whole. A record longer than libpcap
    accepts is left out and noted, and reading goes on at the next plausible chain of records.
    """
    header = _file_header(window)
    interface = Interface(
        0, header.link_type, snaplen_bytes=header.snaplen_bytes, ticks_per_second=header.variant.ticks_per_second
    )
    window.begin += FILE_HEADER_BYTES
    near_second = int(words(window.octets, header.byte_order)[window.begin])  # of the last record that was sound
    next_frame_number, resync_count, is_lost = 1, 0, False
    while True:
        guesses = _guess(window, header, near_second)
        starts, window.begin = walk(window.octets, window.begin, window.end, header.layout, guesses)
        if len(starts):
            near_second = int(words(window.octets, header.byte_order)[starts[-1]])
            yield _batch(window, starts, header, next_frame_number)
            next_frame_number += len(starts)
        if _is_broken(window, header):
            window.note("pcap", "bad-record-length", _describe(window, header), window.begin, next_frame_number)
            window.advance()
            resync_count += 1
            is_lost = resync_count > MOST_RESYNCS or not _resynchronise(window, header, near_second)
        elif window.is_last:
            break
        else:
            window.advance()
        if is_lost:
            break
    is_cut = not is_lost and window.begin < window.end
    if is_cut or window.problem:
        detail = window.problem or f"{window.end - window.begin} octets of a record are left"
        window.note("pcap", "cut-tail", detail, window.begin, next_frame_number)
    is_truncated = bool(is_lost or is_cut or window.problem)
    yield FileEnd("pcap", window.byte_count, is_truncated, (interface,), tuple(window.notes))


def find_record(window: Window) -> int | None:
    """Return the offset in the file of what seems to be the first record of a part that begins anywhere, or None.

    `window` holds the file's header and then octets from somewhere in the file. Raises CaptureError
    where the file header is not whole.
    """
    header = _file_header(window)
    fields = words(window.octets, header.byte_order)
    furthest = min(window.end, FILE_HEADER_BYTES + header.variant.header_bytes + LONGEST_PACKET_BYTES)
    for begin in range(FILE_HEADER_BYTES, furthest, RESYNC_BYTES):
        candidates = np.arange(begin, min(begin + RESYNC_BYTES, furthest), dtype=np.int64)
        candidates = candidates[fields[candidates] >= EARLIEST_S]
        for record_count in (2, CHAINED_RECORDS):  # few pass the first look
            near_seconds = fields[candidates].astype(np.int64)  # those of one chain are near each other
            candidates = candidates[_looks_like_records(window, header, candidates, near_seconds, record_count)]
        if len(candidates):
            return window.offset(int(candidates[0]))
    return None


def _file_header(window: Window) -> FileHeader:
    octets = window.octets[: min(window.end, FILE_HEADER_BYTES)].tobytes()
    if len(octets) < FILE_HEADER_BYTES:
        raise CaptureError(
            f"{window.name}: the {FILE_HEADER_BYTES} octets of a pcap file header expected, {len(octets)} found"
        )
    byte_order = byte_order_of(octets[:4]) or "<"
    magic, major, minor, _, _, snaplen, link = struct.unpack(byte_order + "IHHiIII", octets)
    if major < 2:
        raise CaptureError(f"{window.name}: pcap version 2 expected, {major}.{minor} found")
    # up to version 2.2 the length on the wire came first (libpcap: sf-pcap.c)
    captured_at, wire_at = (12, 8) if (major, minor) < (2, 3) else (8, 12)
    # the upper half of the link type field tells about the frame check sequence
    return FileHeader(VARIANTS[magic], byte_order, captured_at, wire_at, snaplen, link & 0xFFFF)


def _is_broken(window: Window, header: FileHeader) -> bool:
    """Whether the record at `begin` has a length that no record has."""
    if window.end - window.begin < header.variant.header_bytes:
        return False
    return bool(words(window.octets, header.byte_order)[window.begin + header.captured_at] > LONGEST_PACKET_BYTES)


def _describe(window: Window, header: FileHeader) -> str:
    length = int(words(window.octets, header.byte_order)[window.begin + header.captured_at])
    return f"at most {LONGEST_PACKET_BYTES} captured octets expected, {length} found"


def _batch(window: Window, starts: np.ndarray, header: FileHeader, first_frame_number: int) -> Batch:
    fields = words(window.octets, header.byte_order)
    seconds = fields[starts].astype(np.int64)
    ticks = fields[starts + 4].astype(np.int64)
    captured = fields[starts + header.captured_at].astype(np.int64)
    wire = fields[starts + header.wire_at].astype(np.int64)
    is_too_much = ticks >= header.variant.ticks_per_second
    if is_too_much.any():
        first = int(np.argmax(is_too_much))
        detail = f"{np.count_nonzero(is_too_much)} records from here on have a fraction of more than a second"
        window.note("pcap", "bad-time", detail, int(starts[first]), first_frame_number + first)
    count = len(starts)
    return Batch(
        octets=window.octets,
        start=starts + header.variant.header_bytes,
        captured_bytes=captured,
        wire_bytes=wire,
        captured_ns=seconds * NANOSECONDS + ticks * (NANOSECONDS // header.variant.ticks_per_second),
        interface_index=np.zeros(count, dtype=np.int32),
        link_type=np.full(count, header.link_type, dtype=np.int32),
        direction=np.zeros(count, dtype=np.int8),
        first_frame_number=first_frame_number,
    )


def _guess(window: Window, header: FileHeader, near_second: int) -> np.ndarray:
    """Return one offset a lane that looks like a record start, where one was found."""
    span = (window.end - window.begin) // LANE_COUNT
    if span < GUESS_BYTES or window.end - window.begin < header.variant.header_bytes:
        return np.empty(0, dtype=np.int64)
    lanes = window.octets[window.begin : window.begin + span * LANE_COUNT].reshape(LANE_COUNT, span)
    shift = 0 if header.byte_order == ">" else 2
    upper = window.octets[
        window.begin + shift : window.begin + shift + 2
    ]  # the seconds' upper half: equal for 18 hours
    looked_at = min(GUESS_BYTES, span) - 4
    found = lanes[:, shift : shift + looked_at] == upper[0]
    found &= lanes[:, shift + 1 : shift + 1 + looked_at] == upper[1]
    lane, inside = np.divmod(np.flatnonzero(found), looked_at)
    candidates = window.begin + lane * span + inside
    plausible = _looks_like_records(window, header, candidates, near_second, 2)
    return first_of_each(lane[plausible], candidates[plausible])


def _looks_like_records(
    window: Window, header: FileHeader, candidates: np.ndarray, near_second: int | np.ndarray, record_count: int
) -> np.ndarray:
    """Say for each offset whether a chain of so many sound records, or of fewer up to the file's end, begins there."""
    fields = words(window.octets, header.byte_order)
    plausible = np.ones(len(candidates), dtype=bool)
    is_finished = np.zeros(len(candidates), dtype=bool)
    position = candidates
    for _ in range(record_count):
        at = np.minimum(position, window.end)
        captured = fields[at + header.captured_at].astype(np.int64)
        wire = fields[at + header.wire_at].astype(np.int64)
        sound = (captured <= LONGEST_PACKET_BYTES) & (captured <= wire) & (wire <= LONGEST_PACKET_BYTES)
        sound &= np.abs(fields[at].astype(np.int64) - near_second) < NEAR_S
        sound &= fields[at + 4] < header.variant.ticks_per_second
        sound &= position + header.variant.header_bytes <= window.end
        plausible &= sound | is_finished
        position = np.where(is_finished, position, at + header.variant.header_bytes + captured)
        is_finished |= plausible & (position == window.end) & window.is_last
    return plausible


def _resynchronise(window: Window, header: FileHeader, near_second: int) -> bool:
    """Move `begin` from a broken record to the next place where sound ones seem to begin; False if there is none."""
    for begin in range(window.begin + 1, window.end, RESYNC_BYTES):
        candidates = np.arange(begin, min(begin + RESYNC_BYTES, window.end), dtype=np.int64)
        found = candidates[_looks_like_records(window, header, candidates, near_second, RESYNC_RECORDS)]
        if len(found):
            window.begin = int(found[0])
            return True
    return False

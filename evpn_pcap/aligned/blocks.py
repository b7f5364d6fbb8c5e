"""Records on the common clock become pcapng blocks (draft-ietf-opsawg-pcapng, section 4).

An enhanced packet block carries the common time; its comment, `captured SECONDS.NANOSECONDS`, is the
time that its host's own clock gave it, exactly. Wireshark shows both (frame.time, frame.comment).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from struct import pack

import numpy as np

from evpn_pcap.aligned.merge import Records, copy_octets

SECOND_NS = 1_000_000_000
HEADER_BYTES, TRAILER_BYTES = 28, 4
FLAGS_BYTES = 8  # epb_flags: code 2, length 4, value
COMMENT, FLAGS = 1, 2  # option codes
WORD = b"captured "
TEXT_BYTES = 32  # of a packet's comment, padding included
LONGEST_OPTION_BYTES = 65_535
ENHANCED, INTERFACE, STATISTICS, SECTION = 6, 1, 5, 0x0A0D0D0A


@dataclass(frozen=True, slots=True)
class Channel:
    """One interface of the output: one vantage point of one host."""

    name: str
    description: str
    link_type: int
    snaplen_bytes: int
    comments: tuple[str, ...]
    packet_count: int
    dropped_count: int | None
    first_ns: int | None  # the common clock
    last_ns: int | None


def section_blocks(program: str, comment: str, channels: Sequence[Channel], offset_s: int) -> bytes:
    """Return the section header and the description of every interface; times are ns since `offset_s`."""
    header = pack("<IHHq", 0x1A2B3C4D, 1, 0, -1) + _options((COMMENT, comment.encode()), (4, program.encode()))
    blocks = [_block(SECTION, header)]
    for one in channels:
        options = _options(
            *((COMMENT, words.encode()) for words in one.comments),
            (2, one.name.encode()),
            (3, one.description.encode()),
            (9, b"\x09"),  # if_tsresol: nanoseconds
            (14, pack("<q", offset_s) if offset_s else b""),
        )
        blocks.append(_block(INTERFACE, pack("<HHI", one.link_type, 0, one.snaplen_bytes) + options))
    return b"".join(blocks)


def statistics_blocks(channels: Sequence[Channel], offset_s: int) -> bytes:
    """Return the statistics of every interface that has packets: first and last time, received, dropped."""
    blocks = []
    for number, one in enumerate(channels):
        if one.first_ns is None or one.last_ns is None:
            continue
        first, last = (_ticks(at_ns, offset_s) for at_ns in (one.first_ns, one.last_ns))
        dropped = b"" if one.dropped_count is None else pack("<Q", one.dropped_count)
        options = _options((2, first), (3, last), (4, pack("<Q", one.packet_count)), (5, dropped))
        blocks.append(_block(STATISTICS, pack("<I", number) + last + options))
    return b"".join(blocks)


def packet_blocks(pieces: Sequence[Records], offset_s: int) -> memoryview:
    """Return the records of all pieces as packet blocks in order of time, equal times in the pieces' order."""
    order = np.argsort(np.concatenate([one.time_ns for one in pieces]), kind="stable")

    def column(name: str) -> np.ndarray:
        joined: np.ndarray = np.concatenate([getattr(one, name) for one in pieces])[order]
        return joined

    captured, direction = column("captured_bytes"), column("direction")
    padded = (captured + 3) & ~3
    options_at = HEADER_BYTES + padded
    comment_at = options_at + np.where(direction > 0, FLAGS_BYTES, 0)
    size = comment_at + 4 + TEXT_BYTES + 4 + TRAILER_BYTES  # option header, text, end of options
    at = np.cumsum(size) - size
    out = np.zeros(int(size.sum()), np.uint8)
    fields = out.view("<u4")
    ticks = column("time_ns").astype(np.uint64) - np.uint64((offset_s * SECOND_NS) % 2**64)
    head = (
        *(ENHANCED, size, column("channel"), ticks >> np.uint64(32), ticks & np.uint64(0xFFFFFFFF)),
        *(captured, column("wire_bytes")),
    )
    for place, value in enumerate(head):
        fields[at // 4 + place] = value
    fields[(at + size) // 4 - 1] = size
    with_flags = np.flatnonzero(direction > 0)
    flags_at = (at + options_at)[with_flags] // 4
    fields[flags_at], fields[flags_at + 1] = FLAGS | 4 << 16, direction[with_flags]
    text, length = _written(column("captured_ns"))
    words_at = (at + comment_at) // 4
    fields[words_at] = COMMENT | length << 16
    fields[words_at[:, None] + np.arange(1, 1 + TEXT_BYTES // 4)] = text.view("<u4")
    piece = np.repeat(np.arange(len(pieces)), [len(one) for one in pieces])[order]
    copy_octets(pieces, piece, column("start"), captured, out, at + HEADER_BYTES)
    return out.data


def _written(captured_ns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return `captured 1795341600.123456789` for each time, padded with zeros, and its length without them."""
    is_negative = captured_ns < 0
    figure = np.abs(captured_ns)
    digits = np.empty((len(captured_ns), 19), np.uint8)
    for place in range(18, -1, -1):
        figure, digit = np.divmod(figure, 10)
        digits[:, place] = digit
    text = np.zeros((len(captured_ns), TEXT_BYTES), np.uint8)
    text[:, : len(WORD)] = np.frombuffer(WORD, np.uint8)
    at = len(WORD)
    text[:, at : at + 10], text[:, at + 11 : at + 20] = digits[:, :10] + ord("0"), digits[:, 10:] + ord("0")
    text[:, at + 10] = ord(".")
    text[is_negative, at + 1 : at + 21] = text[is_negative, at : at + 20]
    text[is_negative, at] = ord("-")
    return text, at + 20 + is_negative.astype(np.int64)


def _ticks(time_ns: int, offset_s: int) -> bytes:
    """Return a time as the two halves of an interface's ticks."""
    ticks = (time_ns - offset_s * SECOND_NS) % 2**64
    return pack("<II", ticks >> 32, ticks & 0xFFFFFFFF)


def _options(*options: tuple[int, bytes]) -> bytes:
    """Return the options that have a value, with the end marker."""
    cut = [(code, value[:LONGEST_OPTION_BYTES]) for code, value in options if value]
    filled = b"".join(pack("<HH", code, len(value)) + value + bytes(-len(value) % 4) for code, value in cut)
    return filled + bytes(4)


def _block(kind: int, body: bytes) -> bytes:
    """Return one block with its length at both ends."""
    length = pack("<I", 12 + len(body))
    return pack("<I", kind) + length + body + length

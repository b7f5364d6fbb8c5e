"""Records become capture files: pcap (microseconds or nanoseconds) and pcapng (draft-ietf-opsawg-pcapng)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from struct import pack
from typing import BinaryIO

ETHERNET = 1  # LINKTYPE_ETHERNET
SNAPLEN = 262_144
MAGIC_MICROSECONDS, MAGIC_NANOSECONDS = 0xA1B2C3D4, 0xA1B23C4D
NANOSECOND = 10**9


@dataclass(frozen=True, slots=True)
class Record:
    """One captured frame: when the capturing host's clock says it was, its octets, which way it went."""

    captured_ns: int
    octets: bytes
    direction: int = 0  # 0 unknown, 1 incoming, 2 outgoing; only pcapng can say


@dataclass(frozen=True, slots=True)
class Channel:
    """One interface of a pcapng file with its records and, where known, when it was listened to."""

    name: str
    records: Sequence[Record]
    started_ns: int | None = None
    ended_ns: int | None = None
    dropped_count: int = 0


def write_pcap(path: Path, records: Iterable[Record], *, nanoseconds: bool = False, snaplen: int = SNAPLEN) -> None:
    """Write a little-endian pcap file; without `nanoseconds` times are cut to microseconds, as tcpdump does."""
    magic, tick_ns = (MAGIC_NANOSECONDS, 1) if nanoseconds else (MAGIC_MICROSECONDS, 1000)
    with path.open("wb") as file:
        file.write(pack("<IHHiIII", magic, 2, 4, 0, 0, snaplen, ETHERNET))
        for record in records:
            seconds, rest_ns = divmod(record.captured_ns, NANOSECOND)
            kept = record.octets[:snaplen]
            file.write(pack("<IIII", seconds, rest_ns // tick_ns, len(kept), len(record.octets)) + kept)


def write_pcapng(path: Path, channels: Sequence[Channel], *, comment: str = "") -> None:
    """Write one section: an interface a channel, records in order of time, then interface statistics."""
    with path.open("wb") as file:
        _write_block(file, 0x0A0D0D0A, pack("<IHHq", 0x1A2B3C4D, 1, 0, -1) + _options((1, comment.encode())))
        for channel in channels:
            options = _options((2, channel.name.encode()), (9, b"\x09"))  # name; time resolution 10^-9
            _write_block(file, 1, pack("<HHI", ETHERNET, 0, SNAPLEN) + options)
        records = [(record, number) for number, channel in enumerate(channels) for record in channel.records]
        for record, number in sorted(records, key=lambda one: one[0].captured_ns):
            time_ns = record.captured_ns
            start = pack("<IIIII", number, time_ns >> 32, time_ns & 0xFFFFFFFF, len(record.octets), len(record.octets))
            options = _options((2, pack("<I", record.direction) if record.direction else b""))
            _write_block(file, 6, start + _padded(record.octets) + options)
        for number, channel in enumerate(channels):
            _write_block(file, 5, _statistics(number, channel))


def _statistics(number: int, channel: Channel) -> bytes:
    """Return the body of an interface statistics block: start, end, received, dropped."""
    times = [record.captured_ns for record in channel.records]
    started = channel.started_ns if channel.started_ns is not None else min(times, default=0)
    ended = channel.ended_ns if channel.ended_ns is not None else max(times, default=0)
    return pack("<III", number, ended >> 32, ended & 0xFFFFFFFF) + _options(
        (2, pack("<II", started >> 32, started & 0xFFFFFFFF)),
        (3, pack("<II", ended >> 32, ended & 0xFFFFFFFF)),
        (4, pack("<Q", len(channel.records))),
        (5, pack("<Q", channel.dropped_count)),
    )


def _padded(octets: bytes) -> bytes:
    """Return octets filled up to a multiple of four."""
    return octets + bytes(-len(octets) % 4)


def _options(*options: tuple[int, bytes]) -> bytes:
    """Return those options that have a value, with the end marker; nothing when none has."""
    filled = b"".join(pack("<HH", code, len(value)) + _padded(value) for code, value in options if value)
    return filled + bytes(4) if filled else b""


def _write_block(file: BinaryIO, kind: int, body: bytes) -> None:
    """Write one block with its length at both ends."""
    length = pack("<I", 12 + len(body))
    file.write(pack("<I", kind) + length + body + length)

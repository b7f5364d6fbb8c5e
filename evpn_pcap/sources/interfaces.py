"""The interface blocks of a pcapng file become Interfaces, numbered on over all sections
(draft-ietf-opsawg-pcapng, 4.1, 4.2 and 4.6)."""

import struct
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from evpn_pcap.model import Interface
from evpn_pcap.sources.timestamps import MICROSECONDS, to_nanoseconds
from evpn_pcap.sources.window import Window

MOST_INTERFACES = 1 << 16  # a hostile file describes nothing else
MOST_COMMENTS = 1000
COMMENT, NAME, DESCRIPTION, RESOLUTION, OFFSET = 1, 2, 3, 9, 14
START_TIME, END_TIME, INTERFACE_DROPS, SYSTEM_DROPS = 2, 3, 5, 7


class Interfaces:
    """All interfaces described so far, and which of them belong to the section being read."""

    def __init__(self, window: Window) -> None:
        self.comments: list[str] = []
        self._window = window
        self._all: list[Interface] = []
        self._resolutions: list[int] = []  # if_tsresol, for each of _all
        self.first = 0  # number of the section's interface 0
        self.link_types = self.resolutions = self.offsets_s = self.snaplens_bytes = np.empty(0, dtype=np.int64)

    def all(self) -> tuple[Interface, ...]:
        """Return every interface of the file."""
        return tuple(self._all)

    def begin_section(self, options: bytes, byte_order: str) -> None:
        """Forget the last section's interfaces, keep their numbers; `options` are the section header's."""
        self.first = len(self._all)
        self._tabulate()
        self._keep_comments(options, byte_order)

    def describe(self, body: bytes, byte_order: str, position: int) -> None:
        """Add the interface that a block's body describes."""
        if len(body) < 8 or len(self._all) == MOST_INTERFACES:
            self._window.note("pcapng", "bad-interface", f"{len(body)} octets, after {len(self._all)} others", position)
            return
        link_type, _, snaplen = struct.unpack_from(byte_order + "HHI", body)
        name = description = ""
        resolution, offset_s = MICROSECONDS, 0
        for code, value in _options(body[8:], byte_order):
            if code == NAME:
                name = _text(value)
            elif code == DESCRIPTION:
                description = _text(value)
            elif code == RESOLUTION and value:
                resolution = value[0]
            elif code == OFFSET and len(value) == 8:
                (offset_s,) = struct.unpack(byte_order + "q", value)
        exponent = resolution & 0x7F
        ticks_per_second = 2**exponent if resolution & 0x80 else 10**exponent
        self._all.append(Interface(len(self._all), link_type, name, description, snaplen, ticks_per_second, offset_s))
        self._resolutions.append(resolution)
        self._keep_comments(body[8:], byte_order)

    def add_statistics(self, body: bytes, byte_order: str, position: int) -> None:
        """Add what a statistics block says about its interface; a later one replaces an earlier one."""
        number = struct.unpack_from(byte_order + "I", body)[0] + self.first if len(body) >= 12 else len(self._all)
        if number >= len(self._all):
            self._window.note("pcapng", "unknown-interface", "statistics of an interface not described", position)
            return
        interface = self._all[number]
        drops: list[int] = []
        times: dict[int, int] = {}
        for code, value in _options(body[12:], byte_order):
            if code in (START_TIME, END_TIME) and len(value) == 8:
                high, low = struct.unpack(byte_order + "II", value)
                ticks = np.array([high << 32 | low], dtype=np.uint64)
                offsets_s = np.array([interface.offset_s], dtype=np.int64)
                times[code] = int(to_nanoseconds(ticks, self._resolutions[number], offsets_s)[0][0])
            elif code in (INTERFACE_DROPS, SYSTEM_DROPS) and len(value) == 8:
                drops.extend(struct.unpack(byte_order + "Q", value))
        self._all[number] = replace(
            interface,
            dropped_count=min(sum(drops), 2**63 - 1) if drops else interface.dropped_count,
            started_ns=times.get(START_TIME, interface.started_ns),
            ended_ns=times.get(END_TIME, interface.ended_ns),
        )
        self._keep_comments(body[12:], byte_order)

    def tabulate(self) -> None:
        """Bring link_types, resolutions, offsets_s and snaplens_bytes of the section's interfaces up to date."""
        if len(self.link_types) != len(self._all) - self.first:
            self._tabulate()

    def _tabulate(self) -> None:
        section = self._all[self.first :]
        self.link_types = np.array([one.link_type for one in section], dtype=np.int64)
        self.resolutions = np.array(self._resolutions[self.first :], dtype=np.int64)
        self.offsets_s = np.array([one.offset_s for one in section], dtype=np.int64)
        self.snaplens_bytes = np.array([one.snaplen_bytes for one in section], dtype=np.int64)

    def _keep_comments(self, options: bytes, byte_order: str) -> None:
        room = MOST_COMMENTS - len(self.comments)
        self.comments.extend([_text(value) for code, value in _options(options, byte_order) if code == COMMENT][:room])


def _options(octets: bytes, byte_order: str) -> Iterator[tuple[int, bytes]]:
    """Yield code and value of each option; a list that is cut ends where it is cut."""
    position = 0
    while position + 4 <= len(octets):
        code, length = struct.unpack_from(byte_order + "HH", octets, position)
        position += 4
        if code == 0 or position + length > len(octets):
            return
        yield code, octets[position : position + length]
        position += (length + 3) & ~3


def _text(value: bytes) -> str:
    return value.rstrip(b"\0").decode("utf-8", "replace")

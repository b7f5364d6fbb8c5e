"""A pcapng file becomes batches of records (draft-ietf-opsawg-pcapng)."""

import struct
from collections import Counter
from collections.abc import Iterator

import numpy as np

from evpn_pcap.errors import CaptureError
from evpn_pcap.model import Batch, FileEnd
from evpn_pcap.sources.interfaces import Interfaces
from evpn_pcap.sources.packets import ENHANCED, OBSOLETE, SIMPLE, packet_batch
from evpn_pcap.sources.walk import LANE_COUNT, Layout, first_of_each, walk, words
from evpn_pcap.sources.window import Window

SECTION_HEADER = b"\x0a\x0d\x0d\x0a"  # the same in either byte order
SECTION_WORD = int.from_bytes(SECTION_HEADER, "little")
BYTE_ORDER_MAGIC = {b"\x4d\x3c\x2b\x1a": "<", b"\x1a\x2b\x3c\x4d": ">"}
INTERFACE_DESCRIPTION, INTERFACE_STATISTICS = 1, 5
PACKETS = (OBSOLETE, SIMPLE, ENHANCED)
BLOCK_NAMES = {4: "name resolution", 9: "journal", 10: "decryption secrets", 0xBAD: "custom", 0x40000BAD: "custom"}
SECTION_HEADER_BYTES = 28
SHORTEST_BLOCK_BYTES = 12
LONGEST_BLOCK_BYTES = (16 << 20) + (128 << 10)  # libpcap and Wireshark refuse longer ones
GUESS_BYTES = 4096
FIRST_SPAN_BYTES = 1 << 14  # a new section is walked in spans that grow, so that many tiny sections cost no more
MOST_BLOCK_KINDS = 100
RESYNC_BYTES = 1 << 20
MOST_RESYNCS = 100


def read_pcapng(window: Window) -> Iterator[Batch | FileEnd]:
    """Yield the packet blocks of a pcapng file in batches, then its FileEnd.

    Interface numbers go on over sections: interface 0 of the next section gets the next free
    number. Blocks that are neither packets nor interfaces are skipped and counted in a note.
    Raises CaptureError where not even the first section header is whole.
    """
    yield from _Reader(window).batches()


class _Reader:
    """Where the reading of one file stands."""

    def __init__(self, window: Window) -> None:
        self.window = window
        self.byte_order = "<"
        self.interfaces = Interfaces(window)
        self.next_frame_number = 1
        self.span_bytes = FIRST_SPAN_BYTES
        self.skipped: Counter[int] = Counter()
        self.resync_count = 0
        self.is_known_version = True
        self.has_mismatch = False

    @property
    def layout(self) -> Layout:
        """How the blocks of this section follow each other."""
        return Layout(self.byte_order, 12, 4, 0, SHORTEST_BLOCK_BYTES, LONGEST_BLOCK_BYTES, 4, SECTION_WORD)

    def batches(self) -> Iterator[Batch | FileEnd]:
        """Yield everything."""
        window = self.window
        if not self._enter_section():
            found = window.octets[: min(window.end, SECTION_HEADER_BYTES)].tobytes().hex(" ")
            raise CaptureError(f"{window.name}: a whole pcapng section header expected, but it begins with {found}")
        is_sound = True
        while is_sound:
            bound = min(window.end, window.begin + self.span_bytes)
            starts, window.begin = walk(window.octets, window.begin, bound, self.layout, self._guess(bound))
            yield from self._decode(starts)
            if self.has_mismatch or self._is_broken():
                is_sound = self._go_on("bad-block-length")
            elif len(starts):
                self.span_bytes *= 4
            elif self._is_section_header():
                is_sound = self._enter_section() or self._go_on("bad-section-header")
            elif bound < window.end:
                self.span_bytes *= 4
            elif window.is_last:
                break
            else:
                window.advance()
        yield self._end(is_sound)

    def _decode(self, starts: np.ndarray) -> Iterator[Batch]:
        """Take in these whole blocks: interfaces and statistics first, then the packets as one batch."""
        if not len(starts):
            return
        starts = self._before_mismatch(starts)
        fields = words(self.window.octets, self.byte_order)
        kinds, lengths = fields[starts], fields[starts + 4]
        is_packet = (kinds == ENHANCED) | (kinds == SIMPLE) | (kinds == OBSOLETE)
        is_packet &= self.is_known_version
        others = (column[~is_packet].tolist() for column in (kinds, starts, lengths))
        for kind, start, length in zip(*others, strict=True):
            self._take_in(kind, start, length)
        if not is_packet.any():
            return
        batch = packet_batch(
            self.window, starts[is_packet], kinds[is_packet], self.byte_order, self.interfaces, self.next_frame_number
        )
        if len(batch.start):
            yield batch
            self.next_frame_number += len(batch.start)

    def _take_in(self, kind: int, start: int, length: int) -> None:
        body = self.window.octets[start + 8 : start + length - 4]
        if kind == INTERFACE_DESCRIPTION and self.is_known_version:
            self.interfaces.describe(body.tobytes(), self.byte_order, start)
        elif kind == INTERFACE_STATISTICS and self.is_known_version:
            self.interfaces.add_statistics(body.tobytes(), self.byte_order, start)
        elif kind in self.skipped or len(self.skipped) < MOST_BLOCK_KINDS:
            self.skipped[kind] += 1
        else:
            self.skipped[-1] += 1

    def _before_mismatch(self, starts: np.ndarray) -> np.ndarray:
        """Return the blocks before the first one whose two lengths differ; reading goes on at that one."""
        fields = words(self.window.octets, self.byte_order)
        lengths = fields[starts + 4]
        wrong = np.flatnonzero(fields[starts + lengths.astype(np.int64) - 4] != lengths)
        if not len(wrong):
            return starts
        self.window.begin = int(starts[wrong[0]])
        self.has_mismatch = True
        return starts[: wrong[0]]

    def _is_section_header(self) -> bool:
        """Whether a section header begins at `begin`, as far as 12 octets tell, and is whole or never will be."""
        window = self.window
        octets = window.octets[window.begin : min(window.end, window.begin + 12)].tobytes()
        if len(octets) < 12 or not octets.startswith(SECTION_HEADER):
            return False
        byte_order = BYTE_ORDER_MAGIC.get(octets[8:])
        if byte_order is None:
            return True
        (length,) = struct.unpack(byte_order + "I", octets[4:8])
        return not SECTION_HEADER_BYTES <= length <= LONGEST_BLOCK_BYTES or window.begin + length <= window.end

    def _enter_section(self) -> bool:
        """Take in the section header at `begin`; False where it makes no sense."""
        window = self.window
        octets = window.octets[window.begin : min(window.end, window.begin + 16)].tobytes()
        byte_order = BYTE_ORDER_MAGIC.get(octets[8:12])
        if len(octets) < 16 or byte_order is None:
            return False
        length, _, major, minor = struct.unpack(byte_order + "IIHH", octets[4:])
        end = window.begin + length
        if not SECTION_HEADER_BYTES <= length <= LONGEST_BLOCK_BYTES or length % 4 or end > window.end:
            return False
        if words(window.octets, byte_order)[end - 4] != length:
            return False
        self.byte_order = byte_order
        self.span_bytes = FIRST_SPAN_BYTES
        self.is_known_version = (major, minor) in {(1, 0), (1, 2)}
        if not self.is_known_version:
            window.note("pcapng", "unknown-version", f"version 1.0 expected, {major}.{minor} found", window.begin)
        self.interfaces.begin_section(window.octets[window.begin + 24 : end - 4].tobytes(), byte_order)
        window.begin = end
        return True

    def _is_broken(self) -> bool:
        """Whether the block at `begin` has a length that no block has; a section header says itself how to read it."""
        window = self.window
        fields = words(window.octets, self.byte_order)
        if window.end - window.begin < SHORTEST_BLOCK_BYTES or fields[window.begin] == SECTION_WORD:
            return False
        length = int(fields[window.begin + 4])
        return not SHORTEST_BLOCK_BYTES <= length <= LONGEST_BLOCK_BYTES or length % 4 != 0

    def _go_on(self, name: str) -> bool:
        """Note what is wrong with the block at `begin` and go on at the next sound packet or section; False if none."""
        window = self.window
        octets = window.octets[window.begin : min(window.end, window.begin + 12)]
        window.note("pcapng", name, f"begins with {octets.tobytes().hex(' ')}", window.begin, self.next_frame_number)
        self.has_mismatch = False
        self.resync_count += 1
        if self.resync_count > MOST_RESYNCS:
            return False
        window.advance()
        for begin in range(window.begin + 1, window.end, RESYNC_BYTES):
            candidates = np.arange(begin, min(begin + RESYNC_BYTES, window.end), dtype=np.int64)
            found = candidates[self._looks_like_block(candidates, (*PACKETS, SECTION_WORD))]
            if len(found):
                window.begin = int(found[0])
                return True
        return False

    def _looks_like_block(self, candidates: np.ndarray, kinds: tuple[int, ...]) -> np.ndarray:
        """Say for each offset whether a whole block of these kinds seems to begin there."""
        fields = words(self.window.octets, self.byte_order)
        plausible = np.isin(fields[candidates], kinds)
        at = candidates[plausible]
        lengths = fields[at + 4].astype(np.int64)
        sound = (lengths >= SHORTEST_BLOCK_BYTES) & (lengths <= LONGEST_BLOCK_BYTES) & (lengths % 4 == 0)
        sound &= at + lengths <= self.window.end
        last = np.where(sound, at + lengths, at + SHORTEST_BLOCK_BYTES) - 4
        sound &= fields[last] == lengths
        plausible[plausible] = sound
        return plausible

    def _guess(self, bound: int) -> np.ndarray:
        """Return one offset a lane that looks like a packet block, where one was found."""
        window = self.window
        span = (bound - window.begin) // LANE_COUNT // 4 * 4
        if span < GUESS_BYTES:
            return np.empty(0, dtype=np.int64)
        fields = np.ndarray((LANE_COUNT, span // 4), f"{self.byte_order}u4", window.octets.data, window.begin)
        lane, word = np.divmod(np.flatnonzero(fields[:, : GUESS_BYTES // 4] == ENHANCED), GUESS_BYTES // 4)
        candidates = window.begin + lane * span + word * 4
        plausible = self._looks_like_block(candidates, (ENHANCED,))
        return first_of_each(lane[plausible], candidates[plausible])

    def _end(self, is_sound: bool) -> FileEnd:
        window = self.window
        is_cut = is_sound and window.begin < window.end
        if is_cut or window.problem:
            detail = window.problem or f"{window.end - window.begin} octets of a block are left"
            window.note("pcapng", "cut-tail", detail, window.begin, self.next_frame_number)
        for kind, count in sorted(self.skipped.items()):
            name = BLOCK_NAMES.get(kind, "of further kinds" if kind < 0 else f"of type {kind:#x}")
            window.note("pcapng", "skipped-block", f"{count} blocks skipped: {name}", window.begin)
        is_truncated = bool(is_cut or not is_sound or window.problem)
        interfaces = self.interfaces
        return FileEnd(
            "pcapng", window.byte_count, is_truncated, interfaces.all(), tuple(window.notes), tuple(interfaces.comments)
        )

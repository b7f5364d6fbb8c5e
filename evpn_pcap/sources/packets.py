"""The packet blocks of a pcapng section become a batch of records
(draft-ietf-opsawg-pcapng, 4.3, 4.4 and A.1)."""

import numpy as np

from evpn_pcap.model import Batch
from evpn_pcap.sources.interfaces import Interfaces
from evpn_pcap.sources.pcap import LONGEST_PACKET_BYTES
from evpn_pcap.sources.timestamps import to_nanoseconds
from evpn_pcap.sources.walk import words
from evpn_pcap.sources.window import Window

OBSOLETE, SIMPLE, ENHANCED = 2, 3, 6
ENHANCED_HEADER_BYTES, SIMPLE_HEADER_BYTES, TRAILER_BYTES = (
    28,
    12,
    4,
)  # the obsolete block is as long as the enhanced one
FLAGS_OPTION = 2  # epb_flags and pack_flags
DIRECTION_BITS = 0b11  # 1 inbound, 2 outbound, as in Batch.direction
MOST_OPTIONS = 64  # direction is looked for among the first options of a packet


def packet_batch(
    window: Window,
    starts: np.ndarray,
    kinds: np.ndarray,
    byte_order: str,
    interfaces: Interfaces,
    first_frame_number: int,
) -> Batch:
    """Return the packet blocks at `starts` as records.

    Blocks of an interface that the section does not describe, and blocks that say more was
    captured than they or any packet can hold, are left out and noted. A simple packet block has no
    time: it gets 0, and a note.
    """
    interfaces.tabulate()
    starts, kinds = _of_known_interfaces(window, starts, kinds, byte_order, interfaces)
    starts, kinds, captured, wire, room = _with_lengths(window, starts, kinds, byte_order, interfaces)
    fields = words(window.octets, byte_order)
    number = _interface_numbers(fields, starts, kinds, words(window.octets, byte_order, 2))
    is_simple = kinds == SIMPLE
    data = starts + np.where(is_simple, SIMPLE_HEADER_BYTES, ENHANCED_HEADER_BYTES)
    times = _times(window, starts, is_simple, number, fields, interfaces, first_frame_number)
    return Batch(
        octets=window.octets,
        start=data,
        captured_bytes=captured,
        wire_bytes=wire,
        captured_ns=times,
        interface_index=(number + interfaces.first).astype(np.int32),
        link_type=interfaces.link_types[number].astype(np.int32),
        direction=_directions(window.octets, data, captured, room, is_simple, byte_order),
        first_frame_number=first_frame_number,
    )


def _interface_numbers(fields: np.ndarray, starts: np.ndarray, kinds: np.ndarray, halves: np.ndarray) -> np.ndarray:
    """Return each block's interface in its section; simple packet blocks belong to interface 0."""
    number = fields[starts + 8].astype(np.int64)
    if (kinds == ENHANCED).all():
        return number
    return np.select([kinds == SIMPLE, kinds == OBSOLETE], [0, halves[starts + 8].astype(np.int64)], number)


def _of_known_interfaces(
    window: Window, starts: np.ndarray, kinds: np.ndarray, byte_order: str, interfaces: Interfaces
) -> tuple[np.ndarray, np.ndarray]:
    """Return the blocks long enough to be packets, of an interface that the section describes."""
    fields = words(window.octets, byte_order)
    number = _interface_numbers(fields, starts, kinds, words(window.octets, byte_order, 2))
    is_known = number < len(interfaces.link_types)
    if is_known.all():
        return starts, kinds
    unknown = starts[~is_known]
    window.note("pcapng", "unknown-interface", f"{len(unknown)} packet blocks left out from here on", int(unknown[0]))
    return starts[is_known], kinds[is_known]


def _with_lengths(
    window: Window, starts: np.ndarray, kinds: np.ndarray, byte_order: str, interfaces: Interfaces
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the blocks whose captured octets are all there: starts, kinds, captured, wire, octets after the header."""
    fields = words(window.octets, byte_order)
    is_simple = kinds == SIMPLE
    total = fields[starts + 4].astype(np.int64)
    room = total - TRAILER_BYTES - np.where(is_simple, SIMPLE_HEADER_BYTES, ENHANCED_HEADER_BYTES)
    captured = fields[starts + 20].astype(np.int64)
    wire = fields[starts + np.where(is_simple, 8, 24)].astype(np.int64)
    if is_simple.any():
        snaplen = int(interfaces.snaplens_bytes[0]) or LONGEST_PACKET_BYTES
        captured = np.where(is_simple, np.minimum(np.minimum(wire, snaplen), room), captured)
    is_sound = (room >= 0) & (captured <= room) & (captured <= LONGEST_PACKET_BYTES)
    if not is_sound.all():
        wrong = np.flatnonzero(~is_sound)
        detail = f"{len(wrong)} packet blocks left out: {captured[wrong[0]]} captured octets in a block with room for {room[wrong[0]]}"
        window.note("pcapng", "bad-record-length", detail, int(starts[wrong[0]]))
    return starts[is_sound], kinds[is_sound], captured[is_sound], wire[is_sound], room[is_sound]


def _times(
    window: Window,
    starts: np.ndarray,
    is_simple: np.ndarray,
    number: np.ndarray,
    fields: np.ndarray,
    interfaces: Interfaces,
    first_frame_number: int,
) -> np.ndarray:
    """Return when each record was captured, in ns; 0 for simple packet blocks."""
    ticks = (fields[starts + 12].astype(np.uint64) << np.uint64(32)) | fields[starts + 16]
    resolution, offsets_s = interfaces.resolutions[number], interfaces.offsets_s[number]
    times = np.zeros(len(starts), dtype=np.int64)
    is_outside = np.zeros(len(starts), dtype=bool)
    for one in np.unique(resolution).tolist():
        rows = resolution == one
        times[rows], is_outside[rows] = to_nanoseconds(ticks[rows], one, offsets_s[rows])
    times[is_simple] = 0
    is_outside &= ~is_simple
    for name, rows in (("no-time", is_simple), ("time-out-of-range", is_outside)):
        if rows.any():
            first = int(np.argmax(rows))
            detail = f"{np.count_nonzero(rows)} packet blocks from here on"
            window.note("pcapng", name, detail, int(starts[first]), first_frame_number + first)
    return times


def _directions(
    octets: np.ndarray, data: np.ndarray, captured: np.ndarray, room: np.ndarray, is_simple: np.ndarray, byte_order: str
) -> np.ndarray:
    """Return each packet's direction from its flags option; 0 where it has none."""
    directions = np.zeros(len(data), dtype=np.int8)
    padded = (captured + 3) & ~3
    rows = np.flatnonzero((room - padded >= 8) & ~is_simple)
    if not len(rows):
        return directions
    halves, fields = words(octets, byte_order, 2), words(octets, byte_order)
    position, end = (data + padded)[rows], (data + room)[rows]
    for _ in range(MOST_OPTIONS):
        code, length = halves[position], halves[position + 2].astype(np.int64)
        following = position + 4 + ((length + 3) & ~3)
        is_flags = (code == FLAGS_OPTION) & (length == 4) & (following <= end)
        directions[rows[is_flags]] = (fields[position[is_flags] + 4] & DIRECTION_BITS).astype(np.int8)
        goes_on = (code != 0) & ~is_flags & (following + 8 <= end)
        if not goes_on.any():
            break
        rows, position, end = rows[goes_on], following[goes_on], end[goes_on]
    return np.where(directions == DIRECTION_BITS, 0, directions).astype(np.int8)

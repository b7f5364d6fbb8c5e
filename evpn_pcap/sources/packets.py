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
    fields = words(window.octets, byte_order)
    is_simple = kinds == SIMPLE
    number = fields[starts + 8].astype(np.int64)
    if not (kinds == ENHANCED).all():  # an obsolete block has 16 bits for the interface, a simple one none: it is 0
        short = words(window.octets, byte_order, 2)[starts + 8]
        number = np.select([is_simple, kinds == OBSOLETE], [0, short.astype(np.int64)], number)
    captured, wire, room = _lengths(fields, starts, is_simple, interfaces)
    is_kept = _sound(window, starts, number, captured, room, len(interfaces.link_types))
    if not is_kept.all():
        columns = (starts, is_simple, number, captured, wire, room)
        starts, is_simple, number, captured, wire, room = (column[is_kept] for column in columns)
    data = starts + ENHANCED_HEADER_BYTES
    data[is_simple] += SIMPLE_HEADER_BYTES - ENHANCED_HEADER_BYTES
    return Batch(
        octets=window.octets,
        start=data,
        captured_bytes=captured,
        wire_bytes=wire,
        captured_ns=_times(window, starts, is_simple, number, fields, interfaces, first_frame_number),
        interface_index=(number + interfaces.first).astype(np.int32),
        link_type=interfaces.link_types[number].astype(np.int32),
        direction=_directions(window.octets, data, captured, room, is_simple, byte_order),
        first_frame_number=first_frame_number,
    )


def _lengths(
    fields: np.ndarray, starts: np.ndarray, is_simple: np.ndarray, interfaces: Interfaces
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return octets captured, octets on the wire, and octets between the block's header and its trailer."""
    room = fields[starts + 4].astype(np.int64) - (ENHANCED_HEADER_BYTES + TRAILER_BYTES)
    captured = fields[starts + 20].astype(np.int64)
    wire = fields[starts + 24].astype(np.int64)
    if is_simple.any():
        snaplen = (int(interfaces.snaplens_bytes[0]) if len(interfaces.snaplens_bytes) else 0) or LONGEST_PACKET_BYTES
        room[is_simple] += ENHANCED_HEADER_BYTES - SIMPLE_HEADER_BYTES
        wire[is_simple] = fields[starts[is_simple] + 8]
        captured[is_simple] = np.minimum(np.minimum(wire, snaplen), room)[is_simple]
    return captured, wire, room


def _sound(
    window: Window, starts: np.ndarray, number: np.ndarray, captured: np.ndarray, room: np.ndarray, interface_count: int
) -> np.ndarray:
    """Say which blocks are of an interface that exists and hold what they say; note the others."""
    is_known = number < interface_count
    is_whole = (captured >= 0) & (captured <= room) & (captured <= LONGEST_PACKET_BYTES)
    for name, is_wrong in (("unknown-interface", ~is_known), ("bad-record-length", is_known & ~is_whole)):
        if is_wrong.any():
            first = int(np.argmax(is_wrong))
            detail = f"{np.count_nonzero(is_wrong)} packet blocks left out from here on: interface {number[first]}"
            detail += f", {captured[first]} octets captured, room for {room[first]}"
            window.note("pcapng", name, detail, int(starts[first]))
    return is_known & is_whole


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
    for one in set(interfaces.resolutions.tolist()):
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

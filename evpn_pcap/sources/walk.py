"""A chain of records, each as long as its header says, becomes the offsets where they start.

Walking such a chain is serial by nature, and in Python it costs more than everything else about a
record. So the buffer is cut into lanes at guessed record starts, all lanes are walked together in
numpy, and a lane counts only where the walk of the lanes before it arrives at one of its records:
two walks that meet go on alike, so by induction the result is exactly the serial walk, whatever
was guessed. Payload full of fake headers costs time at worst, never a record.
"""

import struct
from dataclasses import dataclass

import numpy as np

LANE_COUNT = 512
FEWEST_LANES = 8  # below this a step of numpy costs more than walking the lanes one by one
MOST_STEPS = 4096  # bounds the memory of one walk; what is left of a lane then is walked serially


@dataclass(frozen=True, slots=True)
class Layout:
    """How one file format chains its records: following = start + overhead + length."""

    byte_order: str  # "<" or ">"
    header_bytes: int  # octets that must be there before the length is believed
    length_at: int  # offset of the u32 length field in the header
    overhead_bytes: int  # what the length field does not count
    shortest: int  # least and greatest length field of a sound record
    longest: int
    alignment_bytes: int = 1  # the length field is a multiple of this
    stop_word: int | None = None  # the walk ends at a record whose first u32 is this


def words(octets: np.ndarray, byte_order: str, width_bytes: int = 4) -> np.ndarray:
    """Return a view whose element i is the unsigned integer of that width at octet i."""
    return np.ndarray((len(octets) - width_bytes + 1,), f"{byte_order}u{width_bytes}", octets.data, strides=(1,))


def first_of_each(lanes: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Return the first offset found in each lane; `lanes` is ascending."""
    is_first = np.ones(len(lanes), dtype=bool)
    is_first[1:] = lanes[1:] != lanes[:-1]
    first: np.ndarray = offsets[is_first]
    return first


def walk(octets: np.ndarray, begin: int, end: int, layout: Layout, guesses: np.ndarray) -> tuple[np.ndarray, int]:
    """Return the starts (int64) of the whole, sound records from `begin` on, and where the walk stopped.

    It stops at `end`, or before it at a record that is not wholly there, has an impossible length,
    or begins with the stop word. `guesses` are offsets that may be record starts, ascending: they
    decide how fast the walk is, never what it returns. `octets` reaches at least 16 octets
    beyond `end`.
    """
    lanes = guesses[(guesses > begin) & (guesses < end)]
    if len(lanes) < FEWEST_LANES:
        serial, stop = _walk_serially(octets, begin, end, end, layout, frozenset())
        return np.array(serial, dtype=np.int64), stop
    lanes = np.concatenate(([begin], lanes)).astype(np.int64)
    bounds = np.append(lanes[1:], end)
    visited, counts, stops = _walk_lanes(octets, lanes, bounds, end, layout)
    starts, stop = _join_lanes(octets, end, layout, lanes, bounds, visited, counts, stops)
    return _before_stop_word(octets, layout, starts, stop)


def _walk_serially(
    octets: np.ndarray, begin: int, bound: int, end: int, layout: Layout, meeting: frozenset[int] | set[int]
) -> tuple[list[int], int]:
    """Walk from `begin` until `bound` is reached, a record is in `meeting`, or none follows."""
    unpack = struct.Struct(layout.byte_order + "I").unpack_from
    buffer = octets.data
    starts: list[int] = []
    position = begin
    while position < bound and position not in meeting and position + layout.header_bytes <= end:
        (length,) = unpack(buffer, position + layout.length_at)
        following = position + layout.overhead_bytes + length
        if not layout.shortest <= length <= layout.longest or following > end or length % layout.alignment_bytes:
            break
        if layout.stop_word is not None and unpack(buffer, position)[0] == layout.stop_word:
            break
        starts.append(position)
        position = following
    return starts, position


def _walk_lanes(
    octets: np.ndarray, lanes: np.ndarray, bounds: np.ndarray, end: int, layout: Layout
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Walk every lane to its bound; return visited starts (step by lane), their counts, and where each lane stopped."""
    lengths = words(octets, layout.byte_order)[layout.length_at :]
    position = lanes.copy()
    counts = np.zeros(len(lanes), dtype=np.int64)
    running = np.ones(len(lanes), dtype=bool)
    bounds = np.minimum(bounds, end - layout.header_bytes + 1)
    shortest, most = np.uint32(layout.shortest), np.uint32(layout.longest - layout.shortest)
    steps: list[np.ndarray] = []
    while len(steps) < MOST_STEPS:
        length = lengths[position]  # a lane that has stopped is still inside the buffer
        following = position + length
        following += layout.overhead_bytes
        running &= position < bounds
        running &= length - shortest <= most  # unsigned: shorter ones wrap around
        running &= following <= end
        if layout.alignment_bytes > 1:
            running &= length % layout.alignment_bytes == 0
        if np.count_nonzero(running) < FEWEST_LANES:
            break
        steps.append(position)
        position = np.where(running, following, position)
        counts += running
    visited = np.array(steps, dtype=np.int64).reshape(len(steps), len(lanes))
    return visited, counts, position


def _join_lanes(
    octets: np.ndarray,
    end: int,
    layout: Layout,
    lanes: np.ndarray,
    bounds: np.ndarray,
    visited: np.ndarray,
    counts: np.ndarray,
    stops: np.ndarray,
) -> tuple[np.ndarray, int]:
    """Return the one true chain: each lane from where the chain before it meets it, walked serially in between."""
    parts: list[np.ndarray] = []
    position = int(lanes[0])
    by_lane = np.ascontiguousarray(visited.T)
    for lane, bound, count, stop in zip(by_lane, bounds.tolist(), counts.tolist(), stops.tolist(), strict=True):
        if position >= bound:
            continue  # a record of an earlier lane reaches over this one
        seen = lane[:count]
        met = 0
        if not count or position != seen[0]:
            starts, position = _walk_serially(octets, position, bound, end, layout, {*seen.tolist(), stop})
            parts.append(np.array(starts, dtype=np.int64))
            met = int(np.searchsorted(seen, position))
        if met < count and position == seen[met]:
            parts.append(seen[met:])
            position = stop
        if position < bound:  # the lane was left unfinished, or its chain ends here
            starts, position = _walk_serially(octets, position, bound, end, layout, frozenset())
            parts.append(np.array(starts, dtype=np.int64))
        if position < bound:
            break
    return np.concatenate(parts), position


def _before_stop_word(octets: np.ndarray, layout: Layout, starts: np.ndarray, stop: int) -> tuple[np.ndarray, int]:
    """Return the chain up to the first record that begins with the stop word."""
    if layout.stop_word is None:
        return starts, stop
    stops = np.flatnonzero(words(octets, layout.byte_order)[starts] == layout.stop_word)
    return (starts[: stops[0]], int(starts[stops[0]])) if len(stops) else (starts, stop)

"""pcapng time stamps (if_tsresol, if_tsoffset) become nanoseconds since the Unix epoch, exactly."""

import numpy as np

from evpn_pcap.model import FOREVER

MICROSECONDS = 6  # if_tsresol where none is given
NANOSECONDS = 9
NANOSECONDS_PER_SECOND = 1_000_000_000
GREATEST_EXPONENT_OF_TEN = 19  # 10**19 still fits 64 bits
GREATEST_EXPONENT_OF_TWO = 34  # 2**34 * 10**9 still fits 64 bits
LATEST_NS = FOREVER - 1
MOST_OFFSET_S = LATEST_NS // NANOSECONDS_PER_SECOND


def to_nanoseconds(ticks: np.ndarray, resolution: int, offsets_s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return ticks (uint64) of one if_tsresol, plus offsets (int64, seconds), as int64 ns, rounded down.

    A time beyond what int64 holds becomes the nearest that it does; the second array says where.
    """
    exponent, is_power_of_two = resolution & 0x7F, bool(resolution & 0x80)
    per_second = 2**exponent if is_power_of_two else 10**exponent
    latest = min((LATEST_NS * per_second) // NANOSECONDS_PER_SECOND, 2**64 - 1)
    is_outside = ticks > np.uint64(latest)
    ticks = np.minimum(ticks, np.uint64(latest))
    if not is_power_of_two and exponent <= NANOSECONDS:
        ns = ticks * np.uint64(10 ** (NANOSECONDS - exponent))
    elif not is_power_of_two and exponent <= GREATEST_EXPONENT_OF_TEN:
        ns = ticks // np.uint64(10 ** (exponent - NANOSECONDS))
    elif is_power_of_two and exponent <= GREATEST_EXPONENT_OF_TWO:
        seconds, rest = ticks >> np.uint64(exponent), ticks & np.uint64(per_second - 1)
        fraction = rest * np.uint64(NANOSECONDS_PER_SECOND) >> np.uint64(exponent)
        ns = seconds * np.uint64(NANOSECONDS_PER_SECOND) + fraction
    else:  # no clock ticks that fast: exact, not quick
        ns = np.array([tick * NANOSECONDS_PER_SECOND // per_second for tick in ticks.tolist()], dtype=np.uint64)
    ns = ns.astype(np.int64)
    if not offsets_s.any():
        return ns, is_outside
    is_outside |= (offsets_s > MOST_OFFSET_S) | (offsets_s < -MOST_OFFSET_S)
    offsets_ns = np.clip(offsets_s, -MOST_OFFSET_S, MOST_OFFSET_S) * NANOSECONDS_PER_SECOND
    room_ns = LATEST_NS - np.maximum(offsets_ns, 0)
    is_outside |= ns > room_ns
    return np.minimum(ns, room_ns) + offsets_ns, is_outside

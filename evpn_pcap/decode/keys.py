"""Octets of a frame into 64-bit keys that are the same wherever the frame is seen.

Hashed are at most the first 96 octets of the network layer, never beyond its own length field (so
no padding), without what the way through a network changes: TTL and hop limit, DSCP, ECN and
traffic class, checksums (which offload leaves unfinished). MAC addresses but the source, VLAN tags
and everything outside VXLAN stay out. What the snapshot length cut off cannot be hashed: captures
whose snapshot lengths differ below 96 octets of the innermost packet have different keys for it.
"""

import numpy as np

from evpn_pcap.decode.octets import Octets

HASHED_BYTES = 96
WORD_BYTES = 8
SAMPLED_WORDS = 5  # enough of a packet (40 octets) to choose it by
NO_CHECKSUM = HASHED_BYTES // 2

_FACTOR = np.uint64(0x9E3779B97F4A7C15)  # odd, bits well spread (2**64 over the golden ratio)
_HALF = np.uint64(32)
_SEED = np.uint64(0xD6E8FEB86659FD93)
# Where the checksum lies in each transport header: ICMP, TCP, UDP, ICMPv6.
CHECKSUM_OFFSET = np.full(256, HASHED_BYTES, np.int64)
CHECKSUM_OFFSET[[1, 6, 17, 58]] = [2, 16, 6, 2]


def _without(*places: tuple[int, int]) -> np.ndarray:
    """Return masks for the words of a header, with (octet, bits) cleared."""
    octets = np.full(HASHED_BYTES, 0xFF, np.uint8)
    for place, bits in places:
        octets[place] &= 0xFF ^ bits
    return octets.view("<u8").astype(np.uint64)


# IPv4: DSCP and ECN, TTL, header checksum. IPv6: traffic class, hop limit.
_KEPT = {
    0: _without(),
    4: _without((1, 0xFF), (8, 0xFF), (10, 0xFF), (11, 0xFF)),
    6: _without((0, 0x0F), (1, 0xF0), (7, 0xFF)),
}
# The same, and the three flags of IPv4 (RFC 791: reserved, DF, MF), which routers may alter.
_KEPT_ROUTED = _KEPT | {4: _without((1, 0xFF), (6, 0xE0), (8, 0xFF), (10, 0xFF), (11, 0xFF))}
# Element k keeps the first k octets of a word.
_FIRST = np.array([(1 << 8 * count) - 1 for count in range(WORD_BYTES + 1)], np.uint64)
# Row w, element c: word w without the checksum that is at octet 2 * c of the packet.
_NO_CHECKSUM = np.array(
    [
        _without((2 * place, 0xFF), (2 * place + 1, 0xFF)) if place < NO_CHECKSUM else _without()
        for place in range(NO_CHECKSUM + 1)
    ]
).T.copy()


def mixed(key: np.ndarray, word: np.ndarray) -> np.ndarray:
    """Return a hash with one more word in it."""
    key = (key ^ word) * _FACTOR
    return key ^ (key >> _HALF)


def hashed(
    octets: Octets, at: np.ndarray, length: np.ndarray, checksum: np.ndarray, network: int, routed: bool, key: np.ndarray,
    words: range,
) -> np.ndarray:  # fmt: skip
    """Return `key` with some words of packets mixed in.

    `at`: the packets' first octets. `length`: how many octets may be hashed. `checksum`: offset of
    the transport checksum in the packet. `network`: 4, 6, or 0 for neither. `routed`: leave out what routers alter.
    """
    kept = (_KEPT_ROUTED if routed else _KEPT)[network]
    place = np.minimum(checksum >> 1, NO_CHECKSUM)
    shortest = int(length.min(initial=HASHED_BYTES))
    for word in words:
        value = octets.word(at + word * WORD_BYTES) & kept[word]
        if word >= 2:
            value &= _NO_CHECKSUM[word][place]
        if shortest < (word + 1) * WORD_BYTES:
            value &= _FIRST[np.clip(length - word * WORD_BYTES, 0, WORD_BYTES)]
        key = mixed(key, value)
    return key


def frame_key(
    octets: Octets, ether_type: int, source_mac: np.ndarray, at: np.ndarray, length: np.ndarray, checksum: np.ndarray,
    network: int,
) -> np.ndarray:  # fmt: skip
    """Return the key of a frame at all vantage points of its segment: EtherType, source MAC, network layer."""
    mac = np.where(source_mac < 0, 0, source_mac).astype(np.uint64)
    key = mixed(np.full(len(at), _SEED), mac << np.uint64(16) | np.uint64(ether_type))
    whole = range(HASHED_BYTES // WORD_BYTES)
    return hashed(octets, at, np.minimum(length, HASHED_BYTES), checksum, network, False, key, whole)


def sample_key(
    octets: Octets, at: np.ndarray, length: np.ndarray, checksum: np.ndarray, network: int
) -> np.ndarray:  # fmt: skip
    """Return the first part of `anchor_key`: over 40 octets, the same on every host."""
    seed = np.full(len(at), _SEED)
    return hashed(octets, at, np.minimum(length, HASHED_BYTES), checksum, network, True, seed, range(SAMPLED_WORDS))


def anchor_key(
    octets: Octets, at: np.ndarray, length: np.ndarray, checksum: np.ndarray, network: int, sampled: np.ndarray
) -> np.ndarray:  # fmt: skip
    """Return the key of a packet at all hosts, bridged or routed; `sampled` is its sample_key."""
    rest = range(SAMPLED_WORDS, HASHED_BYTES // WORD_BYTES)
    return hashed(octets, at, np.minimum(length, HASHED_BYTES), checksum, network, True, sampled, rest)

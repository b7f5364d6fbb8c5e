"""Octets of a frame into 64-bit keys that are the same wherever the frame is seen.

Hashed are at most the first 96 octets of the network layer, never beyond its own length field (so
no padding), without what the way through a network changes: TTL and hop limit, DSCP, ECN and
traffic class, checksums (which offload leaves unfinished). MAC addresses but the source, VLAN tags
and everything outside VXLAN stay out. What the snapshot length cut off cannot be hashed, so each
packet also has a key of its first octets only, those that `tcpdump -s 64` leaves of a bare frame.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evpn_pcap.decode.octets import Octets

HASHED_BYTES = 96
WORD_BYTES = 8
EVERY_WORD = range(HASHED_BYTES // WORD_BYTES)
# What a packet is chosen by: identifier and length, ports, sequence and acknowledgement or first payload.
SAMPLED_WORDS = {4: (0, 2, 3, 4), 6: (0, 5, 6, 7)}
SHORT_WORDS = {4: 5, 6: 6}  # IPv4: up to the end of a TCP header; IPv6: up to its sequence number
# Where the checksum lies in each transport header: ICMP, TCP, UDP, ICMPv6, SCTP (four octets), UDP-Lite.
# Others have none that matters.
CHECKSUM_OFFSET = np.full(256, HASHED_BYTES, np.int64)
CHECKSUM_OFFSET[[1, 6, 17, 58, 132, 136]] = [2, 16, 6, 2, 8, 6]
LONG_CHECKSUM = (132,)  # RFC 9260, 3.1: CRC32c, which NICs compute

_FACTOR = np.uint64(0x9E3779B97F4A7C15)  # odd, bits well spread (2**64 over the golden ratio)
_HALF = np.uint64(32)
_SEED = np.uint64(0xD6E8FEB86659FD93)


def _without(*places: tuple[int, int]) -> np.ndarray:
    """Return masks for the words of a packet, with (octet, bits) cleared."""
    octets = np.full(HASHED_BYTES, 0xFF, np.uint8)
    for place, bits in places:
        octets[place] &= 0xFF ^ bits
    return octets.view("<u8").astype(np.uint64)


# IPv4: DSCP and ECN, TTL, header checksum. IPv6: traffic class, hop limit. 0: neither, so ARP.
_BRIDGED = {
    0: _without(),
    4: _without((1, 0xFF), (8, 0xFF), (10, 0xFF), (11, 0xFF)),
    6: _without((0, 0x0F), (1, 0xF0), (7, 0xFF)),
}
# The same, and the three flags of IPv4 (RFC 791, 3.1), which routers may alter.
_ROUTED = _BRIDGED | {4: _without((1, 0xFF), (6, 0xE0), (8, 0xFF), (10, 0xFF), (11, 0xFF))}
# Element k keeps the first k octets of a word.
_FIRST = np.array([(1 << 8 * count) - 1 for count in range(WORD_BYTES + 1)], np.uint64)
_NO_CHECKSUM = HASHED_BYTES // 2
_LONG = _NO_CHECKSUM + 1
# Row w, element c: word w without a checksum of two octets that is at octet 2 * c of the packet; then without any;
# then without one of four octets.
_UNSUMMED = np.array(
    [
        *(_without((place, 0xFF), (place + 1, 0xFF)) for place in range(0, HASHED_BYTES, 2)),
        _without(),
        *(
            _without(*((octet, 0xFF) for octet in range(place, min(place + 4, HASHED_BYTES))))
            for place in range(0, HASHED_BYTES, 2)
        ),
        _without(),
    ]
).T.copy()


@dataclass(frozen=True, slots=True)
class Packets:
    """Network layer packets of one sort: where they are, and what in them a key may depend on."""

    at: np.ndarray  # first octet of each
    length: np.ndarray  # octets that are its own and were captured
    checksum: np.ndarray  # offset of the transport checksum in each, even; HASHED_BYTES or more: none
    network: int  # version of their IP headers: 4, 6, or 0 for ARP
    is_long_checksum: np.ndarray | None = None  # it has four octets, not two; None: nowhere


def frame_key(octets: Octets, packets: Packets, ether_type: int, source_mac: np.ndarray) -> np.ndarray:
    """Return the key of frames at all vantage points of their segment: EtherType, source MAC, network layer.

    A source MAC that is not known (less than 0) counts as 0.
    """
    link = np.maximum(source_mac, 0).astype(np.uint64) << np.uint64(16) | np.uint64(ether_type)
    return _mixed_in(_mixed(np.full(len(link), _SEED), link), octets, packets, EVERY_WORD, _BRIDGED)


def sample_key(octets: Octets, packets: Packets) -> np.ndarray:
    """Return what a packet is sampled by: a hash of those of its words that tell it from its neighbours."""
    seed = np.full(len(packets.at), _SEED)
    return _mixed_in(seed, octets, packets, SAMPLED_WORDS[packets.network], _ROUTED)


def anchor_keys(octets: Octets, packets: Packets) -> tuple[np.ndarray, np.ndarray]:
    """Return the key of packets at all hosts, bridged or routed, and that of their first octets only."""
    few = SHORT_WORDS[packets.network]
    short = _mixed_in(np.full(len(packets.at), _SEED), octets, packets, EVERY_WORD[:few], _ROUTED)
    return _mixed_in(short, octets, packets, EVERY_WORD[few:], _ROUTED), short


def _mixed_in(
    key: np.ndarray, octets: Octets, packets: Packets, wanted: Sequence[int], kept: dict[int, np.ndarray]
) -> np.ndarray:
    """Return the hash with the wanted words of packets mixed in."""
    words = octets.words(packets.at, max(wanted) + 1)
    place = np.minimum(packets.checksum >> 1, _NO_CHECKSUM)
    if packets.is_long_checksum is not None:
        place = place + packets.is_long_checksum * _LONG
    shortest = int(packets.length.min(initial=HASHED_BYTES))
    for word in wanted:
        value = words[:, word] & kept[packets.network][word]
        if packets.network and word >= 2:  # no transport header begins earlier
            value &= _UNSUMMED[word][place]
        if shortest < (word + 1) * WORD_BYTES:
            value &= _FIRST[np.clip(packets.length - word * WORD_BYTES, 0, WORD_BYTES)]
        key = _mixed(key, value)
    return key


def _mixed(key: np.ndarray, word: np.ndarray) -> np.ndarray:
    """Return a hash with one more word in it."""
    key = (key ^ word) * _FACTOR
    key ^= key >> _HALF
    return key

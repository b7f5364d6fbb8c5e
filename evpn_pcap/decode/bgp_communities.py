"""Extended communities become named fields (RFC 4360; RFC 7432, 7.5-7.8; RFC 9012; RFC 9047; RFC 9135)."""

from collections.abc import Callable
from ipaddress import IPv4Address
from typing import Any

COMMUNITY_BYTES = 8
Fields = dict[str, Any]

ABSENT: Fields = {
    "route_targets": None,
    "router_mac": None,
    "mobility_sequence": 0,
    "is_sticky": False,
    "is_default_gateway": False,
    "nd_flags": None,
    "encapsulation": None,
}
STICKY = 0x01
ND_FLAGS = {"R": 0x01, "O": 0x02, "I": 0x08}  # router, override, immutable (RFC 9047, 2)


def _as2_target(value: bytes) -> Fields:
    return {"route_targets": f"{int.from_bytes(value[:2])}:{int.from_bytes(value[2:])}"}


def _ipv4_target(value: bytes) -> Fields:
    return {"route_targets": f"{IPv4Address(value[:4])}:{int.from_bytes(value[4:])}"}


def _as4_target(value: bytes) -> Fields:
    return {"route_targets": f"{int.from_bytes(value[:4])}:{int.from_bytes(value[4:])}"}


def _encapsulation(value: bytes) -> Fields:
    return {"encapsulation": int.from_bytes(value[4:])}


def _default_gateway(_value: bytes) -> Fields:
    return {"is_default_gateway": True}


def _mobility(value: bytes) -> Fields:
    return {"is_sticky": bool(value[0] & STICKY), "mobility_sequence": int.from_bytes(value[2:])}


def _router_mac(value: bytes) -> Fields:
    return {"router_mac": int.from_bytes(value)}


def _arp_nd(value: bytes) -> Fields:
    return {"nd_flags": "".join(letter for letter, bit in ND_FLAGS.items() if value[0] & bit)}


def _without_column(_value: bytes) -> Fields:
    return {}


COMMUNITIES: dict[tuple[int, int], Callable[[bytes], Fields]] = {
    (0x00, 0x02): _as2_target,  # route target, two-octet AS (RFC 4360, 4)
    (0x01, 0x02): _ipv4_target,  # route target, IPv4 address (RFC 4360, 4)
    (0x02, 0x02): _as4_target,  # route target, four-octet AS (RFC 5668)
    (0x03, 0x0C): _encapsulation,  # RFC 9012, 4.1
    (0x03, 0x0D): _default_gateway,  # RFC 7432, 7.8
    (0x06, 0x00): _mobility,  # RFC 7432, 7.7
    (0x06, 0x01): _without_column,  # ESI label (RFC 7432, 7.5)
    (0x06, 0x02): _without_column,  # ES-import route target (RFC 7432, 7.6)
    (0x06, 0x03): _router_mac,  # RFC 9135, 8.1
    (0x06, 0x04): _without_column,  # layer 2 attributes (RFC 8214, 3.1)
    (0x06, 0x06): _without_column,  # DF election (RFC 8584, 2.2)
    (0x06, 0x08): _arp_nd,  # RFC 9047, 2
}


def read_communities(octets: bytes) -> tuple[Fields, int]:
    """Return the fields of the known communities, and how many are unknown.

    `octets` is the attribute's value; what is left over after the last whole community is not read.
    The first of several communities of one sort counts, except route targets, which are all kept.
    """
    fields = dict(ABSENT)
    targets: set[str] = set()
    unknown_count = 0
    last = len(octets) - len(octets) % COMMUNITY_BYTES
    for at in range(last - COMMUNITY_BYTES, -1, -COMMUNITY_BYTES):
        read = COMMUNITIES.get((octets[at], octets[at + 1]))
        if read is None:
            unknown_count += 1
            continue
        found = read(octets[at + 2 : at + COMMUNITY_BYTES])
        if "route_targets" in found:
            targets.add(found["route_targets"])
        fields |= found
    fields["route_targets"] = " ".join(sorted(targets)) or None
    return fields, unknown_count

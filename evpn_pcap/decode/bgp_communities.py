"""Extended communities become named fields (RFC 4360; RFC 7432, 7.5-7.8; RFC 8214; RFC 8584; RFC 9012; RFC 9047)."""

from collections.abc import Callable
from ipaddress import IPv4Address
from typing import Any, NamedTuple

from evpn_pcap.addresses import mac_text

COMMUNITY_BYTES = 8
Fields = dict[str, Any]

ABSENT: Fields = {
    "route_targets": None,
    "es_import_rt": None,
    "router_mac": None,
    "mobility_sequence": 0,
    "is_sticky": False,
    "is_default_gateway": False,
    "nd_flags": None,
    "encapsulation": None,
}
SETS = ("route_targets", "es_import_rt")  # of which a route may carry several
STICKY = 0x01
SINGLE_ACTIVE = 0x01
VXLAN = 8  # tunnel type (RFC 9012, 4.1; RFC 8365, 5.1.1)
ND_FLAGS = {"R": 0x01, "O": 0x02, "I": 0x08}  # router, override, immutable (RFC 9047, 2)


class Community(NamedTuple):
    """A sort of extended community: its name, where it is specified, what its six octets tell."""

    name: str
    source: str
    read: Callable[[bytes], Fields]


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


def _esi_label(value: bytes) -> Fields:
    """Flags 1, reserved 2, label 3."""
    return {"is_single_active": bool(value[0] & SINGLE_ACTIVE), "esi_label": int.from_bytes(value[3:])}


def _es_import(value: bytes) -> Fields:
    return {"es_import_rt": mac_text(int.from_bytes(value))}


def _router_mac(value: bytes) -> Fields:
    return {"router_mac": int.from_bytes(value)}


def _layer2(value: bytes) -> Fields:
    """Control flags 2, MTU 2, reserved 2."""
    return {"l2_flags": int.from_bytes(value[:2]), "l2_mtu_bytes": int.from_bytes(value[2:4])}


def _df_election(value: bytes) -> Fields:
    """Reserved 3 bits, algorithm 5 bits, bitmap 2, reserved 1, preference 2."""
    return {
        "df_algorithm": value[0] & 0x1F,
        "df_capabilities": int.from_bytes(value[1:3]),
        "df_preference": int.from_bytes(value[4:6]),
    }


def _arp_nd(value: bytes) -> Fields:
    return {"nd_flags": "".join(letter for letter, bit in ND_FLAGS.items() if value[0] & bit)}


COMMUNITIES: dict[tuple[int, int], Community] = {
    (0x00, 0x02): Community("route target of a two-octet AS", "RFC 4360, 4", _as2_target),
    (0x01, 0x02): Community("route target of an IPv4 address", "RFC 4360, 4", _ipv4_target),
    (0x02, 0x02): Community("route target of a four-octet AS", "RFC 5668", _as4_target),
    (0x03, 0x0C): Community("encapsulation", "RFC 9012, 4.1", _encapsulation),
    (0x03, 0x0D): Community("default gateway", "RFC 7432, 7.8", _default_gateway),
    (0x06, 0x00): Community("MAC mobility", "RFC 7432, 7.7", _mobility),
    (0x06, 0x01): Community("ESI label", "RFC 7432, 7.5", _esi_label),
    (0x06, 0x02): Community("ES-import route target", "RFC 7432, 7.6", _es_import),
    (0x06, 0x03): Community("router's MAC", "RFC 9135, 8.1", _router_mac),
    (0x06, 0x04): Community("layer 2 attributes", "RFC 8214, 3.1", _layer2),
    (0x06, 0x06): Community("DF election", "RFC 8584, 2.2; RFC 9785", _df_election),
    (0x06, 0x08): Community("ARP/ND", "RFC 9047, 2", _arp_nd),
}


def read_communities(octets: bytes) -> tuple[Fields, int]:
    """Return the fields of the known communities, and how many are unknown.

    `octets` is the attribute's value; what is left over after the last whole community is not read.
    The first of several communities of one sort counts, except route targets, which are all kept, and
    VXLAN, which counts wherever several encapsulations are offered.
    """
    fields = dict(ABSENT)
    sets: dict[str, set[str]] = {name: set() for name in SETS}
    unknown_count = 0
    last = len(octets) - len(octets) % COMMUNITY_BYTES
    for at in range(last - COMMUNITY_BYTES, -1, -COMMUNITY_BYTES):
        community = COMMUNITIES.get((octets[at], octets[at + 1]))
        if community is None:
            unknown_count += 1
            continue
        found = community.read(octets[at + 2 : at + COMMUNITY_BYTES])
        for name in SETS & found.keys():
            sets[name].add(found[name])
        if "encapsulation" not in found or fields["encapsulation"] != VXLAN:
            fields |= found
    return fields | {name: " ".join(sorted(values)) or None for name, values in sets.items()}, unknown_count

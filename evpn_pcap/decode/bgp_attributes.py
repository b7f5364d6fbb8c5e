"""Path attributes of a BGP UPDATE become named fields; malformed ones anomalies (RFC 4271, 4.3; RFC 7606)."""

from collections.abc import Callable
from typing import Any, NamedTuple

from evpn_pcap.addresses import ip_text
from evpn_pcap.decode.bgp_communities import ABSENT, COMMUNITY_BYTES, read_communities

Fields = dict[str, Any]
Notes = tuple[tuple[str, str], ...]  # anomaly's name, detail

OPTIONAL, TRANSITIVE, EXTENDED = 0x80, 0x40, 0x10
MP_REACH, MP_UNREACH = 14, 15
EVPN = (25, 70)  # AFI L2VPN, SAFI EVPN (RFC 7432, 7)
NEXT_HOP_BYTES = {4: 4, 16: 16, 32: 16}  # length -> octets of the address; a link-local one may follow (RFC 2545)
INGRESS_REPLICATION = 6  # PMSI tunnel type (RFC 6514, 5)


class Known(NamedTuple):
    """What is expected of an attribute, and what it tells."""

    name: str
    flags: int
    is_length: Callable[[int], bool]
    read: Callable[[bytes], Fields] | None = None


class Attribute(NamedTuple):
    """One attribute as it stands in the message."""

    code: int
    flags: int
    value: bytes


class Reach(NamedTuple):
    """MP_REACH_NLRI or MP_UNREACH_NLRI, taken apart."""

    family: tuple[int, int]
    next_hop: bytes
    nlri: bytes
    notes: Notes


def _originator(value: bytes) -> Fields:
    return {"originator_ip": ip_text(value)}


def _extended_communities(value: bytes) -> Fields:
    fields, unknown_count = read_communities(value)
    return {**fields, "unknown_count": unknown_count}


def _pmsi(value: bytes) -> Fields:
    """Flags 1, tunnel type 1, label 3, tunnel: the label of ingress replication is the VNI (RFC 8365, 5.1.3)."""
    return {"pmsi_vni": int.from_bytes(value[2:5])} if value[1] == INGRESS_REPLICATION else {}


def _is(*lengths: int) -> Callable[[int], bool]:
    return lambda length: length in lengths


def _some(unit: int) -> Callable[[int], bool]:
    return lambda length: length > 0 and length % unit == 0


def _from(least: int) -> Callable[[int], bool]:
    return lambda length: length >= least


ATTRIBUTES: dict[int, Known] = {
    1: Known("ORIGIN", TRANSITIVE, _is(1)),  # RFC 4271, 5.1.1
    2: Known("AS_PATH", TRANSITIVE, _from(0)),  # RFC 4271, 5.1.2
    3: Known("NEXT_HOP", TRANSITIVE, _is(4)),  # RFC 4271, 5.1.3
    4: Known("MULTI_EXIT_DISC", OPTIONAL, _is(4)),  # RFC 4271, 5.1.4
    5: Known("LOCAL_PREF", TRANSITIVE, _is(4)),  # RFC 4271, 5.1.5
    6: Known("ATOMIC_AGGREGATE", TRANSITIVE, _is(0)),  # RFC 4271, 5.1.6
    7: Known("AGGREGATOR", OPTIONAL | TRANSITIVE, _is(6, 8)),  # RFC 4271, 5.1.7; RFC 6793
    8: Known("COMMUNITIES", OPTIONAL | TRANSITIVE, _some(4)),  # RFC 1997
    9: Known("ORIGINATOR_ID", OPTIONAL, _is(4), _originator),  # RFC 4456, 8
    10: Known("CLUSTER_LIST", OPTIONAL, _some(4)),  # RFC 4456, 8
    14: Known("MP_REACH_NLRI", OPTIONAL, _from(5)),  # RFC 4760, 3
    15: Known("MP_UNREACH_NLRI", OPTIONAL, _from(3)),  # RFC 4760, 4
    16: Known("EXTENDED_COMMUNITIES", OPTIONAL | TRANSITIVE, _some(COMMUNITY_BYTES), _extended_communities),  # RFC 4360
    17: Known("AS4_PATH", OPTIONAL | TRANSITIVE, _from(0)),  # RFC 6793
    18: Known("AS4_AGGREGATOR", OPTIONAL | TRANSITIVE, _is(8)),  # RFC 6793
    22: Known("PMSI_TUNNEL", OPTIONAL | TRANSITIVE, _from(5), _pmsi),  # RFC 6514, 5
    32: Known("LARGE_COMMUNITY", OPTIONAL | TRANSITIVE, _some(12)),  # RFC 8092
}


def split_attributes(octets: bytes) -> tuple[list[Attribute], Notes]:
    """Return the attributes that lie whole inside `octets`, each code once, and what was wrong.

    The first of several with one code counts (RFC 7606, 3 g). One whose length passes the end hides
    where the next begins, so nothing after it is read (RFC 7606, 4).
    """
    found: dict[int, Attribute] = {}
    notes: list[tuple[str, str]] = []
    at = 0
    while at < len(octets):
        flags = octets[at]
        header = 4 if flags & EXTENDED else 3
        if at + header > len(octets):
            notes.append(("bgp.attr.length", f"{len(octets) - at} octets are no attribute header"))
            break
        code = octets[at + 1]
        value_at = at + header
        stop = value_at + int.from_bytes(octets[at + 2 : value_at])
        if stop > len(octets):
            wanted, left = stop - value_at, len(octets) - value_at
            notes.append(("bgp.attr.length", f"attribute {code} wants {wanted} octets, {left} are left"))
            break
        if code in found:
            notes.append(("bgp.attr.repeated", f"attribute {code}"))
        else:
            found[code] = Attribute(code, flags, octets[value_at:stop])
            notes += _check(found[code])
        at = stop
    return list(found.values()), tuple(notes)


def _check(attribute: Attribute) -> list[tuple[str, str]]:
    """Return what RFC 7606 would call malformed in an attribute's flags and length."""
    notes = []
    if known := ATTRIBUTES.get(attribute.code):
        if attribute.flags & (OPTIONAL | TRANSITIVE) != known.flags:
            notes.append(("bgp.attr.flags", f"{known.name} has flags {attribute.flags:#04x}"))
        if not known.is_length(len(attribute.value)):
            notes.append(("bgp.attr.value-length", f"{known.name} has {len(attribute.value)} octets"))
    return notes


def read_fields(attributes: tuple[Attribute, ...]) -> Fields:
    """Return what the attributes other than the two MP ones tell about the routes; nothing of malformed ones."""
    fields: Fields = {**ABSENT, "unknown_count": 0}
    for attribute in attributes:
        known = ATTRIBUTES.get(attribute.code)
        if known and known.read and known.is_length(len(attribute.value)):
            fields |= known.read(attribute.value)
    return fields


def read_reach(value: bytes) -> Reach | None:
    """AFI 2, SAFI 1, next hop length 1, next hop, reserved 1, NLRI (RFC 4760, 3); None without that header."""
    if len(value) < 5:
        return None
    family = (int.from_bytes(value[:2]), value[2])
    next_hop = value[4 : 4 + value[3]]
    notes: Notes = ()
    if 5 + value[3] > len(value) or len(next_hop) not in NEXT_HOP_BYTES:
        notes = (("bgp.mp-reach.next-hop", f"next hop of {value[3]} octets, {len(value) - 5} octets are left"),)
    return Reach(family, next_hop[: NEXT_HOP_BYTES.get(value[3], 0)], value[5 + value[3] :], notes)


def read_unreach(value: bytes) -> Reach | None:
    """AFI 2, SAFI 1, NLRI (RFC 4760, 4); None where there is no such header."""
    if len(value) < 3:
        return None
    return Reach((int.from_bytes(value[:2]), value[2]), b"", value[3:], ())

"""Path attributes of a BGP UPDATE become named fields; malformed ones troubles (RFC 4271, 4.3; RFC 7606)."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

from evpn_pcap.addresses import ip_text
from evpn_pcap.decode.bgp_communities import ABSENT, COMMUNITY_BYTES, read_communities
from evpn_pcap.decode.bgp_errors import Treatment, Trouble, Troubles

Fields = dict[str, Any]

OPTIONAL, TRANSITIVE, EXTENDED = 0x80, 0x40, 0x10
MP_REACH, MP_UNREACH = 14, 15
ORIGINS = ("igp", "egp", "incomplete")
SEGMENTS = {1: "{%s}", 2: "%s", 3: "(%s)", 4: "[%s]"}  # AS_SET, AS_SEQUENCE (RFC 4271), confederations (RFC 5065)
INGRESS_REPLICATION = 6  # PMSI tunnel type (RFC 6514, 5)
PIM_TUNNELS = (3, 4, 5)  # PIM-SSM, PIM-SM, BIDIR-PIM: sender's address, group


class Known(NamedTuple):
    """What is expected of an attribute, what it tells, and what becomes of the routes when it is malformed."""

    name: str
    source: str
    flags: int
    is_length: Callable[[int], bool]
    read: Callable[[bytes], Fields | None] | None = None  # None: the value is malformed
    treatment: Treatment = Treatment.WITHDRAW


class Attribute(NamedTuple):
    """One attribute as it stands in the message."""

    code: int
    flags: int
    value: bytes


def _origin(value: bytes) -> Fields | None:
    return {"path_origin": ORIGINS[value[0]]} if value[0] < len(ORIGINS) else None


def _as_path(value: bytes) -> Fields | None:
    """Segments of numbers of four octets (RFC 6793), or of two where only that fits; None where neither does."""
    for size in (4, 2):
        if (path := _segments(value, size)) is not None:
            return {"as_path": path}
    return None


def _segments(value: bytes, size: int) -> str | None:
    told = []
    at = 0
    while at < len(value):
        kind, count = value[at], value[at + 1] if at + 1 < len(value) else 0
        stop = at + 2 + count * size
        if kind not in SEGMENTS or not count or stop > len(value):
            return None
        numbers = [str(int.from_bytes(value[first : first + size])) for first in range(at + 2, stop, size)]
        told.append(SEGMENTS[kind] % (" " if kind in (2, 3) else ",").join(numbers))
        at = stop
    return " ".join(told)


def _med(value: bytes) -> Fields:
    return {"med": int.from_bytes(value)}


def _local_preference(value: bytes) -> Fields:
    return {"local_preference": int.from_bytes(value)}


def _originator(value: bytes) -> Fields:
    return {"originator_ip": ip_text(value)}


def _clusters(value: bytes) -> Fields:
    return {"cluster_list": " ".join(ip_text(value[at : at + 4]) for at in range(0, len(value), 4))}


def _extended_communities(value: bytes) -> Fields:
    fields, unknown_count = read_communities(value)
    return {**fields, "unknown_count": unknown_count}


def _pmsi(value: bytes) -> Fields | None:
    """Flags 1, tunnel type 1, label 3, tunnel: of ingress replication an address, of PIM the sender and group.

    The label is the VNI: always with ingress replication, else where it is not 0 (RFC 8365, 5.1.3 and 9).
    """
    kind, label, tunnel = value[1], int.from_bytes(value[2:5]), value[5:]
    fields = {"pmsi_flags": value[0], "pmsi_tunnel_type": kind, "pmsi_label": label}
    if kind == INGRESS_REPLICATION or label:
        fields["pmsi_vni"] = label
    if kind == INGRESS_REPLICATION:
        return {**fields, "pmsi_endpoint_ip": ip_text(tunnel)} if len(tunnel) in (4, 16) else None
    if kind in PIM_TUNNELS:
        half = len(tunnel) // 2
        is_whole = len(tunnel) in (8, 32)
        ends = {"pmsi_endpoint_ip": ip_text(tunnel[:half]), "pmsi_group_ip": ip_text(tunnel[half:])} if is_whole else {}
        return fields | ends if is_whole else None
    return fields


def _is(*lengths: int) -> Callable[[int], bool]:
    return lambda length: length in lengths


def _some(unit: int) -> Callable[[int], bool]:
    return lambda length: length > 0 and length % unit == 0


def _from(least: int) -> Callable[[int], bool]:
    return lambda length: length >= least


BOTH = OPTIONAL | TRANSITIVE
ATTRIBUTES: dict[int, Known] = {
    1: Known("ORIGIN", "RFC 4271, 5.1.1", TRANSITIVE, _is(1), _origin),
    2: Known("AS_PATH", "RFC 4271, 5.1.2; RFC 6793", TRANSITIVE, _from(0), _as_path),
    3: Known("NEXT_HOP", "RFC 4271, 5.1.3", TRANSITIVE, _is(4)),
    4: Known("MULTI_EXIT_DISC", "RFC 4271, 5.1.4", OPTIONAL, _is(4), _med),
    5: Known("LOCAL_PREF", "RFC 4271, 5.1.5", TRANSITIVE, _is(4), _local_preference),
    6: Known("ATOMIC_AGGREGATE", "RFC 4271, 5.1.6", TRANSITIVE, _is(0), None, Treatment.DISCARD),
    7: Known("AGGREGATOR", "RFC 4271, 5.1.7; RFC 6793", BOTH, _is(6, 8), None, Treatment.DISCARD),
    8: Known("COMMUNITIES", "RFC 1997", BOTH, _some(4)),
    9: Known("ORIGINATOR_ID", "RFC 4456, 8", OPTIONAL, _is(4), _originator),
    10: Known("CLUSTER_LIST", "RFC 4456, 8", OPTIONAL, _some(4), _clusters),
    14: Known("MP_REACH_NLRI", "RFC 4760, 3", OPTIONAL, _from(5), None, Treatment.RESET),
    15: Known("MP_UNREACH_NLRI", "RFC 4760, 4", OPTIONAL, _from(3), None, Treatment.RESET),
    16: Known("EXTENDED_COMMUNITIES", "RFC 4360", BOTH, _some(COMMUNITY_BYTES), _extended_communities),
    17: Known("AS4_PATH", "RFC 6793", BOTH, _from(0), None, Treatment.DISCARD),
    18: Known("AS4_AGGREGATOR", "RFC 6793", BOTH, _is(8), None, Treatment.DISCARD),
    22: Known("PMSI_TUNNEL", "RFC 6514, 5", BOTH, _from(5), _pmsi),
    32: Known("LARGE_COMMUNITY", "RFC 8092", BOTH, _some(12)),
}
MANDATORY = (1, 2)  # ORIGIN, AS_PATH: of every UPDATE that announces (RFC 4271, 5; NEXT_HOP is in MP_REACH_NLRI)


def split_attributes(octets: bytes) -> tuple[dict[int, Attribute], Troubles]:
    """Return the attributes that lie whole inside `octets` by code, and what was wrong.

    The first of several with one code counts; a second MP attribute ends the session (RFC 7606, 3 g). One
    whose length passes the end hides where the next begins, so nothing after it is read (RFC 7606, 4).
    """
    found: dict[int, Attribute] = {}
    troubles: list[Trouble] = []
    at, end = 0, len(octets)
    while at < end:
        flags = octets[at]
        value_at = at + (4 if flags & EXTENDED else 3)
        if value_at > end:
            detail = f"{end - at} octets are no attribute header"
            troubles.append(Trouble("bgp.attr.length", detail, Treatment.WITHDRAW, octets[at:]))
            break
        code = octets[at + 1]
        stop = value_at + int.from_bytes(octets[at + 2 : value_at])
        if stop > end:
            detail = f"attribute {code} wants {stop - value_at} octets, {end - value_at} are left"
            troubles.append(Trouble("bgp.attr.length", detail, Treatment.WITHDRAW, octets[at:]))
            break
        if code in found:
            treatment = Treatment.RESET if code in (MP_REACH, MP_UNREACH) else Treatment.DISCARD
            troubles.append(Trouble("bgp.attr.repeated", f"attribute {code}", treatment, octets[at:stop]))
        else:
            found[code] = Attribute(code, flags, octets[value_at:stop])
        at = stop
    return found, tuple(troubles)


def check(attribute: Attribute) -> Troubles:
    """Return what RFC 7606 (3 c, 3 e and 7) calls malformed in an attribute's flags and length."""
    known = ATTRIBUTES.get(attribute.code)
    if known is None:
        return ()
    troubles = []
    if attribute.flags & BOTH != known.flags:
        detail = f"{known.name} has flags {attribute.flags:#04x}"
        troubles.append(Trouble("bgp.attr.flags", detail, Treatment.WITHDRAW, attribute.value))
    if not known.is_length(len(attribute.value)):
        detail = f"{known.name} has {len(attribute.value)} octets"
        troubles.append(Trouble("bgp.attr.value-length", detail, known.treatment, attribute.value))
    return tuple(troubles)


@lru_cache(maxsize=2048)  # a speaker announces many routes with the same attributes
def read_fields(attributes: tuple[Attribute, ...]) -> tuple[Fields, Troubles]:
    """Return what the attributes other than the two MP ones tell about the routes; nothing of malformed ones."""
    fields: Fields = {**ABSENT, "unknown_count": 0}
    troubles: list[Trouble] = []
    for attribute in attributes:
        troubles += check(attribute)
        known = ATTRIBUTES.get(attribute.code)
        if known and known.read and known.is_length(len(attribute.value)):
            read = known.read(attribute.value)
            if read is None:
                detail = f"{known.name} has a value that it cannot have"
                troubles.append(Trouble("bgp.attr.value", detail, known.treatment, attribute.value))
            fields |= read or {}
    return fields, tuple(troubles)

"""In-order octets become BGP messages, and an UPDATE its routes (RFC 4271, 4.1 and 4.3; RFC 4760)."""

from functools import lru_cache
from struct import Struct
from typing import NamedTuple

from evpn_pcap.addresses import ip_text
from evpn_pcap.decode.bgp_attributes import (
    EVPN,
    MP_REACH,
    MP_UNREACH,
    Attribute,
    Fields,
    Notes,
    Reach,
    read_fields,
    read_reach,
    read_unreach,
    split_attributes,
)
from evpn_pcap.decode.bgp_evpn import split_nlri

MARKER = b"\xff" * 16
HEADER = Struct(">16sHB")  # marker, length, type
OPEN, UPDATE, NOTIFICATION, KEEPALIVE, ROUTE_REFRESH = 1, 2, 3, 4, 5
LENGTHS = {
    OPEN: (29, 4096),  # RFC 4271, 4.2
    UPDATE: (23, 65535),  # RFC 4271, 4.3; RFC 8654
    NOTIFICATION: (21, 65535),  # RFC 4271, 4.5; RFC 8654
    KEEPALIVE: (19, 19),  # RFC 4271, 4.4
    ROUTE_REFRESH: (23, 65535),  # RFC 2918, 3; RFC 7313
}


class Message(NamedTuple):
    """One message: its place in the octets it was cut from, its type."""

    start: int
    stop: int
    kind: int


class Update(NamedTuple):
    """What one UPDATE says about EVPN routes."""

    announced: tuple[bytes, ...] = ()
    withdrawn: tuple[bytes, ...] = ()
    is_end_of_rib: bool = False
    fields: Fields | None = None  # of the announced routes; the same object for the same attributes
    has_other_family: bool = False
    notes: Notes = ()


def split_messages(octets: bytes, *, is_aligned: bool) -> tuple[list[Message], int, int]:
    """Return the whole messages in order, how many octets between them were none, and of how many the end is missing.

    The last figure counts the octets of a message that goes on behind the end. Where a header is
    impossible, and at the start unless `is_aligned`, the next marker is looked for. There a message must
    be followed by another marker, or by the end, to be believed.
    """
    messages = []
    at = skipped_bytes = 0
    while at + HEADER.size <= len(octets):
        marker, length, kind = HEADER.unpack_from(octets, at)
        least, most = LENGTHS.get(kind, (1, 0))
        stop = at + length
        is_message = marker == MARKER and least <= length <= most
        if is_message and stop > len(octets):
            is_message = octets.find(MARKER, at + HEADER.size) < 0
            if is_message:
                break
        if is_message and (is_aligned or MARKER.startswith(octets[stop : stop + len(MARKER)])):
            messages.append(Message(at, stop, kind))
            is_aligned = True
        else:
            stop = octets.find(MARKER, at + 1)
            stop = stop if stop >= 0 else len(octets)
            skipped_bytes += stop - at
            is_aligned = False
        at = stop
    return messages, skipped_bytes, len(octets) - at


@lru_cache(maxsize=2048)  # the same UPDATE goes to every peer, and is seen at both ends
def read_update(body: bytes) -> Update:
    """Return the EVPN routes of an UPDATE without its header: withdrawn routes, path attributes, NLRI.

    Those two lists of routes are IPv4 unicast and only make `has_other_family`. Lengths are honoured as
    far as octets are there; what contradicts them is in `notes`.
    """
    notes: list[tuple[str, str]] = []
    attributes_at = 2 + int.from_bytes(body[:2])
    routes_at = attributes_at + 2 + int.from_bytes(body[attributes_at : attributes_at + 2])
    if attributes_at + 2 > len(body):
        return Update(notes=(("bgp.update.length", "withdrawn routes pass the end of the message"),))
    if routes_at > len(body):
        notes.append(("bgp.update.length", "path attributes pass the end of the message"))
    attributes, found = split_attributes(body[attributes_at + 2 : routes_at])
    parts = {attribute.code: attribute for attribute in attributes}
    reach = _part(parts.get(MP_REACH))
    unreach = _part(parts.get(MP_UNREACH))
    is_ipv4 = attributes_at > 2 or routes_at < len(body) or not attributes
    announced = _routes(reach, notes)
    withdrawn = _routes(unreach, notes)
    return Update(
        announced=announced,
        withdrawn=withdrawn,
        is_end_of_rib=unreach is not None and unreach.family == EVPN and not unreach.nlri and reach is None,
        fields=_fields(attributes, reach) if announced else None,
        has_other_family=is_ipv4 or any(part is not None and part.family != EVPN for part in (reach, unreach)),
        notes=(*found, *notes),
    )


def _part(attribute: Attribute | None) -> Reach | None:
    if attribute is None:
        return None
    return read_reach(attribute.value) if attribute.code == MP_REACH else read_unreach(attribute.value)


def _routes(part: Reach | None, notes: list[tuple[str, str]]) -> tuple[bytes, ...]:
    if part is None or part.family != EVPN:
        return ()
    found, left_bytes = split_nlri(part.nlri)
    notes += part.notes
    if left_bytes:
        notes.append(("bgp.nlri.length", f"{left_bytes} octets at the end of the attribute are no whole NLRI"))
    return tuple(found)


def _fields(attributes: list[Attribute], reach: Reach | None) -> Fields:
    others = tuple(attribute for attribute in attributes if attribute.code not in (MP_REACH, MP_UNREACH))
    return _with_next_hop(others, reach.next_hop if reach else b"")


@lru_cache(maxsize=2048)  # a speaker announces many routes with the same attributes
def _with_next_hop(others: tuple[Attribute, ...], next_hop: bytes) -> Fields:
    return {**read_fields(others), "next_hop": ip_text(next_hop) if next_hop else None}

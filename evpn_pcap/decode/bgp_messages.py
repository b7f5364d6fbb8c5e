"""In-order octets become BGP messages, and an UPDATE its routes (RFC 4271, 4.1 and 4.3; RFC 4760; RFC 7911)."""

from functools import lru_cache
from struct import Struct
from typing import NamedTuple

import numpy as np

from evpn_pcap.addresses import ip_text
from evpn_pcap.decode.bgp_attributes import (
    MANDATORY,
    MP_REACH,
    MP_UNREACH,
    Attribute,
    Fields,
    check,
    read_fields,
    split_attributes,
)
from evpn_pcap.decode.bgp_errors import Treatment, Trouble, Troubles, strongest
from evpn_pcap.decode.bgp_evpn import has_path_ids, is_one_route, split_nlri

EVPN = (25, 70)  # AFI L2VPN, SAFI EVPN (RFC 7432, 7)
NEXT_HOP_BYTES = {4: 4, 16: 16, 32: 16}  # length -> octets of the address; a link-local one may follow (RFC 2545)

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
LENGTH_AT, KIND_AT = 16, 18  # in the header
LEAST = np.array([LENGTHS.get(kind, (1, 0))[0] for kind in range(256)])
MOST = np.array([LENGTHS.get(kind, (1, 0))[1] for kind in range(256)])
ONES = np.uint64(2**64 - 1)
WALKED_COUNT = 64  # messages looked at together at first, then twice as many each time


class Messages(NamedTuple):
    """Messages in order, an element each: their places in the octets they were cut from, their types."""

    start: np.ndarray
    stop: np.ndarray
    kind: np.ndarray


class Reach(NamedTuple):
    """MP_REACH_NLRI or MP_UNREACH_NLRI, taken apart."""

    family: tuple[int, int]
    next_hop: bytes
    nlri: bytes


class Routes(NamedTuple):
    """The NLRI of one MP attribute, and their path identifiers where they have them."""

    nlri: tuple[bytes, ...] = ()
    path_ids: tuple[int, ...] | None = None


class Update(NamedTuple):
    """What one UPDATE says about EVPN routes."""

    announced: Routes = Routes()
    withdrawn: Routes = Routes()
    is_end_of_rib: bool = False
    fields: Fields | None = None  # of the announced routes; the same object for the same attributes
    treatment: Treatment = Treatment.NONE
    has_other_family: bool = False
    troubles: Troubles = ()


def split_messages(octets: bytes, *, is_aligned: bool) -> tuple[Messages, int, int]:
    """Return the whole messages in order, how many octets between them were none, and of how many the end is missing.

    The last figure counts the octets of a message that goes on behind the end. Where a header is
    impossible, and at the start unless `is_aligned`, the next marker is looked for. There a message must
    be followed by another marker, or by the end, to be believed.
    """
    starts: list[int] = []
    at = skipped_bytes = 0
    count = WALKED_COUNT
    while at + HEADER.size <= len(octets):
        whole = _whole_messages(octets, at, count) if is_aligned else []
        if whole:
            starts += whole
            at = whole[-1] + _length(octets, whole[-1])
            count *= 2
            continue
        count = WALKED_COUNT
        marker, length, kind = HEADER.unpack_from(octets, at)
        least, most = LENGTHS.get(kind, (1, 0))
        stop = at + length
        is_message = marker == MARKER and least <= length <= most
        if is_message and stop > len(octets):
            is_message = octets.find(MARKER, at + HEADER.size) < 0
            if is_message:
                break
        if is_message and MARKER.startswith(octets[stop : stop + len(MARKER)]):
            starts.append(at)
            is_aligned = True
        else:
            stop = octets.find(MARKER, at + 1)
            stop = stop if stop >= 0 else len(octets)
            skipped_bytes += stop - at
            is_aligned = False
        at = stop
    return _messages(octets, starts), skipped_bytes, len(octets) - at


def _length(octets: bytes, at: int) -> int:
    return octets[at + LENGTH_AT] << 8 | octets[at + LENGTH_AT + 1]


def _whole_messages(octets: bytes, at: int, most: int) -> list[int]:
    """Return where messages begin that follow each other from an offset on, up to the first that is none, or cut."""
    starts: list[int] = []
    last = len(octets) - HEADER.size
    for _ in range(most):
        if at > last:
            break
        starts.append(at)
        length = octets[at + LENGTH_AT] << 8 | octets[at + LENGTH_AT + 1]
        if length < HEADER.size:
            break
        at += length
    start, stop, kind = _messages(octets, starts)
    words = np.ndarray((len(octets) - 7,), "<u8", octets, 0, (1,))
    is_marked = (words[start] == ONES) & (words[start + 8] == ONES)
    size = stop - start
    is_sound = is_marked & (size >= LEAST[kind]) & (size <= MOST[kind]) & (stop <= len(octets))
    return starts if is_sound.all() else starts[: int(is_sound.argmin())]


def _messages(octets: bytes, starts: list[int]) -> Messages:
    """Return the messages that begin there, as their headers tell."""
    start, view = np.array(starts, np.int64), np.frombuffer(octets, np.uint8)
    length = view[start + LENGTH_AT].astype(np.int64) << 8 | view[start + LENGTH_AT + 1]
    return Messages(start, start + length, view[start + KIND_AT].astype(np.int64))


@lru_cache(maxsize=2048)  # the same UPDATE goes to every peer, and is seen at both ends
def read_update(body: bytes, is_add_path: bool | None = None) -> Update:
    """Return the EVPN routes of an UPDATE without its header: withdrawn routes, path attributes, NLRI.

    Those two lists of routes are IPv4 unicast and only make `has_other_family`. Lengths are honoured as
    far as octets are there. `is_add_path` says whether path identifiers were negotiated; None: not known.
    """
    attributes_at = 2 + int.from_bytes(body[:2])
    routes_at = attributes_at + 2 + int.from_bytes(body[attributes_at : attributes_at + 2])
    if attributes_at + 2 > len(body):
        detail = "withdrawn routes pass the end of the message"
        return Update(treatment=Treatment.RESET, troubles=(_refusal("bgp.update.length", detail, body),))
    attributes, troubles = split_attributes(body[attributes_at + 2 : routes_at])
    if routes_at > len(body):
        detail = "path attributes pass the end of the message"
        troubles += (_refusal("bgp.update.length", detail, body),)
    reach, reach_troubles = _part(attributes.pop(MP_REACH, None))
    unreach, unreach_troubles = _part(attributes.pop(MP_UNREACH, None))
    announced, announced_troubles = _routes(reach, is_add_path)
    withdrawn, withdrawn_troubles = _routes(unreach, is_add_path)
    fields, found = _with_next_hop(tuple(attributes.values()), reach.next_hop if reach else b"")
    is_whole = not any(trouble.name == "bgp.attr.length" for trouble in troubles)
    if announced.nlri and is_whole:
        found += tuple(_missing(code) for code in MANDATORY if code not in attributes)
    troubles = (*troubles, *reach_troubles, *announced_troubles, *unreach_troubles, *withdrawn_troubles, *found)
    is_ipv4 = attributes_at > 2 or routes_at < len(body) or not (attributes or reach or unreach)
    return Update(
        announced=announced,
        withdrawn=withdrawn,
        is_end_of_rib=unreach is not None and unreach.family == EVPN and not unreach.nlri and reach is None,
        fields=fields if announced.nlri else None,
        treatment=strongest(troubles),
        has_other_family=is_ipv4 or any(part is not None and part.family != EVPN for part in (reach, unreach)),
        troubles=troubles,
    )


def _refusal(name: str, detail: str, octets: bytes) -> Trouble:
    return Trouble(name, detail, Treatment.RESET, octets)


def _missing(code: int) -> Trouble:
    """Return the trouble of an UPDATE that announces without a mandatory attribute (RFC 7606, 3 d)."""
    return Trouble("bgp.attr.missing", f"attribute {code}", Treatment.WITHDRAW)


def _part(attribute: Attribute | None) -> tuple[Reach | None, Troubles]:
    """AFI 2, SAFI 1; of MP_REACH_NLRI next hop length 1, next hop, reserved 1; NLRI (RFC 4760, 3 and 4)."""
    if attribute is None:
        return None, ()
    value = attribute.value
    troubles = check(attribute)
    if len(value) < (5 if attribute.code == MP_REACH else 3):
        return None, troubles
    family = (int.from_bytes(value[:2]), value[2])
    if attribute.code == MP_UNREACH:
        return Reach(family, b"", value[3:]), troubles
    next_hop = value[4 : 4 + value[3]]
    if family == EVPN and (5 + value[3] > len(value) or len(next_hop) not in NEXT_HOP_BYTES):
        detail = f"next hop of {value[3]} octets, {len(value) - 5} octets are left"
        troubles += (_refusal("bgp.mp-reach.next-hop", detail, value),)
    return Reach(family, next_hop[: NEXT_HOP_BYTES.get(value[3], 0)], value[5 + value[3] :]), troubles


def _routes(part: Reach | None, is_add_path: bool | None) -> tuple[Routes, Troubles]:
    return routes_of(part.nlri, is_add_path) if part is not None and part.family == EVPN else (Routes(), ())


def routes_of(octets: bytes, is_add_path: bool | None) -> tuple[Routes, Troubles]:
    """Return the EVPN routes of an MP attribute; `is_add_path` as in read_update."""
    if not is_add_path and is_one_route(octets):
        return Routes((octets,)), ()
    nlri, path_ids, left_bytes = split_nlri(octets, has_path_ids(octets) if is_add_path is None else is_add_path)
    if not left_bytes:
        return Routes(tuple(nlri), path_ids), ()
    detail = f"{left_bytes} octets at the end of the attribute are no whole NLRI"
    return Routes(tuple(nlri), path_ids), (_refusal("bgp.nlri.length", detail, octets[-left_bytes:]),)


@lru_cache(maxsize=2048)
def _with_next_hop(others: tuple[Attribute, ...], next_hop: bytes) -> tuple[Fields, Troubles]:
    fields, troubles = read_fields(others)
    return {**fields, "next_hop": ip_text(next_hop) if next_hop else None}, troubles

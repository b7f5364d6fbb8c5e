"""OPEN, NOTIFICATION and ROUTE-REFRESH become named fields (RFC 4271, 4.2 and 4.5; RFC 5492; RFC 7313)."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from evpn_pcap.addresses import ip_text
from evpn_pcap.decode.bgp_errors import Trouble, Troubles

Fields = dict[str, Any]

OPEN_BYTES = 10  # version 1, AS 2, hold time 2, identifier 4, length of the parameters 1
CAPABILITIES_PARAMETER = 2  # RFC 5492, 4
EXTENDED_PARAMETERS = 255  # RFC 9072, 2
MODES = {1: "receive", 2: "send", 3: "both"}  # RFC 7911, 4
SHUTDOWNS = {(6, 2), (6, 4)}  # their data is a length and UTF-8 text (RFC 9003)


class Capability(NamedTuple):
    """A capability: its name, where it is specified, what its value tells (`told` is its part of the words)."""

    name: str
    source: str
    read: Callable[[bytes], Fields]


def _name_only(_value: bytes) -> Fields:
    return {}


def _family(value: bytes) -> Fields:
    family = f"{int.from_bytes(value[:2])}/{value[3]}"
    return {"families": [family], "told": family}


def _asn(value: bytes) -> Fields:
    number = int.from_bytes(value[:4])
    return {"asn": number, "told": str(number)}


def _restart(value: bytes) -> Fields:
    """Flags 4 bits (R, N: RFC 8538, 2), time 12 bits, then AFI 2, SAFI 1, flags 1 for each family."""
    head = int.from_bytes(value[:2])
    families = {value[at : at + 3]: bool(value[at + 3] & 0x80) for at in range(2, len(value) - 3, 4)}
    fields = {
        "restart_time_s": head & 0x0FFF,
        "is_restarting": bool(head & 0x8000),
        "is_notification_graceful": bool(head & 0x4000),
        "is_forwarding_kept": families.get(b"\x00\x19\x46"),
    }
    return {**fields, "told": f"{head & 0x0FFF} s{', restarting' if head & 0x8000 else ''}"}


def _add_path(value: bytes) -> Fields:
    """AFI 2, SAFI 1, send or receive 1 for each family."""
    entries = [value[at : at + 4] for at in range(0, len(value) - 3, 4)]
    told = [f"{int.from_bytes(one[:2])}/{one[2]}:{MODES.get(one[3], str(one[3]))}" for one in entries]
    return {"add_path": " ".join(told), "told": " ".join(told)}


def _speaker(value: bytes) -> Fields:
    """Length 1, host name, length 1, domain name (draft-walton-bgp-hostname-capability)."""
    name = value[1 : 1 + value[0]].decode("utf-8", "replace")
    return {"speaker_name": name, "told": name}


CAPABILITIES: dict[int, tuple[Capability, int]] = {  # with the fewest octets of its value
    1: (Capability("multiprotocol", "RFC 4760, 8", _family), 4),
    2: (Capability("route-refresh", "RFC 2918", _name_only), 0),
    5: (Capability("extended-next-hop", "RFC 8950", _name_only), 0),
    6: (Capability("extended-message", "RFC 8654", _name_only), 0),
    9: (Capability("role", "RFC 9234", _name_only), 0),
    64: (Capability("graceful-restart", "RFC 4724, 3; RFC 8538, 2", _restart), 2),
    65: (Capability("4-octet-as", "RFC 6793", _asn), 4),
    69: (Capability("add-path", "RFC 7911, 4", _add_path), 4),
    70: (Capability("enhanced-route-refresh", "RFC 7313", _name_only), 0),
    71: (Capability("long-lived-graceful-restart", "RFC 9494", _name_only), 0),
    73: (Capability("fqdn", "draft-walton-bgp-hostname-capability", _speaker), 1),
    128: (Capability("route-refresh-old", "before RFC 2918", _name_only), 0),
}

ERRORS: dict[int, tuple[str, dict[int, str]]] = {  # RFC 4271, 4.5; RFC 4486; RFC 7313; RFC 8538; RFC 9687
    1: ("message header error", {1: "connection not synchronised", 2: "bad message length", 3: "bad message type"}),
    2: (
        "OPEN message error",
        {
            1: "unsupported version number",
            2: "bad peer AS",
            3: "bad BGP identifier",
            4: "unsupported optional parameter",
            6: "unacceptable hold time",
            7: "unsupported capability",
            11: "role mismatch",
        },
    ),
    3: (
        "UPDATE message error",
        {
            1: "malformed attribute list",
            2: "unrecognised well-known attribute",
            3: "missing well-known attribute",
            4: "attribute flags error",
            5: "attribute length error",
            6: "invalid ORIGIN",
            8: "invalid NEXT_HOP",
            9: "optional attribute error",
            10: "invalid network field",
            11: "malformed AS_PATH",
        },
    ),
    4: ("hold timer expired", {}),
    5: ("finite state machine error", {1: "in OpenSent", 2: "in OpenConfirm", 3: "in Established"}),
    6: (
        "cease",
        {
            1: "maximum number of prefixes reached",
            2: "administrative shutdown",
            3: "peer de-configured",
            4: "administrative reset",
            5: "connection rejected",
            6: "other configuration change",
            7: "connection collision resolution",
            8: "out of resources",
            9: "hard reset",
            10: "BFD down",
        },
    ),
    7: ("ROUTE-REFRESH message error", {1: "invalid message length"}),
    8: ("send hold timer expired", {}),
}


def read_open(body: bytes) -> tuple[Fields, Troubles]:
    """Return what an OPEN without its header tells about its sender, and what was wrong with its parameters."""
    fields: Fields = {
        "asn": int.from_bytes(body[1:3]),
        "hold_time_s": int.from_bytes(body[3:5]),
        "bgp_id_ip": ip_text(body[5:9]),
        "families": [],
    }
    words = []
    troubles: list[Trouble] = []
    for code, value in _capabilities(body, troubles):
        capability, least = CAPABILITIES.get(code, (None, 0))
        if capability is None:
            words.append(f"unknown {code}")
        elif len(value) < least:
            troubles.append(Trouble("bgp.open.capability", f"{capability.name} has {len(value)} octets", octets=value))
        else:
            found = capability.read(value)
            fields["families"] += found.pop("families", [])
            words.append(f"{capability.name} {found.pop('told', '')}".strip())
            fields |= found
    return fields | {"families": " ".join(fields["families"]), "capabilities": "; ".join(words)}, tuple(troubles)


def _capabilities(body: bytes, troubles: list[Trouble]) -> Iterator[tuple[int, bytes]]:
    """Yield code and value of each capability of an OPEN."""
    at, size_bytes, stop = OPEN_BYTES, 1, OPEN_BYTES + body[9]
    if len(body) > OPEN_BYTES + 2 and body[9] and body[OPEN_BYTES] == EXTENDED_PARAMETERS:
        at, size_bytes = OPEN_BYTES + 3, 2
        stop = at + int.from_bytes(body[OPEN_BYTES + 1 : at])
    if stop != len(body):
        detail = f"optional parameters end at octet {stop} of {len(body)}"
        troubles.append(Trouble("bgp.open.length", detail, octets=body))
    for kind, value in _parts(body[at:stop], size_bytes, troubles):
        if kind == CAPABILITIES_PARAMETER:
            yield from _parts(value, 1, troubles)


def _parts(octets: bytes, size_bytes: int, troubles: list[Trouble]) -> Iterator[tuple[int, bytes]]:
    """Yield kind and value of parts that are a kind of 1 octet, a length and a value."""
    at = 0
    while at < len(octets):
        value_at = at + 1 + size_bytes
        stop = value_at + int.from_bytes(octets[at + 1 : value_at])
        if stop > len(octets) or value_at > len(octets):
            troubles.append(Trouble("bgp.open.length", "a parameter passes the end of the OPEN", octets=octets[at:]))
            return
        yield octets[at], octets[value_at:stop]
        at = stop


def read_notification(body: bytes) -> Fields:
    """Return the codes of a NOTIFICATION, in words too, and its data."""
    code, subcode, data = body[0], body[1], body[2:]
    name, subcodes = ERRORS.get(code, (f"error {code}", {}))
    detail = subcodes.get(subcode, f"subcode {subcode}" if subcode else "")
    said = data[1 : 1 + data[0]].decode("utf-8", "replace") if data and (code, subcode) in SHUTDOWNS else ""
    words = ": ".join(part for part in (name, detail, said) if part)
    return {"error_code": code, "error_subcode": subcode, "error_text": words, "raw": data.hex() or None}


def read_refresh(body: bytes) -> tuple[tuple[int, int], Fields]:
    """Return family and subtype of a ROUTE-REFRESH: AFI 2, subtype 1, SAFI 1 (RFC 2918, 3; RFC 7313, 3.2)."""
    return (int.from_bytes(body[:2]), body[3]), {"refresh_subtype": body[2]}

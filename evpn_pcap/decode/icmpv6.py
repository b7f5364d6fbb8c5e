"""ICMPv6 into PACKETS columns for neighbour discovery (RFC 4861, 4) and MLD, else into ordinary packets (RFC 4443).

type 1, code 1, checksum 2, then by type: flags or reserved 4 (RA: 12), target 16, destination 16, options.
"""

from functools import lru_cache

import numpy as np

from evpn_pcap.decode.interned import Addresses
from evpn_pcap.decode.layout import MISSING, Layout, Next, Rows

HEADER_BYTES = 4
SOLICITATION, ADVERTISEMENT, REDIRECT = 135, 136, 137
# Octets before the options: RS, RA, NS, NA, redirect.
FIXED_BYTES = {133: 8, 134: 16, SOLICITATION: 24, ADVERTISEMENT: 24, REDIRECT: 40}
MLD = (130, 131, 132, 143)  # RFC 2710, 3.1; RFC 3810, 5
SOURCE_ADDRESS, TARGET_ADDRESS = 1, 2  # option types
ROUTER, SOLICITED, OVERRIDE = 0x80, 0x40, 0x20
HOP_LIMIT_AT = 7
ADDRESSES = np.arange(8, 40, 2)  # of the IPv6 header: source and destination, two octets each
PROTOCOL = 58

_FIXED = np.zeros(256, np.int64)
_FIXED[list(FIXED_BYTES)] = list(FIXED_BYTES.values())


def decode(layout: Layout, rows: Rows) -> Next:
    """Note neighbour discovery messages, whole or cut, multicast listener messages, and others as ordinary packets."""
    rows = layout.having(rows, 1, "icmpv6")
    kind = layout.octets.u8(rows.at)
    discovery = _FIXED[kind] > 0
    found = rows.where(discovery)
    layout.found("nd", found)
    layout.having(found, _FIXED[kind[discovery]], "icmpv6")
    is_report = np.isin(kind, MLD)
    layout.found("mld", rows.where(is_report))
    layout.found("ordinary", layout.having(rows.where(~discovery & ~is_report), HEADER_BYTES, "icmpv6"))
    return ()


def listener_columns(layout: Layout, rows: Rows, addresses: Addresses) -> dict[str, np.ndarray]:
    """Return the columns of PACKETS of multicast listener messages: who sent it, for a bridge learns its MAC by it."""
    octets, network_at = layout.octets, layout.network_at[rows.record]
    everywhere = np.ones(len(rows), bool)
    return {
        "operation": octets.u8(rows.at).astype(np.int64),
        "sender_ip": addresses.ipv6(octets, network_at + 8, everywhere),
        "destination_ip": addresses.ipv6(octets, network_at + 24, everywhere),
        "hop_limit": octets.u8(network_at + HOP_LIMIT_AT).astype(np.int64),
    }


def columns(layout: Layout, rows: Rows, addresses: Addresses) -> dict[str, np.ndarray]:
    """Return the columns of PACKETS that neighbour discovery knows; what was not captured is MISSING.

    Leaves out records whose options are cut (`icmpv6.truncated`) or malformed (`icmpv6.option-length`).
    """
    octets, at, captured = layout.octets, rows.at, rows.stop - rows.at
    kind, network_at = octets.u8(at), layout.network_at[rows.record]
    everywhere = np.ones(len(rows), bool)
    is_answer = (kind == ADVERTISEMENT) & (captured >= 5)
    flags = octets.u8(at + 4)
    return {
        "operation": kind.astype(np.int64),
        "sender_ip": addresses.ipv6(octets, network_at + 8, everywhere),
        "destination_ip": addresses.ipv6(octets, network_at + 24, everywhere),
        "target_ip": addresses.ipv6(octets, at + 8, (kind >= SOLICITATION) & (captured >= 24)),
        "hop_limit": octets.u8(network_at + HOP_LIMIT_AT).astype(np.int64),
        "has_router_flag": np.where(is_answer, flags & ROUTER != 0, MISSING),
        "has_solicited_flag": np.where(is_answer, flags & SOLICITED != 0, MISSING),
        "has_override_flag": np.where(is_answer, flags & OVERRIDE != 0, MISSING),
        "icmp_code": np.where(captured >= 2, octets.u8(at + 1), np.int64(MISSING)),
        "is_checksum_valid": _checksums(layout, rows, network_at),
        **_options(layout, rows, at + _FIXED[kind]),
    }


def _checksums(layout: Layout, rows: Rows, network_at: np.ndarray) -> np.ndarray:
    """Return whether the checksum over pseudo-header and message holds (RFC 4443, 2.3); cut messages are MISSING.

    Messages of one length are summed together: discovery has few lengths.
    """
    valid = np.full(len(rows), MISSING, np.int8)
    length = rows.end - rows.at
    whole = (rows.stop == rows.end) & (length >= HEADER_BYTES)
    for size in np.unique(length[whole]).tolist():
        alike = np.flatnonzero(whole & (length == size))
        pairs = np.arange(0, size - size % 2, 2)
        message = layout.octets.u16(rows.at[alike, None] + pairs).sum(axis=1, dtype=np.int64)
        addresses = layout.octets.u16(network_at[alike, None] + ADDRESSES).sum(axis=1, dtype=np.int64)
        last = layout.octets.u8(rows.at[alike] + size - 1).astype(np.int64) << 8 if size % 2 else 0
        total = message + addresses + last + size + PROTOCOL
        for _ in range(3):  # carries: below 2^32 two rounds are enough, the third takes the last one
            total = (total & 0xFFFF) + (total >> 16)
        valid[alike] = total == 0xFFFF
    return valid


def _options(layout: Layout, rows: Rows, start: np.ndarray) -> dict[str, np.ndarray]:
    """Return the columns of the options; equal options, as one host sends them, are read once."""
    texts = np.full(len(rows), None, object)
    macs = np.full((2, len(rows)), MISSING, np.int64)
    cut: list[int] = []
    malformed: list[int] = []
    for row, (first, stop, end) in enumerate(zip(start.tolist(), rows.stop.tolist(), rows.end.tolist(), strict=True)):
        if first > stop:
            continue
        texts[row], macs[0, row], macs[1, row], is_whole = read_options(layout.octets.cut(first, stop))
        if not is_whole:
            (cut if stop < end else malformed).append(row)
    layout.leave_out(rows.record[cut], "icmpv6.truncated")
    layout.leave_out(rows.record[malformed], "icmpv6.option-length")
    return {"options": texts, "sender_mac": macs[0], "target_mac": macs[1]}


@lru_cache(maxsize=4096)
def read_options(octets: bytes) -> tuple[str, int, int, bool]:
    """Return options as type:hex, source and target link-layer address (or MISSING), and whether all were whole.

    An option is type 1, length 1 in units of 8 octets, value (RFC 4861, 4.6); a length of 0 ends the reading.
    """
    texts: list[str] = []
    macs, at = {SOURCE_ADDRESS: MISSING, TARGET_ADDRESS: MISSING}, 0
    while at + 2 <= len(octets):
        kind, size = octets[at], octets[at + 1] * 8
        if size == 0 or at + size > len(octets):
            break
        value = octets[at + 2 : at + size]
        texts.append(f"{kind}:{value.hex()}")
        if macs.get(kind) == MISSING and size == 8:
            macs[kind] = int.from_bytes(value)
        at += size
    return " ".join(texts), macs[SOURCE_ADDRESS], macs[TARGET_ADDRESS], at == len(octets)

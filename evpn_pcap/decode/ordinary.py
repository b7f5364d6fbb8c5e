"""IP packets that are no resolution, into ANCHORS columns: what the clocks of two hosts are compared by."""

import numpy as np

from evpn_pcap.decode.interned import Addresses
from evpn_pcap.decode.keys import CHECKSUM_OFFSET, HASHED_BYTES, LONG_CHECKSUM, Packets, anchor_keys
from evpn_pcap.decode.layout import ETHERNET, MISSING, Layout, Next, Rows

ETHERNET_BYTES = 14
ICMP, TCP, UDP, ICMPV6, SCTP = 1, 6, 17, 58, 132
WITH_PORTS = (TCP, UDP, SCTP)
# Control protocols whose packets say the same thing again and again, or are answered on the way:
# IGMP, OSPF, PIM, VRRP (clock.md, section 4: not anchors).
NOT_ANCHORS = (2, 89, 103, 112)
ICMP_BYTES = 8
TCP_BYTES = 20
SYN = 0x02
# (protocol, type) -> is it a request?
ECHOES = {(ICMP, 8): 1, (ICMP, 0): 0, (ICMPV6, 128): 1, (ICMPV6, 129): 0}


def decode(layout: Layout, rows: Rows) -> Next:
    """Note packets of any protocol that is not looked into."""
    layout.found("ordinary", rows.where(~np.isin(layout.ip_protocol[rows.record], NOT_ANCHORS)))
    return ()


def decode_icmp(layout: Layout, rows: Rows) -> Next:
    """Note ICMP messages (RFC 792)."""
    layout.found("ordinary", layout.having(rows, ICMP_BYTES, "icmp"))
    return ()


def packets(layout: Layout, rows: Rows) -> Packets:
    """Return the innermost IP packets of rows that stand behind their IP headers, for their keys."""
    network_at = layout.network_at[rows.record]
    protocol = layout.ip_protocol[rows.record]
    checksum = rows.at - network_at + CHECKSUM_OFFSET[protocol]
    is_long = np.isin(protocol, LONG_CHECKSUM)
    return Packets(network_at, rows.stop - network_at, checksum, rows.network, is_long if is_long.any() else None)


def columns(layout: Layout, rows: Rows, addresses: Addresses) -> dict[str, np.ndarray]:
    """Return the columns of ANCHORS that an IP packet has."""
    octets, protocol = layout.octets, layout.ip_protocol[rows.record]
    network_at = layout.network_at[rows.record]
    source, destination = addresses.of_header(octets, network_at, np.ones(len(rows), bool))
    has_ports = np.isin(protocol, WITH_PORTS) & (rows.stop - rows.at >= 4)
    is_request = np.full(len(rows), MISSING, np.int8)
    for (number, kind), value in ECHOES.items():
        is_request[(protocol == number) & (octets.u8(rows.at) == kind)] = value
    sequence, payload_bytes = _stream_place(layout, rows, protocol)
    key, short_key = anchor_keys(octets, packets(layout, rows))
    return {
        "source_ip": source,
        "destination_ip": destination,
        "ip_protocol": protocol.astype(np.int64),
        "source_port": np.where(has_ports, octets.u16(rows.at).astype(np.int64), MISSING),
        "destination_port": np.where(has_ports, octets.u16(rows.at + 2).astype(np.int64), MISSING),
        "length_bytes": _frame_bytes(layout, rows, network_at),
        "anchor_key": key,
        "short_key": short_key,
        "key_bytes": np.minimum(rows.stop - network_at, HASHED_BYTES),
        "sequence": sequence,
        "payload_bytes": payload_bytes,
        "is_request": is_request,
    }


def _stream_place(layout: Layout, rows: Rows, protocol: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the sequence number of TCP's first payload octet (RFC 9293, 3.1) and the payload's length on the wire."""
    octets = layout.octets
    is_tcp = (protocol == TCP) & (rows.stop - rows.at >= TCP_BYTES)
    header_bytes = (octets.u8(rows.at + 12) >> 4).astype(np.int64) * 4
    is_opening = octets.u8(rows.at + 13) & SYN != 0  # a SYN takes one number itself
    is_tcp &= (header_bytes >= TCP_BYTES) & (rows.at + header_bytes <= rows.end)
    sequence = (octets.u32(rows.at + 4) + is_opening) & 0xFFFFFFFF
    payload_bytes = rows.end - rows.at - header_bytes
    return np.where(is_tcp, sequence, MISSING), np.where(is_tcp, payload_bytes, MISSING)


def _frame_bytes(layout: Layout, rows: Rows, network_at: np.ndarray) -> np.ndarray:
    """Return the frame's length as if in Ethernet, tags counted and padding not."""
    is_ethernet = layout.link[rows.record] == ETHERNET
    begin = np.where(is_ethernet, layout.link_at[rows.record], network_at - ETHERNET_BYTES)
    return rows.end - begin

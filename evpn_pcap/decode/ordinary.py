"""IP packets that are no resolution, into ANCHORS columns: what the clocks of two hosts are compared by."""

import numpy as np

from evpn_pcap.decode.interned import Addresses
from evpn_pcap.decode.keys import CHECKSUM_OFFSET, Packets, anchor_key
from evpn_pcap.decode.layout import ETHERNET, MISSING, Layout, Next, Rows

ETHERNET_BYTES = 14
ICMP, TCP, UDP, ICMPV6, SCTP = 1, 6, 17, 58, 132
WITH_PORTS = (TCP, UDP, SCTP)
# Control protocols whose packets say the same thing again and again, or are answered on the way:
# IGMP, OSPF, PIM, VRRP (clock.md, section 4: not anchors).
NOT_ANCHORS = (2, 89, 103, 112)
ICMP_BYTES = 8
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
    checksum = rows.at - network_at + CHECKSUM_OFFSET[layout.ip_protocol[rows.record]]
    return Packets(network_at, rows.stop - network_at, checksum, rows.network)


def columns(layout: Layout, rows: Rows, sampled: np.ndarray, addresses: Addresses) -> dict[str, np.ndarray]:
    """Return the columns of ANCHORS that an IP packet has; `sampled` is its sample_key."""
    octets, protocol = layout.octets, layout.ip_protocol[rows.record]
    network_at = layout.network_at[rows.record]
    source, destination = addresses.of_header(octets, network_at, np.ones(len(rows), bool))
    has_ports = np.isin(protocol, WITH_PORTS) & (rows.stop - rows.at >= 4)
    is_request = np.full(len(rows), MISSING, np.int8)
    for (number, kind), value in ECHOES.items():
        is_request[(protocol == number) & (octets.u8(rows.at) == kind)] = value
    return {
        "source_ip": source,
        "destination_ip": destination,
        "ip_protocol": protocol.astype(np.int64),
        "source_port": np.where(has_ports, octets.u16(rows.at).astype(np.int64), MISSING),
        "destination_port": np.where(has_ports, octets.u16(rows.at + 2).astype(np.int64), MISSING),
        "length_bytes": _frame_bytes(layout, rows, network_at),
        "anchor_key": anchor_key(octets, packets(layout, rows), sampled),
        "is_request": is_request,
    }


def _frame_bytes(layout: Layout, rows: Rows, network_at: np.ndarray) -> np.ndarray:
    """Return the frame's length as if in Ethernet, tags counted and padding not."""
    is_ethernet = layout.link[rows.record] == ETHERNET
    begin = np.where(is_ethernet, layout.link_at[rows.record], network_at - ETHERNET_BYTES)
    return rows.end - begin

"""TCP headers into SEGMENTS rows for BGP's port, else into ordinary packets (RFC 9293, 3.1)."""

import numpy as np

from evpn_pcap.decode.interned import Addresses
from evpn_pcap.decode.layout import Layout, Next, Rows

HEADER_BYTES = 20
TELLING_BYTES = 8  # ports and sequence number: enough of a cut header to know a packet again
BGP_PORT = 179  # RFC 4271, 1.1


def decode(layout: Layout, rows: Rows) -> Next:
    """Note segments from or to port 179, and the others as ordinary packets, also where the header is cut."""
    is_whole = layout.reaching(rows, HEADER_BYTES, "tcp")
    ports = layout.octets.u32(rows.at)
    is_bgp = (ports >> 16 == BGP_PORT) | (ports & 0xFFFF == BGP_PORT)
    layout.found("ordinary", rows.where(~is_bgp & (is_whole | (rows.stop - rows.at >= TELLING_BYTES))))
    bgp = rows.where(is_bgp & is_whole)
    layout.found("bgp", bgp)
    bgp = layout.keeping(bgp, _header_bytes(layout, bgp) >= HEADER_BYTES, "tcp.data-offset")
    layout.having(bgp, _header_bytes(layout, bgp), "tcp")
    return ()


def columns(layout: Layout, rows: Rows, addresses: Addresses) -> dict[str, np.ndarray]:
    """Return the columns of PACKETS that a segment of port 179 has."""
    network_at = layout.network_at[rows.record]
    source, destination = addresses.of_header(layout.octets, network_at, np.ones(len(rows), bool))
    hop_limit = layout.octets.u8(network_at + (7 if rows.network == 6 else 8))
    return {"sender_ip": source, "target_ip": destination, "hop_limit": hop_limit.astype(np.int64)}


def segments(layout: Layout, rows: Rows, addresses: Addresses) -> dict[str, np.ndarray]:
    """Return the columns of SEGMENTS of whole headers, with the payload as captured."""
    octets = layout.octets
    source, destination = addresses.of_header(octets, layout.network_at[rows.record], np.ones(len(rows), bool))
    start = rows.at + _header_bytes(layout, rows)
    payload = np.full(len(rows), None, object)
    payload[:] = octets.pieces(start, rows.stop)
    return {
        "sender_ip": source,
        "sender_port": octets.u16(rows.at).astype(np.int64),
        "receiver_ip": destination,
        "receiver_port": octets.u16(rows.at + 2).astype(np.int64),
        "sequence": octets.u32(rows.at + 4),
        "flags": octets.u8(rows.at + 13).astype(np.int64),
        "payload": payload,
        "payload_bytes": rows.end - start,
    }


def _header_bytes(layout: Layout, rows: Rows) -> np.ndarray:
    return (layout.octets.u8(rows.at + 12) >> 4).astype(np.int64) * 4

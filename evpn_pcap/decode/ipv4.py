"""IPv4 headers into protocol numbers (RFC 791, 3.1); the total length cuts Ethernet's padding off."""

from dataclasses import replace

import numpy as np

from evpn_pcap.decode.layout import Layout, Next, Rows

HEADER_BYTES = 20
OFFSET_BITS = 0x1FFF
UNSTATED_BYTES = 1 << 24  # more than any frame has


def decode(layout: Layout, rows: Rows) -> Next:
    """Find the protocol behind the header and its options; fragments but the first are left out."""
    rows = layout.having(rows, HEADER_BYTES, "ipv4")
    first = layout.octets.u8(rows.at)
    rows = layout.keeping(rows, (first & 0xF0 == 0x40) & (first & 0x0F >= 5), "ipv4.version-or-header-length")
    rows = layout.keeping(rows, _total_bytes(layout, rows) >= _header_bytes(layout, rows), "ipv4.total-length")
    rows = rows.within(_total_bytes(layout, rows))
    rows = layout.having(rows, _header_bytes(layout, rows), "ipv4")
    layout.network_at[rows.record] = rows.at
    rows = layout.keeping(rows, layout.octets.u16(rows.at + 6) & OFFSET_BITS == 0, "ipv4.fragment")
    protocol = layout.octets.u8(rows.at + 9)
    layout.ip_protocol[rows.record] = protocol
    yield "ip_protocol", protocol, replace(rows.behind(_header_bytes(layout, rows)), network=4)


def _header_bytes(layout: Layout, rows: Rows) -> np.ndarray:
    return (layout.octets.u8(rows.at) & np.uint8(0x0F)).astype(np.int64) * 4


def _total_bytes(layout: Layout, rows: Rows) -> np.ndarray:
    """Return the total length; segmentation offload leaves 0 where the field cannot say it."""
    total = layout.octets.u16(rows.at + 2).astype(np.int64)
    total[total == 0] = UNSTATED_BYTES
    return total

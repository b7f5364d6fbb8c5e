"""IPv6 headers and extension headers into protocol numbers (RFC 8200, 3 and 4; AH: RFC 4302)."""

from dataclasses import replace

import numpy as np

from evpn_pcap.decode.layout import Layout, Next, Rows

HEADER_BYTES = 40
EXTENSION_BYTES = 8  # the least that an extension header has
EXTENSIONS_MOST = 8
UNSTATED_BYTES = 1 << 24  # more than any frame has
HOP_BY_HOP, ROUTING, FRAGMENT, AUTHENTICATION, DESTINATION = 0, 43, 44, 51, 60
EXTENSIONS = (HOP_BY_HOP, ROUTING, FRAGMENT, AUTHENTICATION, DESTINATION)
NEVER_UNSTATED = (58, 59)  # ICMPv6, which nothing offloads, and no next header: a length of 0 is meant
OFFSET_BITS = 0xFFF8


def decode(layout: Layout, rows: Rows) -> Next:
    """Find the protocol behind the header and at most eight extension headers, first fragments only."""
    rows = layout.having(rows, HEADER_BYTES, "ipv6")
    rows = layout.keeping(rows, layout.octets.u8(rows.at) >> 4 == 6, "ipv6.version")
    length = layout.octets.u16(rows.at + 4).astype(np.int64)
    # 0 stands for a jumbogram (RFC 2675), or is left by segmentation offload.
    length[(length == 0) & ~np.isin(layout.octets.u8(rows.at + 6), NEVER_UNSTATED)] = UNSTATED_BYTES
    rows = replace(rows.within(length + HEADER_BYTES), network=6)
    layout.network_at[rows.record] = rows.at
    protocol = layout.octets.u8(rows.at + 6)
    rows = rows.behind(HEADER_BYTES)
    for _ in range(EXTENSIONS_MOST + 1):
        extended = np.isin(protocol, EXTENSIONS)
        if not extended.all():
            last = rows.where(~extended)
            layout.ip_protocol[last.record] = protocol[~extended]
            yield "ip_protocol", protocol[~extended], last
        rows = rows.where(extended)
        if not len(rows):
            return
        protocol, rows = _behind_extension(layout, protocol[extended], rows)
    layout.leave_out(rows.record, "ipv6.too-many-extensions")


def _behind_extension(layout: Layout, protocol: np.ndarray, rows: Rows) -> tuple[np.ndarray, Rows]:
    """Return the rows moved behind one extension header each, and the protocol that it names."""
    octets = layout.octets
    fits = layout.having(rows, EXTENSION_BYTES, "ipv6")
    protocol = protocol[np.isin(rows.record, fits.record)]
    later = (protocol == FRAGMENT) & (octets.u16(fits.at + 2) & OFFSET_BITS != 0)
    first = layout.keeping(fits, ~later, "ipv6.fragment")
    protocol = protocol[~later]
    count = octets.u8(first.at + 1).astype(np.int64)
    size = np.select([protocol == FRAGMENT, protocol == AUTHENTICATION], [8, (count + 2) * 4], (count + 1) * 8)
    whole = layout.having(first, size, "ipv6")
    size = size[np.isin(first.record, whole.record)]
    return octets.u8(whole.at), whole.behind(size)

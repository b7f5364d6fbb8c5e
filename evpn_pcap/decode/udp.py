"""UDP headers into destination ports (RFC 768)."""

import numpy as np

from evpn_pcap.decode.layout import Layout, Next, Rows

HEADER_BYTES = 8
UNSTATED_BYTES = 1 << 24  # more than any frame has


def decode(layout: Layout, rows: Rows) -> Next:
    """Find the destination port; a datagram to a port that is not looked for is ordinary."""
    rows = layout.having(rows, HEADER_BYTES, "udp")
    yield "udp_port", layout.octets.u16(rows.at + 2), rows


def payload(layout: Layout, rows: Rows) -> Rows:
    """Return the rows of a datagram moved to its payload, cut to its length field."""
    length = layout.octets.u16(rows.at + 4).astype(np.int64)
    # 0: longer than the field can say (RFC 2675, 4), or left by segmentation offload.
    length[length == 0] = UNSTATED_BYTES
    sound = layout.sound(rows, {"udp.length": length >= HEADER_BYTES})
    return rows.within(length).where(sound).behind(HEADER_BYTES)

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
    head = layout.octets.u64(rows.at)  # version 4 bits, header length 4 bits, DSCP and ECN, total length 16, ...
    header_bytes = (head >> np.uint64(56) & np.uint64(0x0F)).astype(np.int64) * 4
    total = (head >> np.uint64(32) & np.uint64(0xFFFF)).astype(np.int64)
    total[total == 0] = UNSTATED_BYTES  # left by segmentation offload where the field cannot say it
    sound = layout.sound(
        rows,
        {
            "ipv4.version": head >> np.uint64(60) == 4,
            "ipv4.header-length": header_bytes >= HEADER_BYTES,
            "ipv4.total-length": total >= header_bytes,
        },
    )
    rows = rows.within(total).where(sound)
    if not sound.all():
        header_bytes, head = header_bytes[sound], head[sound]
    layout.network_at[rows.record] = rows.at
    sound = layout.reaching(rows, header_bytes, "ipv4")
    sound &= layout.sound(rows, {"ipv4.fragment": head & np.uint64(OFFSET_BITS) == 0})
    rows = rows.where(sound)
    protocol = layout.octets.u8(rows.at + 9)
    layout.ip_protocol[rows.record] = protocol
    yield "ip_protocol", protocol, replace(rows.behind(header_bytes[sound]), network=4)

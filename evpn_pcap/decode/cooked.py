"""Linux cooked headers, versions 1 and 2, into EtherTypes (tcpdump.org, LINKTYPE_LINUX_SLL and _SLL2).

Version 1: packet type 2, ARPHRD 2, address length 2, address 8, protocol 2.
Version 2: protocol 2, reserved 2, interface index 4, ARPHRD 2, packet type 1, address length 1, address 8.
"""

import numpy as np

from evpn_pcap.decode.layout import COOKED, COOKED2, MISSING, Layout, Next, Rows

LINK_TYPE, LINK_TYPE2 = 113, 276
HEADER_BYTES = 16
HEADER2_BYTES = 20
LARGEST_INDEX = 0x7FFFFFFF  # the kernel's interface index is a positive int
# For these ARPHRD values the protocol field is not an EtherType.
OTHER_PROTOCOLS = (770, 778, 803, 824)  # frame relay, GRE over IP, radiotap, netlink
BROADCAST, MULTICAST, OTHER_HOST, OUTGOING = 1, 2, 3, 4  # packet types; 0: to this host


def decode(layout: Layout, rows: Rows) -> Next:
    """Find the protocol of a version 1 header."""
    rows = layout.having(rows, HEADER_BYTES, "cooked")
    layout.link[rows.record] = COOKED
    yield from _ether_types(layout, rows, hardware_at=2, protocol_at=14, size=HEADER_BYTES)


def decode2(layout: Layout, rows: Rows) -> Next:
    """Find the protocol of a version 2 header, and note its interface index."""
    rows = layout.having(rows, HEADER2_BYTES, "cooked")
    layout.link[rows.record] = COOKED2
    interface_index = layout.interface_index.copy()
    interface_index[rows.record] = layout.octets.u32(rows.at + 4) & LARGEST_INDEX
    layout.interface_index = interface_index
    yield from _ether_types(layout, rows, hardware_at=8, protocol_at=0, size=HEADER2_BYTES)


def _ether_types(layout: Layout, rows: Rows, hardware_at: int, protocol_at: int, size: int) -> Next:
    rows = rows.where(~np.isin(layout.octets.u16(rows.at + hardware_at), OTHER_PROTOCOLS))
    yield "ether_type", layout.octets.u16(rows.at + protocol_at), rows.behind(size)


def packet_type(layout: Layout, record: np.ndarray) -> np.ndarray:
    """Return the packet type of records whose own (outermost) header is cooked, else MISSING."""
    kind = np.full(len(record), MISSING, np.int32)
    link_type, captured = layout.batch.link_type[record], layout.batch.captured_bytes[record]
    is_1 = (link_type == LINK_TYPE) & (captured >= HEADER_BYTES)
    is_2 = (link_type == LINK_TYPE2) & (captured >= HEADER2_BYTES)
    kind[is_1] = layout.octets.u16(layout.batch.start[record[is_1]])
    kind[is_2] = layout.octets.u8(layout.batch.start[record[is_2]] + 10)
    return kind


def source_mac(layout: Layout, record: np.ndarray) -> np.ndarray:
    """Return the sender's link-layer address where it is a MAC address, else MISSING."""
    at, is_2 = layout.link_at[record], layout.link[record] == COOKED2
    length = np.where(is_2, layout.octets.u8(at + 11), layout.octets.u16(at + 4))
    mac = layout.octets.u48(at + np.where(is_2, 12, 6))
    return np.where(length == 6, mac, MISSING)


def is_group(kind: np.ndarray) -> np.ndarray:
    """Return whether frames of a packet type were sent to a group: 1, 0, or MISSING for outgoing ones."""
    return np.select([(kind == BROADCAST) | (kind == MULTICAST), (kind == 0) | (kind == OTHER_HOST)], [1, 0], MISSING)

"""Ethernet II, IEEE 802.3 and 802.1Q / 802.1ad tags into EtherTypes (IEEE 802.3, 3.2; 802.1Q, 9)."""

from dataclasses import replace

import numpy as np

from evpn_pcap.decode.layout import ETHERNET, MISSING, Layout, Next, Rows

HEADER_BYTES = 14
TAG_BYTES = 4
VLAN_ID_BITS = 0x0FFF


def decode(layout: Layout, rows: Rows) -> Next:
    """Find the EtherType behind two MAC addresses; a length (802.3, below 0x0600) is looked up in vain."""
    rows = layout.having(rows, HEADER_BYTES, "ethernet")
    layout.link[rows.record] = ETHERNET
    layout.link_at[rows.record] = rows.at
    yield "ether_type", layout.octets.u16(rows.at + 12), rows.behind(HEADER_BYTES)


def decode_tag(layout: Layout, rows: Rows) -> Next:
    """Note the VLAN of the frame's outermost tag, outside or inside VXLAN, and pass the tag."""
    rows = layout.having(rows, TAG_BYTES, "vlan")
    vlan_id = layout.octets.u16(rows.at) & VLAN_ID_BITS
    inside = layout.vxlan_at[rows.record] != MISSING
    for column, here in ((layout.inner_vlan_id, inside), (layout.vlan_id, ~inside)):
        first = here & (column[rows.record] == MISSING)
        column[rows.record[first]] = vlan_id[first]
    yield "ether_type", layout.octets.u16(rows.at + 2), replace(rows.behind(TAG_BYTES), depth=rows.depth + 1)


def addresses(layout: Layout, record: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return source and destination MAC of records with an Ethernet header."""
    at = layout.link_at[record]
    return layout.octets.u48(at + 6), layout.octets.u48(at)

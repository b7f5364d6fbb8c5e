"""VXLAN headers into the Ethernet frames inside them (RFC 7348, 5): flags 1, reserved 3, VNI 3, reserved 1."""

from dataclasses import replace

import numpy as np

from evpn_pcap.decode.layout import MISSING, Layout, Next, Rows
from evpn_pcap.decode.udp import payload

HEADER_BYTES = 8
VNI_IS_VALID = 0x08
PORT_BEFORE = 6  # so far in front of it lies the UDP destination port


def decode(layout: Layout, rows: Rows) -> Next:
    """Note the VXLAN header and the IP header around it, and hand on the frame inside."""
    rows = layout.having(payload(layout, rows), HEADER_BYTES, "vxlan")
    rows = layout.keeping(rows, layout.octets.u8(rows.at) & VNI_IS_VALID != 0, "vxlan.no-vni-flag")
    layout.vxlan_at[rows.record] = rows.at
    layout.underlay_at[rows.record] = layout.network_at[rows.record]
    if rows.depth:  # VXLAN in VXLAN: the tag inside belongs to the innermost one
        layout.inner_vlan_id[rows.record] = MISSING
    inner = replace(rows.behind(HEADER_BYTES), depth=rows.depth + 1, network=0)
    yield "frame", np.zeros(len(rows), np.uint8), inner


def columns(layout: Layout, record: np.ndarray) -> dict[str, np.ndarray]:
    """Return what else PACKETS has of the VXLAN header around records: port, flags and last octet, or MISSING."""
    at = layout.vxlan_at[record]
    inside = at != MISSING
    start = np.where(inside, at, PORT_BEFORE)
    return {
        "vxlan_port": np.where(inside, layout.octets.u16(start - PORT_BEFORE), np.int64(MISSING)),
        "vxlan_flags": np.where(inside, layout.octets.u32(start), MISSING),
        "vxlan_reserved": np.where(inside, layout.octets.u8(start + 7), np.int64(MISSING)),
    }


def vni(layout: Layout, record: np.ndarray) -> np.ndarray:
    """Return the VNI of records inside VXLAN, else MISSING."""
    at = layout.vxlan_at[record]
    inside = at != MISSING
    return np.where(inside, layout.octets.u32(np.where(inside, at, 0) + 4) >> 8, MISSING)

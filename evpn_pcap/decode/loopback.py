"""Link types without MAC addresses: BSD loopback and raw IP (tcpdump.org, LINKTYPE_NULL, _LOOP, _RAW, _IPV4, _IPV6)."""

import numpy as np

from evpn_pcap.decode.layout import Layout, Next, Rows

HEADER_BYTES = 4
# Address families of IPv6 differ between the BSDs, Darwin and Linux.
ETHER_TYPE_OF_FAMILY = {2: 0x0800, 10: 0x86DD, 24: 0x86DD, 28: 0x86DD, 30: 0x86DD}
ETHER_TYPE_OF_VERSION = {4: 0x0800, 6: 0x86DD}


def decode(layout: Layout, rows: Rows) -> Next:
    """Find the network protocol of a loopback header; the family is in the capturing machine's own byte order."""
    rows = layout.having(rows, HEADER_BYTES, "loopback")
    big = layout.octets.u32(rows.at)
    family = np.where(big >= 1 << 24, big >> 24, big)
    yield "ether_type", _looked_up(family, ETHER_TYPE_OF_FAMILY), rows.behind(HEADER_BYTES)


def decode_raw(layout: Layout, rows: Rows) -> Next:
    """Find the network protocol from the version of the IP header, the record's first octet."""
    rows = layout.having(rows, 1, "raw-ip")
    version = layout.octets.u8(rows.at) >> 4
    rows = layout.keeping(rows, (version == 4) | (version == 6), "raw-ip.version")
    yield "ether_type", _looked_up(layout.octets.u8(rows.at) >> 4, ETHER_TYPE_OF_VERSION), rows


def _looked_up(numbers: np.ndarray, names: dict[int, int]) -> np.ndarray:
    found = np.zeros(len(numbers), np.uint16)
    for number, name in names.items():
        found[numbers == number] = name
    return found

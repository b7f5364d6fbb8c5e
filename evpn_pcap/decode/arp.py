"""ARP and RARP into PACKETS columns (RFC 826; RFC 903), for Ethernet and IPv4 addresses.

hardware type 2, protocol type 2, hardware length 1, protocol length 1, operation 2,
sender MAC 6, sender IP 4, target MAC 6, target IP 4.
"""

import numpy as np

from evpn_pcap.decode.interned import Addresses
from evpn_pcap.decode.keys import HASHED_BYTES, Packets
from evpn_pcap.decode.layout import MISSING, Layout, Next, Rows

FIXED_BYTES = 8
WHOLE_BYTES = 28
# Protocol type IPv4, hardware length 6, protocol length 4, as one number.
ETHERNET_AND_IPV4 = 0x0800_06_04
ETHER_TYPES = {"arp": 0x0806, "rarp": 0x8035}


def decode(layout: Layout, rows: Rows) -> Next:
    """Note ARP messages; those that are cut or about other addresses are left out, but keep their row."""
    return _noted(layout, rows, "arp")


def decode_reverse(layout: Layout, rows: Rows) -> Next:
    """Note RARP messages in the same way."""
    return _noted(layout, rows, "rarp")


def _noted(layout: Layout, rows: Rows, protocol: str) -> Next:
    layout.found(protocol, rows)
    rows = layout.having(rows, FIXED_BYTES, protocol)
    rows = layout.keeping(rows, layout.octets.u32(rows.at + 2) == ETHERNET_AND_IPV4, f"{protocol}.address-type")
    layout.having(rows, WHOLE_BYTES, protocol)
    return ()


def columns(layout: Layout, rows: Rows, addresses: Addresses) -> dict[str, np.ndarray]:
    """Return the columns of PACKETS that ARP knows; what was not captured is MISSING."""
    octets, at, captured = layout.octets, rows.at, rows.stop - rows.at
    known = (captured >= FIXED_BYTES) & (octets.u32(at + 2) == ETHERNET_AND_IPV4)
    return {
        "operation": np.where(captured >= FIXED_BYTES, octets.u16(at + 6).astype(np.int64), MISSING),
        "sender_mac": np.where(known & (captured >= 14), octets.u48(at + 8), MISSING),
        "sender_ip": addresses.ipv4(octets, at + 14, known & (captured >= 18)),
        "target_mac": np.where(known & (captured >= 24), octets.u48(at + 18), MISSING),
        "target_ip": addresses.ipv4(octets, at + 24, known & (captured >= WHOLE_BYTES)),
    }


def packets(layout: Layout, rows: Rows) -> Packets:
    """Return the messages for their keys, each as long as its two address lengths say."""
    captured = rows.stop - rows.at
    lengths = layout.octets.u16(rows.at + 4).astype(np.int64)
    own = FIXED_BYTES + 2 * ((lengths >> 8) + (lengths & 0xFF))
    own[captured < FIXED_BYTES] = FIXED_BYTES
    return Packets(rows.at, np.minimum(captured, own), np.full(len(rows), HASHED_BYTES), network=0)

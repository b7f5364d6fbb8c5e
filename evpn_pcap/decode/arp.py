"""ARP and RARP into PACKETS columns (RFC 826; RFC 903): their MAC and their IPv4 addresses.

hardware type 2, protocol type 2, hardware length 1, protocol length 1, operation 2, then, as long as these
lengths say, hardware and protocol address of the sender, and of the target.
"""

import numpy as np

from evpn_pcap.decode.interned import Addresses
from evpn_pcap.decode.keys import HASHED_BYTES, Packets
from evpn_pcap.decode.layout import MISSING, Layout, Next, Rows

FIXED_BYTES = 8
WHOLE_BYTES = 28
MAC_BYTES = 6
IPV4_BYTES = 4
ETHERNET, IEEE_802 = 1, 6  # the hardware types with MAC addresses (IANA, ARP parameters)
IPV4 = 0x0800
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
    has_macs, has_ips = _known_addresses(layout, rows)
    rows = layout.keeping(rows, has_macs & has_ips, f"{protocol}.address-type")
    layout.having(rows, WHOLE_BYTES, protocol)
    return ()


def _known_addresses(layout: Layout, rows: Rows) -> tuple[np.ndarray, np.ndarray]:
    """Return which messages have MAC addresses, and which IPv4 addresses: one says nothing about the other."""
    octets, at = layout.octets, rows.at
    has_macs = np.isin(octets.u16(at), (ETHERNET, IEEE_802)) & (octets.u8(at + 4) == MAC_BYTES)
    return has_macs, (octets.u16(at + 2) == IPV4) & (octets.u8(at + 5) == IPV4_BYTES)


def columns(layout: Layout, rows: Rows, addresses: Addresses) -> dict[str, np.ndarray]:
    """Return the columns of PACKETS that ARP knows; what was not captured is MISSING.

    Where only one kind of address is known the lengths may be nonsense: then it is read from whole messages only.
    """
    octets, at, captured = layout.octets, rows.at, rows.stop - rows.at
    has_macs, has_ips = _known_addresses(layout, rows)
    hardware_bytes, protocol_bytes = octets.u8(at + 4).astype(np.int64), octets.u8(at + 5).astype(np.int64)
    sender_ip = FIXED_BYTES + hardware_bytes
    target_mac = sender_ip + protocol_bytes
    target_ip = target_mac + hardware_bytes
    end = target_ip + protocol_bytes

    def read_to(offset: np.ndarray) -> np.ndarray:
        return (captured >= end) | (has_macs & has_ips & (captured >= offset))

    has_target_mac = has_macs & read_to(target_ip)
    return {
        "operation": np.where(captured >= FIXED_BYTES, octets.u16(at + 6).astype(np.int64), MISSING),
        "sender_mac": np.where(has_macs & read_to(sender_ip), octets.u48(at + FIXED_BYTES), MISSING),
        "sender_ip": addresses.ipv4(octets, at + sender_ip, has_ips & read_to(target_mac)),
        "target_mac": np.where(has_target_mac, octets.u48(np.where(has_target_mac, at + target_mac, at)), MISSING),
        "target_ip": addresses.ipv4(octets, at + target_ip, has_ips & read_to(end)),
    }


def packets(layout: Layout, rows: Rows) -> Packets:
    """Return the messages for their keys, each as long as its two address lengths say."""
    captured = rows.stop - rows.at
    lengths = layout.octets.u16(rows.at + 4).astype(np.int64)
    own = FIXED_BYTES + 2 * ((lengths >> 8) + (lengths & 0xFF))
    own[captured < FIXED_BYTES] = FIXED_BYTES
    return Packets(rows.at, np.minimum(captured, own), np.full(len(rows), HASHED_BYTES), network=0)

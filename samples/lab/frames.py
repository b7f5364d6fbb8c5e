"""The few frames that no standard tool sends: announcements, RARP, forged answers (RFC 826, 903, 4861, 5227)."""

import struct
from ipaddress import IPv4Address, IPv6Address

ARP, RARP, IPV6 = 0x0806, 0x8035, 0x86DD
REQUEST, REPLY, RARP_REQUEST = 1, 2, 3
BROADCAST = "ff:ff:ff:ff:ff:ff"
NOBODY = "00:00:00:00:00:00"
ALL_NODES, ALL_NODES_MAC = "ff02::1", "33:33:00:00:00:01"
ICMPV6, ADVERTISEMENT, TARGET_ADDRESS = 58, 136, 2
OVERRIDE = 0x20000000
LEAST_FRAME = 60


def octets(mac: str) -> bytes:
    """Return the six octets of a MAC address."""
    return bytes.fromhex(mac.replace(":", ""))


def arp(operation: int, sender: tuple[str, str], target: tuple[str, str], destination: str = BROADCAST) -> bytes:
    """Return an ARP frame; sender and target are (MAC, IPv4)."""
    ends = b"".join(octets(mac) + IPv4Address(ip).packed for mac, ip in (sender, target))
    body = struct.pack("!HHBBH", 1, 0x0800, 6, 4, operation) + ends
    return _ethernet(destination, sender[0], ARP, body)


def announcement(mac: str, ip: str) -> bytes:
    """Return a gratuitous ARP request: sender is target."""
    return arp(REQUEST, (mac, ip), (NOBODY, ip))


def reverse_announcement(mac: str) -> bytes:
    """Return the RARP request that QEMU sends after a migration: it knows the guest's MAC only."""
    body = struct.pack("!HHBBH", 1, 0x0800, 6, 4, RARP_REQUEST) + (octets(mac) + bytes(4)) * 2
    return _ethernet(BROADCAST, mac, RARP, body)


def unsolicited_advertisement(mac: str, ip: str) -> bytes:
    """Return an unsolicited NA with the override flag, to all nodes (RFC 4861, 7.2.6)."""
    source, group = IPv6Address(ip).packed, IPv6Address(ALL_NODES).packed
    message = struct.pack("!BBHI", ADVERTISEMENT, 0, 0, OVERRIDE) + source + bytes([TARGET_ADDRESS, 1]) + octets(mac)
    pseudo = source + group + struct.pack("!II", len(message), ICMPV6)
    message = message[:2] + struct.pack("!H", _checksum(pseudo + message)) + message[4:]
    header = struct.pack("!IHBB", 6 << 28, len(message), ICMPV6, 255) + source + group
    return _ethernet(ALL_NODES_MAC, mac, IPV6, header + message)


def _ethernet(destination: str, source: str, kind: int, body: bytes) -> bytes:
    return (octets(destination) + octets(source) + struct.pack("!H", kind) + body).ljust(LEAST_FRAME, b"\0")


def _checksum(data: bytes) -> int:
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF

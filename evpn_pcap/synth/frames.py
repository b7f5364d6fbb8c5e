"""Values become octets: Ethernet, ARP (RFC 826), IPv4, IPv6, ICMP, ND (RFC 4861), UDP, TCP, VXLAN (RFC 7348).

Written apart from decode/ on purpose: a mistake in one of the two shows in the tests, not in both.
MAC and IP addresses are text; every function returns bytes, checksums filled in.
"""

from ipaddress import IPv6Address, ip_address
from struct import pack
from zlib import crc32

BROADCAST = "ff:ff:ff:ff:ff:ff"
ETHERTYPE_IPV4, ETHERTYPE_ARP, ETHERTYPE_RARP, ETHERTYPE_IPV6 = 0x0800, 0x0806, 0x8035, 0x86DD
ICMP, TCP, UDP, ICMPV6 = 1, 6, 17, 58  # IANA protocol numbers
ARP_REQUEST, ARP_REPLY, RARP_REQUEST = 1, 2, 3
ROUTER_SOLICITATION, NEIGHBOUR_SOLICITATION, NEIGHBOUR_ADVERTISEMENT = 133, 135, 136
SOURCE_OPTION, TARGET_OPTION = 1, 2  # ND link-layer address options
VXLAN_PORT = 4789
PING_PAYLOAD = bytes(range(0x10, 0x10 + 56))  # what Linux ping pads with, here without its time stamp


def mac_octets(mac: str) -> bytes:
    """Return bc:24:11:00:00:01 as 6 octets."""
    return bytes.fromhex(mac.replace(":", ""))


def ip_octets(ip: str) -> bytes:
    """Return an IPv4 or IPv6 address as 4 or 16 octets."""
    return ip_address(ip).packed


def link_local(mac: str) -> str:
    """Return the IPv6 link-local address that a MAC gives (RFC 4291, appendix A)."""
    octets = mac_octets(mac)
    return str(IPv6Address(b"\xfe\x80" + bytes(6) + bytes([octets[0] ^ 2]) + octets[1:3] + b"\xff\xfe" + octets[3:]))


def solicited_node(ip: str) -> tuple[str, str]:
    """Return the multicast address that a solicitation for `ip` goes to, and its MAC (RFC 4291, 2.7.1; RFC 2464, 7)."""
    tail = ip_octets(ip)[13:]
    return str(IPv6Address(bytes.fromhex("ff0200000000000000000001ff") + tail)), "33:33:ff:" + tail.hex(":")


def checksum(octets: bytes) -> int:
    """Return the Internet checksum (RFC 1071)."""
    total = sum(int.from_bytes(octets[at : at + 2].ljust(2, b"\0")) for at in range(0, len(octets), 2))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def _pseudo_header(source: str, destination: str, protocol: int, length: int) -> bytes:
    """Return what TCP, UDP and ICMPv6 checksums cover beside the segment (RFC 9293, 3.1; RFC 8200, 8.1)."""
    addresses = ip_octets(source) + ip_octets(destination)
    return addresses + (pack("!HH", protocol, length) if len(addresses) == 8 else pack("!II", length, protocol))


def ethernet(source: str, destination: str, ethertype: int, payload: bytes, vlan_id: int | None = None) -> bytes:
    """Return a frame without padding or FCS, as a Linux capture shows it."""
    tag = b"" if vlan_id is None else pack("!HH", 0x8100, vlan_id)
    return mac_octets(destination) + mac_octets(source) + tag + pack("!H", ethertype) + payload


def arp(operation: int, sender_mac: str, sender_ip: str, target_mac: str, target_ip: str) -> bytes:
    """Return the 28 octets of an ARP or RARP packet for IPv4 over Ethernet."""
    sender, target = mac_octets(sender_mac) + ip_octets(sender_ip), mac_octets(target_mac) + ip_octets(target_ip)
    return pack("!HHBBH", 1, ETHERTYPE_IPV4, 6, 4, operation) + sender + target


def arp_request(mac: str, ip: str, target_ip: str, destination: str = BROADCAST) -> bytes:
    """Return a who-has frame; sender 0.0.0.0 makes it a probe, sender = target an announcement (RFC 5227)."""
    payload = arp(ARP_REQUEST, mac, ip, "00:00:00:00:00:00", target_ip)
    return ethernet(mac, destination, ETHERTYPE_ARP, payload)


def arp_reply(mac: str, ip: str, requester_mac: str, requester_ip: str) -> bytes:
    """Return an is-at frame."""
    return ethernet(mac, requester_mac, ETHERTYPE_ARP, arp(ARP_REPLY, mac, ip, requester_mac, requester_ip))


def rarp_announcement(mac: str) -> bytes:
    """Return the broadcast with which QEMU tells bridges where a migrated guest is now."""
    payload = arp(RARP_REQUEST, mac, "0.0.0.0", mac, "0.0.0.0")
    return ethernet(mac, BROADCAST, ETHERTYPE_RARP, payload)


def ipv4(source: str, destination: str, protocol: int, payload: bytes, ttl: int = 64) -> bytes:
    """Return an unfragmented IPv4 packet without options."""
    length = 20 + len(payload)
    start = pack("!BBHHHBB", 0x45, 0, length, 0, 0x4000, ttl, protocol)
    ends = ip_octets(source) + ip_octets(destination)
    return start + pack("!H", checksum(start + b"\0\0" + ends)) + ends + payload


def ipv6(source: str, destination: str, next_header: int, payload: bytes, hop_limit: int = 64) -> bytes:
    """Return an IPv6 packet without extension headers."""
    start = pack("!IHBB", 6 << 28, len(payload), next_header, hop_limit)
    return start + ip_octets(source) + ip_octets(destination) + payload


def packet(source: str, destination: str, protocol: int, payload: bytes) -> tuple[int, bytes]:
    """Return the EtherType and the IP packet, of the family that the addresses have."""
    if ":" in source:
        return ETHERTYPE_IPV6, ipv6(source, destination, protocol, payload)
    return ETHERTYPE_IPV4, ipv4(source, destination, protocol, payload)


def icmpv6(source: str, destination: str, kind: int, body: bytes, code: int = 0) -> bytes:
    """Return an ICMPv6 message, checksum over the pseudo-header (RFC 4443, 2.3)."""
    message = pack("!BBH", kind, code, 0) + body
    total = checksum(_pseudo_header(source, destination, ICMPV6, len(message)) + message)
    return message[:2] + pack("!H", total) + message[4:]


def _link_option(kind: int, mac: str | None) -> bytes:
    """Return a link-layer address option, or nothing."""
    return b"" if mac is None else pack("!BB", kind, 1) + mac_octets(mac)


def nd(source: tuple[str, str], destination: tuple[str, str], kind: int, body: bytes) -> bytes:
    """Return a neighbour discovery frame between (MAC, IP) pairs, hop limit 255 (RFC 4861, 7.1)."""
    message = icmpv6(source[1], destination[1], kind, body)
    payload = ipv6(source[1], destination[1], ICMPV6, message, hop_limit=255)
    return ethernet(source[0], destination[0], ETHERTYPE_IPV6, payload)


def neighbour_solicitation(mac: str, ip: str, target_ip: str, destination: tuple[str, str] | None = None) -> bytes:
    """Return an NS; source `::` makes it duplicate address detection, a (MAC, IP) destination a refresh."""
    group, group_mac = solicited_node(target_ip)
    option = _link_option(SOURCE_OPTION, None if ip == "::" else mac)
    body = bytes(4) + ip_octets(target_ip) + option
    return nd((mac, ip), destination or (group_mac, group), NEIGHBOUR_SOLICITATION, body)


def advertisement_body(
    target: tuple[str, str], *, is_router: bool = False, is_solicited: bool = True, is_override: bool = True
) -> bytes:
    """Return what an NA says behind its checksum: flags, target = (MAC, IP) with its link-layer option."""
    flags = is_router << 31 | is_solicited << 30 | is_override << 29
    return pack("!I", flags) + ip_octets(target[1]) + _link_option(TARGET_OPTION, target[0])


def neighbour_advertisement(
    source: tuple[str, str],
    destination: tuple[str, str],
    target: tuple[str, str],
    *,
    is_router: bool = False,
    is_solicited: bool = True,
    is_override: bool = True,
) -> bytes:
    """Return an NA that tells target = (MAC, IP); unsolicited to all nodes makes it an announcement."""
    body = advertisement_body(target, is_router=is_router, is_solicited=is_solicited, is_override=is_override)
    return nd(source, destination, NEIGHBOUR_ADVERTISEMENT, body)


def router_solicitation(mac: str, ip: str) -> bytes:
    """Return an RS with the source's link-layer address, from which a bridge learns MAC and IPv6."""
    body = bytes(4) + _link_option(SOURCE_OPTION, mac)
    return nd((mac, ip), ("33:33:00:00:00:02", "ff02::2"), ROUTER_SOLICITATION, body)


def echo(
    source: tuple[str, str],
    destination: tuple[str, str],
    identifier: int,
    sequence: int,
    *,
    is_reply: bool = False,
    payload: bytes = PING_PAYLOAD,
) -> bytes:
    """Return an ICMP or ICMPv6 echo frame between (MAC, IP) pairs."""
    body = pack("!HH", identifier, sequence) + payload
    if ":" in source[1]:
        message = icmpv6(source[1], destination[1], 129 if is_reply else 128, body)
        return ethernet(source[0], destination[0], *packet(source[1], destination[1], ICMPV6, message))
    start = pack("!BB", 0 if is_reply else 8, 0)
    message = start + pack("!H", checksum(start + b"\0\0" + body)) + body
    return ethernet(source[0], destination[0], *packet(source[1], destination[1], ICMP, message))


def udp(source: str, destination: str, ports: tuple[int, int], payload: bytes, *, has_checksum: bool = True) -> bytes:
    """Return a UDP datagram; without a checksum as VXLAN senders do (RFC 7348, 5)."""
    datagram = pack("!HHHH", *ports, 8 + len(payload), 0) + payload
    if not has_checksum:
        return datagram
    total = checksum(_pseudo_header(source, destination, UDP, len(datagram)) + datagram) or 0xFFFF
    return datagram[:6] + pack("!H", total) + payload


def tcp(
    source: str, destination: str, ports: tuple[int, int], numbers: tuple[int, int], flags: int, payload: bytes = b""
) -> bytes:
    """Return a TCP segment without options; `numbers` are sequence and acknowledgement."""
    sequence, acknowledgement = (number & 0xFFFFFFFF for number in numbers)
    segment = pack("!HHIIBBHHH", *ports, sequence, acknowledgement, 5 << 4, flags, 512, 0, 0) + payload
    total = checksum(_pseudo_header(source, destination, TCP, len(segment)) + segment)
    return segment[:16] + pack("!H", total) + segment[18:]


def vxlan(
    outer_source: tuple[str, str],
    outer_destination: tuple[str, str],
    vni: int,
    frame: bytes,
    port: int = VXLAN_PORT,
    *,
    flags: int = 0x08,
    reserved: int = 0,
) -> bytes:
    """Return `frame` encapsulated between two VTEPs (MAC, IP); source port from the inner flow (RFC 7348, 5)."""
    payload = pack("!II", flags << 24 | reserved, vni << 8) + frame
    ports = (49152 + crc32(frame[:34]) % 16384, port)
    source, destination = outer_source[1], outer_destination[1]
    datagram = udp(source, destination, ports, payload, has_checksum=False)
    if ":" in source:  # IPv6 has no header checksum of its own
        datagram = udp(source, destination, ports, payload)
    return ethernet(outer_source[0], outer_destination[0], *packet(source, destination, UDP, datagram))

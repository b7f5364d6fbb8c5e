"""Octets of a frame become what they ask or answer: ARP, RARP, ND, bare or in VXLAN (RFC 826, 903, 4861, 7348).

Written for the witnesses alone and shares nothing with the program that the lab tests.
"""

import struct
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

ARP, RARP, VLAN, IPV4, IPV6 = 0x0806, 0x8035, 0x8100, 0x0800, 0x86DD
HOP_BY_HOP, UDP, ICMPV6 = 0, 17, 58
ARP_BYTES, IPV6_BYTES, VXLAN_BYTES, UDP_BYTES, OPTION_BYTES, ETHERNET_BYTES = 28, 40, 8, 8, 8, 14
ARP_NAMES = {1: "arp-request", 2: "arp-reply", 3: "rarp"}
ND_NAMES = {131: "mld", 132: "mld", 133: "rs", 134: "ra", 135: "ns", 136: "na", 137: "redirect", 143: "mld"}
FLAGS = ((0x80, "R"), (0x40, "S"), (0x20, "O"))
UNSPECIFIED = ("0.0.0.0", "::")


class Frame(NamedTuple):
    """One ARP, RARP or ND frame."""

    name: str  # arp-request, arp-reply, rarp, mld, rs, ra, ns, na, redirect
    source_mac: str
    destination_mac: str
    sender_ip: str  # ARP's sender, or IPv6's source
    target_ip: str  # the address asked about or told; "" where there is none
    told_mac: str  # the MAC that an answer tells; "" where it tells none
    flags: str | None  # of an NA: R, S, O
    content: bytes  # the frame itself without padding: equal on every interface it passes
    vni: int | None = None  # of the tunnel it was seen in
    tunnel: tuple[str, str] | None = None  # that tunnel's source and destination

    @property
    def is_multicast(self) -> bool:
        """Whether it went to more than one station."""
        return bool(int(self.destination_mac[:2], 16) & 1)

    @property
    def protocol(self) -> str:
        """Return arp or nd."""
        return "arp" if "arp" in self.name else "nd"


def read(octets: bytes, vxlan_port: int) -> Frame | None:
    """Return what a frame says, or None where it is of no interest or cut."""
    try:
        return _bare(octets) or _in_tunnel(octets, vxlan_port)
    except (struct.error, IndexError, ValueError):  # cut, or an address that is none
        return None


def mac(octets: bytes) -> str:
    """Return a MAC address as text."""
    return octets.hex(":")


def _bare(octets: bytes) -> Frame | None:
    destination, source, kind, at = octets[:6], octets[6:12], _u16(octets, 12), ETHERNET_BYTES
    if kind == VLAN:
        octets, kind = octets[:12] + octets[16:], _u16(octets, 16)
    if kind in (ARP, RARP):
        return _arp(octets[: at + ARP_BYTES], mac(source), mac(destination))
    if kind == IPV6:
        octets = octets[: at + IPV6_BYTES + _u16(octets, at + 4)]
        if octets[at + 6] == ICMPV6:
            return _nd(octets, at + IPV6_BYTES, mac(source), mac(destination))
        if octets[at + 6] == HOP_BY_HOP and octets[at + IPV6_BYTES] == ICMPV6:
            return _nd(octets, at + IPV6_BYTES + OPTION_BYTES, mac(source), mac(destination))
    return None


def _arp(octets: bytes, source: str, destination: str) -> Frame | None:
    operation = _u16(octets, 20)
    sender_mac, sender_ip, _, target_ip = struct.unpack_from("6s4s6s4s", octets, 22)
    name = ARP_NAMES.get(operation)
    if name is None:
        return None
    told = mac(sender_mac) if name == "arp-reply" else ""
    return Frame(
        name, source, destination, str(IPv4Address(sender_ip)), str(IPv4Address(target_ip)), told, None, octets
    )


def _nd(octets: bytes, at: int, source: str, destination: str) -> Frame | None:
    name = ND_NAMES.get(octets[at])
    if name is None:
        return None
    sender = str(IPv6Address(octets[ETHERNET_BYTES + 8 : ETHERNET_BYTES + 24]))
    target = str(IPv6Address(octets[at + 8 : at + 24])) if name in ("ns", "na") else ""
    flags = "".join(letter for bit, letter in FLAGS if octets[at + 4] & bit) if name == "na" else None
    told = (_link_option(octets[at + 24 :]) or source) if name == "na" else ""
    return Frame(name, source, destination, sender, target, told, flags, octets)


def _link_option(options: bytes) -> str:
    """Return the first link-layer address option's MAC (RFC 4861, 4.6.1), or "" without one."""
    while len(options) >= 8 and options[1]:
        if options[0] in (1, 2):
            return mac(options[2:8])
        options = options[8 * options[1] :]
    return ""


def _in_tunnel(octets: bytes, vxlan_port: int) -> Frame | None:
    kind, at = _u16(octets, 12), ETHERNET_BYTES
    if kind == IPV4 and octets[at + 9] == UDP:
        ends = str(IPv4Address(octets[at + 12 : at + 16])), str(IPv4Address(octets[at + 16 : at + 20]))
        udp_at = at + 4 * (octets[at] & 0xF)
    elif kind == IPV6 and octets[at + 6] == UDP:
        ends = str(IPv6Address(octets[at + 8 : at + 24])), str(IPv6Address(octets[at + 24 : at + 40]))
        udp_at = at + IPV6_BYTES
    else:
        return None
    if _u16(octets, udp_at + 2) != vxlan_port:
        return None
    vxlan_at = udp_at + UDP_BYTES
    inner = _bare(octets[vxlan_at + VXLAN_BYTES :])
    return inner and inner._replace(vni=int.from_bytes(octets[vxlan_at + 4 : vxlan_at + 7]), tunnel=ends)


def _u16(octets: bytes, at: int) -> int:
    return int(struct.unpack_from("!H", octets, at)[0])

"""Frames made octet by octet with struct, batches of them, and Hypothesis strategies for both.

Nothing here imports the decoders: these encoders are the tests' own truth.
"""

import struct
from dataclasses import dataclass
from ipaddress import ip_address

import numpy as np
from hypothesis import strategies as st

from evpn_pcap.model import Batch, FileEnd, Interface

MAC_A, MAC_B, BROADCAST = "bc2411000001", "bc2411000002", "ffffffffffff"
ARP, IPV4, IPV6, RARP = 0x0806, 0x0800, 0x86DD, 0x8035


@dataclass(frozen=True)
class Record:
    """One record of a capture: what was captured of how many octets, when and on which interface."""

    octets: bytes
    wire_bytes: int | None = None
    captured_ns: int = 1_700_000_000_000_000_000
    interface_index: int = 0
    link_type: int = 1
    direction: int = 0


def ether(payload: bytes, ether_type: int = IPV4, source: str = MAC_A, destination: str = MAC_B, tags=()) -> bytes:
    """Ethernet; `tags` are (EtherType, tag control information) from the outside inwards."""
    tagged = b"".join(struct.pack("!HH", kind, control) for kind, control in tags)
    return bytes.fromhex(destination + source) + tagged + struct.pack("!H", ether_type) + payload


def cooked(payload: bytes, ether_type: int, packet_type: int = 0, source: str = MAC_A, hardware: int = 1) -> bytes:
    """Linux cooked, version 1."""
    address = bytes.fromhex(source)
    return struct.pack("!HHH8sH", packet_type, hardware, len(address), address, ether_type) + payload


def cooked2(payload: bytes, ether_type: int, packet_type: int = 0, source: str = MAC_A, interface: int = 7) -> bytes:
    """Linux cooked, version 2."""
    address = bytes.fromhex(source)
    return struct.pack("!HHIHBB8s", ether_type, 0, interface, 1, packet_type, len(address), address) + payload


def arp(operation: int = 1, sender=(MAC_A, "10.0.0.1"), target=("000000000000", "10.0.0.2")) -> bytes:
    """ARP for Ethernet and IPv4."""
    body = b"".join(bytes.fromhex(mac) + ip_address(ip).packed for mac, ip in (sender, target))
    return struct.pack("!HHBBH", 1, 0x0800, 6, 4, operation) + body


def ipv4(
    payload: bytes, protocol: int, source="10.0.0.1", destination="10.0.0.2", *, options=b"", total=None, fragment=0,
    ttl=64, tos=0, checksum=0, identifier=1,
) -> bytes:  # fmt: skip
    """IPv4, with what a test wants to be odd."""
    header_bytes = 20 + len(options)
    total = header_bytes + len(payload) if total is None else total
    fixed = (0x40 | header_bytes // 4, tos, total, identifier, fragment, ttl, protocol, checksum)
    ends = ip_address(source).packed + ip_address(destination).packed
    return struct.pack("!BBHHHBBH", *fixed) + ends + options + payload


def ipv6(
    payload: bytes, protocol: int, source="fe80::1", destination="ff02::1", *, length=None, hop_limit=255, flow=0
) -> bytes:
    """IPv6."""
    length = len(payload) if length is None else length
    ends = ip_address(source).packed + ip_address(destination).packed
    return struct.pack("!IHBB", 6 << 28 | flow, length, protocol, hop_limit) + ends + payload


def udp(payload: bytes, destination: int, source: int = 50000, *, length=None, checksum=0) -> bytes:
    """UDP."""
    return struct.pack("!HHHH", source, destination, 8 + len(payload) if length is None else length, checksum) + payload


def tcp(
    payload: bytes = b"", source: int = 40000, destination: int = 80, *, sequence=1, acknowledgement=1, flags=0x18,
    options=b"", checksum=0, offset=None,
) -> bytes:  # fmt: skip
    """TCP."""
    offset = 5 + len(options) // 4 if offset is None else offset
    fixed = (source, destination, sequence, acknowledgement, offset << 4, flags, 65535, checksum, 0)
    return struct.pack("!HHIIBBHHH", *fixed) + options + payload


def nd(kind: int, flags: int = 0, target: str | None = "fe80::2", options: bytes = b"", extra: bytes = b"") -> bytes:
    """An ICMPv6 message of neighbour discovery: NS, NA, and with `extra` the longer ones."""
    return (
        struct.pack("!BBHI", kind, 0, 0, flags << 24) + (ip_address(target).packed if target else b"") + extra + options
    )


def option(kind: int, value: bytes) -> bytes:
    """An option of neighbour discovery."""
    return bytes([kind, (len(value) + 2) // 8]) + value


def vxlan(
    frame: bytes, vni: int = 10010, *, port: int = 4789, flags: int = 8, underlay: str = "ipv4", tags=()
) -> bytes:
    """A frame inside VXLAN, UDP, IPv4 or IPv6, and Ethernet."""
    datagram = udp(struct.pack("!BxxxI", flags, vni << 8) + frame, port)
    if underlay == "ipv4":
        return ether(ipv4(datagram, 17, "192.168.16.1", "192.168.16.2"), IPV4, "0a0000000001", "0a0000000002", tags)
    return ether(ipv6(datagram, 17, "2001:db8::1", "2001:db8::2"), IPV6, "0a0000000001", "0a0000000002", tags)


def batch(records: list[Record], first_frame_number: int = 1) -> Batch:
    """The records as one batch, as a source would give it: one after the other, spare octets behind."""
    sizes = [len(one.octets) for one in records]
    return Batch(
        octets=np.frombuffer(b"".join(one.octets for one in records) + bytes(256), np.uint8),
        start=np.cumsum([0, *sizes[:-1]]).astype(np.int64)[: len(records)],
        captured_bytes=np.array(sizes, np.int64),
        wire_bytes=np.array([one.wire_bytes or len(one.octets) for one in records], np.int64),
        captured_ns=np.array([one.captured_ns for one in records], np.int64),
        interface_index=np.array([one.interface_index for one in records], np.int32),
        link_type=np.array([one.link_type for one in records], np.int32),
        direction=np.array([one.direction for one in records], np.int8),
        first_frame_number=first_frame_number,
    )


def file_end(*interfaces: Interface, notes=()) -> FileEnd:
    """The end of a whole file."""
    return FileEnd("pcap", 0, False, interfaces or (Interface(0, 1),), notes)


macs = st.integers(0, 2**48 - 1).map(lambda number: f"{number & ~(1 << 40):012x}")
ips4 = st.ip_addresses(v=4).map(str)
ips6 = st.ip_addresses(v=6).map(str)
octets = st.binary(max_size=120)
options = st.lists(
    st.builds(option, st.integers(0, 255), st.sampled_from([bytes(6), bytes(14), b"\xbc\x24\x11\x00\x00\x01"])),
    max_size=3,
).map(b"".join)
arps = st.builds(arp, st.integers(0, 65535), st.tuples(macs, ips4), st.tuples(macs, ips4))
nds = st.builds(nd, st.sampled_from([135, 136]), st.integers(0, 255), ips6, options)
ports = st.integers(1, 65535).filter(lambda port: port not in (4789, 8472))
segments = st.builds(tcp, octets, ports, ports | st.just(179))
packets4 = st.one_of(
    st.builds(ipv4, segments, st.just(6), ips4, ips4),
    st.builds(ipv4, st.builds(udp, octets, ports), st.just(17), ips4, ips4),
    st.builds(ipv4, octets, st.integers(0, 255), ips4, ips4),
)
packets6 = st.one_of(
    st.builds(ipv6, nds, st.just(58), ips6, ips6),
    st.builds(ipv6, segments, st.just(6), ips6, ips6),
    st.builds(ipv6, octets, st.integers(0, 255), ips6, ips6),
)
payloads = st.one_of(
    st.tuples(arps, st.sampled_from([ARP, RARP])),
    st.tuples(packets4, st.just(IPV4)),
    st.tuples(packets6, st.just(IPV6)),
)
plain_frames = st.builds(lambda payload, *ends: ether(*payload, *ends), payloads, macs, macs)
frames = st.one_of(
    plain_frames, st.builds(vxlan, plain_frames, st.integers(0, 2**24 - 1), underlay=st.sampled_from(["ipv4", "ipv6"]))
)

"""One frame as tshark dissected it becomes the fields of our rows, by walking its layers in order.

Under VXLAN a frame has two Ethernet and two IP layers, and asking a dissection for its field by
name gives the outer one. So the layers are taken from the outermost inwards and what is innermost
so far is kept; `vxlan` turns it into the underlay. The walk ends at the first layer that is not
one of ours (GRE, MPLS ...), for the native reader looks no further either.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from hashlib import blake2b
from typing import Any

from evpn_pcap.addresses import ip_text

BGP_PORT = 179
ND_TYPES = frozenset(range(133, 138))  # RFC 4861, section 4: RS, RA, NS, NA, redirect
NA_TYPE = 136
MLD_TYPES = frozenset({130, 131, 132, 143})  # RFC 2710, 3.1; RFC 3810, 5
# IGMP, OSPF, PIM, VRRP: they say the same again and again, or are answered on the way.
NOT_ANCHORS = frozenset({2, 89, 103, 112})
ETHERNET_BYTES = 14
HASHED_BYTES = 96  # of the network layer
SHORT_BYTES = {4: 40, 6: 48}  # so that captures cut to some length still match
ECHO_TYPES = {"icmp": (8, 0), "icmpv6": (128, 129)}  # request, reply: RFC 792; RFC 4443, section 4
TARGET = {
    135: "icmpv6.nd.ns.target_address",
    136: "icmpv6.nd.na.target_address",
    137: "icmpv6.nd.rd.target_address",
}
# RFC 8200, section 4.1; RFC 4302
NEXT_HEADERS = (
    *("ipv6.nxt", "ipv6.hopopts.nxt", "ipv6.dstopts.nxt", "ipv6.routing.nxt", "ipv6.fraghdr.nxt"),
    "ah.next_header",
)
CHECKSUM_OFFSET = {"tcp": 16, "udp": 6, "icmp": 2, "icmpv6": 2}
# Wireshark's own numbers of encapsulations (wiretap/wtap.h) -> tcpdump.org link types
LINK_TYPES = {1: 1, 7: 101, 15: 0, 25: 113, 129: 228, 130: 229, 210: 276}
# Octets of IP headers that change on the way, and which bits: DSCP, ECN and traffic class; TTL and hop limit; the
# header's checksum; the flags (RFC 791, 3.1; RFC 8200, section 3).
BRIDGED_4 = {1: 0xFF, 8: 0xFF, 10: 0xFF, 11: 0xFF}
ROUTED_4 = BRIDGED_4 | {6: 0xE0}
BRIDGED_6 = {0: 0x0F, 1: 0xF0, 7: 0xFF}
COOKED_GROUP, COOKED_OUTGOING, COOKED_LAST = (1, 2), 4, 4  # packet types of Linux cooked captures
CHECKSUM_STATUS: dict[str | None, bool] = {"0": False, "1": True}  # of Wireshark; else it could not tell
NOT_OURS = frozenset({"_ws.short", "_ws.malformed"})


@dataclass(slots=True)
class Dissection:
    """What one frame holds; `layers`, `message` and `segment` have the names of our columns."""

    number: int
    captured_ns: int
    wire_bytes: int
    is_packet: bool  # false: a pcapng record that is no packet, which Wireshark numbers all the same
    section: int
    interface: int | None  # pcapng interface number in its section
    link_type: int | None
    octets: bytes
    direction: str | None = None
    cooked_index: int | None = None
    layers: dict[str, Any] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)
    start: dict[str, int] = field(default_factory=dict)  # layer -> offset of its latest occurrence
    ethertype: int | None = None
    inner_start: int | None = None  # offset of the innermost Ethernet frame, where there is one
    ip: dict[str, Any] | None = None
    ports: tuple[int, int] | None = None
    is_anchor: bool = False
    is_request: bool | None = None
    message: dict[str, Any] | None = None
    segment: dict[str, Any] | None = None
    stream_place: dict[str, int] | None = None  # TCP: sequence and payload_bytes of ANCHORS
    trouble: str = ""  # "truncated" | "malformed"

    @property
    def last(self) -> str:
        """Return the innermost layer that was read."""
        return self.names[-1] if self.names else "frame"

    @property
    def stop_reason(self) -> str:
        """Return why the dissection ended early, as layer.reason; empty when whole."""
        return f"{self.last}.{self.trouble}" if self.trouble else ""


def dissect(packet: Any, octets: bytes, vxlan_ports: frozenset[int]) -> Dissection:
    """Return what a pyshark packet (PDML) holds; `octets` are the frame's own, from its first."""
    everything = [packet.frame_info, *packet.layers]  # pyshark takes the second layer, which may be a comment
    frame = next(layer for layer in everything if layer.layer_name == "frame")
    encapsulation = _number(frame, "frame.encap_type")
    found = Dissection(
        number=int(packet.number),
        captured_ns=epoch_ns(_show(frame, "frame.time_epoch")),
        wire_bytes=int(packet.length),
        is_packet=encapsulation is not None,
        section=_number(frame, "frame.section_number") or 1,
        interface=_number(frame, "frame.interface_id"),
        link_type=LINK_TYPES.get(encapsulation or 0),
        octets=octets,
        direction={1: "incoming", 2: "outgoing"}.get(_number(frame, "frame.packet_flags_direction") or 0),
    )
    for layer in everything[everything.index(frame) + 1 :]:
        if layer.layer_name in NOT_OURS:
            found.trouble = "truncated" if layer.layer_name == "_ws.short" else "malformed"
            break
        if layer.layer_name not in WALK or not WALK[layer.layer_name](found, layer, vxlan_ports):
            break
        found.names.append(layer.layer_name)
    return found


def epoch_ns(text: str | None) -> int:
    """Return seconds in decimal as whole nanoseconds, exactly; 0 where the record has no time."""
    return int(Decimal(text).scaleb(9)) if text else 0


def frame_key(found: Dissection) -> int:
    """Return a hash of EtherType, source MAC and network layer without TTL, checksums and padding."""
    first = b"%x %x " % (found.ethertype or 0, found.layers.get("source_mac") or 0)
    if not found.octets:  # a record without a time
        return _hash(first + repr(found.message).encode())
    if found.ip:
        return _hash(first + _network_layer(found, {4: BRIDGED_4, 6: BRIDGED_6}[found.ip["version"]]))
    start = found.start.get("arp", 0)
    return _hash(first + found.octets[start : start + 28])


def anchor_keys(found: Dissection) -> dict[str, int]:
    """Return hashes of the innermost IP packet without what routers alter, and without checksums, and their length."""
    version = (found.ip or {})["version"]
    hashed = _network_layer(found, {4: ROUTED_4, 6: BRIDGED_6}[version])
    return {
        "anchor_key": _hash(hashed),
        "short_key": _hash(hashed[: SHORT_BYTES[version]]),
        "key_bytes": len(hashed),
    }


def length_bytes(found: Dissection) -> int:
    """Return the innermost frame's length as if in Ethernet, tags counted and padding not."""
    ip = found.ip or {}
    begin = ip["start"] - ETHERNET_BYTES if found.inner_start is None else found.inner_start
    return int(ip["start"] + ip["length"] - begin)


def _network_layer(found: Dissection, cleared: dict[int, int]) -> bytes:
    """Return the innermost IP packet as captured, without padding, with some bits (octet -> bits) cleared."""
    ip = found.ip or {}
    start = ip["start"]
    octets = bytearray(found.octets[start : start + min(ip["length"], HASHED_BYTES)])
    if found.last in CHECKSUM_OFFSET:
        at = found.start[found.last] - start + CHECKSUM_OFFSET[found.last]
        cleared = cleared | {at: 0xFF, at + 1: 0xFF}
    for at, bits in cleared.items():
        if at < len(octets):
            octets[at] &= 0xFF ^ bits
    return bytes(octets)


def _hash(octets: bytes) -> int:
    return int.from_bytes(blake2b(octets, digest_size=8).digest())


def _ethernet(found: Dissection, layer: Any, _: frozenset[int]) -> bool:
    destination = _mac(layer, "eth.dst")
    found.layers |= {"source_mac": _mac(layer, "eth.src"), "destination_mac": destination}
    found.layers["is_multicast"] = None if destination is None else bool(destination >> 40 & 1)
    found.ethertype = _number(layer, "eth.type")
    found.inner_start = _start(layer, "eth.dst")
    return found.ethertype is not None


def _cooked(found: Dissection, layer: Any, _: frozenset[int]) -> bool:
    kind = _number(layer, "sll.pkttype")
    found.cooked_index = _number(layer, "sll.ifindex")
    found.layers["source_mac"] = _mac(layer, "sll.src.eth")
    if kind is not None and kind <= COOKED_LAST:
        found.direction = "outgoing" if kind == COOKED_OUTGOING else "incoming"
        found.layers["is_multicast"] = None if kind == COOKED_OUTGOING else kind in COOKED_GROUP
    found.ethertype = _number(layer, "sll.etype")
    return found.ethertype is not None


def _vlan(found: Dissection, layer: Any, _: frozenset[int]) -> bool:
    name = layer.layer_name
    found.layers.setdefault("inner_vlan_id" if "vni" in found.layers else "vlan_id", _number(layer, f"{name}.id"))
    found.ethertype = _number(layer, "vlan.etype" if name == "vlan" else "ieee8021ah.etype")
    return found.ethertype is not None


def _ip(found: Dissection, layer: Any, _: frozenset[int]) -> bool:
    if found.ip is not None:
        return False  # IP in IP is not ours
    name = layer.layer_name
    start = _start(layer, f"{name}.version")
    is_4 = name == "ip"
    length = _number(layer, "ip.len") if is_4 else 40 + (_number(layer, "ipv6.plen") or 0)
    found.ip = {
        "version": 4 if is_4 else 6,
        "start": start,
        "length": length or len(found.octets) - start,  # 0: segmentation offload
        "source_ip": _address(layer, f"{name}.src"),
        "destination_ip": _address(layer, f"{name}.dst"),
        "hop_limit": _number(layer, "ip.ttl" if is_4 else "ipv6.hlim"),
        "ip_protocol": _number(layer, "ip.proto") if is_4 else _last_header(layer),
    }
    is_fragment = bool(is_4 and _number(layer, "ip.frag_offset")) or bool(_number(layer, "ipv6.fraghdr.offset"))
    found.is_anchor = not is_fragment and found.ip["ip_protocol"] not in NOT_ANCHORS
    return found.ip["destination_ip"] is not None


def _last_header(layer: Any) -> int | None:
    """Return the protocol that follows the last extension header of IPv6."""
    fields = [one for name in NEXT_HEADERS for one in _all(layer, name)]
    return int(max(fields, key=lambda one: int(one.pos)).show) if fields else None


def _udp(found: Dissection, layer: Any, _: frozenset[int]) -> bool:
    return _ports(found, layer, "udp")


def _sctp(found: Dissection, layer: Any, _: frozenset[int]) -> bool:
    _ports(found, layer, "sctp")
    return False  # its layer is not walked further, and its checksum is not at a place we know


def _ports(found: Dissection, layer: Any, name: str) -> bool:
    source, destination = _number(layer, f"{name}.srcport"), _number(layer, f"{name}.dstport")
    if source is None or destination is None:
        return False
    found.ports = (source, destination)
    found.start[name] = _start(layer, f"{name}.srcport")
    return True


def _vxlan(found: Dissection, layer: Any, vxlan_ports: frozenset[int]) -> bool:
    if found.ip is None or found.ports is None or found.ports[1] not in vxlan_ports:
        return False
    found.is_anchor = False
    vni = _number(layer, "vxlan.vni")
    if vni is None or not _is_set(layer, "vxlan.flag_i"):
        return False  # RFC 7348, section 5
    outer = {"outer_source_ip": found.ip["source_ip"], "outer_destination_ip": found.ip["destination_ip"], "vni": vni}
    header = found.octets[(at := _start(layer, "vxlan.flags")) : at + 8]
    outer |= {
        "vxlan_flags": int.from_bytes(header[:4]),
        "vxlan_reserved": int.from_bytes(header[7:]),
        "vxlan_port": found.ports[1],
    }
    found.layers |= outer | dict.fromkeys(("source_mac", "destination_mac", "is_multicast"))
    found.layers.pop("inner_vlan_id", None)  # VXLAN in VXLAN: the innermost counts
    found.ip = found.ports = found.ethertype = found.stream_place = None
    return True


def _arp(found: Dissection, layer: Any, _: frozenset[int]) -> bool:
    found.start["arp"] = _start(layer, "arp.hw.type")
    found.message = {
        "protocol": "rarp" if found.ethertype == 0x8035 else "arp",
        "operation": _number(layer, "arp.opcode"),
        "sender_mac": _mac(layer, "arp.src.hw_mac"),
        "sender_ip": _address(layer, "arp.src.proto_ipv4"),
        "target_mac": _mac(layer, "arp.dst.hw_mac"),
        "target_ip": _address(layer, "arp.dst.proto_ipv4"),
    }
    return True


def _icmp(found: Dissection, layer: Any, _: frozenset[int]) -> bool:
    name = layer.layer_name
    kind = _number(layer, f"{name}.type")
    if kind is None or found.ip is None:
        return False
    found.start[name] = _start(layer, f"{name}.type")
    request, reply = ECHO_TYPES[name]
    found.is_request = {request: True, reply: False}.get(kind)
    found.is_anchor &= name == "icmp" or kind not in MLD_TYPES | ND_TYPES
    if name == "icmpv6" and kind in ND_TYPES:
        found.message = _neighbour_message(found, layer, kind)
    elif name == "icmpv6" and kind in MLD_TYPES:
        names = {"sender_ip": "source_ip", "destination_ip": "destination_ip", "hop_limit": "hop_limit"}
        told = {name: found.ip[source] for name, source in names.items()}
        found.message = {"protocol": "mld", "operation": kind} | told
    return True


def _neighbour_message(found: Dissection, layer: Any, kind: int) -> dict[str, Any]:
    """Return the ND fields of RFC 4861, section 4; options as type:hex of their content."""
    ip = found.ip or {}
    flags = {"has_router_flag": "r", "has_solicited_flag": "s", "has_override_flag": "o"}
    return {
        "protocol": "nd",
        "operation": kind,
        "sender_mac": _mac(layer, "icmpv6.opt.src_linkaddr"),
        "sender_ip": ip["source_ip"],
        "target_mac": _mac(layer, "icmpv6.opt.target_linkaddr"),
        "target_ip": _address(layer, TARGET[kind]) if kind in TARGET else None,
        "destination_ip": ip["destination_ip"],
        "hop_limit": ip["hop_limit"],
        "options": _options(found.octets, layer),
        "icmp_code": _number(layer, "icmpv6.code"),
        "is_checksum_valid": CHECKSUM_STATUS.get(_show(layer, "icmpv6.checksum.status")),
    } | {name: _is_set(layer, f"icmpv6.nd.na.flag.{letter}") for name, letter in flags.items() if kind == NA_TYPE}


def _options(octets: bytes, layer: Any) -> str:
    """Return the options, for whose octets tshark tells only place and size."""
    spans = [(int(one.pos), int(one.size)) for one in _all(layer, "icmpv6.opt")]
    return " ".join(f"{octets[at]}:{octets[at + 2 : at + size].hex()}" for at, size in spans if at < len(octets))


def _tcp(found: Dissection, layer: Any, _: frozenset[int]) -> bool:
    if found.ip is None or not _ports(found, layer, "tcp"):
        return False
    sequence, header = _number(layer, "tcp.seq_raw"), _number(layer, "tcp.hdr_len")
    length, flags = _number(layer, "tcp.len"), _number(layer, "tcp.flags")
    if sequence is not None and length is not None and flags is not None:
        found.stream_place = {"sequence": (sequence + (flags >> 1 & 1)) & 0xFFFFFFFF, "payload_bytes": length}
    if BGP_PORT in (found.ports or ()) and None not in (sequence, header, length, flags):
        first = found.start["tcp"] + (header or 0)
        found.segment = {
            "sequence": sequence,
            "flags": (flags or 0) & 0xFF,
            "payload": found.octets[first : first + (length or 0)],
            "payload_bytes": length,
        }
        names = {"sender_ip": "source_ip", "target_ip": "destination_ip", "hop_limit": "hop_limit"}
        found.message = {"protocol": "bgp"} | {name: found.ip[source] for name, source in names.items()}
    return True


WALK: dict[str, Callable[[Dissection, Any, frozenset[int]], bool]] = {
    "eth": _ethernet,
    "sll": _cooked,
    "null": lambda *_: True,  # a header without addresses
    "raw": lambda *_: True,
    "vlan": _vlan,
    "ieee8021ad": _vlan,
    "ip": _ip,
    "ipv6": _ip,
    "udp": _udp,
    "vxlan": _vxlan,
    "arp": _arp,
    "icmp": _icmp,
    "icmpv6": _icmp,
    "tcp": _tcp,
    "sctp": _sctp,
}


def _all(layer: Any, name: str) -> list[Any]:
    """Return every field of exactly this name: pyshark's own look-up falls back, slowly, on similar names."""
    container = layer._all_fields.get(name)
    return [] if container is None else list(container.all_fields)


def _show(layer: Any, name: str) -> str | None:
    fields = _all(layer, name)
    return fields[0].show if fields else None


def _number(layer: Any, name: str) -> int | None:
    text = _show(layer, name)
    return int(text, 0) if text else None


def _is_set(layer: Any, name: str) -> bool | None:
    text = _show(layer, name)
    return None if text is None else text in ("1", "True")  # Wireshark before and since 4.2


def _raw(layer: Any, name: str) -> bytes:
    fields = _all(layer, name)
    return bytes.fromhex(fields[0].raw_value) if fields and fields[0].raw_value else b""


def _mac(layer: Any, name: str) -> int | None:
    octets = _raw(layer, name)
    return int.from_bytes(octets) if len(octets) == 6 else None


def _address(layer: Any, name: str) -> str | None:
    octets = _raw(layer, name)
    return ip_text(octets) if len(octets) in (4, 16) else None


def _start(layer: Any, name: str) -> int:
    fields = _all(layer, name)
    return int(fields[0].pos) if fields else 0

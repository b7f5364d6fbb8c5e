"""Each layer's odd cases, in frames made octet by octet."""

import struct
from pathlib import Path

import pandas as pd
import pytest

from evpn_pcap.addresses import mac_number
from evpn_pcap.decode import decode
from evpn_pcap.model import Decoded, Options, Source
from tests.strategies import (
    ARP,
    BROADCAST,
    IPV4,
    IPV6,
    MAC_A,
    MAC_B,
    RARP,
    Record,
    arp,
    batch,
    cooked,
    cooked2,
    ether,
    file_end,
    ipv4,
    ipv6,
    nd,
    option,
    tcp,
    udp,
    vxlan,
)

SOURCE = Source(0, Path("a.pcap"), "a.pcap", "host", "")
ADDRESS = option(1, bytes.fromhex(MAC_A))
REQUEST = ether(arp(), ARP, destination=BROADCAST)


def decoded(frame: bytes, link_type: int = 1, **record) -> Decoded:
    return decode([batch([Record(frame, link_type=link_type, **record)]), file_end()], SOURCE, Options())


def row(table: pd.DataFrame) -> dict:
    """The only row, without what is missing."""
    assert len(table) == 1
    return table.iloc[0].dropna().to_dict()


def skipped(frame: bytes, link_type: int = 1, **record) -> dict:
    return dict(decoded(frame, link_type, **record).capture.skipped)


def test_an_arp_request_is_read_whole():
    """Every field of an ARP request, by RFC 826."""
    found = row(decoded(REQUEST).packets)

    del found["frame_key"], found["frame_id"], found["captured_ns"]
    assert found == {
        "host": "host",
        "interface_index": 0,
        "source_mac": mac_number(MAC_A),
        "destination_mac": mac_number(BROADCAST),
        "is_multicast": True,
        "protocol": "arp",
        "operation": 1,
        "sender_mac": mac_number(MAC_A),
        "sender_ip": "10.0.0.1",
        "target_mac": 0,
        "target_ip": "10.0.0.2",
        "wire_bytes": len(REQUEST),
        "stop_reason": "",
    }


def test_rarp_has_its_own_name():
    """A RARP announcement (RFC 903), as sent after a migration, is not ARP."""
    found = row(decoded(ether(arp(3), RARP)).packets)

    assert (found["protocol"], found["operation"]) == ("rarp", 3)


@pytest.mark.parametrize(
    ("kept", "known"),
    [
        (4, set()),
        (8, {"operation"}),
        (14, {"operation", "sender_mac"}),
        (18, {"operation", "sender_mac", "sender_ip"}),
        (24, {"operation", "sender_mac", "sender_ip", "target_mac"}),
    ],
)
def test_a_cut_arp_keeps_what_was_captured(kept, known):
    """A cut ARP message has a row with the fields in front of the cut, and says where it stopped."""
    result = decoded(ether(arp()[:kept], ARP), wire_bytes=42)

    found = row(result.packets)
    assert known == found.keys() & {"operation", "sender_mac", "sender_ip", "target_mac", "target_ip"}
    assert found["stop_reason"] == "arp.truncated"
    assert result.capture.skipped == {"arp.truncated": 1}


def test_arp_of_other_address_sizes_is_odd():
    """ARP for other than Ethernet and IPv4 keeps its operation and nothing else."""
    odd = bytearray(arp())
    odd[4] = 8

    found = row(decoded(ether(bytes(odd), ARP)).packets)

    assert found["stop_reason"] == "arp.address-type"
    assert found["operation"] == 1
    assert "sender_ip" not in found


def test_an_advertisement_is_read_whole():
    """Flags, target, options and hop limit of a neighbour advertisement, by RFC 4861."""
    message = nd(136, 0xE0, "fe80::2", option(2, bytes.fromhex(MAC_B)) + option(14, bytes(6)))

    found = row(decoded(ether(ipv6(message, 58, "fe80::2", "fe80::1"), IPV6)).packets)

    assert (found["protocol"], found["operation"], found["hop_limit"]) == ("nd", 136, 255)
    assert (found["sender_ip"], found["destination_ip"], found["target_ip"]) == ("fe80::2", "fe80::1", "fe80::2")
    assert found["target_mac"] == mac_number(MAC_B)
    assert found["options"] == f"2:{MAC_B} 14:000000000000"
    assert found["has_router_flag"] is found["has_solicited_flag"] is found["has_override_flag"] is True


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (nd(133, 0, None, ADDRESS), {"operation": 133, "sender_mac": mac_number(MAC_A), "options": f"1:{MAC_A}"}),
        (nd(133, 0, None), {"operation": 133, "options": ""}),
        (nd(134, 0, None, ADDRESS, bytes(8)), {"operation": 134, "sender_mac": mac_number(MAC_A)}),
        (nd(135, 0, "fe80::2", ADDRESS), {"operation": 135, "target_ip": "fe80::2", "sender_mac": mac_number(MAC_A)}),
        (nd(136, 0x40, "fe80::2"), {"has_router_flag": False, "has_solicited_flag": True, "has_override_flag": False}),
        (
            nd(137, 0, "fe80::9", ADDRESS, bytes(16)),
            {"operation": 137, "target_ip": "fe80::9", "options": f"1:{MAC_A}"},
        ),
    ],
)
def test_each_nd_message_has_its_own_shape(message, expected):
    """RS, RA, NS, NA and redirect have their options where RFC 4861, section 4, puts them."""
    found = row(decoded(ether(ipv6(message, 58), IPV6)).packets)

    assert expected.items() <= found.items()
    assert found["stop_reason"] == ""


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (b"\x01\x00" + bytes(6), ""),
        (ADDRESS + b"\x0e\x00" + bytes(6), f"1:{MAC_A}"),
        (b"\x01\x02" + bytes(6), ""),
        (ADDRESS + b"\x01", f"1:{MAC_A}"),
    ],
)
def test_impossible_options_end_the_reading(options, text):
    """An option of length 0, or longer than the message, is an anomaly; what was before it is kept."""
    result = decoded(ether(ipv6(nd(135, options=options), 58), IPV6))

    found = row(result.packets)
    assert (found["options"], found["stop_reason"]) == (text, "icmpv6.option-length")
    assert result.anomalies["name"].tolist() == ["icmpv6.option-length"]


def test_a_cut_option_is_not_a_malformed_one():
    """An option that the snapshot length cut is truncated; what its first octets say is not guessed."""
    frame = ether(ipv6(nd(135, options=ADDRESS), 58), IPV6)

    found = row(decoded(frame[:-3], wire_bytes=len(frame)).packets)

    assert found["stop_reason"] == "icmpv6.truncated"
    assert "sender_mac" not in found


def test_extension_headers_are_passed():
    """ND behind hop-by-hop and destination options is found; its key leaves its checksum out all the same."""
    message = nd(135, options=ADDRESS)
    summed = message[:2] + b"\xab\xcd" + message[4:]
    frames = [
        ether(ipv6(bytes([60, 0, 1, 4, 0, 0, 0, 0]) + bytes([58, 1]) + bytes(14) + body, 0), IPV6)
        for body in (message, summed)
    ]

    keys = [row(decoded(frame).packets)["frame_key"] for frame in frames]

    assert keys[0] == keys[1]


def test_extension_headers_without_end_are_bounded():
    """Nine extension headers are one too many."""
    headers = bytes([60, 0, 1, 4, 0, 0, 0, 0]) * 9

    assert skipped(ether(ipv6(headers + nd(135), 60), IPV6)) == {"ipv6.too-many-extensions": 1}
    assert skipped(ether(ipv6(bytes([60, 9, 1, 4]) + bytes(4), 60), IPV6)) == {"ipv6.too-short": 1}


def test_fragments():
    """A first fragment is read on; a later one is left out, in IPv4 and in IPv6."""
    segment = tcp(bytes(30))

    assert len(decoded(ether(ipv4(segment, 6, fragment=0x2000))).anchors) == 1
    assert skipped(ether(ipv4(segment, 6, fragment=0x2003))) == {"ipv4.fragment": 1}
    first, later = (ipv6(struct.pack("!BxHI", 6, offset, 1) + segment, 44) for offset in (1, 9))
    assert len(decoded(ether(first, IPV6)).anchors) == 1
    assert skipped(ether(later, IPV6)) == {"ipv6.fragment": 1}


@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        (b"\x55" + ipv4(bytes(8), 17)[1:], "ipv4.version"),
        (b"\x43" + ipv4(bytes(8), 17)[1:], "ipv4.header-length"),
        (ipv4(bytes(8), 17, total=19), "ipv4.total-length"),
        (ipv4(b"", 17, options=bytes(8))[:24], "ipv4.too-short"),
        (ipv4(bytes(7), 17), "udp.too-short"),
        (ipv4(bytes(19), 6), "tcp.too-short"),
        (ipv4(bytes(4), 1), "icmp.too-short"),
        (ipv4(udp(bytes(8), 4789, length=7), 17), "udp.length"),
        (ipv4(udp(bytes(7), 4789), 17), "vxlan.too-short"),
        (ipv4(udp(b"\x08" + bytes(7) + bytes(13), 4789), 17), "ethernet.too-short"),
        (ipv4(tcp(destination=179, offset=4), 6), "tcp.data-offset"),
        (ipv4(tcp(destination=179, offset=6), 6), "tcp.too-short"),
    ],
)
def test_impossible_headers_are_left_out_by_name(packet, reason):
    """A header that contradicts itself, or a frame that ends inside one, is counted under its own name."""
    assert skipped(ether(packet)) == {reason: 1}


def test_ip_options_and_padding():
    """Options are passed by the header length, and Ethernet's padding is no payload."""
    frame = ether(ipv4(tcp(b"abc", destination=179), 6, options=bytes([1] * 8))) + bytes(20)

    found = row(decoded(frame).segments)

    assert (found["payload"], found["payload_bytes"]) == (b"abc", 3)


def test_a_length_of_zero_is_what_offload_left():
    """A packet longer than its length field can say reaches to the end of the frame."""
    frame = ether(ipv4(tcp(b"abc", destination=179), 6, total=0))

    assert row(decoded(frame).segments)["payload"] == b"abc"


def test_tags():
    """The outermost tag outside and inside VXLAN is told; 802.1Q, 802.1ad and the older 0x9100 are passed."""
    inner = ether(arp(), ARP, tags=[(0x8100, 0x6005), (0x8100, 6)])
    frame = vxlan(inner, tags=[(0x88A8, 100), (0x9100, 200)])

    found = row(decoded(frame).packets)

    assert (found["vlan_id"], found["inner_vlan_id"], found["vni"]) == (100, 5, 10010)


@pytest.mark.parametrize(("port", "underlay"), [(4789, "ipv4"), (8472, "ipv4"), (4789, "ipv6"), (8472, "ipv6")])
def test_vxlan(port, underlay):
    """The VNI and both VTEPs are told over either IP version and at either default port."""
    ends = {"ipv4": ("192.168.16.1", "192.168.16.2"), "ipv6": ("2001:db8::1", "2001:db8::2")}

    found = row(decoded(vxlan(REQUEST, 0xABCDEF, port=port, underlay=underlay)).packets)

    assert (found["outer_source_ip"], found["outer_destination_ip"]) == ends[underlay]
    assert found["vni"] == 0xABCDEF
    assert found["source_mac"] == mac_number(MAC_A)


def test_vxlan_needs_its_flag():
    """Without the I flag there is no VNI, and the frame is left out (RFC 7348, 5)."""
    assert skipped(vxlan(REQUEST, flags=0)) == {"vxlan.no-vni-flag": 1}


def test_vxlan_in_vxlan_tells_the_innermost():
    """Of nested VXLAN the innermost VNI and its VTEPs are told."""
    found = row(decoded(vxlan(vxlan(REQUEST, 5, underlay="ipv6"), 6)).packets)

    assert (found["vni"], found["outer_source_ip"]) == (5, "2001:db8::1")


def test_nesting_is_bounded():
    """Eight tags and encapsulations are passed, nine are too deep."""
    tags = [(0x8100, 1)] * 9
    nested = REQUEST
    for _ in range(9):
        nested = vxlan(nested)

    assert len(decoded(ether(arp(), ARP, tags=tags[:8])).packets) == 1
    assert skipped(ether(arp(), ARP, tags=tags)) == {"encapsulation.too-deep": 1}
    assert skipped(nested) == {"encapsulation.too-deep": 1}


@pytest.mark.parametrize(
    ("packet_type", "direction", "is_multicast"),
    [
        (0, "incoming", False),
        (1, "incoming", True),
        (2, "incoming", True),
        (3, "incoming", False),
        (4, "outgoing", None),
    ],
)
@pytest.mark.parametrize(("link_type", "header"), [(113, cooked), (276, cooked2)])
def test_cooked_headers(packet_type, direction, is_multicast, link_type, header):
    """Cooked headers tell the direction, whether to a group, and the sender; version 2 the interface too."""
    found = row(decoded(header(arp(), ARP, packet_type), link_type, direction=2).packets)

    assert (found["direction"], found.get("is_multicast")) == (direction, is_multicast)
    assert found["source_mac"] == mac_number(MAC_A)
    assert "destination_mac" not in found
    assert found["interface_index"] == {113: 0, 276: 7}[link_type]


def test_inside_a_cooked_capture_the_inner_frame_counts():
    """VXLAN in a cooked capture: MACs are the inner frame's, the direction is the record's."""
    found = row(decoded(cooked2(vxlan(REQUEST)[14:], IPV4, 4), 276).packets)

    assert found["destination_mac"] == mac_number(BROADCAST)
    assert (found["direction"], found["is_multicast"], found["vni"]) == ("outgoing", True, 10010)


def test_cooked_protocols_of_other_hardware_are_no_ethertypes():
    """On netlink or GRE devices the protocol field means something else: nothing is read into it."""
    result = decoded(cooked(arp(), ARP, hardware=824), 113)

    assert len(result.packets) == 0
    assert result.capture.decoded_count == 1


@pytest.mark.parametrize(
    ("link_type", "header"),
    [(12, b""), (101, b""), (229, b""), (0, b"\x1e\x00\x00\x00"), (0, b"\x00\x00\x00\x0a"), (108, b"\x00\x00\x00\x18")],
)
def test_link_types_without_addresses(link_type, header):
    """Raw IP and loopback captures carry IPv6 without MAC addresses, in whichever byte order."""
    found = row(decoded(header + ipv6(nd(135), 58), link_type).packets)

    assert found["protocol"] == "nd"
    assert found.keys().isdisjoint({"source_mac", "destination_mac", "is_multicast"})


def test_frames_of_other_protocols_are_decoded_as_far_as_known():
    """802.3 frames and unknown EtherTypes and IP protocols count as decoded; only IP packets are anchors."""
    for frame in (ether(bytes(46), 0x0026), ether(bytes(46), 0x88CC), ether(ipv4(bytes(8), 89))):
        result = decoded(frame)
        assert (result.capture.decoded_count, len(result.packets), len(result.anchors)) == (1, 0, 0)
    assert len(decoded(ether(ipv4(bytes(8), 47))).anchors) == 1


@pytest.mark.parametrize("kind", [130, 131, 132, 143])
def test_multicast_listener_messages(kind):
    """An MLD message is a row that says who sent it, behind a hop-by-hop header too, and no anchor."""
    router_alert = bytes([58, 0, 5, 2, 0, 0, 1, 0])

    result = decoded(ether(ipv6(router_alert + bytes([kind]) + bytes(23), 0), IPV6))

    found = row(result.packets)
    assert (found["protocol"], found["operation"]) == ("mld", kind)
    assert found["source_mac"] is not None
    assert len(result.anchors) == 0


def test_directions_of_pcapng():
    """Without a cooked header the direction is what the file's packet flags say."""
    shown = [row(decoded(REQUEST, direction=number).packets).get("direction") for number in (0, 1, 2)]

    assert shown == [None, "incoming", "outgoing"]


def test_bgp_segments():
    """A segment of port 179 is a row of PACKETS, of ANCHORS and of SEGMENTS, its payload as far as captured."""
    frame = ether(
        ipv4(tcp(b"x" * 40, 179, 50001, sequence=7, flags=0x19, options=bytes(12)), 6, "10.0.0.1", "10.0.0.2", ttl=1)
    )

    result = decoded(frame[:-10], wire_bytes=len(frame))

    found = row(result.segments)
    assert (found["sender_ip"], found["sender_port"]) == ("10.0.0.1", 179)
    assert (found["receiver_ip"], found["receiver_port"]) == ("10.0.0.2", 50001)
    assert (found["sequence"], found["flags"]) == (7, 0x19)
    assert (found["payload"], found["payload_bytes"]) == (b"x" * 30, 40)
    packet = row(result.packets)
    assert (packet["protocol"], packet["hop_limit"]) == ("bgp", 1)
    assert (packet["sender_ip"], packet["target_ip"]) == ("10.0.0.1", "10.0.0.2")
    assert len(result.anchors) == 1


def test_anchors():
    """An ordinary packet keeps its addresses, ports and length; the outer header of VXLAN is no anchor."""
    result = decoded(vxlan(ether(ipv4(udp(b"hello", 53, 4000), 17, "10.1.0.1", "10.1.0.2"))))

    found = row(result.anchors)
    assert (found["source_ip"], found["destination_ip"], found["ip_protocol"]) == ("10.1.0.1", "10.1.0.2", 17)
    assert (found["source_port"], found["destination_port"], found["length_bytes"]) == (4000, 53, 14 + 20 + 8 + 5)
    assert (found["outer_source_ip"], found["vni"]) == ("192.168.16.1", 10010)


@pytest.mark.parametrize(("kind", "expected"), [(8, True), (0, False), (3, None)])
def test_echoes(kind, expected):
    """ICMP says of an anchor whether it is a request; it has no ports."""
    found = row(decoded(ether(ipv4(bytes([kind]) + bytes(15), 1))).anchors)

    assert found.get("is_request") == expected
    assert "source_port" not in found

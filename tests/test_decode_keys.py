"""Keys are equal wherever one frame is seen and differ between frames; the sample is the same on every host."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evpn_pcap.decode import decode
from evpn_pcap.decode.sampling import SECOND_NS
from evpn_pcap.model import Decoded, Options, Source
from evpn_pcap.sightings import with_common_keys
from tests.strategies import (
    ARP,
    IPV4,
    IPV6,
    MAC_A,
    MAC_B,
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
    payloads,
    tcp,
    udp,
    vxlan,
)

SOURCE = Source(0, Path("a.pcap"), "a.pcap", "host", "")


def decoded(*records: Record, wanted: int = 2000) -> Decoded:
    return decode([batch(list(records)), file_end()], SOURCE, Options(anchors_per_second_count=wanted))


def frame_key(frame: bytes, link_type: int = 1) -> int:
    return decoded(Record(frame, link_type=link_type)).packets["frame_key"].item()


def anchor_key(frame: bytes, link_type: int = 1) -> int:
    return decoded(Record(frame, link_type=link_type)).anchors["anchor_key"].item()


def changed(octets: bytes, place: int, value: int) -> bytes:
    return octets[:place] + bytes([octets[place] ^ value]) + octets[place + 1 :]


@settings(max_examples=40, deadline=None)
@given(payloads)
def test_keys_do_not_depend_on_the_vantage_point(payload):
    """One frame has one key in Ethernet, with tag and padding, in both cooked forms and in VXLAN."""
    body, ether_type = payload
    plain = ether(body, ether_type)
    seen = decoded(
        Record(plain),
        Record(ether(body, ether_type, tags=[(0x8100, 7)])),
        Record(ether(body, ether_type, destination=MAC_A)),
        Record(plain + bytes(12)),
        Record(cooked(body, ether_type), link_type=113),
        Record(cooked2(body, ether_type), link_type=276),
        Record(vxlan(plain, 77)),
        Record(vxlan(plain + bytes(5), 78, underlay="ipv6")),
    )

    assert seen.packets["frame_key"].nunique() <= 1
    assert seen.anchors["anchor_key"].nunique() <= 1
    assert (len(seen.packets) % 8, len(seen.anchors) % 8) == (0, 0)


def test_a_routed_packet_keeps_its_anchor_key():
    """TTL, DSCP, flags, checksums and MAC addresses change on the way; the anchor key does not."""
    segment = tcp(b"data" * 20, checksum=1)
    routed = ipv4(tcp(b"data" * 20, checksum=2), 6, ttl=63, tos=0x2E, checksum=9, fragment=0x4000)
    there = ether(ipv4(segment, 6), source=MAC_B, destination=MAC_A)

    assert anchor_key(ether(ipv4(segment, 6))) == anchor_key(there) == anchor_key(ether(routed))

    packet = ipv6(udp(b"data" * 20, 53, checksum=1), 17, hop_limit=64)
    routed = ipv6(udp(b"data" * 20, 53, checksum=2), 17, hop_limit=60, flow=0x0AB00000)
    assert anchor_key(ether(packet, IPV6)) == anchor_key(ether(routed, IPV6))


@pytest.mark.parametrize("place", [4, 5, 9, 12, 16, 20, 22, 24, 28, 32, 33, 34, 39, 40, 63, 95])
def test_other_packets_have_other_anchor_keys(place):
    """Every octet of the first 96 but those that may change on the way makes another key."""
    packet = bytearray(ipv4(tcp(bytes(range(100))), 143))
    other = bytearray(packet)
    other[place] ^= 0x10

    assert anchor_key(ether(bytes(packet))) != anchor_key(ether(bytes(other)))


@pytest.mark.parametrize("place", [8, 14, 18, 24, 27])
def test_other_arp_messages_have_other_frame_keys(place):
    """Every field of ARP is in its key, and so are the EtherType and the source MAC."""
    keys = {
        frame_key(ether(arp(), ARP)),
        frame_key(ether(changed(arp(), place, 1), ARP)),
        frame_key(ether(arp(), 0x8035)),
        frame_key(ether(arp(), ARP, source=MAC_B)),
    }

    assert len(keys) == 4


def test_an_nd_message_is_told_by_its_flags_and_options():
    """An answer to reachability detection is not an unsolicited advertisement: their keys differ."""
    made = [nd(136, 0x60), nd(136, 0x20), nd(136, 0x60, options=option(2, bytes(6)))]

    assert len({frame_key(ether(ipv6(message, 58), IPV6)) for message in made}) == 3


MADE = {
    "tcp": ether(ipv4(tcp(bytes(range(200))), 6)),
    "udp": ether(ipv4(udp(bytes(range(200)), 53), 17)),
    "icmp": ether(ipv4(bytes([8, 0]) + bytes(range(100)), 1)),
    "gre": ether(ipv4(bytes(range(100)), 47)),
    "tcp6": ether(ipv6(tcp(bytes(range(200))), 6), IPV6),
}


@pytest.mark.parametrize("kind", MADE)
@pytest.mark.parametrize("kept", [64, 68, 96, 128, 262_144])
def test_captures_of_any_snapshot_length_share_keys(kind, kept):
    """From 64 octets on a bare frame, cut or not, has the key of the whole one, and that of another frame differs."""
    frame, other = MADE[kind], changed(MADE[kind], 39, 1)
    seen = decoded(Record(frame[:kept], len(frame)), Record(frame), Record(vxlan(frame, 7)), Record(other))

    keys = with_common_keys(seen.anchors)["anchor_key"].tolist()

    assert len(set(keys[:3])) == 1
    assert keys[3] != keys[0]


def test_keys_of_equal_snapshot_lengths_stay_as_they_are():
    """Where nobody cut a packet shorter than another, the longer key tells more packets apart, and is used."""
    frames = [changed(MADE["udp"], 90, value) for value in (0, 1)]

    anchors = decoded(*(Record(frame[:120], len(frame)) for frame in frames)).anchors

    assert anchors["short_key"].nunique() == 1
    assert with_common_keys(anchors)["anchor_key"].nunique() == 2


@pytest.mark.parametrize(("protocol", "place", "octets"), [(132, 8, 4), (136, 6, 2), (17, 6, 2), (6, 16, 2), (1, 2, 2)])
def test_checksums_left_to_the_card_are_in_no_key(protocol, place, octets):
    """What offload leaves unfinished in a checksum field changes no key; the octets beside it do."""
    packet = ipv4(bytes(range(1, 80)), protocol)
    keys = [anchor_key(ether(changed(packet, 20 + place + at, 0x55))) for at in range(-1, octets + 1)]

    assert len({*keys[1:-1], anchor_key(ether(packet))}) == 1
    assert keys[0] != keys[1] != keys[-1]


def test_a_first_fragment_has_a_key_and_later_ones_have_none():
    """Fragments of one packet are one anchor, its first fragment; the rest has no header to tell it by."""
    first = ether(ipv4(udp(bytes(80), 53), 17, fragment=0x2000, identifier=7))
    later = ether(ipv4(bytes(80), 17, fragment=11, identifier=7))

    assert len(decoded(Record(first), Record(later)).anchors) == 1


def test_tcp_tells_its_place_in_the_stream():
    """An anchor of TCP has the number of its first payload octet and its payload's length; a SYN takes one number."""
    frames = [ether(ipv4(tcp(b"data", sequence=2**32 - 1, flags=flags), 6)) for flags in (0x10, 0x02)]

    anchors = decoded(*map(Record, [*frames, frames[0][:60] + bytes(6), MADE["udp"]])).anchors

    assert anchors["sequence"].tolist()[:3] == [2**32 - 1, 0, 2**32 - 1]
    assert anchors["payload_bytes"].tolist()[:3] == [4, 4, 4]
    assert anchors["sequence"].isna().tolist() == [False, False, False, True]


def test_octets_beyond_96_do_not_matter():
    """Captures with snapshot lengths beyond 96 octets of the packet have the same key for it."""
    frame = ether(ipv4(udp(bytes(range(200)), 53), 17))

    keys = [decoded(Record(frame[:kept], len(frame))).anchors["anchor_key"].item() for kept in (110, 150, len(frame))]

    assert len(set(keys)) == 1


def test_keys_of_many_packets_do_not_collide():
    """Ten thousand packets that differ in one sequence number each have ten thousand keys."""
    records = [Record(ether(ipv4(tcp(sequence=number), 6))) for number in range(10_000)]

    assert decoded(*records, wanted=10_000).anchors["anchor_key"].is_unique


def packets_of_one_second(count: int, start: int = 0, ether_type: int = IPV4) -> list[Record]:
    wrapped = {IPV4: lambda segment: ipv4(segment, 6), IPV6: lambda segment: ipv6(segment, 6)}[ether_type]
    return [
        Record(ether(wrapped(tcp(sequence=start + number)), ether_type), captured_ns=start * SECOND_NS + number)
        for number in range(count)
    ]


@pytest.mark.parametrize("ether_type", [IPV4, IPV6])
def test_a_dense_second_is_thinned(ether_type):
    """Of a second with many packets at most the wanted number is kept, and more than a fifth of it."""
    kept = decoded(*packets_of_one_second(4000, ether_type=ether_type), wanted=200).anchors

    assert 40 < len(kept) <= 200


def test_a_sparse_second_is_kept_whole_beside_a_dense_one():
    """The bound is on each second of its own, and BGP is always kept."""
    session = [Record(ether(ipv4(tcp(destination=179, sequence=number), 6)), captured_ns=5) for number in range(50)]

    kept = decoded(*packets_of_one_second(1000), *session, *packets_of_one_second(100, 7), wanted=100).anchors

    seconds = kept["captured_ns"] // SECOND_NS
    assert (seconds == 7).sum() == 100
    assert (kept["destination_port"] == 179).sum() == 50
    assert (seconds == 0).sum() <= 150


def test_a_busier_host_chooses_a_part_of_what_a_quieter_one_chooses():
    """Thresholds are nested: what the host with more traffic keeps of common packets, the other keeps too."""
    common = packets_of_one_second(600)
    others = [Record(ether(ipv4(tcp(sequence=number, source=7), 6))) for number in range(3000)]
    others = [Record(one.octets, captured_ns=5) for one in others]

    quiet = set(decoded(*common, wanted=100).anchors["anchor_key"])
    busy = decoded(*common, *others, wanted=100).anchors
    busy = set(busy.loc[busy["source_port"] == 40000, "anchor_key"])

    assert busy
    assert busy < quiet


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 400), min_size=1, max_size=5))
def test_the_sample_does_not_depend_on_batches(sizes):
    """However the packets come in batches, the sample of each second is the same."""
    records = packets_of_one_second(400)
    borders = [*np.unique(np.clip(np.cumsum([0, *sizes]), 0, len(records))).tolist(), len(records)]
    parts = [(first, records[first:last]) for first, last in pairwise(borders)]
    source = [*(batch(part, first + 1) for first, part in parts), file_end()]

    many = decode(source, SOURCE, Options(anchors_per_second_count=50)).anchors

    assert many["frame_id"].tolist() == decoded(*records, wanted=50).anchors["frame_id"].tolist()


def test_times_far_apart_cost_nothing():
    """Time stamps all over 292 years, as broken clocks give, are sampled like others."""
    times = np.linspace(-(2**62), 2**62, 50, dtype=np.int64).tolist()
    records = [Record(ether(ipv4(tcp(sequence=number), 6)), captured_ns=at) for number, at in enumerate(times)]

    assert len(decoded(*records, wanted=1).anchors) == 50

"""The laws of decoding as a whole: prefixes, wrapping, halves, and that every record is accounted for."""

import subprocess
from itertools import accumulate
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evpn_pcap import columns
from evpn_pcap.addresses import frame_id, number_of
from evpn_pcap.decode import decode
from evpn_pcap.errors import CaptureError
from evpn_pcap.model import Decoded, Interface, Note, Options, Source
from evpn_pcap.sources import read_batches
from tests.strategies import (
    ARP,
    IPV4,
    Record,
    arp,
    batch,
    cooked2,
    ether,
    file_end,
    frames,
    ipv4,
    octets,
    plain_frames,
    tcp,
    udp,
    vxlan,
)

SOURCE = Source(3, Path("leaf1-eth0.pcap"), "leaf1-eth0.pcap", "leaf1", "eth0", {7: "tap1"})
TABLES = ("interfaces", "packets", "anchors", "segments", "anomalies")
AROUND = [
    "outer_source_ip",
    "outer_destination_ip",
    "vni",
    "vlan_id",
    "inner_vlan_id",
    "vxlan_port",
    "vxlan_flags",
    "vxlan_reserved",
    "wire_bytes",
]
VXLAN_BYTES = {"ipv4": 50, "ipv6": 70}  # Ethernet, IP, UDP (RFC 768) and VXLAN (RFC 7348) around a frame

SHORT_KEY_BYTES = 48  # a short key is made of no more (ANCHORS)


def decoded(*records: Record, options: Options | None = None, notes=()) -> Decoded:
    return decode([batch(list(records)), file_end(notes=notes)], SOURCE, options or Options())


def contradicted(part: pd.DataFrame, whole: pd.DataFrame, names) -> list[str]:
    """Which columns say in `part` what `whole` does not say."""
    return [name for name in names if (part[name].notna() & (part[name] != whole[name])).any()]


def same(one: Decoded, other: Decoded) -> None:
    assert one.capture == other.capture
    for name in TABLES:
        pd.testing.assert_frame_equal(getattr(one, name), getattr(other, name))


@settings(max_examples=30, deadline=None)
@given(frames, st.integers(0, 250))
def test_a_cut_frame_says_nothing_that_the_whole_does_not_say(frame, kept):
    """Any prefix of any frame decodes without raising, and the layers before the cut are unchanged."""
    cut = decoded(Record(frame[:kept], wire_bytes=len(frame)))
    whole = decoded(Record(frame))

    shown = [
        column.name for column in columns.PACKETS.columns if column.name not in {"frame_key", "options", "stop_reason"}
    ]
    assert len(cut.packets) <= len(whole.packets)
    assert contradicted(cut.packets, whole.packets.head(len(cut.packets)), shown) == []
    of_the_cut = {"anchor_key", "short_key", "key_bytes", "sample_level"}  # made of what was captured, and how much
    shown = [column.name for column in columns.ANCHORS.columns if column.name not in of_the_cut]
    same_frame = whole.anchors.head(len(cut.anchors))
    assert len(cut.anchors) <= len(whole.anchors)
    assert contradicted(cut.anchors, same_frame, shown) == []
    assert (cut.anchors["key_bytes"] <= same_frame["key_bytes"]).all()
    is_long = cut.anchors["key_bytes"] >= SHORT_KEY_BYTES
    assert (cut.anchors["short_key"] == same_frame["short_key"])[is_long].all()


@settings(max_examples=30, deadline=None)
@given(plain_frames, st.integers(0, 2**24 - 1), st.sampled_from(["ipv4", "ipv6"]))
def test_wrapping_changes_nothing_inside(frame, vni, underlay):
    """A frame inside VXLAN has the inner columns and keys that it has outside."""
    outside = decoded(Record(frame))
    inside = decoded(Record(vxlan(frame, vni, underlay=underlay)))

    for name in ("packets", "anchors"):
        pd.testing.assert_frame_equal(
            getattr(outside, name).drop(columns=AROUND, errors="ignore"),
            getattr(inside, name).drop(columns=AROUND, errors="ignore"),
        )
        assert (getattr(inside, name)["vni"] == vni).all()
    around_bytes = inside.packets["wire_bytes"] - outside.packets["wire_bytes"]
    assert (around_bytes == VXLAN_BYTES[underlay]).all()
    pd.testing.assert_frame_equal(outside.segments, inside.segments)
    assert list(inside.interfaces["vxlan_count"]) == [1]


@settings(max_examples=25, deadline=None)
@given(st.lists(frames, min_size=1, max_size=12), st.data())
def test_two_halves_are_the_whole(made, data):
    """Decoding in two batches equals decoding in one."""
    records = [Record(frame, captured_ns=10**18 + number) for number, frame in enumerate(made)]
    half = data.draw(st.integers(1, len(records)))
    options = Options(anchors_per_second_count=2)

    parts = [one for one in (records[:half], records[half:]) if one]
    numbers = [1, half + 1]
    batches = [batch(part, number) for part, number in zip(parts, numbers, strict=False)]

    same(decode([*batches, file_end()], SOURCE, options), decoded(*records, options=options))


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.builds(Record, octets, link_type=st.sampled_from([0, 1, 12, 101, 108, 113, 147, 228, 229, 276])), max_size=8
    )
)
def test_every_record_is_accounted_for(records):
    """Records are decoded or left out for exactly one reason, and ANOMALIES counts the same ones."""
    result = decoded(*records)

    capture = result.capture
    assert capture.packet_count == len(records) == result.interfaces["packet_count"].sum()
    assert capture.decoded_count + sum(capture.skipped.values()) == capture.packet_count
    counted = result.anomalies.groupby("name")["count"].sum().to_dict()
    assert counted == dict(capture.skipped)
    assert set(capture.skipped).issuperset({f"link-type.{one.link_type}" for one in records if one.link_type == 147})


@settings(max_examples=15, deadline=None)
@given(st.lists(frames, max_size=6), st.integers(-(10**9), 10**9))
def test_time_moves_only_times(made, shift):
    """Moving every time stamp by one constant changes the times and nothing else."""
    early = decoded(*(Record(frame) for frame in made))
    late = decoded(*(Record(frame, captured_ns=Record(b"").captured_ns + shift) for frame in made))

    for name in ("packets", "anchors", "segments"):
        assert (getattr(late, name)["captured_ns"] - getattr(early, name)["captured_ns"] == shift).all()
        pd.testing.assert_frame_equal(
            getattr(early, name).drop(columns="captured_ns"), getattr(late, name).drop(columns="captured_ns")
        )


def test_an_empty_capture_has_its_interface():
    """A file without records yields empty tables and the interface that it describes."""
    result = decode([file_end(Interface(0, 1, started_ns=5, ended_ns=9))], SOURCE, Options())

    assert result.capture.packet_count == 0
    assert result.capture.first_ns is None
    assert result.interfaces[["packet_count", "first_ns", "last_ns"]].values.tolist() == [[0, 5, 9]]
    assert len(result.packets) == len(result.anchors) == len(result.segments) == len(result.anomalies) == 0


def test_interfaces_count_what_they_carry():
    """INTERFACES counts records by what they carry, names cooked interfaces, and tells the earliest and latest time."""
    request = arp()
    records = [
        Record(cooked2(request, ARP, interface=7), link_type=276, captured_ns=20),
        Record(cooked2(ipv4(tcp(destination=179), 6), IPV4, interface=7), link_type=276, captured_ns=10),
        Record(cooked2(vxlan(ether(request, ARP))[14:], IPV4, interface=9), link_type=276, captured_ns=30),
    ]

    shown = decode([batch(records), file_end(Interface(0, 276, name="any"))], SOURCE, Options()).interfaces

    names = ["interface_index", "packet_count", "vxlan_count", "arp_count", "bgp_count", "first_ns", "last_ns"]
    assert shown[names].values.tolist() == [[7, 2, 0, 1, 1, 10, 20], [9, 1, 1, 1, 0, 30, 30]]
    assert shown["name"].fillna("-").tolist() == ["tap1", "-"]


def test_a_file_says_when_its_interface_listened():
    """Times of interface statistics widen what the records show, and losses are told."""
    described = Interface(0, 1, name="eth0", dropped_count=4, started_ns=5, ended_ns=99)

    result = decode([batch([Record(ether(arp(), ARP), captured_ns=50)]), file_end(described)], SOURCE, Options())

    names = ["name", "first_ns", "last_ns", "dropped_count"]
    assert result.interfaces[names].values.tolist() == [["eth0", 5, 99, 4]]
    assert result.capture.dropped_count == 4


def test_odd_frames_are_noted_one_by_one_up_to_a_bound():
    """Of one oddity a thousand frames have a row each, the rest is one row, and the sum is all of them."""
    odd = Record(ether(arp()[:20], ARP), wire_bytes=42)

    result = decoded(*[odd] * 1300)

    noted = result.anomalies[result.anomalies["name"] == "arp.truncated"]
    assert len(noted) == 1001
    assert noted["count"].sum() == result.capture.skipped["arp.truncated"] == 1300
    assert noted["frame_id"].iloc[0] == frame_id(3, 1)
    assert noted["frame_id"].notna().sum() == 1000
    assert len(result.packets) == 1300


def test_notes_of_the_file_are_anomalies():
    """What the source noted about the file is told with its frame and its place."""
    result = decoded(notes=(Note("pcap", "cut-tail", "7 octets", 12, 345),))

    assert result.anomalies.to_dict("records") == [
        {
            "capture_id": 3,
            "frame_id": frame_id(3, 12),
            "layer": "pcap",
            "name": "cut-tail",
            "detail": "7 octets",
            "count": 1,
            "offset_bytes": 345,
        }
    ]


def test_batches_without_an_end_are_refused():
    """A source that never says how its file ended is a bug, and told as one."""
    with pytest.raises(ValueError, match="FileEnd"):
        decode([batch([])], SOURCE, Options())


def test_other_vxlan_ports_are_an_option():
    """A datagram is VXLAN when its destination port is one of the ports chosen."""
    frame = Record(vxlan(ether(arp(), ARP), port=5555))

    assert len(decoded(frame).packets) == 0
    assert decoded(frame, options=Options(vxlan_ports=frozenset({5555}))).packets["vni"].tolist() == [10010]
    assert decoded(Record(ether(ipv4(udp(bytes(60), 4789), 17)))).capture.skipped == {"vxlan.no-vni-flag": 1}


@pytest.mark.corpus
def test_whatever_there_is_decodes(corpus_folder):
    """Every file of the corpus decodes with every record accounted for, or is refused in words."""
    files = sorted(path for path in corpus_folder.rglob("*") if path.is_file())
    refused = 0

    for path in files:
        source = Source(0, path, path.name, "host", "")
        try:
            result = decode(read_batches(source), source, Options())
        except CaptureError:
            refused += 1
            continue
        capture = result.capture
        assert capture.packet_count == capture.decoded_count + sum(capture.skipped.values()), path

    assert len(files) - refused > 800


@pytest.mark.corpus
@pytest.mark.tshark
@pytest.mark.parametrize(
    "scenario", ["arp-flooded", "arp-learned-then-suppressed", "nd-linklocal-suppressed", "suppression-off"]
)
def test_tshark_finds_the_same_resolutions(captures_folder, scenario):
    """ARP, ND and MLD rows are exactly the frames that tshark's display filter finds, in every real capture."""
    files = sorted((captures_folder / scenario).glob("*.pcap"))
    sources = [Source(0, path, path.name, "host", "") for path in files]
    results = [decode(read_batches(source), source, Options()) for source in sources]
    before = [0, *accumulate(result.capture.packet_count for result in results)]

    merged = subprocess.run(["mergecap", "-a", "-w", "-", *files], capture_output=True, check=True).stdout
    wanted = "arp || icmpv6.type in {130..137, 143}"
    shown = ["tshark", "-n", "-r", "-", "-Y", wanted, "-T", "fields", "-e", "frame.number"]
    expected = subprocess.run(shown, input=merged, capture_output=True, check=True).stdout

    found = []
    for offset, result in zip(before, results, strict=False):
        resolutions = result.packets[result.packets["protocol"] != "bgp"]
        found += (number_of(resolutions["frame_id"]) + offset).tolist()
    assert found == [int(number) for number in expected.split()]
    assert len(found) > 100

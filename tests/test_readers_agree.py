"""The native reader against tshark: every ARP, ND and BGP row, every time, every count."""

import subprocess
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, TypeVar

import pandas as pd
import pytest

from evpn_pcap import columns
from evpn_pcap.addresses import number_of
from evpn_pcap.decode import decode
from evpn_pcap.model import Decoded, Options, Source
from evpn_pcap.pipeline import analyze
from evpn_pcap.sources import read_batches
from evpn_pcap.tshark import decode_with_tshark

T = TypeVar("T")

pytestmark = [pytest.mark.corpus, pytest.mark.tshark]

# Of one reader only: hashes are compared within a run, and each reader words its own reasons.
OWN_COLUMNS = {"frame_id", "host", "frame_key", "stop_reason"}
SHARED_COLUMNS = [column.name for column in columns.PACKETS.columns if column.name not in OWN_COLUMNS]
OWN_KEYS = ("frame_key", "anchor_key", "short_key", "sample_level")
RESOLUTION_PROTOCOLS = ("arp", "rarp", "nd")
ARP_OR_ND = "arp or (icmpv6.type >= 133 and icmpv6.type <= 137)"

# Files of the corpus in which tshark 4.0.17 shows ARP or ND, found by running it over all 907 with ARP_OR_ND.
WITH_ARP_OR_ND = [
    "802.1ad_QinQ", "arcnet-rfc1051-arp-icmp-http", "arcnet-rfc1201-arp-icmp-http", "arp-oobr", "arp-too-long-tha",
    "bgp-4byte-asn", "bgp-lu-multiple-labels", "dcb_ets", "dcb_qcn", "dhcp-rfc4388", "eapon1", "erspan-type-i-3",
    "erspan-type-ii-3", "getname_2_read4_asan", "icmpv6-ns-nonce", "icmpv6-ra-pref64", "icmpv6", "icmpv6_opt24",
    "ipoib", "ipv6-bad-version", "isakmp4500", "isis_iid_tlv", "mptcp-fclose", "vxlan", "vxlan_port_8472",
]  # fmt: skip


class Deviation(NamedTuple):
    """Frames in which the readers differ, and which of them is right."""

    file: str
    frames: tuple[int, ...]
    why: str


ARCNET = (
    "link type ARCNET: not one that evpn-pcap reads (an EVPN fabric has Ethernet), so its records are left out by name"
)
ERSPAN = "mirrored inside ERSPAN over GRE: not looked into, for the copy says nothing about where the original went"
INFINIBAND = "link type IP over InfiniBand: not one that evpn-pcap reads, so its records are left out by name"
ATM = "hardware type 19 (ATM), whose messages have another layout (RFC 2225, 5): a row that says so, tshark shows none"

# tshark's ordinary dissection has these frames as ARP; the package does not, with either reader.
NOT_LOOKED_INTO = [
    Deviation("arcnet-rfc1051-arp-icmp-http.pcap", (1, 2, 25, 26), ARCNET),
    Deviation("arcnet-rfc1201-arp-icmp-http.pcap", (1, 2, 7, 8), ARCNET),
    Deviation("erspan-type-i-3.pcap", (1,), ERSPAN),
    Deviation("erspan-type-ii-3.pcap", (70, 71, 73, 74, 76, 78, 79, 84, 86, 87), ERSPAN),
    Deviation("ipoib.pcap", (6, 7, 25, 26), INFINIBAND),
]
# The native reader has a row for these, tshark has not.
ONLY_NATIVE = [Deviation("arp-oobr.pcap", (1166,), ATM)]


def by_native(file: Path) -> Decoded:
    source = Source(0, file, file.name, "host", "")
    return decode(read_batches(source), source, Options())


def by_tshark(file: Path) -> Decoded:
    return decode_with_tshark(Source(0, file, file.name, "host", ""), Options())


def in_parallel(function: Callable[[Path], T], files: Iterable[Path]) -> dict[str, T]:
    """Return what the function gives for each file, named by its folder and name; tshark runs beside Python."""
    files = list(files)
    with ThreadPoolExecutor(2) as pool:
        return {
            f"{file.parent.name}/{file.name}": one for file, one in zip(files, pool.map(function, files), strict=True)
        }


def rows_of(packets: pd.DataFrame) -> dict[int, tuple[str, ...]]:
    """Return frame number -> the shared columns as text, in which integers are exact and missing is a word."""
    table = packets[SHARED_COLUMNS].astype(object)
    return {
        int(number_of(one)): tuple(map(str, row))
        for one, row in zip(packets["frame_id"], table.to_numpy(), strict=True)
    }


def differences(file: Path) -> dict[int, dict[str, tuple[str, str]]]:
    """Return frame -> column -> (native, tshark) where they differ; a row that one lacks differs in all columns."""
    native, other = rows_of(by_native(file).packets), rows_of(by_tshark(file).packets)
    nothing = ("no row",) * len(SHARED_COLUMNS)
    return {
        frame: dict(
            zip(SHARED_COLUMNS, zip(native.get(frame, nothing), other.get(frame, nothing), strict=True), strict=True)
        )
        for frame in sorted(native.keys() | other.keys())
        if native.get(frame) != other.get(frame)
    }


def shown_by_tshark(file: Path) -> set[tuple[int, int]]:
    """Return frame number and time of what tshark's own filter takes for ARP or ND, with nothing of ours between."""
    ports = ["-d", "udp.port==8472,vxlan"]  # Wireshark knows 4789 only
    fields = ["-T", "fields", "-e", "frame.number", "-e", "frame.time_epoch"]
    command = ["tshark", "-n", "-r", str(file), "-Y", ARP_OR_ND, *ports, *fields]
    lines = subprocess.run(command, capture_output=True, text=True, timeout=120).stdout.splitlines()
    parts = [line.replace(".", "\t").split("\t") for line in lines]
    return {(int(number), int(seconds) * 10**9 + int(nanoseconds)) for number, seconds, nanoseconds in parts}


def shown_by_native(file: Path) -> set[tuple[int, int]]:
    packets = by_native(file).packets
    packets = packets[packets["protocol"].isin(RESOLUTION_PROTOCOLS)]
    return {
        (int(number_of(one)), int(time)) for one, time in zip(packets["frame_id"], packets["captured_ns"], strict=True)
    }


@pytest.fixture(scope="module")
def files(captures_folder, corpus_folder) -> list[Path]:
    """All shared captures, and the files of the corpus with ARP or ND."""
    corpus = [corpus_folder / "tcpdump/tests" / f"{name}.pcap" for name in WITH_ARP_OR_ND]
    return [*sorted(captures_folder.glob("*/*.pcap")), *corpus]


@pytest.fixture(scope="module")
def corpus(corpus_folder) -> dict[str, Decoded]:
    """Every file of the corpus, read by the native reader."""
    return {str(file): by_native(file) for file in sorted(corpus_folder.rglob("*")) if file.is_file()}


def frames_of(deviations: list[Deviation]) -> set[tuple[str, int]]:
    return {(one.file, frame) for one in deviations for frame in one.frames}


def test_every_column_of_every_row_agrees(files):
    """Both readers make the same rows out of a file: every shared column, times as integers."""
    found = in_parallel(differences, files)

    unlike = {(Path(name).name, frame): cells for name, frames in found.items() for frame, cells in frames.items()}

    assert {place: cells for place, cells in unlike.items() if place not in frames_of(ONLY_NATIVE)} == {}
    assert set(unlike) == frames_of(ONLY_NATIVE)


def test_tshark_by_itself_shows_the_same_frames(files):
    """What tshark's own filter calls ARP or ND are the native reader's rows, frame number and time."""
    theirs, ours = in_parallel(shown_by_tshark, files), in_parallel(shown_by_native, files)

    missing = {(Path(name).name, number) for name in theirs for number, _ in theirs[name] - ours[name]}
    surplus = {(Path(name).name, number) for name in theirs for number, _ in ours[name] - theirs[name]}

    assert missing == frames_of(NOT_LOOKED_INTO)
    assert surplus == frames_of(ONLY_NATIVE)


def test_the_whole_analysis_is_the_same_with_either_reader(captures_folder):
    """`--reader tshark` gives the same interfaces, anchors, routes and verdicts: all but its own hashes."""
    scenario = captures_folder / "arp-learned-then-suppressed"
    paths = [scenario / f"{name}.pcap" for name in ("vm1-ens19", "vm2-ens19", "pve1-ens18", "pve4-ens18")]

    native, other = (analyze(paths, Options(reader=reader)) for reader in ("native", "tshark"))

    assert (native.summary, native.clocks) == (other.summary, other.clocks)
    for name in ("interfaces", "anchors", "updates", "routes", "resolutions"):
        ours, theirs = getattr(native.tables, name), getattr(other.tables, name)
        kept = [column for column in ours.columns if column not in OWN_KEYS]
        pd.testing.assert_frame_equal(ours[kept], theirs[kept])
        assert len(ours) > 0


def test_the_captures_are_enough_to_mean_something(captures_folder):
    """The agreement is over 100 captures with thousands of ARP and ND rows, encapsulated ones among them."""
    packets = columns.PACKETS.concat([by_native(file).packets for file in sorted(captures_folder.glob("*/*.pcap"))])
    packets = packets[packets["protocol"].isin(RESOLUTION_PROTOCOLS)]

    assert len(packets) > 1500
    assert packets["vni"].notna().sum() > 500
    assert packets["direction"].notna().sum() > 500


def test_there_are_few_deviations():
    """Deviations are told one by one, and are at most twenty."""
    deviations = [*NOT_LOOKED_INTO, *ONLY_NATIVE]

    assert len(deviations) <= 20
    assert all(len(one.why.split()) > 8 for one in deviations)


def test_no_other_file_of_the_corpus_has_arp_or_nd(corpus):
    """Where tshark shows no ARP and no ND, the native reader has no such row either."""
    found = {
        Path(name).stem for name, one in corpus.items() if one.packets["protocol"].isin(RESOLUTION_PROTOCOLS).any()
    }

    assert found <= set(WITH_ARP_OR_ND)


def test_record_counts_are_those_of_capinfos(corpus):
    """The native reader counts the records that capinfos counts, in every file that capinfos can read."""
    told = subprocess.run(["capinfos", "-c", "-T", "-r", *corpus], capture_output=True, text=True, timeout=120).stdout
    counted = {name: int(count) for name, count in (line.split("\t") for line in told.splitlines())}

    assert len(counted) > 880  # the others are of link types or versions that capinfos does not know
    assert {name: corpus[name].capture.packet_count for name in counted} == counted


def test_every_record_is_decoded_or_left_out_for_one_reason(corpus):
    """Records in a file = decoded + left out by reason, in every file of the corpus."""
    captures = {name: one.capture for name, one in corpus.items()}
    accounted = {name: one.decoded_count + sum(one.skipped.values()) for name, one in captures.items()}

    assert accounted == {name: one.packet_count for name, one in captures.items()}

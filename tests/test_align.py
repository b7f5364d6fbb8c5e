"""Laws of the merged capture: every record once, in order of the common clock, its own time kept to the nanosecond."""

import struct
import subprocess
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evpn_pcap import synth
from evpn_pcap.align import align
from evpn_pcap.aligned import Records, Store, Stream, merge
from evpn_pcap.cli import run
from evpn_pcap.cli.status import ExitStatus
from evpn_pcap.errors import CaptureError
from evpn_pcap.model import ClockFit, ClockKnot, Options, Quality
from evpn_pcap.sources import find_sources

SECOND_NS = 10**9
START_NS = 1_795_375_633_062_696_123
SKEWED = "arp-learned-then-suppressed-skewed"

times = st.integers(0, 4 * 10**18) | st.integers(START_NS, START_NS + 10**9)
records = st.lists(st.builds(synth.Record, times, st.binary(min_size=1, max_size=70), st.integers(0, 2)), max_size=30)


def fit_of(host, offset_ns=0, reference="a"):
    """Return a clock that is ahead of the reference's by a constant."""
    knots = (ClockKnot(START_NS, offset_ns, 500), ClockKnot(START_NS + SECOND_NS, offset_ns, 700))
    quality = Quality.REFERENCE if host == reference else Quality.ACCURATE
    return ClockFit(host, reference, quality, START_NS, offset_ns, 0.0, 500, 10, knots if host != reference else ())


def merged(folder, fits, memory_bytes=1 << 20):
    """Return the packets of the merged file of a folder, read by the few lines below."""
    with (folder / "merged").open("wb") as file:
        written = align(find_sources([folder / "in"], Options()), fits, file, folder, memory_bytes)
    packets = packets_of((folder / "merged").read_bytes())
    assert written.packet_count == len(packets)
    return packets


def packets_of(octets):
    """Return (interface name, common ns, own time as written, octets, direction) of a little-endian pcapng."""
    names, offset_s, packets, at = [], [], [], 0
    while at < len(octets):
        kind, size = struct.unpack_from("<II", octets, at)
        assert size == struct.unpack_from("<I", octets, at + size - 4)[0]
        body = octets[at + 8 : at + size - 4]
        if kind == 1:
            options = options_of(body[8:])
            names.append(options[2].decode())
            offset_s.append(struct.unpack("<q", options.get(14, bytes(8)))[0])
        elif kind == 6:
            number, high, low, captured, _ = struct.unpack_from("<IIIII", body)
            options = options_of(body[20 + (captured + 3) // 4 * 4 :])
            time_ns = (high << 32 | low) + offset_s[number] * SECOND_NS
            direction = struct.unpack("<I", options.get(2, bytes(4)))[0]
            packets.append((names[number], time_ns, options[1].decode(), body[20 : 20 + captured], direction))
        at += size
    return packets


def options_of(octets):
    """Return the last value of each option."""
    found, at = {}, 0
    while at + 4 <= len(octets):
        code, size = struct.unpack_from("<HH", octets, at)
        found[code] = octets[at + 4 : at + 4 + size]
        at += 4 + (size + 3) // 4 * 4
    return found


def written(time_ns):
    second, rest = divmod(abs(time_ns), SECOND_NS)
    return f"captured {'-' * (time_ns < 0)}{second:010d}.{rest:09d}"


@settings(max_examples=60, deadline=None)
@given(st.lists(records, min_size=1, max_size=4), st.lists(st.integers(-(10**15), 10**15), min_size=4, max_size=4))
def test_every_record_is_there_once_in_order_with_both_times(tmp_path_factory, files, offsets):
    """Whatever order the records come in, the merged file has each once, by the common clock, and its own time."""
    folder = tmp_path_factory.mktemp("align")
    (folder / "in").mkdir()
    hosts = "abcd"[: len(files)]
    ahead = dict(zip(hosts, [0, *offsets], strict=False))
    for host, held in zip(hosts, files, strict=True):
        write_unsorted(folder / "in" / f"{host}-eth0.pcapng", held)

    packets = merged(folder, [fit_of(host, ahead[host]) for host in hosts])

    expected = Counter(
        (f"{host}:eth0", one.captured_ns - ahead[host], written(one.captured_ns), one.octets, one.direction)
        for host, held in zip(hosts, files, strict=True)
        for one in held
    )
    assert Counter(packets) == expected
    assert [one[1] for one in packets] == sorted(one[1] for one in packets)


def write_unsorted(path, held):
    """Write a pcapng file whose records are in the order given."""
    with path.open("wb") as file:
        blocks = [(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))]
        blocks.append((1, struct.pack("<HHIHHBxxxI", 1, 0, 0, 9, 1, 9, 0)))
        for one in held:
            head = struct.pack("<IIIII", 0, one.captured_ns >> 32, one.captured_ns & 0xFFFFFFFF, *[len(one.octets)] * 2)
            data = one.octets + bytes(-len(one.octets) % 4)
            blocks.append((6, head + data + struct.pack("<HHII", 2, 4, one.direction, 0)))
        for kind, body in blocks:
            size = struct.pack("<I", 12 + len(body))
            file.write(struct.pack("<I", kind) + size + body + size)


@pytest.mark.parametrize("memory_bytes", [0, 1 << 24])
def test_memory_decides_nothing(tmp_path, memory_bytes):
    """Files of many windows, in disorder over all of their length, merge alike in little memory and in much."""
    (tmp_path / "in").mkdir()
    random = np.random.default_rng(5)
    for host in "ab":
        shown = random.integers(START_NS, START_NS + SECOND_NS, 2000).tolist()
        held = [synth.Record(at, random.bytes(200)) for at in shown]
        synth.write_pcap(tmp_path / "in" / f"{host}.pcap", held, nanoseconds=True)

    packets = merged(tmp_path, [fit_of("a"), fit_of("b", 1234)], memory_bytes)

    assert len(packets) == 4000
    assert [one[1] for one in packets] == sorted(one[1] for one in packets)
    assert all(one[2] == written(one[1] + 1234 * (one[0] == "b")) for one in packets)


def test_ring_buffer_files_of_a_point_share_an_interface_and_hosts_do_not(tmp_path):
    """One interface a host and point, named by both; files that follow each other are one."""
    (tmp_path / "in").mkdir()
    for name, at in (("a-eth0.pcap", 0), ("a-eth0.pcap1", 5), ("a-eth1.pcap", 2), ("b-eth0.pcap", 3)):
        synth.write_pcap(tmp_path / "in" / name, [synth.Record(START_NS + at * 1000, b"x" * 20)])

    packets = merged(tmp_path, [fit_of("a"), fit_of("b")])

    assert [one[0] for one in packets] == ["a:eth0", "a:eth1", "b:eth0", "a:eth0"]


def test_what_comes_before_1970_keeps_its_place(tmp_path):
    """A clock that runs decades ahead shifts times below zero; order and both times stay exact."""
    (tmp_path / "in").mkdir()
    synth.write_pcap(tmp_path / "in" / "a.pcap", [synth.Record(5 * SECOND_NS + 7, b"x")], nanoseconds=True)
    synth.write_pcap(tmp_path / "in" / "b.pcap", [synth.Record(6 * SECOND_NS + 9, b"y")], nanoseconds=True)

    packets = merged(tmp_path, [fit_of("a"), fit_of("b", 100 * SECOND_NS)])

    assert [one[1] for one in packets] == [-94 * SECOND_NS + 9, 5 * SECOND_NS + 7]
    assert [one[2] for one in packets] == ["captured 0000000006.000000009", "captured 0000000005.000000007"]


def test_a_file_that_changes_meanwhile_is_an_error():
    """A stream that brings an earlier time than it announced, or another number of batches, is refused."""
    ones = np.ones(1, np.int64)
    octets = np.zeros(8, np.uint8)
    late = Records(octets, ones * 0, ones, ones, ones, ones * 50, ones * 0, np.zeros(1, np.int8))

    for earliest_ns, batches in (([60], [late]), ([50], []), ([50], [late, late])):
        with pytest.raises(CaptureError, match="changed"):
            list(merge([Stream("a.pcap", earliest_ns, iter(batches))], Store(Path(), 0)))


@pytest.mark.corpus
@pytest.mark.tshark
def test_tshark_finds_every_packet_and_its_own_time(captures_folder, tmp_path):
    """What tshark reads from the merged file: as many packets, time never falling, own times as in the inputs."""
    output = tmp_path / "merged.pcapng"

    assert run(["align", str(captures_folder / SKEWED), "-o", str(output), "--quiet"]) == ExitStatus.PASS

    found = fields_of(output, "frame.interface_name", "frame.time_epoch", "frame.comment", "frame.len")
    inputs = {path.stem.replace("-", ":", 1): path for path in (captures_folder / SKEWED).glob("*.pcap")}
    expected = [
        (name, f"captured {time}", size)
        for name, path in inputs.items()
        for time, size in fields_of(path, "frame.time_epoch", "frame.len")
    ]
    assert Counter((name, comment, size) for name, _, comment, size in found) == Counter(expected)
    aligned = [int(time.replace(".", "")) for _, time, _, _ in found]
    assert aligned == sorted(aligned)


def fields_of(path, *names):
    """Return fields of every packet as tshark prints them."""
    asked = [word for name in names for word in ("-e", name)]
    ended = subprocess.run(["tshark", "-r", path, "-T", "fields", *asked], capture_output=True, text=True, check=True)
    return [tuple(line.split("\t")) for line in ended.stdout.splitlines()]


def test_a_capture_that_cannot_be_read_is_left_out_and_told(tmp_path, capsys):
    """The others are merged, the status is 3, and standard error names what is missing."""
    synth.write_pcap(tmp_path / "a.pcap", [synth.Record(START_NS, b"x" * 20)])
    (tmp_path / "b.pcap").write_bytes(b"no capture at all")

    status = run(["align", str(tmp_path / "a.pcap"), str(tmp_path / "b.pcap"), "-o", str(tmp_path / "out.pcapng")])

    assert status == ExitStatus.INPUT
    assert "b.pcap" in capsys.readouterr().err
    assert len(packets_of((tmp_path / "out.pcapng").read_bytes())) == 1


def test_hosts_that_are_not_aligned_are_named_and_keep_their_times(tmp_path, capsys):
    """Nothing connects two hosts without common frames: the second keeps its own times, and is named."""
    for host in "ab":
        synth.write_pcap(tmp_path / f"{host}.pcap", [synth.Record(START_NS, b"x" * 20)], nanoseconds=True)

    status = run(["align", str(tmp_path), "--reference", "a", "-o", str(tmp_path / "out.pcapng")])

    assert status == ExitStatus.PASS
    assert "b is unalignable" in capsys.readouterr().err
    octets = (tmp_path / "out.pcapng").read_bytes()
    assert [one[1] for one in packets_of(octets)] == [START_NS, START_NS]
    assert b"NOT on the clock of a" in octets


@pytest.mark.parametrize("output", ["a.pcap", "/dev/full"])
def test_nothing_is_written_over_an_input_or_by_halves(tmp_path, output):
    """The output may not be one of the captures; a full disk is an error, and leaves nothing behind."""
    synth.write_pcap(tmp_path / "a.pcap", [synth.Record(START_NS, b"x" * 20)])
    before = (tmp_path / "a.pcap").read_bytes()

    status = run(["align", str(tmp_path / "a.pcap"), "-o", str(tmp_path / output)])

    assert status in (ExitStatus.USAGE, ExitStatus.INPUT)
    assert [path.name for path in tmp_path.iterdir()] == ["a.pcap"]
    assert (tmp_path / "a.pcap").read_bytes() == before


def test_standard_input_is_refused():
    """A capture is read more than once, so it cannot come through a pipe."""
    assert run(["align", "-", "-o", "out.pcapng"]) == ExitStatus.USAGE

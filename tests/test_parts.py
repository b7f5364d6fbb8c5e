"""A capture file read in parts, by several processes, is the capture read in one piece: every value, every count."""

import os
import random
import signal
import struct
import subprocess
import sys
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import make_bulk
from evpn_pcap.decode import decode, decode_part, join_parts
from evpn_pcap.decode.sampling import OPEN_SECONDS_MOST
from evpn_pcap.model import Options, Source
from evpn_pcap.reading import read_captures
from evpn_pcap.scale import runner
from evpn_pcap.sources import read_batches, split_source
from evpn_pcap.sources.parts import PART_BYTES
from tests.conftest import PROJECT
from tests.strategies import ARP, IPV4, arp, ether, frames, ipv4, tcp, udp, vxlan

FIRST_S = 1_760_000_000
TABLES = ("interfaces", "packets", "anchors", "segments", "anomalies")
BGP = ether(ipv4(tcp(b"\xff" * 16 + b"\x00\x13\x04", 40000, 179), 6))
PROGRAM = [sys.executable, "-c", "from evpn_pcap.cli import main; main()"]


def record(octets, second=0, nanosecond=0, cut=None):
    """One pcap record, of which `cut` octets were captured."""
    captured = octets if cut is None else octets[:cut]
    return struct.pack("<IIII", FIRST_S + second, nanosecond, len(captured), len(octets)) + captured


def ordinary(identifier, size=0):
    """A frame of which samples are taken, by its identifier."""
    return ether(ipv4(udp(bytes(size), 53), 17, identifier=identifier))


def written(folder, records, tail=b""):
    """A source of a pcap file with these records, and where each of them starts."""
    file = folder / "capture.pcap"
    sizes = [24, *map(len, records)]
    file.write_bytes(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262_144, 1) + b"".join(records) + tail)
    return source_of(file), np.cumsum(sizes).tolist()[:-1]


def source_of(file):
    return Source(3, file, file.name, "host", "point")


def cut_at(source, begins):
    """The source as parts that begin at these offsets."""
    places = sorted(set(begins))
    return [replace(source, begin_bytes=a, end_bytes=b) for a, b in pairwise([0, *places, None])]


def read_in_parts(parts, options):
    return join_parts([decode_part(read_batches(part), part, options) for part in parts], options)


def read_whole(source, options):
    return decode(read_batches(source), source, options)


def assert_same(found, expected):
    assert found.capture == expected.capture
    for name in TABLES:
        pd.testing.assert_frame_equal(getattr(found, name), getattr(expected, name), obj=name)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("parts")


@pytest.fixture(scope="module")
def bulk(tmp_path_factory):
    """A capture just large enough to be split unasked."""
    file = tmp_path_factory.mktemp("bulk") / "bulk.pcap"
    make_bulk.main([str(file), "--packets", "150000", "--rate", "10000"])
    assert file.stat().st_size > 2 * PART_BYTES
    return source_of(file)


# --- where to split, and what is joined ---


@settings(max_examples=60, deadline=None)
@given(
    some=st.lists(st.tuples(frames, st.integers(0, 2), st.integers(20, 200)), min_size=2, max_size=12),
    bulk_count=st.integers(0, 60),
    places=st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=4),
    wanted=st.sampled_from([0, 1, 7, 2000]),
    tail=st.integers(0, 40),
    seed=st.integers(0, 1000),
)
def test_parts_are_the_whole(folder, some, bulk_count, places, wanted, tail, seed):
    """Split before any records, in any order of time, cut records and tails among them: joined, it is one reading."""
    choice = random.Random(seed)
    records = [record(octets, second, cut=cut) for octets, second, cut in some]
    records += [record(ordinary(one), choice.randrange(3)) for one in range(bulk_count)] + [record(BGP, 1)]
    choice.shuffle(records)
    source, starts = written(folder, records, record(BGP)[:tail])
    options = Options(anchors_per_second_count=wanted)

    joined = read_in_parts(cut_at(source, [starts[int(place * len(starts))] for place in places]), options)

    assert_same(joined, read_whole(source, options))


@settings(max_examples=40, deadline=None)
@given(place=st.floats(0, 1, exclude_max=True), inside=st.integers(1, 10))
def test_parts_that_do_not_meet_are_refused(folder, place, inside):
    """Where a part begins inside a record, even at a header that looks like one, the parts are refused."""
    nested = record(record(bytes(20)) * 5)
    source, starts = written(folder, [nested] * 10)

    cut = cut_at(source, [starts[int(place * 10)] + inside * 4])

    assert read_in_parts(cut, Options()) is None


@pytest.mark.parametrize("part_count", range(1, 6))
def test_real_records_are_found(bulk, part_count):
    """A capture without tricks is split into as many parts as asked for, about equal, at starts of records."""
    parts = split_source(bulk, part_count, 1)

    size = bulk.file.stat().st_size
    begins = [part.begin_bytes for part in parts]
    assert len(parts) == part_count
    assert [part.end_bytes for part in parts] == [*begins[1:], None]
    assert all(abs(begin - size * place // part_count) < 1000 for place, begin in enumerate(begins))


@pytest.mark.parametrize("part_count", [2, 3, 5])
@pytest.mark.parametrize("wanted", [0, 50, 2000])
def test_bulk_in_parts(bulk, part_count, wanted):
    """Seconds that two parts share are sampled as one reading samples them."""
    options = Options(anchors_per_second_count=wanted)

    joined = read_in_parts(split_source(bulk, part_count, 1), options)

    assert_same(joined, read_whole(bulk, options))


@pytest.mark.parametrize("part_count", [2, 3])
def test_oddities_are_capped_as_in_one_reading(folder, part_count):
    """Of frames cut by the snapshot length, the first thousand of each reason get a row, whatever part they are in."""
    records = [record(ether(arp(), ARP), cut=30), record(ether(vxlan(ether(arp(), ARP)), IPV4), cut=80)]
    records += [record(ether(arp(), ARP), cut=20), record(ether(ipv4(tcp(b"", 1, 179), 6), IPV4), cut=40)]
    source, starts = written(folder, records * 800)

    cut = cut_at(source, [starts[len(starts) * part // part_count] for part in range(1, part_count)])
    joined = read_in_parts(cut, Options())

    assert_same(joined, read_whole(source, Options()))
    assert joined.anomalies["count"].max() > 1


@pytest.mark.parametrize("step", [1, 2])
def test_long_captures_in_order(folder, step):
    """More seconds than are remembered, in order, the one at the split busy: sampled as in one reading."""
    options = Options(anchors_per_second_count=3)
    records = [record(ordinary(one % 60_000), one // 4 * step) for one in range(4 * OPEN_SECONDS_MOST + 4000)]
    source, starts = written(folder, records)

    joined = read_in_parts(cut_at(source, [starts[1001], starts[-998]]), options)

    assert_same(joined, read_whole(source, options))


@pytest.mark.parametrize("is_split", [True, False])
def test_long_captures_out_of_order_are_refused(folder, is_split):
    """Where one reading would have forgotten a second that comes again, parts cannot tell what it gives."""
    seconds = [*range(OPEN_SECONDS_MOST + 50), *range(100)]
    source, starts = written(folder, [record(ordinary(one), second) for one, second in enumerate(seconds)])

    cut = cut_at(source, [starts[OPEN_SECONDS_MOST + 50 if is_split else 5]])

    assert read_in_parts(cut, Options(anchors_per_second_count=1)) is None


@pytest.mark.parametrize(
    "odd", [struct.pack("<IIII", FIRST_S, 0, 0x7FFFFFFF, 60) + bytes(40), record(BGP, nanosecond=2_000_000_000)]
)
def test_damaged_files_are_read_in_one_piece(folder, odd):
    """Where a record is broken or its time is, parts are refused: how that is told depends on what is in memory."""
    source, starts = written(folder, [record(BGP)] * 50 + [odd] + [record(BGP)] * 50)

    assert read_in_parts(cut_at(source, [starts[20]]), Options()) is None


@pytest.mark.corpus
def test_real_captures_in_parts(captures_folder, corpus_folder):
    """Real captures, small as they are, are the same in three parts; files of other kinds stay whole."""
    files = sorted([*captures_folder.rglob("*.pcap"), *corpus_folder.rglob("*.pcap")])
    sources = [source_of(file) for file in files if file.stat().st_size > 3000]
    split = [split_source(source, 3, 1) for source in sources]

    pairs = [
        (read_in_parts(parts, Options()), read_whole(source, Options()))
        for source, parts in zip(sources, split, strict=True)
        if len(parts) > 1
    ]

    joined = [pair for pair in pairs if pair[0] is not None]
    assert len(joined) > 50
    assert len(joined) / len(pairs) > 0.9
    for found, expected in joined:
        assert_same(found, expected)


def test_what_is_not_split(folder, bulk):
    """Small files, other formats, pipes and files that are not there are left as they are."""
    pipe, section = folder / "pipe", folder / "section"
    os.mkfifo(pipe)
    section.write_bytes(b"\x0a\x0d\x0d\x0a" + bytes(100))
    small, _ = written(folder, [record(BGP)] * 100)
    zipped = folder / "zipped"
    zipped.write_bytes(b"\x1f\x8b" + bytes(100))

    sources = [small, *map(source_of, (pipe, section, zipped, folder, folder / "missing", Path("-")))]

    assert [split_source(one, 4) for one in sources] == [(one,) for one in sources]
    assert [split_source(one, 4, 1) for one in sources[1:]] == [(one,) for one in sources[1:]]
    assert split_source(bulk, 1) == (bulk,)
    assert len(split_source(bulk, 100)) == 2


# --- over processes ---


def test_fake_headers_everywhere(tmp_path):
    """A capture whose payloads are captures is read wholly, though every guess where to split it is wrong."""
    fake = record(ordinary(7)) * 1000
    source, _ = written(tmp_path, [record(fake, cut=60_000)] * 999)

    with runner(2) as run:
        (found,), _ = read_captures([source.file], Options(), run)
    (expected,), _ = read_captures([source.file], Options())

    assert len(split_source(source, 2)) == 2
    assert read_in_parts(split_source(source, 2), Options()) is None
    assert_same(found, expected)
    assert found.capture.packet_count == 999


@pytest.mark.parametrize("command", ["packets", "analyze"])
def test_processes_change_no_byte(bulk, command):
    """Unasked, with two processes, and with one: the same answer."""
    arguments = [*PROGRAM, command, str(bulk.file), "--format", "json"]

    outputs = [
        subprocess.run([*arguments, *more], capture_output=True, check=True).stdout
        for more in ([], ["--workers", "2"], ["--workers", "1"])
    ]

    assert len(outputs[0]) > 1000
    assert outputs[0] == outputs[1] == outputs[2]


CLOCKS = """
import os, sys
from evpn_pcap.clocks import fit
from evpn_pcap.pipeline import analyze
from evpn_pcap.scale import runner

os.sched_getaffinity = lambda _: {0, 1, 2}
fit.MANY_MATCHES = int(sys.argv[2])
forks, fork = [], os.fork
os.fork = lambda: forks.append(1) or fork()
alone = analyze([sys.argv[1]])
with runner() as run:
    shared = analyze([sys.argv[1]], run=run)
print(len(forks), len(alone.tables.clock_pairs) > 1, alone.clocks == shared.clocks)
for name in ("clock_pairs", "clock_traces", "resolutions", "flows"):
    print(name, getattr(alone.tables, name).equals(getattr(shared.tables, name)))
"""


@pytest.mark.parametrize(("least", "forks"), [(0, 2), (10**9, 0)])
def test_processes_change_no_clock(least, forks):
    """Pairs of hosts fitted by children, where matches are many: the same clocks, the same verdicts."""
    sample = PROJECT / "samples/learned-then-suppressed"

    told = subprocess.run(
        [sys.executable, "-c", CLOCKS, str(sample), str(least)], capture_output=True, text=True, check=True
    ).stdout

    assert told.split("\n", 1)[0] == f"{forks} True True"
    assert told.count("True") == 6


SCRIPT = """
import os, signal, sys, time
import numpy as np
from evpn_pcap.scale import runner

signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
parent = os.getpid()
os.sched_getaffinity = lambda _: {{0, 1, 2}}

def work(item):
    is_child = os.getpid() != parent
    {body}
    return item * item

with runner() as run:
    print(list(run.over_parts(work, range(7))), run.process_count)
try:
    os.waitpid(-1, 0)
except ChildProcessError:
    print("no child is left")
"""
SQUARES = "[0, 1, 4, 9, 16, 25, 36] 3\nno child is left\n"


def script(body):
    return [sys.executable, "-c", SCRIPT.format(body=body)]


@pytest.mark.parametrize(
    "body",
    [
        "pass",
        "is_child and os.kill(os.getpid(), signal.SIGKILL)",
        "is_child and item == 4 and os.kill(os.getpid(), signal.SIGKILL)",
        "if is_child: raise MemoryError",
        "if is_child: return bytes(10_000_000) and item * item",
        "if is_child: return lambda: 'cannot be sent'",
        "np.ones((300, 300)) @ np.ones((300, 300))",
    ],
)
def test_dead_children_leave_their_share_to_the_parent(body):
    """Whatever becomes of the children, every item is done once, in order, nothing hangs, no process is left."""
    ended = subprocess.run(script(body), capture_output=True, text=True, timeout=60)

    assert (ended.stdout, ended.stderr) == (SQUARES, "")


def test_errors_of_a_child_are_the_parents():
    """What a child's share raises is raised by the parent, as if there were no child."""
    ended = subprocess.run(script("assert item != 4"), capture_output=True, text=True, timeout=60)

    assert ended.returncode == 1
    assert ended.stderr.count("Traceback") == 1
    assert ended.stderr.strip().endswith("AssertionError")


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_signals_leave_no_process(ending):
    """Ctrl-C and SIGTERM end the program and its children at once."""
    body = "is_child or print('began', flush=True); time.sleep(60)"
    with subprocess.Popen(
        script(body), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
    ) as process:
        process.stdout.readline()
        process.send_signal(ending)
        began = time.monotonic()
        process.wait(timeout=30)

        assert time.monotonic() - began < 10
        assert process.returncode != 0
        with pytest.raises(ProcessLookupError):
            os.killpg(process.pid, 0)

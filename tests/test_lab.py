"""The lab itself: real runs on two fabrics, lies that other witnesses catch, clock errors that are what they say."""

import copy
import os
import struct
import subprocess
import sys
from functools import cache
from itertools import accumulate, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evpn_pcap.rules import load_rules
from samples.lab import expected, leftovers
from samples.lab.__main__ import run
from samples.lab.agreement import disagreements
from samples.lab.board import skewed
from samples.lab.fabric import FABRICS
from samples.lab.scenarios import SCENARIOS
from samples.lab.score import score
from samples.lab.skew import S_NS, Clock, Slew, Step, read_clocks, skew_file, write_clocks
from samples.lab.witness.reading import read
from tests.conftest import PROJECT

T0_NS = 1_795_375_633_062_696_123
RUNS = (
    pytest.param("founding", "proxmox", marks=pytest.mark.lab),
    pytest.param("mobility-rarp", "overlapping", marks=pytest.mark.lab),
)


@pytest.fixture(scope="module")
def lab_folder(tmp_path_factory):
    """One folder for all runs of this module; the machine before and after is compared by whoever asks."""
    return tmp_path_factory.mktemp("lab")


@cache
def ran(folder, scenario, fabric):
    """Run a scenario once for all tests, and return its folder and truth."""
    target = folder / f"{scenario}@{fabric}"
    return target, run(SCENARIOS[scenario], fabric, target)


def left_by_this_process():
    """Return what a run could leave behind: namespaces, interfaces, programs, folders; not those of other runs."""
    mine = f"lab{os.getpid()}x"
    lines = [
        subprocess.run(line, capture_output=True, text=True, check=False).stdout.splitlines()
        for line in (("ip", "netns"), ("ip", "-o", "link"), ("ps", "-eo", "ppid,pid,stat,args"))
    ]
    kept = [line for line in lines[0] if line.startswith(mine)]
    kept += [str(path) for path in leftovers.STATE.glob(f"{mine}*")]
    programs = [line for line in lines[2] if mine in line or line.split()[0] == str(os.getpid())]
    return kept, len(lines[1]), [line for line in programs if " ps -eo" not in line]


@pytest.mark.parametrize(("scenario", "fabric"), RUNS)
def test_a_real_fabric_is_judged_rightly(lab_folder, scenario, fabric):
    """Driven for real, every resolution is found and right, nothing is surplus, and no witness contradicts another."""
    folder, truth = ran(lab_folder, scenario, fabric)

    result = score(folder)

    assert result.told == []
    assert result.disagreements == ()
    assert result.unexpected == []
    assert result.counts["right"] == result.rows == len(truth["resolutions"]) >= 5
    assert len(truth["driven"]) >= 10


@pytest.mark.parametrize(("scenario", "fabric"), RUNS)
def test_clock_errors_change_no_claim(lab_folder, scenario, fabric):
    """Clocks days apart that drift, wander, step and slew lead to the same claim on every resolution."""
    folder, truth = ran(lab_folder, scenario, fabric)

    with_errors = score(skewed(folder), folder)

    with_errors.compare(score(folder))
    assert with_errors.told == []
    assert with_errors.changed == []
    assert with_errors.counts["right"] == len(truth["resolutions"])


@pytest.mark.lab("vlan-aware")
def test_a_vlan_aware_fabric_is_judged_rightly(lab_folder):
    """The same on one VLAN-aware bridge a VTEP, in user-mode Linux where this kernel has no VLAN filtering."""
    line = [sys.executable, "-m", "samples.lab", "no-gateway@vlan-aware", "--out", str(lab_folder), "--drive"]
    subprocess.run(line, cwd=PROJECT, check=True)

    result = score(lab_folder / "no-gateway@vlan-aware")

    assert result.told == []
    assert result.disagreements == ()
    assert result.counts["right"] == result.rows >= 5


@pytest.mark.lab
def test_nothing_is_left_behind(lab_folder):
    """After a run there is no namespace, interface, program or state folder that was not there before."""
    before = left_by_this_process()

    run(SCENARIOS["no-gateway"], "pair", lab_folder / "left")

    assert left_by_this_process() == before
    assert before[0] == []


def flooded_told_as_kept(truth):
    """Say of the first flooded resolution that it was suppressed."""
    row = next(row for row in truth["resolutions"] if row["class"] == "flooded")
    row["class"] = row["path"] = "suppressed"
    for request in row["requests"]:
        request["underlay_copies"], request["delivered_to"] = [], []


def kept_told_as_flooded(truth):
    """Invent a copy on the underlay for the first suppressed resolution."""
    row = next(row for row in truth["resolutions"] if row["class"] == "suppressed")
    ends = list(truth["vteps"].values())
    row["requests"][0]["underlay_copies"] = [f"{ends[0]}>{ends[1]} vni 5001"]


def resolution_left_out(truth):
    """Forget a resolution."""
    del truth["resolutions"][-1]


def answer_left_out(truth):
    """Forget an answer."""
    row = next(row for row in truth["resolutions"] if row["answered"])
    row["requests"][0]["answers"] = []


def answer_from_an_empty_table(truth):
    """Say that the kernel had no entry for what its VTEP answered."""
    proxied = [row for row in truth["resolutions"] if (row["answered_by"] or "").endswith(":proxy")]
    proxied[0]["requests"][0]["ingress_neigh"] = ""


LIES = (
    flooded_told_as_kept,
    kept_told_as_flooded,
    resolution_left_out,
    answer_left_out,
    answer_from_an_empty_table,
)


@pytest.mark.lab
@pytest.mark.parametrize("lie", LIES)
def test_a_false_truth_is_caught_by_another_witness(lab_folder, lie):
    """What one witness is made to say wrongly, counters, the kernel's tables or the pings contradict."""
    _, truth = ran(lab_folder, "founding", "proxmox")
    false = copy.deepcopy(truth)

    lie(false)

    assert disagreements(truth) == []
    assert len(disagreements(false)) >= 1


def test_stories_declare_what_rules_can_find():
    """Every diagnosis that a story or a fabric declares is one that a rule finds, and none is declared twice."""
    known = {rule.name for rule in load_rules()}
    declared = [(one.made_for, one.also_shows) for one in SCENARIOS.values()]
    declared += [((), one.also_shows) for one in FABRICS.values()]

    assert all({*made, *also} <= known and not {*made} & {*also} for made, also in declared)


@given(st.lists(st.tuples(st.integers(1, 5 * S_NS), st.booleans(), st.booleans(), st.booleans()), max_size=12))
def test_a_frame_and_its_repeats_are_one_row(drawn):
    """A row ends with an answer, a silence of 3 s or a move, and is flooded if one of its frames crossed the fabric."""
    gaps_ns = [gap_ns for gap_ns, _, _, _ in drawn]
    answered, moved, crossed = ({number for number, one in enumerate(drawn) if one[at]} for at in (1, 2, 3))
    times = list(accumulate(gaps_ns, initial=T0_NS))
    homes = list(accumulate((number in moved for number in range(len(times))), initial=0))[1:]
    common = {"requester": "vm1", "requester_mac": "m", "requester_ip": "i", "target": "t", "protocol": "arp"}
    frames = [
        common
        | {"t_ns": at_ns, "vtep": home, "seen_at": [], "underlay_copies": [1] * (number in crossed)}
        | {"answers": [{"t_ns": at_ns}] * (number in answered)}
        for number, (at_ns, home) in enumerate(zip(times, homes, strict=True))
    ]

    empty = {name: [] for name in ("announcements", "svi_requests", "unasked_answers")}
    rows = expected.others(empty | {"unicast_probes": frames, "vms": {"vm1": {"vnet": "EVPN1"}}})

    begins = [0] + [
        number
        for number in range(1, len(times))
        if number - 1 in answered or gaps_ns[number - 1] > expected.REPEAT_NS or homes[number] != homes[number - 1]
    ]
    spans = [range(begin, end) for begin, end in pairwise([*begins, len(times)])]
    assert [row["t_ns"] for row in rows] == [times[begin] for begin in begins]
    assert [row["is_flooded"] for row in rows] == [any(number in crossed for number in span) for span in spans]


TIMES = st.integers(0, 3600 * S_NS).map(lambda ns: T0_NS + ns)
CLOCKS = st.builds(
    Clock,
    st.just(T0_NS),
    st.integers(-5 * 86_400 * S_NS, 5 * 86_400 * S_NS),
    st.integers(-100_000, 100_000),
    st.integers(0, 1_000_000),
    st.integers(10 * S_NS, 600 * S_NS),
    st.lists(st.builds(Step, TIMES, st.integers(-S_NS, S_NS)), max_size=3).map(tuple),
    st.lists(
        st.builds(
            lambda at, s, ppb: Slew(at, at + s * S_NS, ppb), TIMES, st.integers(1, 60), st.integers(-500_000, 500_000)
        ),
        max_size=2,
    ).map(tuple),
)
ENDIAN = st.sampled_from("<>")


@given(clock=CLOCKS, at_ns=TIMES)
def test_clocks_are_kept_whole(tmp_path_factory, clock, at_ns):
    """What skew.json holds shows, at any moment, the very nanosecond that the clock did."""
    path = tmp_path_factory.mktemp("skew") / "skew.json"

    write_clocks(path, "source", {"pve1": clock})

    assert read_clocks(path)["pve1"].stamp(at_ns) == clock.stamp(at_ns)


@given(clock=CLOCKS, times=st.lists(TIMES, min_size=1, max_size=20), order=ENDIAN, is_nano=st.booleans())
def test_pcap_stamps_are_the_clocks(tmp_path_factory, clock, times, order, is_nano):
    """Each record of a pcap file, of either byte order, shows what its host's clock showed, cut to the resolution."""
    tick_ns = 1 if is_nano else 1000
    magic = 0xA1B23C4D if is_nano else 0xA1B2C3D4
    head = struct.pack(f"{order}IHHiIII", magic, 2, 4, 0, 0, 65535, 1)
    records = [
        struct.pack(f"{order}IIII", at // S_NS, at % S_NS // tick_ns, 3, 3) + bytes([n, 0, 0])
        for n, at in enumerate(times)
    ]
    source, target = (tmp_path_factory.mktemp("pcap") / name for name in ("in.pcap", "out.pcap"))
    source.write_bytes(head + b"".join(records))

    skew_file(source, target, clock.stamp)

    octets = target.read_bytes()
    shown = [struct.unpack_from(f"{order}II", octets, 24 + 19 * n) for n in range(len(times))]
    expected = [clock.stamp(at // tick_ns * tick_ns) // tick_ns for at in times]
    assert [seconds * (S_NS // tick_ns) + ticks for seconds, ticks in shown] == expected
    assert [octets[24 + 19 * n + 16] for n in range(len(times))] == list(range(len(times)))


@given(
    clock=CLOCKS, times=st.lists(TIMES, min_size=1, max_size=20), order=ENDIAN, power=st.sampled_from([3, 6, 9, 0x94])
)
def test_pcapng_stamps_are_the_clocks(tmp_path_factory, clock, times, order, power):
    """The same for pcapng, whatever resolution an interface declares; all else stays octet for octet."""
    per_second = 2 ** (power & 0x7F) if power & 0x80 else 10**power
    ticks = [at * per_second // S_NS for at in times]
    source, target = (tmp_path_factory.mktemp("pcapng") / name for name in ("in.pcapng", "out.pcapng"))
    source.write_bytes(pcapng(order, power, ticks))

    skew_file(source, target, clock.stamp)

    shown = [clock.stamp(tick * S_NS // per_second) * per_second // S_NS for tick in ticks]
    assert target.read_bytes() == pcapng(order, power, shown)


def pcapng(order, power, ticks):
    """Return a pcapng file with one interface of this resolution and one packet a tick."""

    def block(kind, body):
        length = 12 + len(body)
        return struct.pack(f"{order}II", kind, length) + body + struct.pack(f"{order}I", length)

    section = block(0x0A0D0D0A, struct.pack(f"{order}IHHq", 0x1A2B3C4D, 1, 0, -1))
    option = struct.pack(f"{order}HHBxxx", 9, 1, power) + bytes(4)
    interface = block(1, struct.pack(f"{order}HHI", 1, 0, 65535) + option)
    packets = [
        block(6, struct.pack(f"{order}IIIII", 0, tick >> 32, tick & 0xFFFFFFFF, 2, 2) + b"\1\2\0\0") for tick in ticks
    ]
    return section + interface + b"".join(packets)


@given(octets=st.binary(max_size=200), cut=st.integers(0, 200))
def test_the_witness_reads_any_octets(octets, cut):
    """Whatever a frame holds and wherever it is cut, the witness reads it or leaves it, and never fails."""
    for head in (
        b"",
        bytes(12) + b"\x08\x06",
        bytes(12) + b"\x86\xdd",
        bytes(12) + b"\x08\x00\x45" + bytes(8) + b"\x11",
    ):
        found = read((head + octets)[:cut], 4789)
        assert found is None or found.content in head + octets

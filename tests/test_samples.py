"""Every folder of samples/: what the analysis says against counted expectations and against the truth.

`pytest tests/test_samples.py --update-samples -s` prints, for each sample, what the analysis found in the
form of expected.json; nothing is overwritten: expectations come from the truth, not from the program. With -s the
matrix of samples and rules is printed, too.
"""

import importlib.util
import json
import re
import subprocess
from collections import Counter
from datetime import datetime
from functools import cache
from pathlib import Path

import pandas as pd
import pytest

import evpn_pcap
from evpn_pcap.addresses import mac_text
from evpn_pcap.model import Options
from evpn_pcap.rules import load_rules
from samples.lab.skew import Clock, read_clocks

SAMPLES = Path(__file__).parent.parent / "samples"
NAMES = sorted(path.parent.name for path in SAMPLES.glob("*/expected.json"))
WITH_TRUTH = sorted(path.parent.name for path in SAMPLES.glob("*/truth.json"))
WITH_BRACKET = [name for name in NAMES if name.startswith("founding-case")]
NEAR_NS = 50_000_000
RULES = load_rules()
# What fires beside the sample that goes by a rule's name, and why that is right.
EXPLAINED = {
    ("arp-flooded", "no-svi-address"): "the lab's own picture of that diagnosis",
    ("learned-then-suppressed", "gateway-primed"): "the lab's own picture of that diagnosis",
    ("suppression-off", "suppression-not-working"): "the lab's own picture of that diagnosis",
    ("lab-probes", "dad-blind"): "the lab's own picture of that diagnosis",
    ("lab-unknown-unicast", "unknown-unicast"): "the lab's own picture of that diagnosis",
    (
        "sequence-regress",
        "sequence-not-incremented",
    ): "the diagnosis sees the damage, the check the rule that was broken",
}
ANSWERED_BY = {"proxy": "proxy", "EVPN1": "gateway"}  # how the truth writes it: pve1:proxy, pve1:EVPN1, vm2

spec = importlib.util.spec_from_file_location("samples_build", SAMPLES / "build.py")
build = importlib.util.module_from_spec(spec)
spec.loader.exec_module(build)


def read(name, file):
    return json.loads((SAMPLES / name / file).read_text())


@cache
def analysis_of(name):
    prints = tuple(str(path) for path in (SAMPLES / name).glob("prints"))
    return evpn_pcap.analyze([SAMPLES / name], Options(snapshots=prints))


def answers(name):
    """Return the rows that the headline counts: kind = resolution."""
    found = analysis_of(name).tables.resolutions
    told = found[found["kind"] == "resolution"]
    return told.assign(target_mac=[None if pd.isna(mac) else mac_text(int(mac)) for mac in told["target_mac"]])


def rows_where(rows, where):
    """Return the rows that have all these values."""
    chosen = pd.Series(True, index=rows.index)
    for column, value in where.items():
        chosen &= (rows[column] == value).fillna(False)
    return rows[chosen]


def outcomes(rows):
    return {word: int((rows["outcome"] == word).sum()) for word in ("suppressed", "flooded", "learned", "undecided")}


@pytest.fixture(autouse=True)
def _tell(request):
    """Print what was found, when asked to."""
    yield
    if request.config.getoption("--update-samples") and "name" in request.fixturenames:
        name = request.getfixturevalue("name")
        findings = Counter(finding.name for finding in analysis_of(name).findings)
        told = json.dumps({"resolutions": outcomes(answers(name)), "findings": findings})
        request.config.get_terminal_writer().line(f"\n{name} {told}")


@pytest.mark.parametrize("name", NAMES)
def test_outcomes_are_as_counted(name):
    """The headline of each sample: how many resolutions were suppressed, flooded, learned, undecided."""
    rows = answers(name)
    shown = rows[["protocol", "requester_ip", "target_ip", "outcome", "answered_by", "undecided_reason"]]

    assert outcomes(rows) == read(name, "expected.json")["resolutions"], f"\n{shown.to_string()}"


@pytest.mark.parametrize(
    ("name", "claim"),
    [
        pytest.param(name, claim, id=f"{name}-{n}")
        for name in NAMES
        for n, claim in enumerate(read(name, "expected.json")["claims"], 1)
    ],
)
def test_claims_are_as_counted(name, claim):
    """So many rows have these values; the message shows all rows in the claim's columns."""
    rows = answers(name)

    assert len(rows_where(rows, claim["where"])) == claim["count"], f"{claim}\n{rows[list(claim['where'])].to_string()}"


@pytest.mark.parametrize("name", NAMES)
def test_findings_are_as_counted(name):
    """Each sample fires the rules whose evidence it holds, and no other."""
    findings = analysis_of(name).findings

    found = dict(Counter(finding.name for finding in findings))

    assert found == read(name, "expected.json")["findings"], "\n".join(finding.title for finding in findings)


@pytest.mark.parametrize("name", NAMES)
def test_findings_name_their_evidence(name):
    """Whoever reads a finding can open its frames."""
    for finding in analysis_of(name).findings:
        assert finding.frame_ids, finding.name
        assert set(finding.resolution_ids) <= set(analysis_of(name).tables.resolutions["id"]), finding.name


@pytest.mark.parametrize("name", NAMES)
def test_every_file_is_read_whole(name):
    """No capture of a sample fails, none is cut, and every record is accounted for."""
    analysis = analysis_of(name)

    assert analysis.failures == ()
    assert len(analysis.captures) == len(list((SAMPLES / name).glob("*.pcap*")))
    for capture in analysis.captures:
        assert not capture.is_truncated, capture.name
        assert capture.packet_count == capture.decoded_count + sum(capture.skipped.values()), capture.name


def clocks_of(name):
    """Return each host's clock; without skew.json all are right."""
    path = SAMPLES / name / "skew.json"
    return read_clocks(path) if path.exists() else {}


def reading_ns(name, host, true_ns):
    """Return what a host's clock showed at a true moment."""
    clock = clocks_of(name).get(host)
    return clock.stamp(true_ns) if clock else true_ns


def told_truth(name):
    """Return the truth's resolutions in the program's words, times on the reference clock."""
    reference = analysis_of(name).clocks[0].reference
    return [
        {
            "key": (row["requester_ip"], row["target"], row["protocol"]),
            "time_ns": reading_ns(name, reference, row.get("t_ns", round(row["t"] * 1e9))),
            "outcome": row["class"],
            "answered_by": ANSWERED_BY.get(row["answered_by"].partition(":")[2], "target")
            if row["answered_by"]
            else "none",
        }
        for row in read(name, "truth.json")["resolutions"]
    ]


@pytest.mark.parametrize("name", WITH_TRUTH)
def test_every_true_resolution_is_found_and_none_beside(name):
    """Requester, target, protocol, time within 50 ms, outcome and who answered: none wrong, missing or surplus."""
    truth = sorted(told_truth(name), key=lambda row: (row["key"], row["time_ns"]))
    rows = answers(name).sort_values(["requester_ip", "target_ip", "protocol", "time_ns"])
    found = rows[["requester_ip", "target_ip", "protocol", "outcome", "answered_by"]].itertuples(index=False, name=None)

    assert list(found) == [(*row["key"], row["outcome"], row["answered_by"]) for row in truth]
    errors = [abs(ours - row["time_ns"]) for ours, row in zip(rows["time_ns"], truth, strict=True)]
    assert max(errors) < NEAR_NS


@pytest.mark.parametrize("name", WITH_TRUTH)
def test_true_clock_differences_lie_within_the_margin(name):
    """clock(host) - clock(reference), where it is stated, holds the truth; every host is aligned."""
    clocks = clocks_of(name)

    for fit in analysis_of(name).clocks:
        assert fit.margin_ns is not None, fit.host
        # Drift moves this by microseconds: no matter.
        true_ns = fit.anchor_ns - clocks.get(fit.host, Clock(0)).offset_ns
        true_offset_ns = reading_ns(name, fit.host, true_ns) - reading_ns(name, fit.reference, true_ns)
        assert abs(fit.offset_ns - true_offset_ns) <= fit.margin_ns, fit.host


@pytest.mark.parametrize("name", WITH_BRACKET)
def test_founding_offsets_lie_in_their_bracket(name):
    """What the echo round trips prove about two clocks; and no margin claims more than they do."""
    bracket = read(name, "expected.json")["clocks"]["vm2 - vm1"]
    fits = {fit.host: fit for fit in analysis_of(name).clocks}

    offset_ns = fits["vm2"].offset_ns - fits["vm1"].offset_ns
    margin_ns = max(fit.margin_ns for fit in fits.values())

    assert bracket["least_ns"] <= offset_ns <= bracket["most_ns"]
    assert margin_ns >= (bracket["most_ns"] - bracket["least_ns"]) // 2


@pytest.mark.parametrize("name", WITH_BRACKET)
def test_founding_verdicts_state_their_assumption(name):
    """Only VMs were captured, so placement is not in the packets: each verdict says what else it rests on."""
    assert all(len(assumptions) > 0 for assumptions in answers(name)["assumptions"])


@pytest.mark.parametrize("name", WITH_TRUTH)
def test_expectations_are_those_of_the_truth(name):
    """expected.json counts what truth.json lists: neither comes from the program."""
    counted = Counter(row["class"] for row in read(name, "truth.json")["resolutions"])

    assert {word: count for word, count in read(name, "expected.json")["resolutions"].items() if count} == counted


@pytest.mark.parametrize("name", sorted(build.scenarios.SCENARIOS))
def test_simulated_samples_are_what_synth_makes(name, tmp_path):
    """Building again gives the same octets."""
    build.scenarios.SCENARIOS[name]().write(tmp_path)

    for path in sorted(tmp_path.iterdir()):
        assert path.read_bytes() == (SAMPLES / name / path.name).read_bytes(), path.name


def test_pcapng_tells_the_same_as_pcap(tmp_path):
    """One file a host with named interfaces, or one file a vantage point: the same rows and findings."""
    name = "gateway-primed"
    build.scenarios.SCENARIOS[name]().write(tmp_path, form="pcapng")
    told = evpn_pcap.analyze([tmp_path])
    columns = ["kind", "protocol", "requester_ip", "target_ip", "outcome", "answered_by", "route_effect"]

    rows, expected = (one.tables.resolutions[columns] for one in (told, analysis_of(name)))

    pd.testing.assert_frame_equal(rows, expected)
    assert [one.name for one in told.findings] == [one.name for one in analysis_of(name).findings]


@pytest.mark.parametrize("name", WITH_BRACKET)
def test_founding_samples_are_what_the_prints_say(name, tmp_path):
    """Building again from the prints gives the same octets."""
    for text in (SAMPLES / name).glob("*-tcpdump.txt"):
        (tmp_path / text.name).write_text(text.read_text())
    build.founding_case(tmp_path)

    for vm in ("vm1.pcap", "vm2.pcap"):
        assert (tmp_path / vm).read_bytes() == (SAMPLES / name / vm).read_bytes()


@pytest.mark.tshark
@pytest.mark.parametrize("name", WITH_BRACKET)
@pytest.mark.parametrize("vm", ["vm1", "vm2"])
def test_founding_frames_have_the_printed_times_and_targets(name, vm):
    """tshark sees one frame for each printed line, at its time, asking for and telling its address."""
    stamped = re.findall(
        r"^(\d\d:\d\d:\d\d\.\d{6}) (.*)", (SAMPLES / name / f"{vm}-tcpdump.txt").read_text(), re.MULTILINE
    )
    fields = [
        "frame.time_epoch",
        "arp.dst.proto_ipv4",
        "arp.src.proto_ipv4",
        "icmpv6.nd.ns.target_address",
        "icmpv6.nd.na.target_address",
    ]
    wanted = [word for field in fields for word in ("-e", field)]
    command = ["tshark", "-r", SAMPLES / name / f"{vm}.pcap", "-T", "fields", *wanted]

    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()

    assert len(told) == len(stamped)
    for line, (time, words) in zip(told, stamped, strict=True):
        second = int(datetime.fromisoformat(f"{build.DAY}T{time[:8]}+00:00").timestamp())
        assert line.startswith(f"{second}{time[8:]}000\t")
        named = re.search(r"(?:who-has|Reply|who has|tgt is) ([0-9a-f.:]+)", words)
        assert (named[1].rstrip(",") if named else "") in line


def test_a_line_that_fits_nothing_is_an_error():
    """A print with an unknown packet is refused, not passed over."""
    with pytest.raises(ValueError, match="not enough values"):
        list(build.frames_of("13:13:31.856433 IP 10.2.1.11 > 10.2.1.12: GREv0, length 20"))


@pytest.mark.parametrize("name", NAMES)
def test_each_sample_says_what_it_is(name):
    """A sample has captures, expectations and a README that says what it shows, where it is from, how it was made."""
    folder = SAMPLES / name
    text = (folder / "README.md").read_text()

    assert text.startswith("# ")
    assert "## Origin" in text
    assert "build.py" in text
    assert list(folder.glob("*.pcap"))


def test_samples_stay_small():
    """Each sample is under 300 KB, all together under 6 MB."""
    sizes = {name: sum(path.stat().st_size for path in (SAMPLES / name).iterdir()) for name in NAMES}

    assert {name: size for name, size in sizes.items() if size >= 300_000} == {}
    assert sum(sizes.values()) < 6_000_000


def test_every_rule_has_a_sample_that_fires_it():
    """The samples' expectations name every rule of the folder."""
    rules = {path.stem.replace("_", "-") for path in (SAMPLES.parent / "evpn_pcap" / "rules").glob("[!_]*.py")}
    fired = {finding for name in NAMES for finding in read(name, "expected.json")["findings"]}

    assert rules <= fired


def fired(told):
    """Return how often each rule fired in an analysis."""
    return Counter(finding.name for finding in told.findings)


def test_each_rule_fires_in_its_own_sample_and_in_no_other(capsys):
    """A finding is in the sample of its name, or in the table of explanations; and every explanation is needed."""
    found = {name: fired(analysis_of(name)) for name in NAMES}

    with capsys.disabled():
        print("\n" + _matrix(found))
    cells = {(name, rule) for name, rules in found.items() for rule in rules}
    own = {(rule.name, rule.name) for rule in RULES}
    assert own - cells == set(), "rules that do not fire in their own sample"
    assert cells - own == EXPLAINED.keys()


def _matrix(found):
    """Return one line a sample: the code of each rule that fired there, with * on the diagonal."""
    codes = {rule.name: rule.code for rule in RULES}
    lines = [
        f"{name:<32}"
        + "  ".join(f"{codes[rule]}{'*' * (rule == name)} x{count}" for rule, count in sorted(rules.items()))
        for name, rules in found.items()
    ]
    return "\n".join(lines)

"""`explain`: a resolution's story has the answer first, every frame of its evidence in order, and needs no tshark."""

import re
import shutil

import pytest

import evpn_pcap
from evpn_pcap.cli import run
from evpn_pcap.errors import OptionError
from evpn_pcap.model import FOREVER
from evpn_pcap.report.story import deciding_frames, story
from evpn_pcap.report.story_moments import moments_of
from evpn_pcap.report.story_words import AFTERMATHS, ANSWERS, EFFECTS, KINDS, OUTCOMES, REASONS, WITHDRAWALS
from evpn_pcap.report.values import capture_names, frame_text
from evpn_pcap.rules import load_rules
from tests.conftest import PROJECT

SAMPLE = PROJECT / "samples" / "learned-then-suppressed"


@pytest.fixture(scope="module")
def analysis():
    """Return the analysis of a sample with every outcome but undecided."""
    return evpn_pcap.analyze([SAMPLE])


def test_answer_comes_first(analysis):
    """A story says in its second paragraph what became of the request, in capitals."""
    rows = analysis.tables.resolutions

    told = {number: story(analysis, number).split("\n\n")[1] for number in rows["id"].tolist()}

    assert all(told[row.id].startswith(row.outcome.upper()) for row in rows.itertuples())


def test_story_shows_the_evidence_in_order(analysis):
    """Every frame of a row's evidence stands in its story, once, and those of one clock in order of time."""
    names = capture_names(analysis.captures)
    rows = analysis.tables.resolutions

    for row in rows.itertuples():
        told = story(analysis, row.id)
        shown = re.findall(r"(\S+\.pcap:\d+)$", told, re.MULTILINE)
        assert {frame_text(frame, names) for frame in row.frame_ids} <= set(shown)
        assert len(shown) == len(set(shown))
        times = [one.time_ns for one in moments_of(analysis, rows.set_index("id", drop=False).loc[row.id])]
        assert times == sorted(times)


@pytest.mark.parametrize("name", ["duplicate-ip", "founding-case-arp-flooded", "lab-probes"])
def test_every_resolution_has_a_story(name):
    """Every row has a story, whatever is missing in it: addresses, answers, routes, clocks, a whole control plane."""
    analysis = evpn_pcap.analyze([PROJECT / "samples" / name])

    told = [story(analysis, number) for number in analysis.tables.resolutions["id"].tolist()]

    assert told
    assert not [text for text in told if "nan" in text.split() or "<NA>" in text or "None" in text]


def test_words_for_every_word():
    """There is a sentence for each word that the columns of RESOLUTIONS and ROUTES can hold."""
    from evpn_pcap.model import Aftermath, AnsweredBy, Kind, Outcome, RouteEffect, WithdrawReason

    assert set(OUTCOMES) == set(Outcome)
    assert set(ANSWERS) == set(AnsweredBy)
    assert set(AFTERMATHS) == set(Aftermath)
    assert set(EFFECTS) | {"none", "unknown"} == set(RouteEffect)
    assert set(WITHDRAWALS) == set(WithdrawReason)
    assert {kind for _, kind in KINDS} == set(Kind)
    assert set(REASONS) >= {"no-neighbour", "proxied", "suppression-off", "no-svi", "neighbour-invalid", "no-fdb"}


def test_unaligned_hosts_have_no_place(analysis):
    """Moments of hosts whose clocks cannot be compared come last, and the story says so."""
    row = analysis.tables.resolutions.iloc[2]
    events = analysis.tables.events
    lost = events.assign(margin_ns=events["margin_ns"].mask(events["host"] == "pve4", FOREVER))
    from dataclasses import replace

    told = story(replace(analysis, tables=replace(analysis.tables, events=lost)), row["id"])

    assert "The clock of pve4 cannot be compared with the others" in told
    assert re.search(r"^\?  +\?  +pve4", told, re.MULTILINE)


def test_no_such_resolution(analysis):
    """A number that no resolution has is an error that says which there are."""
    with pytest.raises(OptionError, match="there are 1 to"):
        story(analysis, 999)


def test_without_tshark(monkeypatch, capsys):
    """Where tshark is absent the story is whole, and ends with one sentence that says what is not shown."""
    monkeypatch.setattr(shutil, "which", lambda _name: None)

    assert run(["explain", "3", str(SAMPLE), "--no-progress"]) == 0

    told = capsys.readouterr().out
    assert told.splitlines()[-1].startswith("The frames are not shown dissected: tshark is not installed")
    assert "FLOODED" in told


@pytest.mark.tshark
def test_with_tshark(analysis, capsys):
    """With tshark the deciding frames follow, dissected to the innermost layer."""
    assert run(["explain", "3", str(SAMPLE), "--no-progress"]) == 0

    told = capsys.readouterr().out
    names = capture_names(analysis.captures)
    assert all(f"\n{frame_text(frame, names)}\n  ETH" in told for frame in deciding_frames(analysis, 3))
    assert "Target IP address: 10.2.1.12" in told
    assert "VXLAN Network Identifier (VNI): 5001" in told


@pytest.mark.parametrize("rule", load_rules(), ids=lambda rule: rule.name)
def test_rules_are_explained(rule, capsys):
    """A rule's documentation is found by its code and by its name, and holds all that it says of itself."""
    assert run(["explain", rule.code]) == 0
    by_code = capsys.readouterr().out
    assert run(["explain", rule.name]) == 0

    assert capsys.readouterr().out == by_code
    assert all(words in by_code for words in (rule.cause, rule.advice, rule.rivals, rule.would_decide))
    assert "What it shows" in by_code


@pytest.mark.parametrize(
    "arguments", [["explain", "EVP999"], ["explain", "3"], ["explain", "3", "x", "--format", "csv"]]
)
def test_wrong_usage(arguments, capsys):
    """An unknown rule, a number without captures and a table's format are wrong usage, said in one line."""
    assert run(arguments) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1

"""The ladder draws what the frames of one resolution did, host by host, and says how sure the order is."""

from dataclasses import fields
from functools import partial

import pytest
from matplotlib.figure import Figure

from evpn_pcap import analyze, columns
from evpn_pcap.cli import run
from evpn_pcap.cli.status import ExitStatus
from evpn_pcap.errors import OptionError
from evpn_pcap.model import FOREVER, Outcome
from evpn_pcap.plots import ladder, picture
from evpn_pcap.plots.story import ANSWER, FIRST, REQUEST, UPDATE, legs
from tests.by_hand import tables
from tests.conftest import PROJECT

SAMPLE = PROJECT / "samples" / "learned-then-suppressed"


@pytest.fixture(scope="module")
def told():
    """Return the tables of the sample."""
    return analyze([SAMPLE]).tables


def first_of(told, outcome):
    """Return the first resolution by a VM with an outcome."""
    rows = told.resolutions
    return rows[(rows["kind"] == "resolution") & (rows["outcome"] == outcome)].iloc[0]


def ways(told, row, kind):
    return [(leg.from_host, leg.to_host) for leg in legs(told, row) if leg.kind == kind]


def test_a_flooded_request_goes_to_every_vtep_and_on_to_the_target(told):
    """Copies come from the VTEP that made them, not from whoever showed the frame last."""
    row = first_of(told, Outcome.FLOODED)
    found = ways(told, row, REQUEST)
    copies = [to for begin, to in found if begin == "pve1" and to.startswith("pve")]
    others = {host for host in told.points["host"] if host.startswith("pve")} - {"pve1"}

    assert found[0] == ("vm1", "pve1")
    assert sorted(copies) == sorted(others)
    assert found[-1][1] == "vm2"
    assert found[-1][0] in others


def test_a_proxied_answer_never_left_the_first_vtep(told):
    """Request and answer pass between the VM and its VTEP alone; the frames that use it go all the way."""
    row = first_of(told, Outcome.SUPPRESSED)
    asker = row["requester_host"]
    (there,), (back,) = ways(told, row, REQUEST), ways(told, row, ANSWER)

    assert there == back[::-1]
    assert there[0] == asker
    assert len(ways(told, row, FIRST)) == 3


def test_updates_that_an_exchange_caused_are_drawn(told):
    """What the gateway's exchange made the VTEP announce leaves from there to other speakers."""
    row = first_of(told, Outcome.LEARNED)

    assert {begin for begin, _ in ways(told, row, UPDATE)} >= {"pve1"}


def test_hosts_stand_from_left_to_right_and_every_moment_has_a_row(told):
    """Lifelines are in the order of the way, the longest branch last; rows are in order of time."""
    row = first_of(told, Outcome.FLOODED)

    axes = ladder.draw(told, Figure().subplots(), int(row["id"]))

    hosts = [label.get_text() for label in axes.get_xticklabels()]
    times = {at for leg in legs(told, row) for at in (leg.from_ns, leg.to_ns)}
    assert hosts[:2] == ["vm1", "pve1"]
    assert hosts[-1] == "vm2"
    assert len(axes.get_yticks()) == len(times)
    assert axes.get_title(loc="left").startswith(f"{row['id']}: arp")


def test_the_bars_are_as_long_as_the_margins(told):
    """With wider margins bars reach over more rows; without any there are none."""
    row = first_of(told, Outcome.FLOODED)
    spans = []
    for margin_ns in (0, 1_000, 10_000_000):
        wide = told.events.assign(margin_ns=margin_ns)
        bars = bars_of(
            ladder.draw(
                replaced(told, events=wide, aftermaths=columns.AFTERMATHS.empty()), Figure().subplots(), int(row["id"])
            )
        )
        spans.append(sum(abs(high - low) for low, high in bars))

    assert spans[0] == 0 < spans[1] < spans[2]


def bars_of(axes):
    return [tuple(line.get_ydata()) for line in axes.lines if line.get_linewidth() == 6]


def replaced(told, **other):
    return tables(**({one.name: getattr(told, one.name) for one in fields(told)} | other))


def test_hosts_that_are_not_aligned_are_not_drawn(told):
    """What has no place on the common clock has none in the figure, which says so if nothing is left."""
    row = first_of(told, Outcome.FLOODED)
    lost = replaced(told, events=told.events.assign(margin_ns=FOREVER), aftermaths=columns.AFTERMATHS.empty())

    axes = ladder.draw(lost, Figure().subplots(), int(row["id"]))

    assert ways(lost, row, REQUEST) == []
    assert any("common clock" in text.get_text() for text in axes.texts)


def test_the_same_tables_give_the_same_bytes(told):
    """A figure depends on its tables only."""
    draw = partial(ladder.draw, resolution_id=int(first_of(told, Outcome.SUPPRESSED)["id"]))

    assert picture(draw, told, "svg") == picture(draw, told, "svg")


def test_an_unknown_number_is_wrong_usage(told, tmp_path):
    """The error says which numbers there are; the command ends with 2 and writes nothing."""
    with pytest.raises(OptionError, match=f"there are 1 to {len(told.resolutions)}"):
        ladder.draw(told, Figure().subplots(), 999)

    assert run(["plot", "ladder", "999", str(SAMPLE), "-o", str(tmp_path / "x.svg"), "--quiet"]) == ExitStatus.USAGE
    assert list(tmp_path.iterdir()) == []


def test_the_command_writes_the_figure(tmp_path):
    """`plot ladder ID CAPTURE -o FILE` draws into the file."""
    assert run(["plot", "ladder", "3", str(SAMPLE), "-o", str(tmp_path / "x.svg"), "--quiet"]) == ExitStatus.PASS
    assert b"<svg" in (tmp_path / "x.svg").read_bytes()

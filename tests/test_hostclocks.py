"""Captures of one host share its clock, unless their frames show that they do not."""

import shutil

import pandas as pd
import pytest

import evpn_pcap
from evpn_pcap.hostclocks import clock_difference_ns
from samples.lab.skew import skew_file
from tests.clock_lab import Clock, two_machines
from tests.conftest import PROJECT

SAMPLE = PROJECT / "samples" / "learned-then-suppressed"
OFF_NS = 3_000_000_000


@pytest.fixture(scope="module")
def split(tmp_path_factory):
    """The sample, the underlay of pve1 stamped by an adapter that is three seconds ahead; and the sample as it is."""
    folder = tmp_path_factory.mktemp("adapter")
    for file in SAMPLE.glob("*.pcap"):
        shutil.copy(file, folder)
    skew_file(SAMPLE / "pve1-ens18.pcap", folder / "pve1-ens18.pcap", lambda t_ns: t_ns + OFF_NS)
    return evpn_pcap.analyze([folder]), evpn_pcap.analyze([SAMPLE])


def test_a_capture_with_a_clock_of_its_own_is_a_host_of_its_own(split):
    """Its clock is aligned as any other's, and the report says why it stands apart."""
    fits = {fit.host: fit for fit in split[0].clocks}
    own, other = fits["pve1:ens18"], fits["pve1"]

    apart_ns = own.offset_ns - other.offset_ns
    told = split[0].tables.anomalies

    assert abs(apart_ns - OFF_NS) <= own.margin_ns + other.margin_ns + 1_000_000
    assert told.loc[told["name"] == "clock.own", "detail"].str.contains(
        "two clocks, so taken for host pve1:ens18"
    ).tolist() == [True]


def test_a_clock_of_its_own_costs_certainty_and_makes_no_claim_another(split):
    """Each resolution says what it said, or is undecided or unknown; most say the same."""
    key = ["kind", "protocol", "requester_mac", "requester_ip", "target_ip"]
    own, as_it_is = (
        one.tables.resolutions.assign(number=lambda rows: rows.groupby(key, dropna=False).cumcount()) for one in split
    )
    both = own.merge(as_it_is, on=[*key, "number"], how="outer", suffixes=("", "_true"), validate="one_to_one")

    is_same = both["outcome"] == both["outcome_true"]
    assert (is_same | (both["outcome"] == "undecided")).all()
    assert is_same.sum() > len(both) / 2


def apart(offset_ns, took, is_from_a):
    """What two captures say of their clocks, of which the second is ahead; frames take so long to it, and back."""
    sent = range(0, 100_000_000 * len(took), 100_000_000)
    anchors, _ = two_machines(Clock(), Clock(offset_ns), sent, took, is_from_a)
    one, other = (anchors[anchors["host"] == host].reset_index(drop=True) for host in ("a", "b"))
    return clock_difference_ns(one, other)


BOTH = [True, False] * 10


def test_only_what_is_far_apart_both_ways_is_two_clocks():
    """A queue of 50 ms in one direction, few frames, or a few us are what one clock shows, too."""
    assert apart(2_000_000_000, [50_000] * 20, BOTH) == pytest.approx(2_000_000_000, abs=60_000)
    assert apart(-40_000_000, [50_000] * 20, BOTH) == pytest.approx(-40_000_000, abs=60_000)
    assert apart(0, [50_000_000 if one else 20_000 for one in BOTH], BOTH) is None
    assert apart(0, [50_000_000] * 20, BOTH) is None  # slow both ways: the signs differ
    assert apart(2_000_000_000, [50_000] * 20, [True] * 20) is None
    assert apart(2_000_000_000, [50_000] * 6, BOTH[:6]) is None
    assert pd.isna(apart(4_000, [50_000] * 20, BOTH))

"""Laws of the clocks: the true difference of two clocks lies inside the margin, or there is no number."""

import itertools
import json
import re
import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from evpn_pcap import columns
from evpn_pcap.clocks import compare_clocks, is_extrapolated, on_common_clock
from evpn_pcap.clocks.pairs import Stamps, fit_pair
from evpn_pcap.clocks.stretches import close_stretches
from evpn_pcap.decode import decode
from evpn_pcap.errors import OptionError
from evpn_pcap.model import FOREVER, ClockFit, ClockKnot, Options, Quality
from evpn_pcap.sources import find_sources, read_batches
from evpn_pcap.vantage import find_points
from tests.clock_lab import (
    START_NS,
    Clock,
    anchors_table,
    fabric,
    point,
    points_table,
    sightings,
    true_difference_ns,
    two_machines,
)

HOUR_NS = 3_600_000_000_000
NO_NUMBER = {Quality.ONE_SIDED, Quality.UNALIGNABLE}
SETTINGS = settings(
    max_examples=25, deadline=None, phases=set(Phase) - {Phase.shrink, Phase.explain}
)  # shrinking takes minutes
CLOCKS = st.builds(Clock, st.integers(-HOUR_NS, HOUR_NS), st.floats(-50, 50))  # so two clocks part by at most 100 ppm
FRAMES = st.lists(
    st.tuples(
        st.integers(0, 60_000_000_000),  # sent at
        st.integers(1_000, 5_000_000),  # took
        st.booleans(),  # from a
    ),
    min_size=2,
    max_size=60,
    unique_by=lambda frame: frame[0],
)
BOTH_WAYS = FRAMES.filter(lambda frames: len({is_from_a for _, _, is_from_a in frames}) == 2)


def fit_clocks(anchors, points, reference):
    return compare_clocks(anchors, points, reference).fits


def fits_by_host(anchors, points, reference=None):
    return {fit.host: fit for fit in fit_clocks(anchors, points, reference)}


def beyond_margin_ns(fit, clock, reference, local_ns):
    """How far, at each local time, the fit's offset misses the truth by more than its margin (0: never)."""
    frame = pd.DataFrame({"host": fit.host, "captured_ns": np.asarray(local_ns, np.int64)})
    aligned = on_common_clock(frame, [fit])
    error = np.abs(aligned["captured_ns"] - aligned["time_ns"] - true_difference_ns(clock, reference, local_ns))
    return int(np.maximum(error - aligned["margin_ns"], 0).max())


# Known clocks come back.


@SETTINGS
@given(CLOCKS, CLOCKS, BOTH_WAYS)
def test_known_offset_and_drift_come_back_within_the_margin(clock_a, clock_b, frames):
    """Whatever the delays, the true difference lies inside the margin, between the frames and beyond them."""
    sent, took, is_from_a = zip(*frames, strict=True)
    anchors, points = two_machines(clock_a, clock_b, sent, took, is_from_a)

    fit = fits_by_host(anchors, points, "a")["b"]

    local = clock_b.stamp(np.linspace(-5_000_000_000, 65_000_000_000, 300))
    assert beyond_margin_ns(fit, clock_b, clock_a, local) == 0


@SETTINGS
@given(CLOCKS, CLOCKS, st.lists(st.integers(1_000, 900_000), min_size=30, max_size=30), st.sets(st.integers(10, 29)))
def test_frames_sent_again_and_again_count_once_known_clocks_tell_them_apart(clock_a, clock_b, took, lost):
    """Of ten frames and twenty keep-alives, equal in all octets, each that arrived counts; the truth stays inside."""
    number = np.arange(30)
    sent = number * 700_000_000
    anchors, points = two_machines(clock_a, clock_b, sent, took, number % 2 == 0)
    frame = anchors.groupby("host").cumcount().to_numpy()
    keep_alive = frame >= 10
    anchors = anchors.assign(anchor_key=anchors["anchor_key"].mask(keep_alive, 1 + anchors["source_mac"]))
    anchors = anchors[~((anchors["host"] == "b") & (anchors["source_mac"] == 1) & np.isin(frame, list(lost)))]

    fit = fits_by_host(anchors, points, "a")["b"]

    arrived = 30 - sum(one % 2 == 0 for one in lost)
    assert fit.matched_packet_count == arrived
    assert beyond_margin_ns(fit, clock_b, clock_a, clock_b.stamp(np.linspace(0, sent[-1], 300))) == 0


@SETTINGS
@given(CLOCKS, CLOCKS, BOTH_WAYS)
def test_nesting_alone_never_gives_a_wrong_number(clock_a, clock_b, frames):
    """Where only the enclosing of times can tell the direction, a number is right or there is none."""
    sent, took, is_from_a = zip(*frames, strict=True)
    anchors, points = two_machines(clock_a, clock_b, sent, took, is_from_a, knows_station=False)

    fits = [fit for fit in fit_clocks(anchors, points, "a") if fit.host == "b" and fit.knots]

    local = clock_b.stamp(np.linspace(0, 60_000_000_000, 300))
    assert [beyond_margin_ns(fit, clock_b, clock_a, local) for fit in fits] == [0] * len(fits)


@SETTINGS
@given(
    st.lists(CLOCKS, min_size=4, max_size=4),
    st.lists(
        st.tuples(
            st.integers(0, 30_000_000_000),
            st.tuples(st.integers(0, 50_000), st.integers(5_000, 900_000), st.integers(0, 50_000)),
            st.booleans(),
        ),
        min_size=4,
        max_size=30,
        unique_by=lambda frame: frame[0] // 1_000_000,
    ).filter(lambda frames: len({frame[2] for frame in frames}) == 2),
    st.sampled_from([None, "v1", "h1", "h2", "v2"]),
)
def test_a_path_of_four_hosts_with_several_sightings_keeps_to_the_margins(clocks, frames, reference):
    """Taps, underlays inside VXLAN and VMs together: every host's true difference is inside, whatever the reference."""
    by_host = dict(zip(("v1", "h1", "h2", "v2"), clocks, strict=True))
    anchors, points = fabric(by_host, *zip(*frames, strict=True))

    fits = fit_clocks(anchors, points, reference)

    others = [fit for fit in fits if fit.quality is not Quality.REFERENCE]
    local = {host: clock.stamp(np.linspace(0, 30_000_000_000, 100)) for host, clock in by_host.items()}
    misses = [beyond_margin_ns(f, by_host[f.host], by_host[f.reference], local[f.host]) for f in others]
    assert misses == [0, 0, 0]


@pytest.mark.parametrize("drift_ppm", [-80.0, 0.3, 60.0])
def test_two_way_traffic_gives_a_margin_near_half_the_round_trip(drift_ppm):
    """With traffic the margin comes down to the least round trip's half, and drift is found to a part in a million."""
    rng = np.random.default_rng(7)
    clock_a, clock_b = Clock(5_000, 0.0), Clock(-2 * HOUR_NS, drift_ppm)
    sent = np.sort(rng.integers(0, 600_000_000_000, 20_000))
    took = 40_000 + rng.gamma(1.5, 60_000, len(sent)).astype(np.int64)
    anchors, points = two_machines(clock_a, clock_b, sent, took, rng.random(len(sent)) < 0.5)

    fit = fits_by_host(anchors, points, "a")["b"]

    assert beyond_margin_ns(fit, clock_b, clock_a, clock_b.stamp(np.linspace(0, 600_000_000_000, 5000))) == 0
    assert fit.quality is Quality.ACCURATE
    assert fit.margin_ns < 1.6 * 40_000
    assert abs(fit.drift_ppm - drift_ppm) < 0.5


# No number without proof.


@SETTINGS
@given(CLOCKS, CLOCKS, FRAMES, st.booleans())
def test_one_direction_alone_never_gives_a_number(clock_a, clock_b, frames, is_from_a):
    """Traffic one way bounds an offset from one side only."""
    sent, took, _ = zip(*frames, strict=True)
    anchors, points = two_machines(clock_a, clock_b, sent, took, [is_from_a] * len(sent))

    fit = fits_by_host(anchors, points, "a")["b"]

    assert fit.quality in NO_NUMBER
    assert (fit.offset_ns, fit.margin_ns, fit.drift_ppm, fit.knots) == (None, None, None, ())


def test_hosts_without_common_frames_are_unalignable():
    """A host that shares no frame with the others is named as such; the others are aligned all the same."""
    anchors, points = two_machines(Clock(), Clock(7_000), [0, 10_000_000], [50_000, 60_000], [True, False])
    alone = point("z", 9, first_ns=START_NS, last_ns=START_NS + 1)
    points = points_table([*points.drop(columns="point_id").to_dict("records"), alone])

    fits = fits_by_host(anchors, points)

    assert sorted(fit.quality for fit in fits.values()) == ["approximate", "reference", "unalignable"]
    assert fits["z"].quality is Quality.UNALIGNABLE


def test_copies_of_one_frame_at_two_receivers_say_nothing():
    """A frame that crossed two tunnels reached two hosts, neither through the other."""
    keys, when = np.arange(40), START_NS + np.arange(40) * 1_000_000_000
    source = np.where(keys % 2, 1, 2)
    parts = [
        sightings("a", 0, when, keys, source, 3 - source, tunnel=("192.168.16.9", "192.168.16.1")),
        sightings("b", 1, when + 40_000 * source, keys, source, 3 - source, tunnel=("192.168.16.9", "192.168.16.2")),
    ]
    points = points_table([point("a", 0, first_ns=START_NS), point("b", 1, first_ns=START_NS)])

    fits = fits_by_host(anchors_table(parts), points)

    assert {fit.quality for fit in fits.values()} == {Quality.REFERENCE, Quality.UNALIGNABLE}


def test_frames_to_groups_are_no_anchors():
    """Broadcast and multicast never bind two clocks."""
    anchors, points = two_machines(Clock(), Clock(9_000), range(0, 10**9, 10**8), [50_000] * 10, [True, False] * 5)

    fits = fits_by_host(anchors.assign(is_multicast=pd.array([True] * len(anchors), dtype="boolean")), points)

    assert {fit.quality for fit in fits.values()} == {Quality.REFERENCE, Quality.UNALIGNABLE}


def test_a_frame_sent_twice_is_not_matched():
    """A repetition at one host, a second later, must not pair with the first at the other."""
    sent, took = np.arange(20) * 2_000_000_000, np.full(20, 80_000)
    anchors, points = two_machines(Clock(), Clock(40_000_000), sent, took, np.arange(20) % 2 == 0)
    again = anchors[anchors["host"] == "a"].assign(
        captured_ns=lambda rows: rows["captured_ns"] + 1_000_000_000, frame_id=lambda rows: rows["frame_id"] + 1000
    )

    fit = fits_by_host(columns.ANCHORS.concat([anchors, again]), points, "a")["b"]

    assert fit.quality in NO_NUMBER


def test_mismatched_frames_are_left_out_and_flagged():
    """Frames that nearly all others show to be impossible are removed, and the fit is no longer called accurate."""
    rng = np.random.default_rng(3)
    clock_b = Clock(1_000_000, 20.0)
    sent = np.sort(rng.integers(0, 60_000_000_000, 2_000))
    anchors, points = two_machines(
        Clock(), clock_b, sent, rng.integers(30_000, 400_000, 2_000), rng.random(2_000) < 0.5
    )
    is_bogus = (anchors["host"] == "b") & (anchors["anchor_key"] % 50 == 0)
    error = rng.integers(-900_000_000, 900_000_000, len(anchors))
    anchors = anchors.assign(captured_ns=anchors["captured_ns"] + np.where(is_bogus, error, 0))

    fit = fits_by_host(anchors, points, "a")["b"]

    assert beyond_margin_ns(fit, clock_b, Clock(), clock_b.stamp(np.linspace(0, 60_000_000_000, 500))) == 0
    assert fit.quality is Quality.APPROXIMATE
    assert fit.margin_ns < 200_000


@pytest.mark.parametrize("who", ["a", "b"])
@pytest.mark.parametrize("step_ns", [-1_000_000_000, -5_000_000, 5_000_000, 1_000_000_000])
def test_a_clock_that_was_set_is_covered_and_flagged(step_ns, who):
    """Before and after a step the margin is small, around it wide, always true; the fit is only approximate."""
    rng = np.random.default_rng(5)
    sent = np.sort(rng.integers(0, 120_000_000_000, 3_000))
    anchors, points = two_machines(
        Clock(), Clock(), sent, rng.integers(30_000, 300_000, 3_000), rng.random(3_000) < 0.5
    )
    steps_at = START_NS + 60_000_000_000
    is_set = (anchors["host"] == who) & (anchors["captured_ns"] >= steps_at)
    anchors = anchors.assign(captured_ns=anchors["captured_ns"] + np.where(is_set, step_ns, 0))

    other = {"a": "b", "b": "a"}[who]
    fit = fits_by_host(anchors, points, other)[who]

    true_ns = START_NS + np.linspace(0, 119_000_000_000, 2_000).astype(np.int64)
    local = true_ns + np.where(true_ns >= steps_at, step_ns, 0)
    aligned = on_common_clock(pd.DataFrame({"host": who, "captured_ns": local}), [fit])
    assert ((aligned["time_ns"] - true_ns).abs() <= aligned["margin_ns"]).all()
    assert fit.quality is Quality.APPROXIMATE
    assert aligned["margin_ns"].quantile(0.8) < 500_000


# What must not matter.


def test_a_stray_stamp_of_1970_does_not_spoil_the_rest():
    """Coverage that a damaged record stretches over decades leaves the numbers true and exact."""
    clock_b = Clock(-40_000_000, 12.0)
    sent = np.arange(100) * 100_000_000
    anchors, points = two_machines(Clock(), clock_b, sent, [60_000] * 100, sent % 3 == 0)
    plain = fits_by_host(anchors, points, "a")["b"]

    fit = fits_by_host(anchors, points.assign(first_ns=0), "a")["b"]

    assert beyond_margin_ns(fit, clock_b, Clock(), clock_b.stamp(sent)) == 0
    frame = pd.DataFrame({"host": "b", "captured_ns": clock_b.stamp(sent)})
    margins = [on_common_clock(frame, [one])["margin_ns"] for one in (plain, fit)]
    assert (margins[1] - margins[0]).abs().max() < 100


@SETTINGS
@given(BOTH_WAYS, st.integers(-HOUR_NS, HOUR_NS))
def test_shifting_all_clocks_changes_nothing_but_times(frames, shift_ns):
    """A constant on every clock moves the knots by it and leaves offsets, margins and qualities as they are."""
    sent, took, is_from_a = zip(*frames, strict=True)
    anchors, points = two_machines(Clock(), Clock(123_456_789, 15.0), sent, took, is_from_a)
    later = anchors.assign(captured_ns=anchors["captured_ns"] + shift_ns)
    later_points = points.assign(first_ns=points["first_ns"] + shift_ns, last_ns=points["last_ns"] + shift_ns)

    plain, shifted = fit_clocks(anchors, points, None), fit_clocks(later, later_points, None)

    assert [(f.host, f.quality, f.offset_ns, f.margin_ns, f.drift_ppm) for f in plain] == [
        (f.host, f.quality, f.offset_ns, f.margin_ns, f.drift_ppm) for f in shifted
    ]
    assert [[(k.local_ns + shift_ns, k.offset_ns, k.margin_ns) for k in f.knots] for f in plain] == [
        [(k.local_ns, k.offset_ns, k.margin_ns) for k in f.knots] for f in shifted
    ]


def test_order_of_rows_does_not_matter():
    """The same frames in another order give the same fits."""
    clocks = {"v1": Clock(5), "h1": Clock(10**9, 3.0), "h2": Clock(-(10**8), -40.0), "v2": Clock(77, 99.0)}
    sent = np.arange(60) * 300_000_000
    anchors, points = fabric(clocks, sent, [(9_000, 40_000, 7_000)] * 60, np.arange(60) % 3 > 0)

    assert fit_clocks(anchors, points, None) == fit_clocks(anchors[::-1].reset_index(drop=True), points, None)


def test_input_is_not_altered():
    """Fitting and applying leave the tables they are given as they were."""
    anchors, points = two_machines(Clock(), Clock(5), [0, 10_000_000], [50_000, 50_000], [True, False])
    copies = anchors.copy(deep=True), points.copy(deep=True)

    on_common_clock(anchors, fit_clocks(anchors, points, None))

    pd.testing.assert_frame_equal(anchors, copies[0])
    pd.testing.assert_frame_equal(points, copies[1])


# The reference.


def test_an_unknown_reference_is_refused():
    """A reference that no capture shows is an option that makes no sense."""
    anchors, points = two_machines(Clock(), Clock(), [0], [1], [True])

    with pytest.raises(OptionError, match="nobody"):
        fit_clocks(anchors, points, "nobody")


def test_the_reference_is_the_host_that_leaves_least_doubt():
    """In a chain the middle is chosen, and exactly one host is the reference."""
    clocks = {host: Clock() for host in ("v1", "h1", "h2", "v2")}
    sent = np.arange(100) * 50_000_000
    anchors, points = fabric(clocks, sent, [(5_000, 40_000, 400_000)] * 100, np.arange(100) % 2 == 0)

    fits = fit_clocks(anchors, points, None)

    assert [fit.host for fit in fits if fit.quality is Quality.REFERENCE] == ["h1"]
    assert {fit.reference for fit in fits} == {"h1"}


def test_nothing_in_nothing_out():
    """No points, no fits; one host alone is its own reference."""
    assert fit_clocks(columns.ANCHORS.empty(), columns.POINTS.empty(), None) == ()
    only = points_table([point("a", 0, first_ns=START_NS, last_ns=START_NS)])
    assert [fit.quality for fit in fit_clocks(columns.ANCHORS.empty(), only, None)] == [Quality.REFERENCE]


# Onto the common clock.


def test_offset_and_margin_are_interpolated_and_the_margin_grows_beyond_the_knots():
    """Between knots both are linear; beyond them the margin grows by 100 ns a millisecond."""
    knots = (ClockKnot(START_NS, 100, 10), ClockKnot(START_NS + 1000, 200, 30))
    fit = ClockFit("b", "a", Quality.ACCURATE, START_NS, 100, 0.0, 10, 4, knots)
    when = START_NS + np.array([-1_000_000, 0, 500, 1000, 1_001_000])

    aligned = on_common_clock(pd.DataFrame({"host": "b", "captured_ns": when}), [fit])

    assert (aligned["captured_ns"] - aligned["time_ns"]).tolist() == [100, 100, 150, 200, 200]
    assert aligned["margin_ns"].tolist() == [110, 10, 20, 30, 130]


def test_times_that_no_matched_frames_bracket_closely_are_told_to_be_extrapolated():
    """A stretch needs frames of both directions without a silence; at other times nothing is bracketed."""
    there, back = np.arange(0, 10_000_000_000, 100_000_000), np.arange(2_000_000_000, 16_000_000_000, 100_000_000)
    back = back[(back < 5_000_000_000) | (back >= 8_000_000_000)]
    x = np.concatenate([there, back])
    order = np.argsort(x, kind="stable")
    is_upper = (np.arange(len(x)) < len(there))[order]
    stamps = Stamps(START_NS + x[order], np.where(is_upper, 100_000, -100_000), is_upper)

    ends = close_stretches(fit_pair(0, 1, stamps), stamps) - START_NS
    fit = ClockFit("b", "a", Quality.ACCURATE, 0, 0, 0.0, 0, 9, bracketed=tuple(map(tuple, ends.tolist())))

    assert ends.tolist() == [[2_000_000_000, 4_900_000_000], [8_000_000_000, 9_900_000_000]]
    when = np.array([1_999_999_999, 2_000_000_000, 4_900_000_001, 8_500_000_000, 9_900_000_001])
    assert is_extrapolated(when, fit).tolist() == [True, False, True, False, True]


def test_hosts_that_are_not_aligned_keep_their_time_with_an_endless_margin():
    """Neither a host without a fit nor one without knots can be ordered against others; the reference is exact."""
    fits = [
        ClockFit("a", "a", Quality.REFERENCE, 0, 0, 0.0, 0, 0),
        ClockFit("b", "a", Quality.UNALIGNABLE, None, None, None, None, 0),
    ]
    frame = pd.DataFrame({"host": ["a", "b", "c"], "captured_ns": [START_NS] * 3})

    aligned = on_common_clock(frame, fits)

    assert aligned["time_ns"].tolist() == [START_NS] * 3
    assert aligned["margin_ns"].tolist() == [0, FOREVER, FOREVER]
    assert aligned.dtypes[["time_ns", "margin_ns"]].tolist() == [np.dtype("int64")] * 2


# Speed.


def test_many_matched_frames_take_seconds():
    """Two hosts with 300,000 frames in common are fitted in a second (a million in three)."""
    rng = np.random.default_rng(1)
    sent = np.sort(rng.integers(0, 600_000_000_000, 300_000))
    anchors, points = two_machines(
        Clock(), Clock(1, 30.0), sent, 40_000 + rng.integers(0, 200_000, len(sent)), rng.random(len(sent)) < 0.5
    )

    started = time.process_time()
    fit = fits_by_host(anchors, points, "a")["b"]

    assert time.process_time() - started < 6  # about 0.8 on an idle core
    assert fit.matched_packet_count > 299_000


# Real captures.


def echo_frames(host, capture, text):
    """Echo requests and replies that tcpdump printed, with their times of day as times of an unknown day."""
    found = re.findall(
        r"^(\d+):(\d+):(\d+)\.(\d+) IP6? (\S+) > (\S+): .*echo (request|reply), id (\d+), seq (\d+)", text, re.M
    )
    rows = pd.DataFrame(found, columns=["h", "m", "s", "us", "source", "destination", "kind", "id", "seq"])
    clock = rows[["h", "m", "s", "us"]].astype("int64")
    captured_ns = START_NS // 10**15 * 10**15 + 1000 * (
        ((clock["h"] * 60 + clock["m"]) * 60 + clock["s"]) * 1_000_000 + clock["us"]
    )
    keys = pd.util.hash_pandas_object(rows["kind"] + rows["id"] + "/" + rows["seq"], index=False)
    ends = [rows[end].str.extract(r"(\d+)$", expand=False).astype("int64") % 10 for end in ("source", "destination")]
    return sightings(host, capture, captured_ns, keys, ends[0], ends[1])


SCENES = {
    "04-nd-suppressed": (102_342_000, 102_633_000),
    "05-arp-flooded": (106_508_000, 106_803_000),
    "07-arp-suppressed": (110_771_000, 111_100_000),
}


def founding_case(folder, scenes):
    """ANCHORS and POINTS of the two VMs' prints of these scenes, and the first moment of each scene at vm2."""
    texts = {
        host: [(folder / f"{scene}-{host}-tcpdump.txt").read_text() for scene in scenes] for host in ("vm1", "vm2")
    }
    parts = [echo_frames(host, number, "\n".join(texts[host])) for number, host in enumerate(("vm1", "vm2"))]
    spans = [{"first_ns": int(part["captured_ns"].min()), "last_ns": int(part["captured_ns"].max())} for part in parts]
    points = points_table([point("vm1", 0, **spans[0]), point("vm2", 1, **spans[1])])
    moments = [int(echo_frames("vm2", 1, text)["captured_ns"].min()) for text in texts["vm2"]]
    return anchors_table(parts), points, moments


@pytest.mark.corpus
@pytest.mark.parametrize("scenes", [[scene] for scene in SCENES] + [list(SCENES)])
def test_founding_case_gives_the_published_offsets(captures_folder, scenes):
    """The VMs' prints alone give offsets inside the brackets that their packets prove, never with less doubt."""
    anchors, points, moments = founding_case(captures_folder.parent / "transcripts", scenes)

    fits = fit_clocks(anchors, points, "vm1")

    aligned = on_common_clock(pd.DataFrame({"host": "vm2", "captured_ns": moments}), fits)
    offsets = (aligned["captured_ns"] - aligned["time_ns"]).tolist()
    assert [SCENES[s][0] <= offset <= SCENES[s][1] for s, offset in zip(scenes, offsets, strict=True)] == [True] * len(
        scenes
    )
    assert aligned["margin_ns"].between(145_000, 400_000).all()


@pytest.fixture(scope="module")
def decoded(captures_folder):
    """Every capture of every scenario, decoded once."""
    options = Options()
    folders = sorted(folder for folder in captures_folder.iterdir() if folder.is_dir())
    return {
        folder.name: [decode(read_batches(source), source, options) for source in find_sources([folder], options)]
        for folder in folders
    }


def tables_of(captures):
    interfaces = columns.INTERFACES.concat([one.interfaces for one in captures])
    packets = columns.PACKETS.concat([one.packets for one in captures])
    anchors = columns.ANCHORS.concat([one.anchors for one in captures])
    anomalies = columns.ANOMALIES.concat([one.anomalies for one in captures])
    return anchors, find_points(interfaces, packets, anchors, anomalies, Options())


def lab_clocks(folder):
    """The clock errors that were put on a scenario's captures, by host; none where there is no skew.json."""
    path = folder / "skew.json"
    hosts = json.loads(path.read_text())["hosts"] if path.exists() else {}
    return {host: Clock(round(error["offset_s"] * 1e9), error["drift_ppm"]) for host, error in hosts.items()}


def misses(captures, clocks):
    """Every aligned host whose true difference is outside the margin at some tenth of a second, and all aligned."""
    anchors, points = tables_of(captures)
    fits = [fit for fit in fit_clocks(anchors, points, None) if fit.knots and fit.quality is not Quality.REFERENCE]
    span = points.groupby("host").agg(first=("first_ns", "min"), last=("last_ns", "max"))
    wrong = [
        fit.host
        for fit in fits
        if beyond_margin_ns(
            fit,
            clocks.get(fit.host, Clock()),
            clocks.get(fit.reference, Clock()),
            np.arange(span["first"][fit.host], span["last"][fit.host], 100_000_000),
        )
        > 1_000  # the skewed copies were rounded to microseconds
    ]
    return wrong, fits


SCENARIOS = [
    "arp-flooded",
    "arp-learned-then-suppressed",
    "arp-learned-then-suppressed-skewed",
    "nd-linklocal-suppressed",
    "suppression-off",
]


@pytest.mark.corpus
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_all_six_hosts_are_aligned_and_right(captures_folder, decoded, scenario):
    """With all captures every host has a number, the truth is inside at every moment; near frames to below 150 us."""
    wrong, fits = misses(decoded[scenario], lab_clocks(captures_folder / scenario))

    assert wrong == []
    assert len(fits) == 5
    assert max(min(knot.margin_ns for knot in fit.knots) for fit in fits) < 150_000
    assert max(fit.margin_ns for fit in fits) < 1_000_000  # some fell silent before the middle: a slew might have begun


@pytest.mark.corpus
@pytest.mark.parametrize("omitted", range(20))
def test_without_any_one_capture_the_numbers_are_right(captures_folder, decoded, omitted):
    """Leaving out one capture may cost a host its number, never make one wrong."""
    name = "arp-learned-then-suppressed-skewed"
    captures = decoded[name]

    wrong, _ = misses(captures[:omitted] + captures[omitted + 1 :], lab_clocks(captures_folder / name))

    assert wrong == []


@pytest.mark.corpus
def test_two_captures_of_two_hosts_give_right_numbers_or_none(captures_folder, decoded):
    """Any two files of two hosts, of taps, VMs, underlays and whole hosts: what is aligned is right, and much is."""
    name = "arp-learned-then-suppressed-skewed"
    clocks = lab_clocks(captures_folder / name)
    chosen = [one for one in decoded[name] if one.capture.point not in ("EVPN1", "vxlan_EVPN1")]
    pairs = [pair for pair in itertools.combinations(chosen, 2) if pair[0].capture.host != pair[1].capture.host]

    results = [misses(pair, clocks) for pair in pairs]

    assert [wrong for wrong, _ in results if wrong] == []
    assert sum(len(fits) for _, fits in results) > 20

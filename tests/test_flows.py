"""Laws of the flows: each frame of a step is matched, lost, or said to be unknown; delays are true in their margins."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from evpn_pcap import analyze, columns
from evpn_pcap.flows import find_flows
from evpn_pcap.model import FOREVER
from evpn_pcap.order import PairMargins
from tests.clock_lab import START_NS, VTEPS, Clock, anchors_table, fabric, point, points_table, sightings, two_machines

SETTINGS = settings(max_examples=12, deadline=None, phases=set(Phase) - {Phase.shrink, Phase.explain})
TRUE = {host: Clock() for host in ("v1", "h1", "h2", "v2")}
PATH = [
    ("v1", "p0", "h1", "p1"),
    ("h1", "p1", "h1", "p2"),
    ("h1", "p2", "h2", "p4"),
    ("h2", "p4", "h2", "p3"),
    ("h2", "p3", "v2", "p5"),
]
FATES = [f"{name}_packet_count" for name in ("lost", "unsampled", "uncovered", "undecided", "elsewhere")]
FIGURES = ("min", "median", "p99", "max")


def timed(anchors, margin_ns=1_000):
    """Anchors on the common clock, with one margin a host or one for all."""
    margin = anchors["host"].map(margin_ns) if isinstance(margin_ns, dict) else margin_ns
    return anchors.assign(time_ns=anchors["captured_ns"], margin_ns=margin).astype({"margin_ns": "int64"})


def covered(points, **other):
    """Points with their coverage on the common clock, their own unless given."""
    own = {"first_time_ns": points["first_ns"], "last_time_ns": points["last_ns"], "point_margin_ns": 1_000}
    return points.assign(**(own | other))


def flows_of(made, margin_ns=1_000):
    anchors, points = made
    return find_flows(timed(anchors, margin_ns), covered(points), margins_of(points))


def margins_of(points):
    """Nothing but the hosts' own margins is known of two hosts."""
    hosts = tuple(sorted(set(points["host"])))
    nothing = np.zeros(0, np.int64)
    return PairMargins(hosts, np.full((len(hosts), len(hosts)), -1), nothing, nothing.reshape(0, 0))


def rows(flows, **where):
    for name, value in where.items():
        flows = flows[flows[name] == value]
    return flows


def steps(flows):
    return list(zip(*(flows[name] for name in ("from_host", "from_point", "to_host", "to_point")), strict=True))


def test_a_ping_through_the_fabric_gives_its_path_step_by_step():
    """Each direction: VM, tap, underlay, underlay, tap, VM, in this order, and then the whole way."""
    sent = np.arange(20) * 100_000_000

    flows = flows_of(fabric(TRUE, sent, [(9_000, 80_000, 7_000)] * 20, np.arange(20) < 12))

    there, back = rows(flows, source_ip="10.0.0.1"), rows(flows, source_ip="10.0.0.2")
    assert steps(rows(there, is_hop=True)) == PATH
    assert steps(rows(back, is_hop=True)) == [(*step[2:], *step[:2]) for step in reversed(PATH)]
    assert steps(rows(there, is_hop=False)) == [("v1", "p0", "v2", "p5")]
    assert there["matched_packet_count"].tolist() == [12] * 6
    assert back["matched_packet_count"].tolist() == [8] * 6
    assert flows["is_direction_known"].all()


def test_delays_are_measured_from_first_sighting_to_first_sighting():
    """Least, median and greatest delay of known delays come back to the microsecond, with both margins."""
    sent = np.arange(5) * 100_000_000
    hop = [10_000, 20_000, 30_000, 40_000, 90_000]
    made = fabric(TRUE, sent, [(9_000, middle, 7_000) for middle in hop], [True] * 5)

    flows = flows_of(made, {"v1": 1, "h1": 20, "h2": 300, "v2": 4_000})

    tunnel = rows(flows, from_host="h1", to_host="h2").iloc[0]
    assert [
        abs(tunnel[f"delay_{name}_ns"] - true) <= 1_000
        for name, true in zip(FIGURES, [10_000, 30_000, 90_000, 90_000], strict=True)
    ] == [True] * 4
    assert [tunnel[f"delay_{name}_margin_ns"] for name in FIGURES] == [320] * 4
    inside = rows(flows, from_host="h1", to_host="h1").iloc[0]
    assert (inside["delay_max_ns"], inside["delay_max_margin_ns"]) == (3_000, 0)


def test_the_vni_is_taken_from_whoever_saw_it():
    """Hosts that see only bare frames share the VNI that another saw; without any there is none."""
    anchors, points = fabric(TRUE, [0, 10**8], [(9_000, 80_000, 7_000)] * 2, [True, True])
    bare = anchors[anchors["vni"].isna()].reset_index(drop=True)

    with_vxlan, without = flows_of((anchors, points)), flows_of((bare, points))

    assert with_vxlan["vni"].eq(5001).all()
    assert without["vni"].isna().all()
    assert without["vni"].dtype == "UInt32"


@SETTINGS
@given(
    st.integers(-(10**9), 10**9),
    st.integers(0, 10**6),
    st.lists(
        st.tuples(st.integers(0, 10**11), st.integers(1_000, 10**7)), min_size=1, max_size=20, unique_by=lambda f: f[0]
    ),
)
def test_a_delay_is_true_within_its_margin_or_missing(error_ns, margin_ns, frames):
    """With a clock that errs within its margin, a stated delay contains the truth, and the direction is right."""
    sent, took = zip(*frames, strict=True)
    is_aligned = abs(error_ns) <= margin_ns
    made = two_machines(Clock(), Clock(error_ns), sent, took, [True] * len(sent), knows_station=False)

    flows = flows_of(made, {"a": 0, "b": margin_ns if is_aligned else FOREVER})

    known = flows[flows["is_direction_known"]]
    truth = {"min": min(took), "median": sorted(took)[(len(took) - 1) // 2], "p99": max(took), "max": max(took)}
    assert (known["from_host"] == "a").all()
    for name, true in truth.items():
        assert ((known[f"delay_{name}_ns"] - true).abs() <= known[f"delay_{name}_margin_ns"] + 1_000).all()
    assert flows.loc[~flows["is_direction_known"].astype(bool), "delay_min_ns"].isna().all()


def test_unaligned_hosts_have_counts_and_direction_but_no_delays():
    """Who owns the ends tells the direction without a clock; a delay needs one, but on one host."""
    flows = flows_of(fabric(TRUE, [0, 10**8], [(9_000, 80_000, 7_000)] * 2, [True, True]), FOREVER)

    between = flows[flows["from_host"] != flows["to_host"]]
    assert flows["is_direction_known"].all()
    assert between[[f"delay_{name}_ns" for name in FIGURES]].isna().all(axis=None)
    assert flows["matched_packet_count"].tolist() == [2] * 6


def test_copies_to_two_receivers_have_no_direction():
    """Of a flooded frame, the copy that comes first says nothing about the path of the other."""
    keys, when = np.arange(10), START_NS + np.arange(10) * 10**9
    source = np.ones(10, int)
    parts = [
        sightings(
            host,
            capture,
            when + late,
            keys,
            source,
            3 - source,
            tunnel=("192.168.16.9", VTEPS[host]),
            is_multicast=True,
        )
        for host, capture, late in (("h1", 0, 0), ("h2", 1, 500_000))
    ]
    points = points_table(
        [point("h1", 0, "underlay", None, VTEPS["h1"]), point("h2", 1, "underlay", None, VTEPS["h2"])]
    )

    flows = flows_of((anchors_table(parts), points))

    assert flows["matched_packet_count"].tolist() == [10]
    assert flows["is_direction_known"].tolist() == [False]
    assert flows["delay_min_ns"].isna().all()


def lossy(lost, count=100, **changed):
    """Return a path of which h2's underlay and all behind it does not show the frames `lost`."""
    anchors, points = fabric(TRUE, np.arange(count) * 10**7, [(9_000, 80_000, 7_000)] * count, [True] * count)
    keys = np.arange(count) * 2654435761 + 1
    is_gone = anchors["anchor_key"].isin(keys[list(lost)]) & anchors["host"].isin(["h2", "v2"])
    return anchors[~is_gone].reset_index(drop=True).assign(**changed), points


def test_losses_are_found_where_they_happen_and_counted_exactly():
    """Every 50th frame dropped between the two underlays is lost there, on the whole way, and nowhere else."""
    flows = flows_of(lossy(range(10, 100, 50)))

    assert dict(zip(steps(flows), flows["lost_packet_count"], strict=True)) == dict.fromkeys(PATH, 0) | {
        PATH[2]: 2,
        ("v1", "p0", "v2", "p5"): 2,
    }
    assert flows[FATES[1:]].to_numpy().sum() == 0
    assert rows(flows, from_host="h1", to_host="h2")["delay_max_ns"].tolist() == [80_000]  # exactly: no time is a float


@SETTINGS
@given(st.sets(st.integers(0, 39), max_size=30), st.integers(0, 3), st.integers(0, 39), st.integers(0, 39))
def test_every_frame_of_a_step_has_one_fate(lost, level, first, last):
    """Matched, lost, unsampled, uncovered and undecided add up; what the next place could not show is never lost."""
    anchors, points = lossy(lost, 40)
    is_there = anchors["host"].isin(["h2", "v2"])
    rare = anchors["anchor_key"].map(lambda key: int(key) % 4).astype("UInt16")
    shown = anchors.assign(sample_level=rare, kept_level=np.where(is_there, level, 0))
    begin, end = sorted(START_NS + 10**7 * number for number in (first, last))
    is_kept = ~is_there | ((rare >= level) & anchors["captured_ns"].between(begin, end))
    points = covered(points, first_time_ns=points["first_ns"].where(points["host"].isin(["v1", "h1"]), begin))
    points["last_time_ns"] = points["last_ns"].where(points["host"].isin(["v1", "h1"]), end)

    flows = find_flows(timed(shown[is_kept].reset_index(drop=True), 0), points, margins_of(points))

    whole = flows["matched_packet_count"] + flows[FATES].sum(axis=1)
    tunnel = rows(flows, from_host="h1", to_host="h2")
    tunnel = tunnel[(tunnel["to_packet_count"] > 0) | (level == 0)]  # what samples shows some frames
    provable = [n for n in lost if begin <= START_NS + 10**7 * n <= end and (n * 2654435761 + 1) % 4 >= level]
    assert (whole == flows["from_packet_count"]).all()
    assert (tunnel["lost_packet_count"] <= len(provable)).all()


@pytest.mark.parametrize("is_captured", [True, False])
def test_a_flow_that_a_vtep_never_shows_is_lost_on_the_way_to_it(is_captured):
    """All frames sent to a VTEP whose underlay was captured and shows none are lost; else nothing is said."""
    anchors, points = fabric(TRUE, np.arange(30) * 10**7, [(9_000, 80_000, 7_000)] * 30, [True] * 30)
    gone = anchors[~anchors["host"].isin(["h2", "v2"])].reset_index(drop=True)
    late = points.assign(last_ns=points["last_ns"] + 10**9)
    late["first_ns"] = (late["first_ns"] - 10**9).where(is_captured | (late["host"] != "h2"), late["last_ns"])

    flows = flows_of((gone, late))

    tunnel = rows(flows, from_host="h1", to_host="h2").iloc[0]
    assert (tunnel["from_packet_count"], tunnel["to_packet_count"], tunnel["matched_packet_count"]) == (30, 0, 0)
    assert tunnel["lost_packet_count"] == (30 if is_captured else 0)
    assert tunnel["uncovered_packet_count"] == (0 if is_captured else 30)
    assert pd.isna(tunnel["delay_min_ns"])


def test_frames_that_went_another_way_are_not_lost():
    """Where a machine moves, frames go to its new VTEP; those of neither are lost where their neighbours went."""
    count = 20
    anchors, points = lossy([3, 14], count)
    number = ((anchors["anchor_key"] - 1) // 2654435761).astype("int64")
    new = {"h1": "h1", "v1": "v1", "h2": "h3", "v2": "v2"}
    moved = anchors.assign(host=anchors["host"].where(number < 10, anchors["host"].map(new)))
    shift = np.where(moved["host"] == "h3", 10 * 2**40, 0)
    ends = moved["outer_destination_ip"].where(number < 10, moved["outer_destination_ip"].str.replace("16.2", "16.3"))
    moved = moved.assign(frame_id=moved["frame_id"] + shift, outer_destination_ip=ends)
    twins = points[points["host"] == "h2"]
    twins = twins.assign(host="h3", vtep_ip="192.168.16.3", point_id=[90, 91], capture_ids=[(13,), (14,)])

    flows = flows_of((moved, pd.concat([points, twins], ignore_index=True)))

    hops = rows(flows, is_hop=True)
    old, late = (rows(hops, from_host="h1", to_host=host).iloc[0] for host in ("h2", "h3"))
    assert [(one["matched_packet_count"], *one[FATES]) for one in (old, late)] == [(9, 1, 0, 0, 0, 10)] * 2
    assert hops["lost_packet_count"].sum() == 2


def test_a_capture_that_dropped_records_proves_no_loss():
    """Where the capturing program says that it lost records, a missing frame may be one of them."""
    anchors, points = lossy([20, 70])
    points["dropped_count"] = points["dropped_count"].mask(points["host"] == "h2", 5)

    tunnel = rows(flows_of((anchors, points)), from_host="h1", to_host="h2").iloc[0]

    assert tunnel[FATES].tolist() == [0, 0, 0, 2, 0]


def test_payload_that_comes_in_other_records_is_not_lost():
    """A super-frame that the next place shows as its segments is undecided; one whose octets are missing is lost."""
    count = 10
    anchors, points = lossy([3, 7], count)
    number = ((anchors["anchor_key"] - 1) // 2654435761).astype("int64")
    anchors = anchors.assign(sequence=(2**32 - 20_000 + number * 4000) % 2**32, payload_bytes=4000)
    whole = anchors[(anchors["host"] == "h1") & anchors["vni"].notna() & (number == 3)]
    begin = int(anchors.loc[number == 3, "sequence"].iloc[0])
    last = anchors[anchors["host"] == "h2"]["captured_ns"].min() + 3 * 10**7
    tunnel = {"vni": 5001, "outer_source_ip": VTEPS["h1"], "outer_destination_ip": VTEPS["h2"]}
    pieces = pd.concat([whole, whole]).assign(
        host="h2", frame_id=4 * 2**40 + np.array([901, 902]), captured_ns=last, anchor_key=np.array([5, 6], np.uint64),
        sequence=[begin, (begin + 2000) % 2**32], payload_bytes=2000, **tunnel,
    )  # fmt: skip
    shown = pd.concat([anchors, pieces], ignore_index=True).astype(anchors.dtypes)

    found = rows(flows_of((shown, points)), from_host="h1", to_host="h2").iloc[0]

    assert found["from_packet_count"] == count
    assert found[FATES].tolist() == [1, 0, 0, 1, 0]


def test_frames_sent_again_are_matched_in_order_where_both_ends_saw_as_many():
    """Equal frames, sent a second apart, are told by their order; if one of them is missing, none is guessed."""
    when = np.arange(3) * 10**9
    anchors, points = two_machines(Clock(), Clock(), when, [50_000] * 3, [True] * 3)
    same = anchors.assign(anchor_key=np.uint64(7))
    last = same[(same["host"] == "a") | (same["captured_ns"] < START_NS + 10**9)].reset_index(drop=True)

    whole, cut = flows_of((same, points)).iloc[0], flows_of((last, points))

    assert (whole["matched_packet_count"], whole["delay_max_ns"]) == (3, 50_000)
    assert cut["matched_packet_count"].sum() == 0
    assert cut["lost_packet_count"].sum() == 0


def test_reordered_frames_are_counted():
    """A frame that is overtaken counts once (RFC 4737); equal order at both ends counts nothing."""
    sent = np.arange(10) * 10**6
    took = [50_000] * 10
    late = [50_000] * 4 + [3_200_000] + [50_000] * 5

    assert flows_of(two_machines(Clock(), Clock(), sent, took, [True] * 10))["reordered_packet_count"].tolist() == [0]
    assert flows_of(two_machines(Clock(), Clock(), sent, late, [True] * 10))["reordered_packet_count"].tolist() == [1]


def test_points_that_stamp_a_frame_together_are_one_place():
    """A tap and `-i any` beside it are one place, called by the tap; what one of them missed the other shows."""
    anchors, points = fabric(TRUE, np.arange(8) * 10**8, [(9_000, 80_000, 7_000)] * 8, [True] * 8)
    tap = anchors[(anchors["host"] == "h1") & anchors["vni"].isna()]
    again = tap.iloc[:6].assign(frame_id=tap["frame_id"].iloc[:6] + (9 - 1) * 2**40)
    both = pd.concat([anchors.drop(tap.index[-3:-2]), again], ignore_index=True)
    more = pd.concat(
        [points, points[points["role"] == "tap"].head(1).assign(point_id=99, capture_ids=[(9,)], point="a", role="any")]
    )

    flows = flows_of((both, more))

    assert steps(rows(flows, is_hop=True)) == PATH
    assert flows["matched_packet_count"].tolist() == [8] * 6


def test_a_flow_of_one_place_is_not_listed():
    """A flow that one place alone saw has no step."""
    anchors, points = two_machines(Clock(), Clock(), np.arange(10) * 10**8, [50_000] * 10, [True] * 10)

    assert flows_of((anchors[anchors["host"] == "a"].reset_index(drop=True), points)).empty


def test_nothing_in_gives_the_empty_table():
    """Without anchors the table is there, with its columns."""
    flows = flows_of((columns.ANCHORS.empty(), columns.POINTS.empty()), 0)

    pd.testing.assert_frame_equal(flows, columns.FLOWS.empty())


def test_the_table_does_not_depend_on_the_order_of_its_input():
    """The same frames in another order give the same table, and no key occurs twice."""
    anchors, points = fabric(TRUE, np.arange(6) * 10**8, [(9_000, 80_000, 7_000)] * 6, [True, False] * 3)

    flows = flows_of((anchors, points))

    pd.testing.assert_frame_equal(flows, flows_of((anchors[::-1].reset_index(drop=True), points)))
    assert not flows.duplicated(list(columns.FLOWS.key)).any()


@pytest.mark.corpus
def test_real_delays_survive_wrong_clocks(captures_folder):
    """The captures with clock errors give the flows, counts and delays of the ones without, within both margins."""
    scenario = "arp-learned-then-suppressed"
    right, wrong = (analyze([captures_folder / name]).tables.flows for name in (scenario, f"{scenario}-skewed"))

    both = right.merge(wrong, on=list(columns.FLOWS.key), how="outer", suffixes=("", "_skewed"), validate="one_to_one")

    assert len(both) == len(right) == len(wrong) >= 30
    for name in ("matched_packet_count", "is_hop", *FATES):
        assert (both[name] == both[f"{name}_skewed"]).all()
    for figure in FIGURES:
        doubt = both[f"delay_{figure}_margin_ns"] + both[f"delay_{figure}_margin_ns_skewed"] + 2_000
        assert ((both[f"delay_{figure}_ns"] - both[f"delay_{figure}_ns_skewed"]).abs() <= doubt).all()

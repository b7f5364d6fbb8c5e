"""Laws of the flows: frames matched are frames seen twice, delays are true within their margin, or there are none."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from evpn_pcap import columns
from evpn_pcap.clocks import fit_clocks, on_common_clock
from evpn_pcap.decode import decode
from evpn_pcap.flows import find_flows
from evpn_pcap.model import FOREVER, Options
from evpn_pcap.sources import find_sources, read_batches
from evpn_pcap.vantage import find_points
from tests.clock_lab import START_NS, VTEPS, Clock, anchors_table, fabric, point, points_table, sightings, two_machines

SETTINGS = settings(max_examples=25, deadline=None, phases=set(Phase) - {Phase.shrink, Phase.explain})
TRUE = {host: Clock() for host in ("v1", "h1", "h2", "v2")}


def timed(anchors, margin_ns=1_000):
    """Anchors on the common clock, with one margin a host or one for all."""
    margin = anchors["host"].map(margin_ns) if isinstance(margin_ns, dict) else margin_ns
    return anchors.assign(time_ns=anchors["captured_ns"], margin_ns=margin).astype({"margin_ns": "int64"})


def rows(flows, **where):
    for name, value in where.items():
        flows = flows[flows[name] == value]
    return flows


def test_a_ping_through_the_fabric_gives_every_pair_of_hosts_in_order():
    """Four hosts on the path see each direction: six ordered pairs each, nearer to the source first."""
    sent = np.arange(20) * 100_000_000
    anchors, points = fabric(TRUE, sent, [(9_000, 80_000, 7_000)] * 20, np.arange(20) < 12)

    flows = find_flows(timed(anchors), points)

    there, back = rows(flows, source_ip="10.0.0.1"), rows(flows, source_ip="10.0.0.2")
    path = [("h1", "h2"), ("h1", "v2"), ("h2", "v2"), ("v1", "h1"), ("v1", "h2"), ("v1", "v2")]
    assert sorted(zip(there["from_host"], there["to_host"], strict=True)) == path
    assert sorted(zip(back["to_host"], back["from_host"], strict=True)) == path
    assert there["matched_packet_count"].tolist() == [12] * 6
    assert back["matched_packet_count"].tolist() == [8] * 6
    assert flows["is_direction_known"].all()


def test_delays_are_measured_from_first_sighting_to_first_sighting():
    """Least, median and greatest delay of known delays come back to the microsecond, with both margins."""
    sent = np.arange(5) * 100_000_000
    hop = [10_000, 20_000, 30_000, 40_000, 90_000]
    anchors, points = fabric(TRUE, sent, [(9_000, middle, 7_000) for middle in hop], [True] * 5)

    flow = rows(
        find_flows(timed(anchors, {"v1": 1, "h1": 20, "h2": 300, "v2": 4_000}), points), from_host="h1", to_host="h2"
    ).iloc[0]

    expected = [13_000, 33_000, 93_000]  # the tap, 3 us before the underlay, to the other underlay
    found = [flow["delay_min_ns"], flow["delay_median_ns"], flow["delay_max_ns"]]
    assert [abs(f - e) <= 1_000 for f, e in zip(found, expected, strict=True)] == [True] * 3
    assert flow["delay_margin_ns"] == 320


def test_the_vni_is_taken_from_whoever_saw_it():
    """Hosts that see only bare frames share the VNI that another saw; without any there is none."""
    anchors, points = fabric(TRUE, [0, 10**8], [(9_000, 80_000, 7_000)] * 2, [True, True])
    bare = anchors[anchors["vni"].isna()].reset_index(drop=True)

    with_vxlan, without = find_flows(timed(anchors), points), find_flows(timed(bare), points)

    assert with_vxlan["vni"].tolist() == [5001] * 6
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
    anchors, points = two_machines(Clock(), Clock(error_ns), sent, took, [True] * len(sent), knows_station=False)
    host_margin = {"a": 0, "b": margin_ns if is_aligned else FOREVER}

    flows = find_flows(timed(anchors, host_margin), points)

    known = flows[flows["is_direction_known"]]
    assert (known["from_host"] == "a").all()
    assert ((known["delay_min_ns"] - min(took)).abs() <= known["delay_margin_ns"] + 1_000).all()
    assert ((known["delay_max_ns"] - max(took)).abs() <= known["delay_margin_ns"] + 1_000).all()
    assert flows.loc[~flows["is_direction_known"].astype(bool), "delay_min_ns"].isna().all()


def test_unaligned_hosts_have_counts_and_direction_but_no_delays():
    """Who owns the ends tells the direction without a clock; a delay needs one."""
    anchors, points = fabric(TRUE, [0, 10**8], [(9_000, 80_000, 7_000)] * 2, [True, True])

    flows = find_flows(timed(anchors, FOREVER), points)

    assert flows["is_direction_known"].all()
    assert flows[["delay_min_ns", "delay_median_ns", "delay_max_ns", "delay_margin_ns"]].isna().all(axis=None)
    assert flows["matched_packet_count"].tolist() == [2] * 6


def test_copies_to_two_receivers_have_no_direction():
    """Of a flooded frame, the copy that comes first says nothing about the path of the other."""
    keys, when = np.arange(10), START_NS + np.arange(10) * 10**9
    source = np.ones(10, int)
    parts = [
        sightings("h1", 0, when, keys, source, 3 - source, tunnel=("192.168.16.9", VTEPS["h1"]), is_multicast=True),
        sightings(
            "h2", 1, when + 500_000, keys, source, 3 - source, tunnel=("192.168.16.9", VTEPS["h2"]), is_multicast=True
        ),
    ]
    points = points_table(
        [point("h1", 0, "underlay", None, VTEPS["h1"]), point("h2", 1, "underlay", None, VTEPS["h2"])]
    )

    flows = find_flows(timed(anchors_table(parts)), points)

    assert flows["matched_packet_count"].tolist() == [10]
    assert flows["is_direction_known"].tolist() == [False]
    assert flows["delay_min_ns"].isna().all()


def test_frames_that_one_host_alone_saw_are_counted_there_only():
    """Lost or unsampled frames count at the host that saw them; a flow of one host alone is not listed."""
    anchors, points = two_machines(Clock(), Clock(), np.arange(10) * 10**8, [50_000] * 10, [True] * 10)
    lost = anchors[(anchors["host"] == "a") | (anchors["captured_ns"] < START_NS + 4 * 10**8)].reset_index(drop=True)

    flows = find_flows(timed(lost), points)
    alone = find_flows(timed(anchors[anchors["host"] == "a"].reset_index(drop=True)), points)

    assert flows[["matched_packet_count", "from_packet_count", "to_packet_count"]].to_numpy().tolist() == [[4, 10, 4]]
    assert alone.empty


def test_nothing_in_gives_the_empty_table():
    """Without anchors the table is there, with its columns."""
    flows = find_flows(timed(columns.ANCHORS.empty(), 0), columns.POINTS.empty())

    pd.testing.assert_frame_equal(flows, columns.FLOWS.empty())


def test_rows_are_in_the_order_of_their_key_whatever_the_order_of_the_input():
    """The same frames in another order give the same table, and no key occurs twice."""
    anchors, points = fabric(TRUE, np.arange(6) * 10**8, [(9_000, 80_000, 7_000)] * 6, [True, False] * 3)

    flows = find_flows(timed(anchors), points)

    pd.testing.assert_frame_equal(flows, find_flows(timed(anchors[::-1].reset_index(drop=True)), points))
    assert not flows.duplicated(list(columns.FLOWS.key)).any()


@pytest.mark.corpus
def test_real_delays_survive_wrong_clocks(captures_folder):
    """The captures with clock errors give the flows, directions and delays of the ones without, within the margins."""
    right, right_points = tables_of(captures_folder / "arp-learned-then-suppressed")
    wrong, points = tables_of(captures_folder / "arp-learned-then-suppressed-skewed")

    truth = find_flows(timed(right, 2_000), right_points)
    flows = find_flows(on_common_clock(wrong, fit_clocks(wrong, points, None)), points)

    both = flows.merge(truth, on=list(columns.FLOWS.key), how="inner", suffixes=("", "_true"), validate="one_to_one")
    both = both[both["is_direction_known"] & both["is_direction_known_true"]]
    assert len(both) >= 20
    assert (both["matched_packet_count"] == both["matched_packet_count_true"]).all()
    for figure in ("delay_min_ns", "delay_median_ns", "delay_max_ns"):
        assert ((both[figure] - both[f"{figure}_true"]).abs() <= both["delay_margin_ns"] + 1_000).all()


def tables_of(folder):
    """ANCHORS and POINTS of a folder of captures."""
    options = Options()
    captures = [decode(read_batches(source), source, options) for source in find_sources([folder], options)]
    anchors = columns.ANCHORS.concat([one.anchors for one in captures])
    interfaces = columns.INTERFACES.concat([one.interfaces for one in captures])
    packets = columns.PACKETS.concat([one.packets for one in captures])
    return anchors, find_points(interfaces, packets, anchors, options)

"""Figures show what the tables say, the same bytes each time."""

import pytest
from matplotlib.figure import Figure

from evpn_pcap import columns
from evpn_pcap.model import FOREVER, Outcome
from evpn_pcap.plots import picture, timeline
from evpn_pcap.plots import routes as routes_figure
from tests.by_hand import START_NS, resolution_rows, routes, table, tables


def drawn(told):
    """Return the timeline of some tables as Axes."""
    return timeline.draw(told, Figure().subplots())


def test_timeline_returns_the_axes_it_was_given():
    """The figure is drawn on the caller's Axes, and these come back."""
    axes = Figure().subplots()

    assert timeline.draw(tables(), axes) is axes


def test_timeline_has_a_lane_for_each_question():
    """Each protocol, requester and target has a lane, in order of time."""
    labels = [label.get_text() for label in drawn(tables()).get_yticklabels()]

    assert labels[0] == "arp  10.2.1.11 \N{RIGHTWARDS ARROW} 10.2.1.12"
    assert len(labels) == 4


def test_timeline_draws_every_row_once():
    """There are as many markers as rows of RESOLUTIONS."""
    markers = sum(
        len(one.get_offsets())
        for one in drawn(tables()).collections
        if hasattr(one, "get_sizes") and len(one.get_sizes())
    )

    assert markers == len(resolution_rows())


def test_timeline_draws_when_routes_were_in_force():
    """The bar of a lane starts with the advertisement and ends with the withdrawal."""
    bars = {
        (round(one.get_y() + 0.31), round(one.get_x(), 3), round(one.get_width(), 3)) for one in drawn(tables()).patches
    }

    assert (0, 2.5, 6.75) in bars
    assert (2, 0.0, 6.0) in bars


def test_timeline_leaves_out_routes_of_other_vteps_and_segments():
    """A route that another VTEP had, or that is of another segment, is not drawn."""
    elsewhere = tables(routes=routes().assign(receiver_ip="192.168.16.9"))
    other_segment = tables(routes=routes().assign(vni=7))

    assert len(drawn(elsewhere).patches) == 0
    assert len(drawn(other_segment).patches) == 0


def test_timeline_says_units_and_counts():
    """The axis names its unit and clock, the legend the outcomes with their counts."""
    axes = drawn(tables())
    legend = [text.get_text() for text in axes.get_legend().get_texts()]

    assert "(s after 2026-11-22 10:00:00.123456 UTC)" in axes.get_xlabel()
    assert legend[:4] == ["suppressed (2)", "flooded (1)", "learned (1)", "undecided (1)"]


def test_outcomes_are_told_apart_without_colour():
    """Each outcome has a marker of its own and a colour of its own."""
    assert timeline.STYLES.keys() == set(Outcome)
    assert len({style["marker"] for style in timeline.STYLES.values()}) == len(Outcome)
    assert len({style["color"] for style in timeline.STYLES.values()}) == len(Outcome)


def test_many_questions_share_lanes():
    """More questions than fit are drawn by target, and if still more by protocol."""
    first = resolution_rows()[0]
    askers = [first | {"id": n, "requester_ip": f"10.0.{n}.1"} for n in range(1, 60)]
    targets = [first | {"id": n, "target_ip": f"10.0.{n}.1"} for n in range(1, 60)]

    assert len(drawn(tables(resolutions=table(columns.RESOLUTIONS, askers))).get_yticks()) == 1
    assert len(drawn(tables(resolutions=table(columns.RESOLUTIONS, targets))).get_yticks()) == 1


@pytest.mark.parametrize(("file_type", "magic"), [("svg", b"<?xml"), ("png", b"\x89PNG"), ("pdf", b"%PDF")])
def test_pictures_are_the_same_bytes_each_time(file_type, magic):
    """The same tables give the same file, without a date in it."""
    first, second = (picture(timeline.draw, tables(), file_type) for _ in range(2))

    assert first.startswith(magic)
    assert first == second
    assert b"<dc:date>" not in first


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [
            resolution_rows()[0]
            | {"requester_ip": None, "requester_mac": None, "target_ip": None, "vni": None, "ingress_vtep": None}
        ],
    ],
    ids=["none", "nothing known"],
)
def test_sparse_tables_are_drawn(rows):
    """No row, or a row that knows next to nothing, gives a figure all the same."""
    told = tables(resolutions=table(columns.RESOLUTIONS, rows), routes=columns.ROUTES.empty())

    assert picture(timeline.draw, told, "svg")


def test_nothing_passed_in_is_altered():
    """Drawing leaves the tables as they were."""
    told = tables()
    before = told.resolutions.copy(), told.routes.copy()
    drawn(told)

    assert told.resolutions.equals(before[0])
    assert told.routes.equals(before[1])


def test_open_intervals_end_with_the_figure():
    """An interval that is still open never leads to a time beyond the last resolution."""
    axes = drawn(tables())

    assert FOREVER > START_NS
    assert axes.get_xlim()[1] < 10


def test_routes_has_a_bar_for_each_interval_and_a_marker_for_each_request():
    """A bar begins and ends with its route; requests stand in the lane of their VTEP and target, and only there."""
    told = tables()
    known = told.routes[told.routes["route_type"] == 2]

    axes = routes_figure.draw(told, Figure().subplots())

    assert sum(len(one) for one in axes.containers) == len(known)
    lanes = [label.get_text() for label in axes.get_yticklabels()]
    assert {lane.split(":")[0] for lane in lanes} == {f"at {one}" for one in set(known["receiver_ip"])}
    marked = [one for one in axes.collections if hasattr(one, "get_sizes") and len(one.get_offsets())]
    places = {round(float(y)) for one in marked for _, y in one.get_offsets()}
    asked = told.resolutions.dropna(subset="ingress_vtep")
    at = {f"at {vtep}:  {ip}" for vtep, ip in zip(asked["ingress_vtep"], asked["target_ip"], strict=True)}
    assert {lanes[place] for place in places} <= at


def test_routes_without_any():
    """Without routes the figure says so."""
    axes = routes_figure.draw(tables(routes=columns.ROUTES.empty()), Figure().subplots())

    assert "no MAC/IP routes" in [text.get_text() for text in axes.texts]

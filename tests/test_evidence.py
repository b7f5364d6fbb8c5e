"""Which request came first is asked of the clock that knows it best: the witness's own."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import evpn_pcap
from evpn_pcap import synth
from evpn_pcap.model import Options
from evpn_pcap.order import PairMargins
from evpn_pcap.resolutions import resolve
from evpn_pcap.resolutions.echoes import without_echoes
from evpn_pcap.resolutions.sighted import as_seen_at

DOUBT_NS = 2_000_000_000
DAY_NS = 86_400_000_000_000
S_NS = 1_000_000_000
HOSTS = ("pve1", "pve2", "pve3", "vm1", "vm2")
NOTHING_KNOWN = PairMargins(HOSTS, np.full((5, 5), -1, np.int32), np.zeros(0, np.int64), np.zeros((0, 0), np.int64))


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """Flooded at first, then learned, then suppressed: three VTEPs and two VMs whose clocks are right."""
    lab = synth.Simulation(synth.small_fabric(3, (1, 3), seed=3))
    for vm in ("vm1", "vm2"):
        lab.connect(vm)
    lab.start_sessions()
    lab.wait(6)
    lab.ping("vm1", "vm2")
    lab.wait(4)
    for vm in ("vm1", "vm2"):
        lab.ping(vm, "10.2.1.1")
    lab.wait(4)
    lab.forget("vm1", "vm2")
    lab.ping("vm1", "vm2")
    lab.wait(1)
    lab.traffic("vm1", "vm2", 10, 50_000)
    folder = tmp_path_factory.mktemp("fabric")
    lab.recording().write(folder)
    return evpn_pcap.analyze([folder]).tables


def resolved(tables, margin_ns, until_ns=None):
    """The resolutions, were every host's clock known to `margin_ns` only, and no two hosts known to each other.

    `until_ns`: when all captures but those of the underlay end.
    """
    is_cut = (tables.points["role"] != "underlay") & (until_ns is not None)
    last_ns = tables.points["last_ns"].mask(is_cut, tables.points["last_ns"].clip(upper=until_ns))
    points = tables.points.assign(
        last_ns=last_ns, first_time_ns=tables.points["first_ns"], last_time_ns=last_ns, point_margin_ns=margin_ns
    )
    routes = tables.routes.assign(margin_ns=margin_ns, withdraw_margin_ns=margin_ns)
    events, anchors = (table.assign(margin_ns=margin_ns) for table in (tables.events, tables.anchors))
    if until_ns is not None:
        events, anchors = (
            table[table["vni"].notna() | (table["captured_ns"] <= until_ns)] for table in (events, anchors)
        )
    sessions = tables.sessions.assign(margin_ns=margin_ns)
    with pd.option_context("mode.string_storage", "python"):  # as in the pipeline
        return resolve(events, points, anchors, routes, sessions, tables.snapshots, NOTHING_KNOWN, Options())


def test_a_hypervisor_that_saw_the_request_needs_no_other_clock(tables):
    """Outcome, who answered and route state are the same, were the clocks known to two seconds only."""
    read = ["kind", "requester_ip", "target_ip", "outcome", "answered_by", "route_state"]

    doubtful = resolved(tables, DOUBT_NS)

    assert doubtful[read].to_dict("records") == tables.resolutions[read].to_dict("records")
    assert {"flooded", "learned", "suppressed"} <= set(doubtful["outcome"])


def test_each_suppression_names_the_captures_that_show_no_copy(tables):
    """The underlay of the VTEP that was asked comes first; what was flooded names none."""
    rows = tables.resolutions
    told = rows.loc[rows["outcome"] == "suppressed", ["requester_ip", "absent_at"]].to_dict("records")

    first = {one["requester_ip"]: one["absent_at"].split()[0] for one in told}
    assert first == {"10.2.1.11": "pve1:ens18", "10.2.1.12": "pve3:ens18"}
    assert rows.loc[rows["outcome"] == "flooded", "absent_at"].isna().all()


def test_where_the_captures_end_with_the_request_nobody_is_said_to_have_been_silent(tables):
    """No answer was seen, for none could be: the gateway's exchange is not called suppressed."""
    asked = tables.resolutions[tables.resolutions["outcome"] == "learned"].iloc[0]

    rows = resolved(tables, 0, until_ns=int(asked["time_ns"]) + 40_000)

    (row,) = rows[rows["time_ns"] == asked["time_ns"]].to_dict("records")
    assert (row["outcome"], row["answered_by"]) == ("undecided", "unknown")
    assert "the second after the request" in row["undecided_reason"]


def test_an_answer_between_two_requests_ends_the_row_on_any_one_clock(tables):
    """A bystander whose clock is off by more than the requests are apart does not mix up requests and answers."""
    is_off = tables.events["host"] == "pve2"
    late = tables.events.assign(time_ns=tables.events["time_ns"].mask(is_off, tables.events["time_ns"] - 3_950_000))
    again = late[(late["requester_ip"] == "10.2.1.11") & (late["target_ip"] == "10.2.1.12")].assign(
        captured_ns=lambda rows: rows["captured_ns"] + 4_000_000,
        time_ns=lambda rows: rows["time_ns"] + 4_000_000,
        frame_id=lambda rows: rows["frame_id"] + 500_000,
        transmission_id=lambda rows: rows["transmission_id"] + 500_000,
    )
    events = pd.concat([late, again]).sort_values(["time_ns", "frame_id"], kind="stable").reset_index(drop=True)

    rows = resolved(replace(tables, events=events), 4_000_000)

    asked = rows[(rows["requester_ip"] == "10.2.1.11") & (rows["target_ip"] == "10.2.1.12")]
    assert asked["request_count"].tolist() == [1, 1, 1, 1]
    assert asked["latency_ns"].notna().all()


def test_what_did_not_come_in_by_the_captured_underlay_was_not_the_targets_answer(tables):
    """Of two answers with the same octets the one given here is the VTEP's, whatever was seen elsewhere."""
    replies = tables.events[(tables.events["message"] == "reply") & (tables.events["target_ip"] == "10.2.1.12")]
    real, proxied = (one for _, one in replies.groupby("transmission_id"))
    later_ns = int(proxied["time_ns"].min()) - int(real["time_ns"].min()) + 20_000
    mixed = real[real["host"].isin(["vm2", "pve3"])].assign(
        captured_ns=lambda rows: rows["captured_ns"] + later_ns,
        time_ns=lambda rows: rows["time_ns"] + later_ns,
        frame_id=lambda rows: rows["frame_id"] + 500_000,
        transmission_id=proxied["transmission_id"].iloc[0],
    )
    assert mixed["vni"].notna().any()
    events = pd.concat([tables.events, mixed]).sort_values(["time_ns", "frame_id"], kind="stable")

    rows = resolved(replace(tables, events=events.reset_index(drop=True)), 0)

    asked = rows[(rows["requester_ip"] == "10.2.1.11") & (rows["target_ip"] == "10.2.1.12")]
    assert asked["answered_by"].tolist() == ["target", "proxy"]


def test_only_a_host_that_saw_every_request_of_a_row_tells_when_they_were():
    """Of a row with two requests a host that saw one keeps the first sighting's clock."""
    requests = pd.DataFrame(
        [(0, "vm1", 1, 100), (0, "pve1", 1, 150), (0, "vm1", 2, 900), (0, "pve1", 2, 950), (0, "pve2", 2, 990)],
        columns=["row_id", "host", "transmission_id", "time_ns"],
    )
    row = {"row_id": 0, "request_count": 2, "host": "vm1", "time_ns": 100, "last_request_ns": 900}
    pairs = pd.DataFrame([row | {"host_there": there} for there in ("pve1", "pve2", "pve3")])

    found = as_seen_at(pairs, requests)

    assert found["request_host"].tolist() == ["pve1", "vm1", "vm1"]
    assert found["time_ns"].tolist() == [150, 100, 100]
    assert found["last_request_ns"].tolist() == [950, 900, 900]


def rows_of(*told):
    """Rows of one request that repeats: (clock, seconds, outcome)."""
    names = ["clock", "time_ns", "outcome"]
    rows = pd.DataFrame(told, columns=names).assign(
        kind="resolution", protocol="arp", requester_mac=1, requester_ip="10.2.1.11", target_ip="10.2.1.12"
    )
    return rows.assign(time_ns=(rows["time_ns"] * S_NS).astype("int64"))


OWN = (("", 100.0, "flooded"), ("", 107.0, "flooded"), ("", 131.0, "flooded"))


def test_copies_at_a_host_whose_clock_is_days_off_are_no_requests_of_their_own():
    """One error of its clock puts all that it saw where the others saw it."""
    off_s = 2.5 * DAY_NS / S_NS
    told = [("pve2", at + off_s + 0.004, outcome) for _, at, outcome in OWN[:2]]

    assert without_echoes(rows_of(*OWN, *told))["clock"].tolist() == [""] * 3


def test_what_one_host_alone_saw_on_another_day_stays():
    """Requests of the same machine with other times between them are others."""
    other_day = [("pve2", 100.0 + 3 * DAY_NS / S_NS, "flooded"), ("pve2", 119.0 + 3 * DAY_NS / S_NS, "flooded")]

    assert len(without_echoes(rows_of(*OWN, *other_day))) == 5
    assert len(without_echoes(rows_of(*OWN, *other_day[:1]))) == 4  # one alone tells nothing about the clock

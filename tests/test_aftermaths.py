"""Laws of the aftermaths: what a resolved address was used for is told where frames show it, and nowhere else."""

import pandas as pd
import pytest

from evpn_pcap import analyze, columns, synth
from evpn_pcap.aftermaths import find_aftermaths
from evpn_pcap.model import Kind


def analysis_of(folder, drive, **errors):
    """Return the analysis of a simulated fabric of two VTEPs in which `drive` happens."""
    fabric = synth.small_fabric(vteps=2, clocks=errors)
    lab = synth.Simulation(fabric)
    lab.start_sessions()
    lab.connect("vm1")
    lab.connect("vm2")
    drive(lab, fabric)
    lab.wait(4)
    lab.recording().write(folder)
    return analyze([folder])


def uses(analysis, target=None):
    """Return the aftermaths of vm1's resolutions of vm2's address, or another, in order."""
    rows = analysis.tables.resolutions
    vm1, vm2 = (synth.Simulation(synth.small_fabric(vteps=2)).vm(name).ip for name in ("vm1", "vm2"))
    target = target or vm2
    chosen = rows[(rows["kind"] == Kind.RESOLUTION) & (rows["requester_ip"] == vm1) & (rows["target_ip"] == target)]
    return chosen.merge(analysis.tables.aftermaths, on="id", how="left", validate="one_to_one")


def test_a_ping_is_followed_to_its_target_and_back(tmp_path):
    """Its first frame passes VM, VTEP, VTEP, VM, and is answered; the wait for it is longer than for the address."""
    clock = synth.Clock(offset_ns=7_000_000)

    use = uses(analysis_of(tmp_path, lambda lab, _: lab.ping("vm1", "vm2", count=20, period_s=0.1), pve2=clock)).iloc[0]

    assert use["hosts"] == ("vm1", "pve1", "pve2", "vm2")
    assert use[["is_answered", "reached_link"]].all()
    assert use["latency_ns"] <= use["used_after_ns"] < use["answered_after_ns"]
    assert use["host"] == "vm1"


def test_frames_for_a_machine_that_is_gone_are_unanswered(tmp_path):
    """The VTEP still answers for it; what is then sent to it does not reach it and stays without an answer."""

    def drive(lab, fabric):
        lab.ping("vm2", fabric.gateway)
        lab.ping("vm1", "vm2", count=5)
        lab.unplug("vm2")
        lab.forget("vm1")
        lab.ping("vm1", "vm2")

    last = uses(analysis_of(tmp_path, drive)).iloc[-1]

    assert last["answered_by"] == "proxy"
    assert last["is_answered"] is not pd.NA
    assert not last["is_answered"]
    assert "vm2" not in last["hosts"]  # its tap may show the frame all the same
    assert pd.isna(last["answered_after_ns"])


def test_the_use_of_a_gateway_is_found_by_its_mac(tmp_path):
    """What goes to the resolved MAC uses it, for whatever address it is: here the gateway's own."""
    analysis = analysis_of(tmp_path, lambda lab, fabric: lab.ping("vm1", fabric.gateway))

    use = uses(analysis, synth.small_fabric(vteps=2).gateway).iloc[0]

    assert use["is_answered"]
    assert use["destination_ip"] == use["target_ip"]


def test_a_capture_that_ends_at_once_claims_no_silence(tmp_path):
    """Where the captures end with the first frame, nobody knows whether something came back."""
    analysis = analysis_of(tmp_path / "whole", lambda lab, _: lab.ping("vm1", "vm2"))
    use = uses(analysis).iloc[0]
    tables = analysis.tables
    end_ns = tables.anchors.set_index("frame_id")["captured_ns"][use["first_frame_id"]]
    anchors = tables.anchors[tables.anchors["captured_ns"] <= end_ns]
    points = tables.points.assign(last_ns=tables.points["last_ns"].clip(upper=end_ns))

    cut = find_aftermaths(tables.resolutions, tables.events, anchors, points).set_index("id").loc[use["id"]]

    assert cut["is_answered"] is pd.NA
    assert cut["first_frame_id"] == use["first_frame_id"]


def test_nothing_in_gives_the_empty_table():
    """Without resolutions the table is there, with its columns."""
    names = (columns.RESOLUTIONS, columns.EVENTS, columns.ANCHORS, columns.POINTS)

    resolutions, events, anchors, points = (table.empty() for table in names)
    found = find_aftermaths(resolutions, events, anchors.assign(time_ns=0, margin_ns=0), points)

    pd.testing.assert_frame_equal(found, columns.AFTERMATHS.empty())


@pytest.mark.corpus
def test_real_captures_with_wrong_clocks_tell_the_same(captures_folder):
    """First frames, hosts, answers and waits of the skewed captures are those of the unskewed ones, to 2 us."""
    scenario = "arp-learned-then-suppressed"
    right, wrong = (analyze([captures_folder / name]).tables.aftermaths for name in (scenario, f"{scenario}-skewed"))

    same = ["id", "host", "first_frame_id", "hosts", "reached_link", "is_answered", "answer_frame_id"]
    pd.testing.assert_frame_equal(right[same], wrong[same])
    assert ((right["answered_after_ns"] - wrong["answered_after_ns"]).abs().dropna() <= 2_000).all()
    assert right["is_answered"].sum() == 6

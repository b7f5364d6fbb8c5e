"""What flooding costs: each copy once, whoever saw it, as counted by hand."""

import pandas as pd
import pytest

import evpn_pcap
from evpn_pcap.synth.fabric import small_fabric
from evpn_pcap.synth.simulation import Simulation
from evpn_pcap.synth.wire import OUTGOING

ARP_COPY_BYTES = 42 + 50  # in VXLAN over IPv4
HYPERVISORS = ("pve1", "pve2", "pve3")


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    """Return captures and recording: vm1 asks for vm2 and for nobody with suppression off, and sends to a lost MAC."""
    lab = Simulation(small_fabric(3, (1, 2, 3), seed=5))
    lab.begin()
    lab.suppress("pve1", is_on=False)
    lab.resolve("vm1", "vm2")
    lab.wait(1)
    lab.resolve("vm1", "10.2.1.99")
    lab.wait(1)
    lab.withdraw("vm2", None)
    lab.wait(1)
    for _ in range(5):
        lab.send("vm1", lab.vm("vm2").mac, lab.vm("vm2").ip, "pve2", "pve3")
    recording = lab.recording()
    folder = tmp_path_factory.mktemp("story")
    recording.write(folder)
    return sorted(str(path) for path in folder.glob("*.pcap")), recording


def costs_of(paths):
    """Return FLOOD_COSTS of these captures."""
    return evpn_pcap.analyze(paths).tables.flood_costs


def test_costs_are_those_counted_by_hand(story):
    """Two copies a request; those for a known host are savable, those for nobody not, and of unicast one is due."""
    found = costs_of(story[0]).set_index(["kind", "target_ip"])
    counts = found[["request_count", "copy_count", "savable_copy_count"]].T.to_dict("list")

    assert counts == {
        ("resolution", "10.2.1.12"): [1, 2, 2],
        ("resolution", "10.2.1.99"): [3, 6, 0],
        ("unknown unicast", "10.2.1.12"): [5, 10, 5],
    }
    requests = found.loc["resolution"]
    assert (requests["byte_count"] == requests["copy_count"] * ARP_COPY_BYTES).all()
    assert (requests["savable_byte_count"] == requests["savable_copy_count"] * ARP_COPY_BYTES).all()


def test_share_is_of_frames_sent(story):
    """A frame that its sender's and its receiver's captures show went over the underlay once."""
    paths, recording = story
    sent = [recording.captures[host, recording.fabric.underlay] for host in HYPERVISORS]
    total = sum(len(one.octets) for records in sent for one in records if one.direction == OUTGOING)
    found = costs_of(paths)

    assert (found["byte_count"] / found["underlay_share"]).to_list() == pytest.approx([total] * len(found), rel=1e-6)


def test_share_is_missing_without_underlay(story):
    """Without a capture of the underlay the share is not 0 but missing, and no copy was seen."""
    guests = [path for path in story[0] if "/vm" in path]
    summary = evpn_pcap.analyze(guests).summary

    assert (summary.flood_copy_count, summary.flood_share) == (0, None)


def test_each_copy_of_a_resolution_is_in_the_costs(story):
    """The copies and octets of all rows are those of all rows of RESOLUTIONS."""
    tables = evpn_pcap.analyze(story[0]).tables
    requests = tables.flood_costs[tables.flood_costs["kind"] != "unknown unicast"]
    counted = tables.resolutions[["fabric_copy_count", "fabric_byte_count"]].sum()

    assert requests[["copy_count", "byte_count"]].sum().to_list() == counted.to_list()


def test_order_of_captures_does_not_matter(story):
    """Whichever capture is read first, and whatever its number, the costs are the same."""
    pd.testing.assert_frame_equal(costs_of(story[0]), costs_of(story[0][::-1]))

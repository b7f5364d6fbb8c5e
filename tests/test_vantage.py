"""Where vantage points sit, told by what was seen there, never by names."""

import json

import pytest

import evpn_pcap
from evpn_pcap import synth
from evpn_pcap.addresses import mac_number
from evpn_pcap.model import HostFacts, Options

MINUTE_NS = 60_000_000_000


@pytest.fixture(scope="module")
def recording() -> synth.Recording:
    """Three VTEPs, two VMs: flooded, learned, suppressed, each side asking once."""
    lab = synth.Simulation(synth.small_fabric(3, (1, 3), seed=3))
    for vm in ("vm1", "vm2"):
        lab.connect(vm)
    lab.start_sessions()
    lab.wait(3)
    lab.ping("vm1", "vm2")
    for vm in ("vm1", "vm2"):
        lab.ping(vm, "10.2.1.1")
    lab.wait(2)
    lab.forget("vm1", "vm2")
    lab.ping("vm1", "vm2")
    lab.wait(4)
    lab.traffic("vm1", "vm2", 40, 50_000)
    return lab.recording()


def points_of(recording, folder, options=None, **how):
    recording.write(folder, **how)
    return evpn_pcap.analyze([folder], options).tables.points.set_index(["host", "point"])


def test_every_point_of_a_whole_fabric_gets_its_role(recording, tmp_path):
    """NIC, tap, bridge, vxlan device and underlay are told apart where there is a local machine."""
    points = points_of(recording, tmp_path)

    roles = points["role"].to_dict()
    local = {point: role for point, role in roles.items() if point[0] != "pve2"}
    assert local == {
        ("pve1", "EVPN1"): "bridge",
        ("pve1", "ens18"): "underlay",
        ("pve1", "tap503i1"): "tap",
        ("pve1", "vxlan_EVPN1"): "vxlan",
        ("pve3", "EVPN1"): "bridge",
        ("pve3", "ens18"): "underlay",
        ("pve3", "tap504i1"): "tap",
        ("pve3", "vxlan_EVPN1"): "vxlan",
        ("vm1", "ens19"): "vm",
        ("vm2", "ens19"): "vm",
    }


def test_vtep_addresses_and_stations_are_found(recording, tmp_path):
    """A hypervisor's VTEP address is the one that sends what leaves it, a VM's station its own MAC."""
    points = points_of(recording, tmp_path)

    vteps = points["vtep_ip"].groupby("host").first().dropna().to_dict()
    assert vteps == {vtep.name: vtep.ip for vtep in recording.fabric.vteps}
    for vm in recording.fabric.vms:
        assert points.loc[(vm.name, "ens19"), "station_mac"] == mac_number(vm.mac)
        assert not points.loc[(vm.name, "ens19"), "is_hypervisor"]


def test_a_host_that_forwards_is_a_hypervisor(recording, tmp_path):
    """Without underlay and BGP, a host that shows one frame at two interfaces is no VM."""
    points = points_of(recording, tmp_path, points=["pve1-tap503i1", "pve1-EVPN1", "vm2"])

    assert points.loc[("pve1", "EVPN1"), "is_hypervisor"]
    assert not points.loc[("vm2", "ens19"), "is_hypervisor"]


def test_a_vm_and_its_tap_are_not_two_vms(tmp_path):
    """Two ends of one link show the same frames: nothing is claimed of how they sit, and so of the requests."""
    lab = synth.Simulation(synth.small_fabric(2, (1, 2), seed=5))
    for vm in ("vm1", "vm2"):
        lab.connect(vm)
    lab.start_sessions()
    lab.wait(3)
    lab.ping("vm1", "vm2")
    recording = lab.recording()
    recording.write(tmp_path, points=["vm1", "pve1-tap503i1"])

    analysis = evpn_pcap.analyze([tmp_path])

    assert set(analysis.tables.points["role"]) == {"unknown"}
    assert set(analysis.tables.resolutions["outcome"]) == {"undecided"}


def test_what_the_fabric_file_states_goes_first(recording, tmp_path):
    """A stated role and VTEP address are believed."""
    stated = {"vm1": HostFacts(role="hypervisor", vtep_ip="10.9.9.9")}

    points = points_of(recording, tmp_path, Options(hosts=stated), points=["vm1", "vm2"])

    assert points.loc[("vm1", "ens19"), "is_hypervisor"]
    assert points.loc[("vm1", "ens19"), "vtep_ip"] == "10.9.9.9"


def ring_files(recording, folder, missing):
    """Write the underlay of pve1 as ring-buffer files of 12 records, some of them overwritten since."""
    recording.write(folder, points=["vm1", "vm2"])
    records = recording.captures[("pve1", "ens18")]
    parts = [records[at : at + 12] for at in range(0, len(records), 12)]
    for number, part in enumerate(parts):
        if number not in missing:
            synth.write_pcap(folder / f"pve1-ens18.pcap{number}", part)
    return parts


def test_ring_buffer_files_that_join_are_one_point(recording, tmp_path):
    """Files of one ring are one vantage point with one coverage, and nothing is undecided for their borders."""
    parts = ring_files(recording, tmp_path, missing=())

    analysis = evpn_pcap.analyze([tmp_path], Options(gateways=frozenset({"10.2.1.1"})))

    points = analysis.tables.points
    underlay = points[points["host"] == "pve1"]
    assert len(parts) > 2
    assert len(underlay) == 1
    assert len(underlay["capture_ids"].iloc[0]) == len(parts)
    assert analysis.summary.undecided == 0


def test_an_overwritten_ring_file_is_no_coverage(recording, tmp_path):
    """What happened while only an overwritten file listened is not claimed to have been absent."""
    asked_ns = next(row["t_ns"] for row in recording.truth["resolutions"] if row["class"] == "suppressed")
    records = recording.captures[("pve1", "ens18")]
    parts = [records[at : at + 12] for at in range(0, len(records), 12)]
    near_ns = 1_500_000_000
    hidden = [n for n, part in enumerate(parts) if any(abs(one.captured_ns - asked_ns) < near_ns for one in part)]
    ring_files(recording, tmp_path, missing=hidden)

    analysis = evpn_pcap.analyze([tmp_path / f"pve1-ens18.pcap{n}" for n in range(len(parts)) if n not in hidden])

    spans = analysis.tables.points[["first_ns", "last_ns"]].to_numpy().tolist()
    assert 0 < len(hidden) < len(parts) - 1
    assert len(spans) == 2
    assert not any(first < asked_ns < last for first, last in spans)


def test_truth_file_matches_the_recording(recording, tmp_path):
    """The truth that these tests rest on is the simulator's, as written beside the captures."""
    recording.write(tmp_path)

    written = json.loads((tmp_path / "truth.json").read_text())
    assert [row["class"] for row in written["resolutions"]] == [
        "flooded",
        "learned",
        "learned",
        "suppressed",
        "suppressed",
    ]

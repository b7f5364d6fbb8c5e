"""`fabric`: what it writes, --fabric reads back, and nothing in an analysis changes by it."""

from ipaddress import ip_address

import pandas as pd
import pytest

import evpn_pcap
from evpn_pcap.model import HostFacts, Options
from evpn_pcap.report.fabric import render
from evpn_pcap.sources import with_fabric
from tests.conftest import PROJECT

SAMPLES = PROJECT / "samples"


@pytest.mark.parametrize("name", ["learned-then-suppressed", "founding-case-nd"])
def test_round_trip(name, tmp_path):
    """A written fabric file is read back, states the same again, and changes no verdict."""
    before = evpn_pcap.analyze([SAMPLES / name])
    file = tmp_path / "fabric.toml"
    file.write_text(render(before), encoding="utf-8")

    options = with_fabric(Options(), file)
    after = evpn_pcap.analyze([SAMPLES / name], options)

    assert render(after) == render(before)
    pd.testing.assert_frame_equal(after.tables.resolutions, before.tables.resolutions)


def test_says_what_the_captures_show(tmp_path):
    """Hypervisors have their VTEP address, machines the hypervisor their requests entered at, gateways are named."""
    file = tmp_path / "fabric.toml"
    file.write_text(render(evpn_pcap.analyze([SAMPLES / "learned-then-suppressed"])), encoding="utf-8")

    options = with_fabric(Options(), file)

    vteps = {f"pve{number}": HostFacts(role="hypervisor", vtep_ip=f"192.168.16.{number}") for number in range(1, 5)}
    machines = {"vm1": HostFacts(role="vm", behind="pve1"), "vm2": HostFacts(role="vm", behind="pve4")}
    assert options.hosts == vteps | machines
    assert options.gateways == {"10.2.1.1"}
    assert all(ip_address(facts.vtep_ip) for facts in vteps.values())


def test_strange_names(tmp_path):
    """A host whose name TOML would not take bare is quoted, and read back as it was."""
    source = next((SAMPLES / "founding-case-nd").glob("vm1*.pcap*"))
    analysis = evpn_pcap.analyze([f'v\u00f6m "1".x={source}'])
    file = tmp_path / "fabric.toml"
    file.write_text(render(analysis), encoding="utf-8")

    assert set(with_fabric(Options(), file).hosts) == {'v\u00f6m "1".x'}

"""pve1's gateway asks for vm2 over the fabric; vm2's answers to the anycast MAC end at pve2."""

from evpn_pcap.synth.fabric import CLOCKS, small_fabric
from evpn_pcap.synth.recording import Recording
from evpn_pcap.synth.simulation import Simulation


def record() -> Recording:
    """Return what everybody saw of it."""
    fabric = small_fabric(3, (1, 2), clocks=CLOCKS, seed=32)
    lab = Simulation(fabric)
    for vm in fabric.vms:
        lab.connect(vm.name)
    lab.start_sessions()
    lab.wait(3)
    lab.traffic("vm1", "vm2", 5, 2000)
    lab.ping("vm1", fabric.gateway or "")
    lab.wait(2)
    lab.ask_from_gateway("pve1", "vm2", count=4)
    lab.wait(2)
    lab.ping("vm2", "vm1")
    return lab.recording()

"""vm2 dies and its routes stay: pve1 goes on answering for it, and vm1's pings go nowhere."""

from evpn_pcap.synth.fabric import CLOCKS, small_fabric
from evpn_pcap.synth.recording import Recording
from evpn_pcap.synth.simulation import Simulation


def record() -> Recording:
    """Return what everybody saw of it."""
    fabric = small_fabric(3, (1, 2, 3), clocks=CLOCKS, seed=22)
    lab = Simulation(fabric)
    lab.begin()
    lab.ping("vm1", "vm2")
    lab.ping("vm3", "vm1")
    lab.unplug("vm2")
    lab.wait(10)
    for _ in range(2):
        lab.forget("vm1")
        lab.ping("vm1", "vm2", count=3)
        lab.wait(2)
    lab.ping("vm3", "vm1")
    lab.wait(3)
    lab.ping("vm3", "vm1")
    return lab.recording()

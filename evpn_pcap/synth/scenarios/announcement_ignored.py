"""vm1 moves to pve3 and announces itself: pve3 tells its MAC at once, its address after pinging the gateway."""

from evpn_pcap.synth.fabric import CLOCKS, small_fabric
from evpn_pcap.synth.recording import Recording
from evpn_pcap.synth.simulation import Simulation


def record() -> Recording:
    """Return what everybody saw of it."""
    fabric = small_fabric(3, (1, 2), clocks=CLOCKS, seed=21)
    lab = Simulation(fabric)
    lab.begin()
    lab.ping("vm2", "vm1")
    lab.wait(1)
    lab.move("vm1", "pve3")
    lab.wait(0.3)
    lab.announcement("vm1")
    lab.wait(19)
    lab.forget("vm1", "vm2")
    lab.ping("vm1", fabric.gateway or "")
    lab.wait(2)
    lab.ping("vm2", "vm1")
    return lab.recording()

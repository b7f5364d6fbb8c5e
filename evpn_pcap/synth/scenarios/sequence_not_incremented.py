"""vm1 moves to pve2, which announces it with sequence 0 again: pve3 has two routes of equal rank."""

from evpn_pcap.synth.fabric import CLOCKS, small_fabric
from evpn_pcap.synth.recording import Recording
from evpn_pcap.synth.simulation import Simulation


def record() -> Recording:
    """Return what everybody saw of it."""
    fabric = small_fabric(3, (1, 3), clocks=CLOCKS, seed=101)
    lab = Simulation(fabric)
    lab.begin()
    lab.ping("vm2", "vm1")
    lab.wait(1)
    lab.move("vm1", "pve2", lab.vm("vm1").ip, sequence=0, old_stays_s=2)
    lab.wait(1)
    lab.forget("vm1", "vm2")
    lab.ping("vm1", "vm2")
    lab.traffic("vm1", "vm2", 5, 2000)
    return lab.recording()

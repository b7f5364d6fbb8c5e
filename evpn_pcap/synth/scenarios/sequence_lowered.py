"""vm1 comes back to pve1 with sequence 2, and a little later pve1 announces it with 0 again."""

from evpn_pcap.synth.fabric import CLOCKS, small_fabric
from evpn_pcap.synth.recording import Recording
from evpn_pcap.synth.simulation import Simulation


def record() -> Recording:
    """Return what everybody saw of it."""
    fabric = small_fabric(2, (1, 2), clocks=CLOCKS, seed=102)
    lab = Simulation(fabric)
    lab.begin()
    lab.ping("vm2", "vm1")
    for vtep in ("pve2", "pve1"):
        lab.move("vm1", vtep, lab.vm("vm1").ip)
        lab.wait(2)
    lab.announce("vm1", None, lab.vm("vm1").ip)
    lab.wait(2)
    lab.forget("vm1", "vm2")
    lab.ping("vm1", "vm2")
    lab.traffic("vm1", "vm2", 5, 2000)
    return lab.recording()

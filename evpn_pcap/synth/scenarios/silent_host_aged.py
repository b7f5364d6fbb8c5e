"""vm2 says nothing for five minutes, its routes are withdrawn, and the next request for it is flooded."""

from evpn_pcap.synth.fabric import CLOCKS, small_fabric
from evpn_pcap.synth.recording import Recording
from evpn_pcap.synth.simulation import Simulation


def record() -> Recording:
    """Return what everybody saw of it."""
    fabric = small_fabric(2, (1, 2), clocks=CLOCKS, seed=15)
    lab = Simulation(fabric)
    lab.begin()
    lab.ping("vm1", "vm2")
    lab.age_out("vm2")
    lab.wait(4)
    lab.forget("vm1", "vm2")
    lab.resolve("vm1", "vm2")
    lab.announce("vm2", None, lab.vm("vm2").ip)  # its own reply brought it back
    lab.ping("vm1", "vm2")
    lab.wait(2)
    lab.forget("vm1", "vm2")
    lab.ping("vm1", "vm2")
    return lab.recording()

"""pve1 holds a neighbour entry made by hand that gives vm2's address vm3's MAC; vm2 is silent before."""

from evpn_pcap.synth.fabric import CLOCKS, small_fabric
from evpn_pcap.synth.recording import Recording
from evpn_pcap.synth.simulation import Simulation


def record() -> Recording:
    """Return what everybody saw of it."""
    fabric = small_fabric(2, (1, 2, 2), clocks=CLOCKS, seed=117)
    lab = Simulation(fabric)
    lab.begin()
    lab.ping("vm1", "vm3")
    lab.teach("pve1", lab.vm("vm2").ip, lab.vm("vm3").mac)
    lab.wait(1)
    lab.resolve("vm1", "vm2")
    lab.wait(1)
    lab.traffic("vm1", "vm3", 5, 2000)
    lab.traffic("vm2", "vm3", 2, 2000)  # on one VTEP
    return lab.recording()

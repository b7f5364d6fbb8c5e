"""vm1 moves to pve2, which keeps it for remote: vm1 talks from there, and vm3's frames still go to pve1."""

from evpn_pcap.synth.fabric import CLOCKS, small_fabric
from evpn_pcap.synth.recording import Recording
from evpn_pcap.synth.simulation import Simulation


def record() -> Recording:
    """Return what everybody saw of it."""
    fabric = small_fabric(3, (1, 2, 3), clocks=CLOCKS, seed=31)
    lab = Simulation(fabric)
    lab.begin()
    lab.traffic("vm1", "vm2", 5, 2000)
    lab.traffic("vm1", "vm3", 5, 2000)
    lab.ping("vm3", "vm1")
    lab.wait(1)
    lab.relocate("vm1", "pve2")
    lab.wait(3)
    lab.announcement("vm1")
    one, three = lab.vm("vm1"), lab.vm("vm3")
    for _ in range(9):
        lab.send("vm1", three.mac, three.ip, "pve3")
        lab.send("vm3", one.mac, one.ip, "pve1")
    return lab.recording()

"""Nobody told vm2's MAC: pve1 sends vm1's frames for it to pve2 and pve3 alike."""

from evpn_pcap.synth.fabric import CLOCKS, small_fabric
from evpn_pcap.synth.recording import Recording
from evpn_pcap.synth.simulation import Simulation


def record() -> Recording:
    """Return what everybody saw of it."""
    fabric = small_fabric(3, (1, 2, 3), clocks=CLOCKS, seed=39)
    lab = Simulation(fabric)
    lab.begin()
    lab.traffic("vm1", "vm2", 5, 2000)
    lab.traffic("vm1", "vm3", 5, 2000)
    lab.ping("vm1", "vm3")
    lab.ping("vm1", "vm2")
    lab.withdraw("vm2", None)
    lab.wait(1)
    two, three = lab.vm("vm2"), lab.vm("vm3")
    for _ in range(5):
        lab.send("vm1", two.mac, two.ip, "pve2", "pve3")
        lab.send("vm1", three.mac, three.ip, "pve3")
    return lab.recording()

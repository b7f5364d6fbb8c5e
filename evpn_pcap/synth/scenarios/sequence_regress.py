"""vm1 moves to pve2, which counts from 0 again: pve1's route has number 4, and vm2's frames go on to pve1."""

from evpn_pcap.synth.fabric import CLOCKS, small_fabric
from evpn_pcap.synth.recording import Recording
from evpn_pcap.synth.simulation import Simulation


def record() -> Recording:
    """Return what everybody saw of it."""
    fabric = small_fabric(3, (1, 3), clocks=CLOCKS, seed=28)
    lab = Simulation(fabric)
    lab.connect("vm2", lab.vm("vm2").ip)
    lab.connect("vm1")
    lab.announce("vm1", None, lab.vm("vm1").ip, sequence=4)
    lab.start_sessions()
    lab.wait(3)
    lab.traffic("vm1", "vm2", 5, 2000)
    lab.ping("vm2", "vm1")
    lab.wait(1)
    lab.relocate("vm1", "pve2")
    lab.announce("vm1", None, lab.vm("vm1").ip)
    lab.wait(2)
    one, two = lab.vm("vm1"), lab.vm("vm2")
    for _ in range(5):
        lab.send("vm2", one.mac, one.ip, "pve1")
        lab.send("vm1", two.mac, two.ip, "pve3")
    return lab.recording()

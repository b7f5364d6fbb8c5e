"""pve1 answers vm1's unicast requests for vm2 itself and keeps them; pve2 forwards those of vm2."""

from evpn_pcap.synth.fabric import CLOCKS, small_fabric
from evpn_pcap.synth.habit import Habit
from evpn_pcap.synth.recording import Recording
from evpn_pcap.synth.simulation import Simulation


def record() -> Recording:
    """Return what everybody saw of it."""
    habits = {"pve1": Habit(proxies_unicast=True, forwards_unicast=False)}
    fabric = small_fabric(2, (1, 2), clocks=CLOCKS, seed=119, habits=habits)
    lab = Simulation(fabric)
    lab.begin()
    lab.ping("vm1", "vm2")
    lab.wait(4)
    lab.refresh("vm1", "vm2")
    lab.wait(1)
    lab.refresh("vm2", "vm1")
    lab.wait(1)
    lab.traffic("vm1", "vm2", 5, 2000)
    return lab.recording()

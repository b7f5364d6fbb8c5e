"""pve3's type 3 route has no PMSI tunnel attribute, so nobody floods to it; pve1 and pve2 are sound."""

from evpn_pcap.synth.fabric import CLOCKS, small_fabric
from evpn_pcap.synth.habit import Habit
from evpn_pcap.synth.recording import Recording
from evpn_pcap.synth.simulation import Simulation


def record() -> Recording:
    """Return what everybody saw of it."""
    habits = {"pve3": Habit(has_pmsi_tunnel=False)}
    fabric = small_fabric(3, (1, 2), clocks=CLOCKS, seed=108, habits=habits)
    lab = Simulation(fabric)
    lab.begin()
    lab.ping("vm1", "vm2")
    lab.wait(1)
    lab.traffic("vm1", "vm2", 5, 2000)
    return lab.recording()

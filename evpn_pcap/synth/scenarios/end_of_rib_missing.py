"""pve2 sends its table and never End-of-RIB; pve1 does. The session is up for more than half a minute."""

from evpn_pcap.synth.fabric import CLOCKS, small_fabric
from evpn_pcap.synth.habit import Habit
from evpn_pcap.synth.recording import Recording
from evpn_pcap.synth.simulation import Simulation


def record() -> Recording:
    """Return what everybody saw of it."""
    fabric = small_fabric(2, (1, 2), clocks=CLOCKS, seed=111, habits={"pve2": Habit(has_end_of_rib=False)})
    lab = Simulation(fabric)
    lab.begin()
    lab.ping("vm1", "vm2")
    lab.wait(40)
    lab.forget("vm1", "vm2")
    lab.ping("vm1", "vm2")
    lab.traffic("vm1", "vm2", 5, 2000)
    return lab.recording()

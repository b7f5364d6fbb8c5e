"""pve2 announces vm2 without the encapsulation community; its type 3 route and its packets are VXLAN."""

from evpn_pcap.synth.fabric import CLOCKS, small_fabric
from evpn_pcap.synth.habit import Habit
from evpn_pcap.synth.recording import Recording
from evpn_pcap.synth.simulation import Simulation


def record() -> Recording:
    """Return what everybody saw of it."""
    fabric = small_fabric(2, (1, 2), clocks=CLOCKS, seed=104, habits={"pve2": Habit(has_encapsulation=False)})
    lab = Simulation(fabric)
    lab.begin()
    lab.ping("vm1", "vm2")
    lab.wait(1)
    lab.traffic("vm1", "vm2", 5, 2000)
    return lab.recording()

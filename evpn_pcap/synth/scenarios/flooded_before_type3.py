"""pve2 never announces a type 3 route, and pve1 floods to it all the same: its list was made by hand."""

from evpn_pcap.synth.fabric import CLOCKS, small_fabric
from evpn_pcap.synth.habit import Habit
from evpn_pcap.synth.recording import Recording
from evpn_pcap.synth.simulation import Simulation


def record() -> Recording:
    """Return what everybody saw of it."""
    fabric = small_fabric(2, (1, 2), clocks=CLOCKS, seed=109, habits={"pve2": Habit(has_multicast_route=False)})
    lab = Simulation(fabric)
    lab.connect("vm1", lab.vm("vm1").ip)
    lab.connect("vm2")
    lab.start_sessions()
    lab.wait(3)
    lab.ping("vm1", "vm2")
    lab.wait(1)
    lab.traffic("vm1", "vm2", 5, 2000)
    return lab.recording()

"""pve3 sends VXLAN without the I flag: what vm3 floods arrives nowhere; pve1 and pve2 are sound."""

from evpn_pcap.synth.fabric import CLOCKS, small_fabric
from evpn_pcap.synth.habit import Habit
from evpn_pcap.synth.recording import Recording
from evpn_pcap.synth.simulation import Simulation


def record() -> Recording:
    """Return what everybody saw of it."""
    fabric = small_fabric(3, (1, 2, 3, 3), clocks=CLOCKS, seed=114, habits={"pve3": Habit(vxlan_flags=0)})
    lab = Simulation(fabric)
    lab.begin()
    lab.ping("vm1", "vm2")
    lab.solicit_routers("vm3")
    lab.wait(1)
    lab.traffic("vm1", "vm2", 5, 2000)
    lab.traffic("vm3", "vm4", 5, 2000)  # on one VTEP, so without VXLAN
    return lab.recording()

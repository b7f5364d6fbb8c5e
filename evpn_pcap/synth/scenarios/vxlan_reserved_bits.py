"""pve2 sets a reserved bit in every VXLAN header; everybody ignores it."""

from evpn_pcap.synth.fabric import CLOCKS, small_fabric
from evpn_pcap.synth.habit import Habit
from evpn_pcap.synth.recording import Recording
from evpn_pcap.synth.simulation import Simulation


def record() -> Recording:
    """Return what everybody saw of it."""
    fabric = small_fabric(2, (1, 2), clocks=CLOCKS, seed=115, habits={"pve2": Habit(vxlan_reserved=0x000100)})
    lab = Simulation(fabric)
    lab.connect("vm1")
    lab.connect("vm2", lab.vm("vm2").ip)
    lab.start_sessions()
    lab.wait(3)
    lab.ping("vm2", "vm1")
    lab.wait(1)
    lab.traffic("vm1", "vm2", 5, 2000)
    return lab.recording()

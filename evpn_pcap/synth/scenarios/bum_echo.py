"""pve2 sends back what was flooded to it: vm1 hears its own requests again."""

from evpn_pcap.synth.fabric import CLOCKS, small_fabric
from evpn_pcap.synth.habit import Habit
from evpn_pcap.synth.recording import Recording
from evpn_pcap.synth.simulation import Simulation


def record() -> Recording:
    """Return what everybody saw of it."""
    fabric = small_fabric(3, (1, 2, 3), clocks=CLOCKS, seed=38, habits={"pve2": Habit(returns_floods=True)})
    lab = Simulation(fabric)
    lab.begin()
    lab.traffic("vm1", "vm2", 5, 2000)
    lab.traffic("vm1", "vm3", 5, 2000)
    lab.ping("vm1", "vm2")
    lab.wait(1)
    lab.resolve("vm1", "10.2.1.99")  # nobody has it
    lab.wait(1)
    lab.ping("vm3", "vm1")
    return lab.recording()

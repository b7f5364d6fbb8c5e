"""pve2 writes its VNI into the upper 20 bits of the label: its routes read VNI 80016 instead of 5001."""

from evpn_pcap.synth.fabric import CLOCKS, small_fabric
from evpn_pcap.synth.habit import Habit
from evpn_pcap.synth.recording import Recording
from evpn_pcap.synth.simulation import Simulation


def record() -> Recording:
    """Return what everybody saw of it."""
    habits = {"pve2": Habit(label_shift_bits=4)}
    fabric = small_fabric(2, (1, 2), gateway=None, clocks=CLOCKS, seed=105, habits=habits)
    lab = Simulation(fabric)
    lab.begin()
    lab.ping("vm2", "vm1")
    lab.wait(1)
    lab.traffic("vm1", "vm2", 5, 2000)
    return lab.recording()

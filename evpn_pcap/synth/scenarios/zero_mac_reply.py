"""The gateway program on pve1 answers before it knows its own MAC: 10.2.1.1 is-at 00:00:00:00:00:00."""

from evpn_pcap.synth.fabric import CLOCKS, small_fabric
from evpn_pcap.synth.habit import Habit
from evpn_pcap.synth.recording import Recording
from evpn_pcap.synth.simulation import Simulation


def record() -> Recording:
    """Return what everybody saw of it."""
    fabric = small_fabric(2, (1, 2), clocks=CLOCKS, seed=40, habits={"pve1": Habit(gateway_mac="00:00:00:00:00:00")})
    lab = Simulation(fabric)
    lab.begin()
    lab.ping("vm1", "vm2")
    lab.resolve("vm1", fabric.gateway or "")
    lab.wait(1)
    lab.ping("vm2", "vm1")
    return lab.recording()

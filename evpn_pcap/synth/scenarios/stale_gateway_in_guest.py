"""vm1 moves to pve2, where the gateway has another MAC: its frames for other networks still go to the old one."""

from evpn_pcap.synth.fabric import CLOCKS, small_fabric
from evpn_pcap.synth.habit import Habit
from evpn_pcap.synth.recording import Recording
from evpn_pcap.synth.simulation import Simulation


def record() -> Recording:
    """Return what everybody saw of it."""
    fabric = small_fabric(2, (1, 2), clocks=CLOCKS, seed=41, habits={"pve2": Habit(gateway_mac="bc:24:11:aa:aa:b2")})
    lab = Simulation(fabric)
    lab.begin()
    lab.ping("vm1", fabric.gateway or "")
    lab.ping("vm1", "vm2")
    lab.move("vm1", "pve2", lab.vm("vm1").ip)
    lab.wait(1)
    lab.announce_gateway("pve2")
    lab.wait(1)
    lab.send("vm1", fabric.gateway_mac, "10.9.9.9", "pve1", count=6)
    return lab.recording()

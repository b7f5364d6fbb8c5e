"""vm1 moves to pve3; pve1's withdrawal makes pve3 delete its own fresh entry, which comes back seconds later."""

from evpn_pcap.synth.fabric import CLOCKS, small_fabric
from evpn_pcap.synth.recording import Recording
from evpn_pcap.synth.simulation import Simulation


def record() -> Recording:
    """Return what everybody saw of it."""
    fabric = small_fabric(3, (1, 2), clocks=CLOCKS, seed=30)
    lab = Simulation(fabric)
    lab.begin()
    lab.ping("vm2", "vm1")
    lab.wait(1)
    address = lab.vm("vm1").ip
    lab.move("vm1", "pve3", address)
    lab.wait(0.3)
    lab.withdraw("vm1", None, address)
    lab.wait(1)
    lab.forget("vm2")
    lab.resolve("vm2", "vm1")
    lab.wait(3)
    lab.announce("vm1", None, address, sequence=1)
    lab.wait(2)
    lab.ping("vm2", "vm1")
    return lab.recording()

"""pve1 announces vm1's address as immutable; a second later vm3 behind pve2 has it, and pve2 announces that."""

from dataclasses import replace

from evpn_pcap.synth.fabric import CLOCKS, small_fabric
from evpn_pcap.synth.habit import Habit
from evpn_pcap.synth.recording import Recording
from evpn_pcap.synth.simulation import Simulation


def record() -> Recording:
    """Return what everybody saw of it."""
    plain = small_fabric(3, (1, 3, 2), clocks=CLOCKS, seed=122, habits={"pve1": Habit(nd_flags=0x08)})
    rival = replace(plain.vms[2], ip=plain.vms[0].ip)
    lab = Simulation(replace(plain, vms=(*plain.vms[:2], rival)))
    for vm in plain.vms[:2]:
        lab.connect(vm.name, vm.ip)
    lab.connect("vm3")
    lab.start_sessions()
    lab.wait(3)
    lab.ping("vm2", "vm1")
    lab.wait(1)
    lab.announce("vm3", rival.ip, sequence=1)
    lab.wait(1)
    lab.withdraw("vm3", rival.ip)
    lab.wait(1)
    lab.traffic("vm1", "vm2", 5, 2000)
    return lab.recording()

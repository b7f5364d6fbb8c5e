"""vm3 behind pve2 uses vm1's address: both VTEPs announce it in turn, and vm2 is told one MAC, then the other."""

from dataclasses import replace

from evpn_pcap.synth.fabric import CLOCKS, small_fabric
from evpn_pcap.synth.recording import Recording
from evpn_pcap.synth.simulation import Simulation


def record() -> Recording:
    """Return what everybody saw of it."""
    plain = small_fabric(3, (1, 3, 2), clocks=CLOCKS, seed=16)
    twin = replace(plain.vms[2], ip=plain.vms[0].ip)
    lab = Simulation(replace(plain, vms=(*plain.vms[:2], twin)))
    for vm in plain.vms[:2]:
        lab.connect(vm.name, vm.ip)
    lab.connect("vm3")
    lab.start_sessions()
    lab.wait(3)
    lab.resolve("vm2", "10.2.1.99")  # nobody has it: shows what a flooded request looks like
    lab.wait(1)
    holder, rival = "vm1", "vm3"
    for sequence in range(1, 5):
        lab.forget("vm2")
        lab.ping("vm2", lab.vm(holder).ip)
        lab.wait(1)
        lab.announcement(rival)
        lab.announce(rival, lab.vm(rival).ip, sequence=sequence)
        lab.wait(0.07)
        lab.withdraw(holder, lab.vm(holder).ip)
        lab.wait(2)
        holder, rival = rival, holder
    lab.forget("vm2")
    lab.ping("vm2", lab.vm(holder).ip)
    return lab.recording()

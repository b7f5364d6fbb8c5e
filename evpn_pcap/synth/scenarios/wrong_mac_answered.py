"""vm1's address goes to vm3, a new machine on the same hypervisor: pve2 still answers with vm1's MAC."""

from dataclasses import replace

from evpn_pcap.synth.fabric import CLOCKS, small_fabric
from evpn_pcap.synth.recording import Recording
from evpn_pcap.synth.simulation import Simulation


def record() -> Recording:
    """Return what everybody saw of it."""
    plain = small_fabric(2, (1, 2, 1), clocks=CLOCKS, seed=23)
    heir = replace(plain.vms[2], ip=plain.vms[0].ip)
    lab = Simulation(replace(plain, vms=(*plain.vms[:2], heir)))
    for vm in plain.vms[:2]:
        lab.connect(vm.name, vm.ip, vm.link_local)
    lab.start_sessions()
    lab.wait(3)
    lab.ping("vm2", "vm1")
    lab.wait(1)
    lab.unplug("vm1")
    lab.wait(2)
    lab.connect("vm3", heir.link_local)
    lab.wait(1)
    lab.announcement("vm3")  # kept off the fabric, and no VTEP learns from it
    lab.ping("vm3", lab.vm("vm2").link_local)
    lab.wait(5)
    for _ in range(2):
        lab.forget("vm2")
        lab.ping("vm2", heir.ip)
        lab.wait(2)
    lab.announcement("vm3")
    return lab.recording()

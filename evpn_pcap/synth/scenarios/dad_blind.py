"""vm3 probes for vm1's address before using it: pve2 drops the probes, and nobody tells vm3."""

from evpn_pcap.synth.fabric import CLOCKS, small_fabric
from evpn_pcap.synth.recording import Recording
from evpn_pcap.synth.simulation import Simulation


def record() -> Recording:
    """Return what everybody saw of it."""
    fabric = small_fabric(2, (1, 2, 2), clocks=CLOCKS, seed=25)
    lab = Simulation(fabric)
    for vm in fabric.vms[:2]:
        lab.connect(vm.name, vm.ip, vm.link_local)
    lab.connect("vm3", lab.vm("vm3").link_local)
    lab.start_sessions()
    lab.wait(3)
    lab.traffic("vm1", "vm2", 5, 2000)
    lab.ping("vm2", "vm1")
    lab.ping("vm3", lab.vm("vm1").link_local)
    lab.ping("vm3", lab.vm("vm2").link_local)
    for _ in range(3):
        lab.probe("vm3", lab.vm("vm1").ip)
        lab.wait(1)
    lab.probe("vm3", lab.vm("vm3").ip)  # its own: nobody has it, and silence is right
    lab.wait(2)
    lab.ping("vm1", "vm2")
    return lab.recording()

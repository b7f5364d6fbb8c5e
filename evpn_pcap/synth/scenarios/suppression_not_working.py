"""Routes are in force for seconds, and pve1 floods every request all the same; pve2 does not."""

from evpn_pcap.synth.fabric import CLOCKS, small_fabric
from evpn_pcap.synth.recording import Recording
from evpn_pcap.synth.simulation import Simulation


def record() -> Recording:
    """Return what everybody saw of it."""
    fabric = small_fabric(3, (1, 2, 3), clocks=CLOCKS, seed=13)
    lab = Simulation(fabric)
    for vm in fabric.vms:
        lab.connect(vm.name, vm.ip, vm.link_local)
    lab.suppress("pve1", is_on=False)
    lab.start_sessions()
    lab.wait(4)
    for target in ("vm2", "vm3", lab.vm("vm2").link_local, lab.vm("vm3").link_local, "vm2"):
        lab.ping("vm1", target)
        lab.wait(1)
        lab.forget("vm1", "vm2", "vm3")
    for requester, target in (("vm2", "vm1"), ("vm2", "vm3")):
        lab.resolve(requester, target)
        lab.wait(1)
    lab.traffic("vm1", "vm2", 5, 2000)
    return lab.recording()

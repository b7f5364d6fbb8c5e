"""IPv6 is disabled on pve1's bridge: its three MAC/IPv6 routes are withdrawn at one instant to all peers."""

from evpn_pcap.synth.fabric import CLOCKS, small_fabric
from evpn_pcap.synth.recording import Recording
from evpn_pcap.synth.simulation import Simulation


def record() -> Recording:
    """Return what everybody saw of it."""
    fabric = small_fabric(3, (1, 2, 1, 1), gateway=None, clocks=CLOCKS, seed=14)
    lab = Simulation(fabric)
    for vm in fabric.vms:
        lab.connect(vm.name, vm.link_local)
    lab.start_sessions()
    lab.wait(3)
    lab.ping("vm1", lab.vm("vm2").link_local)
    lab.wait(1)
    lab.forget("vm1", "vm2")
    for requester, target in (("vm2", "vm1"), ("vm3", "vm2"), ("vm4", "vm2")):
        lab.ping(requester, lab.vm(target).link_local)
        lab.wait(1)
    lab.wait(1)
    lab.disable_ipv6("pve1")
    lab.wait(3)
    lab.forget("vm1", "vm2")
    for target in ("vm1", "vm3"):
        lab.ping("vm2", lab.vm(target).link_local)
        lab.wait(1)
    return lab.recording()

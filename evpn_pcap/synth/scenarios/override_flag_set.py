"""pve2 announces vm2's address with an ARP/ND community without O; pve1 answers for it with O=1 all the same."""

from dataclasses import replace

from evpn_pcap.synth.fabric import CLOCKS, small_fabric
from evpn_pcap.synth.habit import Habit
from evpn_pcap.synth.recording import Recording
from evpn_pcap.synth.simulation import Simulation


def record() -> Recording:
    """Return what everybody saw of it."""
    plain = small_fabric(2, (1, 2), clocks=CLOCKS, seed=121, habits={"pve2": Habit(nd_flags=0)})
    modest = replace(plain.vms[1], has_override=False)
    lab = Simulation(replace(plain, vms=(plain.vms[0], modest)))
    for vm in plain.vms:
        lab.connect(vm.name, vm.link_local)
    lab.start_sessions()
    lab.wait(3)
    lab.ping("vm1", modest.link_local)
    lab.wait(1)
    lab.traffic("vm1", "vm2", 5, 2000)
    return lab.recording()

"""pve1 runs an older kernel: vm1's unicast requests for vm2 are answered by it, and by vm2 too."""

from dataclasses import replace

from evpn_pcap.synth.fabric import CLOCKS, small_fabric
from evpn_pcap.synth.habit import Habit
from evpn_pcap.synth.recording import Recording
from evpn_pcap.synth.simulation import Simulation


def record() -> Recording:
    """Return what everybody saw of it."""
    plain = small_fabric(2, (1, 2), clocks=CLOCKS, seed=24, habits={"pve1": Habit(proxies_unicast=True)})
    modest = replace(plain.vms[1], has_override=False)  # an NA of its own has O=0, a proxied one O=1
    lab = Simulation(replace(plain, vms=(plain.vms[0], modest)))
    for vm in plain.vms:
        lab.connect(vm.name, vm.ip, vm.link_local)
    lab.start_sessions()
    lab.wait(3)
    for target in (modest.ip, modest.link_local):
        lab.ping("vm1", target)
        lab.wait(4)
        lab.refresh("vm1", target)
        lab.wait(1)
        lab.ping("vm1", target)
    lab.refresh("vm2", plain.vms[0].ip)  # pve2's kernel forwards only: one answer
    return lab.recording()

"""The gateway has a MAC of its own on pve2: vm1 is told the anycast MAC, vm2 another one."""

from evpn_pcap.synth.fabric import CLOCKS, small_fabric
from evpn_pcap.synth.habit import Habit
from evpn_pcap.synth.recording import Recording
from evpn_pcap.synth.simulation import Simulation


def record() -> Recording:
    """Return what everybody saw of it."""
    fabric = small_fabric(3, (1, 2, 3), clocks=CLOCKS, seed=33, habits={"pve2": Habit(gateway_mac="bc:24:11:aa:aa:b2")})
    lab = Simulation(fabric)
    for vm in fabric.vms:
        lab.connect(vm.name)
    lab.start_sessions()
    lab.wait(3)
    lab.traffic("vm1", "vm2", 5, 2000)
    lab.traffic("vm1", "vm3", 5, 2000)
    for vm in fabric.vms:
        lab.ping(vm.name, fabric.gateway or "")
        lab.wait(2)
    lab.ping("vm1", "vm2")
    return lab.recording()

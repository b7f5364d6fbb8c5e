"""pve3 sends VXLAN to port 8472, pve1 and pve2 to 4789."""

from evpn_pcap.synth.fabric import CLOCKS, small_fabric
from evpn_pcap.synth.habit import Habit
from evpn_pcap.synth.recording import Recording
from evpn_pcap.synth.simulation import Simulation


def record() -> Recording:
    """Return what everybody saw of it."""
    fabric = small_fabric(3, (1, 2, 3), clocks=CLOCKS, seed=116, habits={"pve3": Habit(vxlan_port=8472)})
    lab = Simulation(fabric)
    lab.connect("vm1")
    for vm in fabric.vms[1:]:
        lab.connect(vm.name, vm.ip)
    lab.start_sessions()
    lab.wait(3)
    lab.ping("vm1", "vm2")
    lab.ping("vm3", "vm1")
    lab.wait(1)
    lab.traffic("vm1", "vm2", 5, 2000)
    return lab.recording()

"""pve1's flood list lacks pve3: vm1's requests reach pve2 only, and vm3 is never found."""

from evpn_pcap.synth.fabric import CLOCKS, small_fabric
from evpn_pcap.synth.habit import Habit
from evpn_pcap.synth.recording import Recording
from evpn_pcap.synth.simulation import Simulation


def record() -> Recording:
    """Return what everybody saw of it."""
    fabric = small_fabric(3, (1, 2, 3), clocks=CLOCKS, seed=37, habits={"pve1": Habit(flood_list=("pve2",))})
    lab = Simulation(fabric)
    for vm in fabric.vms[:2]:
        lab.connect(vm.name, vm.ip)
    lab.connect("vm3")  # its VTEP does not know its address yet
    lab.start_sessions()
    lab.wait(6)
    lab.traffic("vm1", "vm2", 5, 2000)
    lab.traffic("vm1", "vm3", 5, 2000)
    lab.ping("vm2", "vm1")
    lab.resolve("vm1", "vm3")
    lab.wait(1)
    lab.resolve("vm1", "10.2.1.99")  # nobody has it
    lab.wait(1)
    lab.traffic("vm1", "vm2", 2, 2000)
    return lab.recording()

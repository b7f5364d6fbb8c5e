"""pve2's BGP daemon restarts gracefully: pve1 goes on answering with its routes, until the new table lacks one.

pve3's restarts, too, and lists no family for graceful restart, as FRR does by default: its routes are gone at once.
"""

from evpn_pcap.synth.fabric import CLOCKS, small_fabric
from evpn_pcap.synth.habit import Habit
from evpn_pcap.synth.recording import Recording
from evpn_pcap.synth.simulation import Simulation


def record() -> Recording:
    """Return what everybody saw of it."""
    habits = {"pve2": Habit(lists_graceful_restart=True)}
    fabric = small_fabric(3, (1, 2, 3), clocks=CLOCKS, seed=131, habits=habits)
    lab = Simulation(fabric)
    for vm in fabric.vms:
        lab.connect(vm.name, vm.ip, vm.link_local)
    lab.start_sessions()
    lab.wait(4)
    lab.ping("vm1", "vm2")
    lab.ping("vm1", "vm3")
    six = lab.vm("vm2").link_local
    lab.restart("pve2", 20, ("vm2", six))
    lab.wait(5)
    for wait_s in (25, 1):  # the daemon is gone; it is back
        lab.forget("vm1", "vm2")
        for target in ("vm2", six):
            lab.resolve("vm1", target)
            lab.wait(1)
        lab.wait(wait_s)
    lab.restart("pve3", 20)
    lab.wait(5)
    for wait_s in (25, 1):
        lab.forget("vm1", "vm3")
        lab.resolve("vm1", "vm3")
        lab.wait(wait_s)
    lab.traffic("vm1", "vm2", 5, 2000)
    return lab.recording()

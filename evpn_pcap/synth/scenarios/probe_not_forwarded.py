"""vm1 uses an address that pve1 never learned; vm3 probes for it behind pve2, which drops the probe."""

from evpn_pcap.synth.fabric import CLOCKS, small_fabric
from evpn_pcap.synth.recording import Recording
from evpn_pcap.synth.simulation import Simulation


def record() -> Recording:
    """Return what everybody saw of it."""
    fabric = small_fabric(2, (1, 2, 2), clocks=CLOCKS, seed=118)
    lab = Simulation(fabric)
    lab.connect("vm1")
    for vm in fabric.vms[1:]:
        lab.connect(vm.name, vm.ip)
    lab.start_sessions()
    lab.wait(3)
    lab.ping("vm1", "vm2")
    lab.wait(1)
    lab.ping("vm1", "vm3")
    lab.wait(1)
    lab.probe("vm3", lab.vm("vm1").ip)
    lab.wait(2)
    lab.traffic("vm1", "vm2", 5, 2000)
    lab.traffic("vm3", "vm2", 2, 2000)
    return lab.recording()

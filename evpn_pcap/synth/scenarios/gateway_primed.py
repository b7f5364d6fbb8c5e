"""Each VM's address is known only after its first exchange with the gateway: flooded before, suppressed after."""

from evpn_pcap.synth.fabric import CLOCKS, small_fabric
from evpn_pcap.synth.recording import Recording
from evpn_pcap.synth.simulation import Simulation


def record() -> Recording:
    """Return what everybody saw of it."""
    fabric = small_fabric(3, (1, 2), clocks=CLOCKS, seed=12)
    lab = Simulation(fabric)
    for vm in ("vm1", "vm2"):
        lab.connect(vm)
    lab.start_sessions()
    lab.wait(3)
    lab.ping("vm1", "vm2")
    lab.wait(1)
    for vm in ("vm1", "vm2"):
        lab.ping(vm, fabric.gateway or "")
        lab.wait(2)
    lab.forget("vm1", "vm2")
    lab.ping("vm1", "vm2")
    lab.wait(1)
    lab.forget("vm2")
    lab.ping("vm2", "vm1")
    return lab.recording()

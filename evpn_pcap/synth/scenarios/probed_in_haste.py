"""vm2 sends three probes for its address within 200 ms and announces it at once; vm1 takes its time."""

from evpn_pcap.synth.fabric import CLOCKS, small_fabric
from evpn_pcap.synth.recording import Recording
from evpn_pcap.synth.simulation import Simulation


def record() -> Recording:
    """Return what everybody saw of it."""
    fabric = small_fabric(2, (1, 2), clocks=CLOCKS, seed=113)
    lab = Simulation(fabric)
    for vm in fabric.vms:
        lab.connect(vm.name)
    lab.start_sessions()
    lab.wait(3)
    for name, pause_s, last_pause_s in (("vm1", 1.2, 2.1), ("vm2", 0.09, 0.0)):
        for wait_s in (pause_s, pause_s, last_pause_s):
            lab.probe(name, lab.vm(name).ip)
            lab.wait(wait_s)
        lab.announcement(name, learns=True)
        lab.wait(2)
    lab.ping("vm1", "vm2")
    lab.traffic("vm1", "vm2", 5, 2000)
    return lab.recording()

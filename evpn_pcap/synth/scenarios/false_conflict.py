"""vm2 probes for its own address when it starts, and pve2 answers with vm2's own MAC."""

from evpn_pcap.synth.fabric import CLOCKS, small_fabric
from evpn_pcap.synth.recording import Recording
from evpn_pcap.synth.simulation import Simulation


def record() -> Recording:
    """Return what everybody saw of it."""
    fabric = small_fabric(2, (1, 2), clocks=CLOCKS, seed=26)
    lab = Simulation(fabric)
    lab.begin()
    lab.ping("vm1", "vm2")
    lab.wait(1)
    one = lab.vm("vm2")
    for _ in range(2):
        lab.probe("vm2", one.ip, answered_with=one.mac)
        lab.wait(1)
    lab.probe("vm1", lab.vm("vm1").ip)  # pve1 drops probes
    lab.wait(2)
    lab.ping("vm2", "vm1")
    return lab.recording()

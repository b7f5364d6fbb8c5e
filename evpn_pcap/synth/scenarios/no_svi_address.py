"""Nothing listens for IPv4 on the bridges: only MAC routes exist, and every ARP request is flooded."""

from evpn_pcap.synth.fabric import CLOCKS, small_fabric
from evpn_pcap.synth.recording import Recording
from evpn_pcap.synth.simulation import Simulation


def record() -> Recording:
    """Return what everybody saw of it."""
    lab = Simulation(small_fabric(3, (1, 2, 3), gateway=None, clocks=CLOCKS, seed=11))
    for vm in ("vm1", "vm2", "vm3"):
        lab.connect(vm)
    lab.start_sessions()
    lab.wait(3)
    for requester, target in (("vm1", "vm2"), ("vm2", "vm1"), ("vm1", "vm3"), ("vm3", "vm2")):
        lab.ping(requester, target)
        lab.wait(1)
        lab.forget("vm1", "vm2", "vm3")
    lab.traffic("vm1", "vm2", 5, 2000)
    return lab.recording()

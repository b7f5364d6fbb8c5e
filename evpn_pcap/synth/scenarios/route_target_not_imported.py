"""pve2 announces its VNI under route target 65001:9999: pve1 ignores vm2's routes and floods the request for it."""

from evpn_pcap.synth.fabric import CLOCKS, small_fabric
from evpn_pcap.synth.habit import Habit
from evpn_pcap.synth.recording import Recording
from evpn_pcap.synth.simulation import Simulation


def record() -> Recording:
    """Return what everybody saw of it."""
    fabric = small_fabric(
        3, (1, 2, 3), gateway=None, clocks=CLOCKS, seed=110, habits={"pve2": Habit(route_target=9999)}
    )
    lab = Simulation(fabric)
    lab.begin()
    lab.ping("vm1", "vm2")
    lab.wait(1)
    lab.ping("vm1", "vm3")
    lab.traffic("vm1", "vm2", 5, 2000)
    return lab.recording()

"""pve1 tells its own router's MAC with vm1's route and another one with vm3's, for the same next hop."""

from evpn_pcap.synth.control import Terms
from evpn_pcap.synth.fabric import CLOCKS, small_fabric
from evpn_pcap.synth.recording import Recording
from evpn_pcap.synth.simulation import Simulation


def record() -> Recording:
    """Return what everybody saw of it."""
    fabric = small_fabric(2, (1, 2, 1), clocks=CLOCKS, seed=36)
    lab = Simulation(fabric)
    for vm in fabric.vms[:2]:
        lab.connect(vm.name, vm.ip)
    lab.connect("vm3")
    lab.announce("vm3", lab.vm("vm3").ip, terms=Terms(router_mac="bc:24:11:10:00:99"))
    lab.start_sessions()
    lab.wait(3)
    lab.ping("vm2", "vm1")
    lab.ping("vm2", "vm3")
    return lab.recording()

"""vm2 is a router and says so; once its route is known, pve1 answers for it without the router flag."""

from dataclasses import replace

from evpn_pcap.synth.fabric import CLOCKS, small_fabric
from evpn_pcap.synth.recording import Recording
from evpn_pcap.synth.simulation import Simulation


def record() -> Recording:
    """Return what everybody saw of it."""
    plain = small_fabric(2, (1, 2), clocks=CLOCKS, seed=34)
    router = replace(plain.vms[1], is_router=True)
    lab = Simulation(replace(plain, vms=(plain.vms[0], router)))
    lab.connect("vm1", plain.vms[0].ip, plain.vms[0].link_local)
    lab.connect("vm2", router.ip)
    lab.start_sessions()
    lab.wait(3)
    lab.ping("vm1", router.link_local)
    lab.wait(1)
    lab.announce("vm2", router.link_local)
    lab.wait(2)
    lab.forget("vm1", "vm2")
    lab.ping("vm1", router.link_local)
    return lab.recording()

"""vm3 takes over vm1's address behind pve1 and says so; vm2 never hears it and goes on to vm1's MAC."""

from dataclasses import replace

from evpn_pcap.synth.fabric import CLOCKS, small_fabric
from evpn_pcap.synth.recording import Recording
from evpn_pcap.synth.simulation import Simulation


def record() -> Recording:
    """Return what everybody saw of it."""
    plain = small_fabric(2, (1, 2, 1, 1), clocks=CLOCKS, seed=120)
    heir = replace(plain.vms[2], ip=plain.vms[0].ip)
    lab = Simulation(replace(plain, vms=(*plain.vms[:2], heir, plain.vms[3])))
    for vm in ("vm1", "vm2", "vm4"):
        lab.connect(vm, lab.vm(vm).ip)
    lab.start_sessions()
    lab.wait(3)
    lab.ping("vm2", "vm1")
    lab.wait(1)
    lab.ping("vm4", "vm2")
    lab.unplug("vm1")
    lab.wait(2)
    lab.connect("vm3")
    lab.withdraw("vm1", lab.vm("vm1").ip)
    lab.announcement("vm3")
    lab.wait(1)
    lab.send("vm2", lab.vm("vm1").mac, heir.ip, "pve1", count=3)
    lab.traffic("vm4", "vm2", 5, 2000)
    lab.wait(1)
    lab.traffic("vm4", "vm2", 5, 2000)
    lab.traffic("vm4", "vm3", 2, 2000)  # on one VTEP
    return lab.recording()

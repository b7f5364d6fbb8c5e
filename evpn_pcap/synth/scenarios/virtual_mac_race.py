"""Both routers of a VRRP group send from the virtual MAC: pve1 and pve2 announce it in turn, higher each time."""

from dataclasses import replace

from evpn_pcap.synth.fabric import CLOCKS, small_fabric
from evpn_pcap.synth.recording import Recording
from evpn_pcap.synth.simulation import Simulation


def record() -> Recording:
    """Return what everybody saw of it."""
    plain = small_fabric(3, (1, 2, 3), clocks=CLOCKS, seed=29)
    address = "10.2.1.250"
    routers = [replace(vm, mac="00:00:5e:00:01:0a", ip=address) for vm in plain.vms[:2]]
    lab = Simulation(replace(plain, vms=(*routers, plain.vms[2])))
    lab.connect("vm1", address)
    lab.connect("vm3", plain.vms[2].ip)
    lab.start_sessions()
    lab.wait(3)
    lab.traffic("vm1", "vm3", 5, 2000)
    lab.ping("vm3", address)
    for sequence in range(1, 5):
        new, old = ("vm2", "vm1") if sequence % 2 else ("vm1", "vm2")
        lab.announcement(new)
        lab.announce(new, None, address, sequence=sequence)
        lab.wait(0.07)
        lab.withdraw(old, None, address)
        lab.wait(1)
        lab.traffic(new, "vm3", 2, 2000)
        lab.wait(2)
    lab.forget("vm3")
    lab.ping("vm3", address)
    return lab.recording()

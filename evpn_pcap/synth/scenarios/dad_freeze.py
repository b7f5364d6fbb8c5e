"""Two clones with one MAC and one address: after six moves in half a minute their routes freeze at pve2."""

from dataclasses import replace

from evpn_pcap.synth.fabric import CLOCKS, small_fabric
from evpn_pcap.synth.recording import Recording
from evpn_pcap.synth.simulation import Simulation


def record() -> Recording:
    """Return what everybody saw of it."""
    plain = small_fabric(3, (1, 3, 2), clocks=CLOCKS, seed=27)
    clone = replace(plain.vms[2], mac=plain.vms[0].mac, ip=plain.vms[0].ip)
    lab = Simulation(replace(plain, vms=(*plain.vms[:2], clone)))
    for vm in plain.vms[:2]:
        lab.connect(vm.name, vm.ip)
    lab.start_sessions()
    lab.wait(3)
    lab.traffic("vm1", "vm2", 5, 2000)
    other = lab.vm("vm2")
    for sequence in range(1, 7):
        mover, left = ("vm3", "vm1") if sequence % 2 else ("vm1", "vm3")
        lab.announcement(mover)
        lab.announce(mover, None, clone.ip, sequence=sequence)
        lab.wait(0.07)
        lab.withdraw(left, None, clone.ip)
        lab.wait(1)
        lab.traffic(mover, "vm2", 2, 2000)
        lab.wait(3)
    for _ in range(8):  # frozen at pve1, and the clone behind pve2 goes on
        lab.send("vm3", other.mac, other.ip, "pve3")
        lab.send("vm1", other.mac, other.ip, "pve3")
        lab.wait(1)
    lab.resolve("vm2", "vm1")
    lab.wait(1)
    lab.traffic("vm1", "vm2", 2, 2000)
    return lab.recording()

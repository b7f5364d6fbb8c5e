"""Two clones with one MAC behind pve1 and pve2: their routes take turns twelve times, and nobody stops it."""

from dataclasses import replace

from evpn_pcap.synth.fabric import CLOCKS, small_fabric
from evpn_pcap.synth.recording import Recording
from evpn_pcap.synth.simulation import Simulation


def record() -> Recording:
    """Return what everybody saw of it."""
    plain = small_fabric(3, (1, 3, 2), clocks=CLOCKS, seed=123)
    clone = replace(plain.vms[2], mac=plain.vms[0].mac, ip=plain.vms[0].ip)
    lab = Simulation(replace(plain, vms=(*plain.vms[:2], clone)))
    for vm in plain.vms[:2]:
        lab.connect(vm.name, vm.ip)
    lab.start_sessions()
    lab.wait(3)
    lab.ping("vm2", "vm1")
    for sequence in range(1, 13):
        mover, left = ("vm3", "vm1") if sequence % 2 else ("vm1", "vm3")
        lab.announce(mover, None, clone.ip, sequence=sequence)
        lab.wait(0.07)
        lab.withdraw(left, None, clone.ip)
        lab.traffic(mover, "vm2", 2, 2000)
        lab.wait(3)
    return lab.recording()

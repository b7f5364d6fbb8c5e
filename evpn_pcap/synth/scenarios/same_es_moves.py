"""vm1 is on a segment of pve1 and pve2, and both announce it in turn with rising numbers and the same ESI."""

from dataclasses import replace

from evpn_pcap.synth.control import Terms
from evpn_pcap.synth.fabric import CLOCKS, small_fabric
from evpn_pcap.synth.recording import Recording
from evpn_pcap.synth.simulation import Simulation


def record() -> Recording:
    """Return what everybody saw of it."""
    plain = small_fabric(3, (1, 3, 2), clocks=CLOCKS, seed=35)
    second = replace(plain.vms[2], mac=plain.vms[0].mac, ip=plain.vms[0].ip)  # the same machine's other link
    lab = Simulation(replace(plain, vms=(*plain.vms[:2], second)))
    segment = bytes.fromhex("00112233445566778899")
    lab.connect("vm2", lab.vm("vm2").ip)
    lab.connect("vm1")
    lab.announce("vm1", None, second.ip, terms=Terms(0, segment))
    lab.start_sessions()
    lab.wait(3)
    lab.traffic("vm1", "vm2", 5, 2000)
    lab.ping("vm2", second.ip)
    for sequence in range(1, 5):
        link = "vm3" if sequence % 2 else "vm1"
        lab.announce(link, None, second.ip, terms=Terms(sequence, segment))
        lab.wait(1)
        lab.traffic(link, "vm2", 2, 2000)
        lab.wait(2)
    lab.forget("vm2")
    lab.ping("vm2", second.ip)
    return lab.recording()

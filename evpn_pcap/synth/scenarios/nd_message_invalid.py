"""vm2 checks and announces its address with messages that break RFC 4861, each in another way; vm1's are sound."""

from evpn_pcap.synth import frames
from evpn_pcap.synth.fabric import CLOCKS, Vm, small_fabric
from evpn_pcap.synth.recording import Recording
from evpn_pcap.synth.simulation import Simulation

ALL_NODES = ("33:33:00:00:00:01", "ff02::1")


def record() -> Recording:
    """Return what everybody saw of it."""
    fabric = small_fabric(2, (1, 2), clocks=CLOCKS, seed=112)
    lab = Simulation(fabric)
    lab.begin()
    lab.probe("vm1", lab.vm("vm1").link_local)
    lab.wait(1)
    vm2 = lab.vm("vm2")
    told = frames.advertisement_body((vm2.mac, vm2.link_local), is_solicited=False)
    lab.emit("vm2", _message(vm2, frames.NEIGHBOUR_ADVERTISEMENT, told, hop_limit=64))
    lab.wait(1)
    lab.emit("vm2", _message(vm2, frames.NEIGHBOUR_ADVERTISEMENT, told, code=1))
    lab.wait(1)
    lab.emit("vm2", _with_wrong_checksum(_message(vm2, frames.NEIGHBOUR_ADVERTISEMENT, told)))
    lab.wait(1)
    lab.ping("vm1", "vm2")
    lab.traffic("vm1", "vm2", 5, 2000)
    return lab.recording()


def _message(vm: Vm, kind: int, body: bytes, *, code: int = 0, hop_limit: int = 255) -> bytes:
    """Return a discovery message of a VM to all nodes."""
    ends = vm.link_local, ALL_NODES[1]
    message = frames.icmpv6(*ends, kind, body, code)
    packet = frames.ipv6(*ends, frames.ICMPV6, message, hop_limit)
    return frames.ethernet(vm.mac, ALL_NODES[0], frames.ETHERTYPE_IPV6, packet)


def _with_wrong_checksum(frame: bytes) -> bytes:
    """Return a frame whose ICMPv6 checksum (behind Ethernet, IPv6, type and code) has one bit turned."""
    at = 14 + 40 + 2
    return frame[:at] + bytes([frame[at] ^ 1]) + frame[at + 1 :]

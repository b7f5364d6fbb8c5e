"""One story a function: each shows what one diagnosis looks like, beside traffic that is healthy."""

from collections.abc import Callable
from dataclasses import replace

from evpn_pcap.synth.fabric import Clock, small_fabric
from evpn_pcap.synth.recording import Recording
from evpn_pcap.synth.simulation import Simulation

CLOCKS = {
    "pve1": Clock(offset_ns=-12_345_678, drift_ppb=8_100),
    "pve2": Clock(offset_ns=87_654_321, drift_ppb=-21_300),
    "pve3": Clock(offset_ns=-301_200_450, drift_ppb=4_700),
    "vm1": Clock(offset_ns=152_400_100, drift_ppb=12_900),
    "vm2": Clock(offset_ns=-46_550_200, drift_ppb=-6_400),
    "vm3": Clock(offset_ns=9_870_300, drift_ppb=17_800),
    "vm4": Clock(offset_ns=-5_300_700, drift_ppb=-31_000),
}  # typical of machines without NTP, far more than the 25 us between hosts


def no_svi_address() -> Recording:
    """Nothing listens for IPv4 on the bridges: only MAC routes exist, and every ARP request is flooded."""
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


def gateway_primed() -> Recording:
    """Each VM's address is known only after its first exchange with the gateway: flooded before, suppressed after."""
    fabric = small_fabric(3, (1, 2), clocks=CLOCKS, seed=12)
    lab = Simulation(fabric)
    for vm in ("vm1", "vm2"):
        lab.connect(vm)
    lab.start_sessions()
    lab.wait(3)
    lab.ping("vm1", "vm2")
    lab.wait(1)
    for vm in ("vm1", "vm2"):
        lab.ping(vm, fabric.gateway or "")
        lab.wait(2)
    lab.forget("vm1", "vm2")
    lab.ping("vm1", "vm2")
    lab.wait(1)
    lab.forget("vm2")
    lab.ping("vm2", "vm1")
    return lab.recording()


def suppression_not_working() -> Recording:
    """Routes are in force for seconds, and pve1 floods every request all the same; pve2 does not."""
    fabric = small_fabric(3, (1, 2, 3), clocks=CLOCKS, seed=13)
    lab = Simulation(fabric)
    for vm in fabric.vms:
        lab.connect(vm.name, vm.ip, vm.link_local)
    lab.suppress("pve1", is_on=False)
    lab.start_sessions()
    lab.wait(4)
    for target in ("vm2", "vm3", lab.vm("vm2").link_local, lab.vm("vm3").link_local, "vm2"):
        lab.ping("vm1", target)
        lab.wait(1)
        lab.forget("vm1", "vm2", "vm3")
    for requester, target in (("vm2", "vm1"), ("vm2", "vm3")):
        lab.resolve(requester, target)
        lab.wait(1)
    lab.traffic("vm1", "vm2", 5, 2000)
    return lab.recording()


def planned_withdraw() -> Recording:
    """IPv6 is disabled on pve1's bridge: its three MAC/IPv6 routes are withdrawn at one instant to all peers."""
    fabric = small_fabric(3, (1, 2, 1, 1), gateway=None, clocks=CLOCKS, seed=14)
    lab = Simulation(fabric)
    for vm in fabric.vms:
        lab.connect(vm.name, vm.link_local)
    lab.start_sessions()
    lab.wait(3)
    lab.ping("vm1", lab.vm("vm2").link_local)
    lab.wait(1)
    lab.forget("vm1", "vm2")
    for requester, target in (("vm2", "vm1"), ("vm3", "vm2"), ("vm4", "vm2")):
        lab.ping(requester, lab.vm(target).link_local)
        lab.wait(1)
    lab.wait(1)
    lab.disable_ipv6("pve1")
    lab.wait(3)
    lab.forget("vm1", "vm2")
    for target in ("vm1", "vm3"):
        lab.ping("vm2", lab.vm(target).link_local)
        lab.wait(1)
    return lab.recording()


def silent_host_aged() -> Recording:
    """vm2 says nothing for five minutes, its routes are withdrawn, and the next request for it is flooded."""
    fabric = small_fabric(2, (1, 2), clocks=CLOCKS, seed=15)
    lab = Simulation(fabric)
    for vm in fabric.vms:
        lab.connect(vm.name, vm.ip)
    lab.start_sessions()
    lab.wait(3)
    lab.ping("vm1", "vm2")
    lab.age_out("vm2")
    lab.wait(4)
    lab.forget("vm1", "vm2")
    lab.resolve("vm1", "vm2")
    lab.announce("vm2", None, lab.vm("vm2").ip)  # its own reply brought it back
    lab.ping("vm1", "vm2")
    lab.wait(2)
    lab.forget("vm1", "vm2")
    lab.ping("vm1", "vm2")
    return lab.recording()


def duplicate_ip() -> Recording:
    """vm3 behind pve2 uses vm1's address: both VTEPs announce it in turn, and vm2 is told one MAC, then the other."""
    plain = small_fabric(3, (1, 3, 2), clocks=CLOCKS, seed=16)
    twin = replace(plain.vms[2], ip=plain.vms[0].ip)
    lab = Simulation(replace(plain, vms=(*plain.vms[:2], twin)))
    for vm in plain.vms[:2]:
        lab.connect(vm.name, vm.ip)
    lab.connect("vm3")
    lab.start_sessions()
    lab.wait(3)
    lab.resolve("vm2", "10.2.1.99")  # nobody has it: shows what a flooded request looks like
    lab.wait(1)
    holder, rival = "vm1", "vm3"
    for sequence in range(1, 5):
        lab.forget("vm2")
        lab.ping("vm2", lab.vm(holder).ip)
        lab.wait(1)
        lab.announcement(rival)
        lab.announce(rival, lab.vm(rival).ip, sequence=sequence)
        lab.wait(0.07)
        lab.withdraw(holder, lab.vm(holder).ip)
        lab.wait(2)
        holder, rival = rival, holder
    lab.forget("vm2")
    lab.ping("vm2", lab.vm(holder).ip)
    return lab.recording()


SCENARIOS: dict[str, Callable[[], Recording]] = {
    "no-svi-address": no_svi_address,
    "gateway-primed": gateway_primed,
    "suppression-not-working": suppression_not_working,
    "planned-withdraw": planned_withdraw,
    "silent-host-aged": silent_host_aged,
    "duplicate-ip": duplicate_ip,
}

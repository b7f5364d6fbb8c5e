"""What a simulated fabric consists of: VTEPs, VMs, their clocks, one VNI, perhaps a gateway."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from evpn_pcap.synth.clock import SECOND, Clock
from evpn_pcap.synth.frames import link_local
from evpn_pcap.synth.habit import FRR_ON_LINUX, Habit

MILLISECOND = 10**6
MICROSECOND = 10**3
START_NS = 1_768_478_400 * SECOND  # 2026-01-15 12:00:00 UTC, a Thursday like any other


CLOCKS = {
    "pve1": Clock(offset_ns=-12_345_678, drift_ppb=8_100),
    "pve2": Clock(offset_ns=87_654_321, drift_ppb=-21_300),
    "pve3": Clock(offset_ns=-301_200_450, drift_ppb=4_700),
    "vm1": Clock(offset_ns=152_400_100, drift_ppb=12_900),
    "vm2": Clock(offset_ns=-46_550_200, drift_ppb=-6_400),
    "vm3": Clock(offset_ns=9_870_300, drift_ppb=17_800),
    "vm4": Clock(offset_ns=-5_300_700, drift_ppb=-31_000),
}  # typical of machines without NTP, far more than the 25 us between hosts


@dataclass(frozen=True, slots=True)
class Vtep:
    """A hypervisor."""

    name: str
    ip: str  # on the underlay
    mac: str

    @property
    def address(self) -> tuple[str, str]:
        """MAC and IP on the underlay."""
        return self.mac, self.ip


@dataclass(frozen=True, slots=True)
class Vm:
    """A host behind a VTEP; its link-local address follows from the MAC."""

    name: str
    mac: str
    ip: str
    vtep: str  # where it starts
    tap: str  # the hypervisor's end of its link
    is_router: bool = False  # R of its advertisements
    has_override: bool = True  # O of its advertisements

    @property
    def link_local(self) -> str:
        """IPv6 link-local address."""
        return link_local(self.mac)

    def address(self, like: str) -> tuple[str, str]:
        """MAC and the address of the family that `like` has."""
        return self.mac, self.link_local if ":" in like else self.ip


@dataclass(frozen=True, slots=True)
class Fabric:
    """Everything that does not change during a simulation."""

    vteps: tuple[Vtep, ...]
    vms: tuple[Vm, ...]
    clocks: Mapping[str, Clock] = field(default_factory=dict)  # by host name; others are right
    gateway: str | None = "10.2.1.1"  # anycast address of the bridge device on every VTEP; None: it has none
    gateway_mac: str = "bc:24:11:aa:aa:a1"
    vni: int = 5001
    l3_vni: int = 100001
    asn: int = 65001
    underlay: str = "ens18"
    bridge: str = "EVPN1"
    nic: str = "ens19"  # of the VMs
    start_ns: int = START_NS
    seed: int = 1
    underlay_floor_ns: int = 25 * MICROSECOND  # least one-way delay between two VTEPs, the same both ways
    underlay_jitter_ns: int = 60 * MICROSECOND
    habits: Mapping[str, Habit] = field(default_factory=dict)  # by VTEP; the others are as FRR on Linux

    @property
    def vxlan(self) -> str:
        """Name of the vxlan device."""
        return f"vxlan_{self.bridge}"

    def gateway_mac_at(self, vtep: str) -> str:
        """Return the MAC with which a VTEP's bridge device answers."""
        return self.habit(vtep).gateway_mac or self.gateway_mac

    def habit(self, vtep: str) -> Habit:
        """Return what a VTEP does in its own way."""
        return self.habits.get(vtep, FRR_ON_LINUX)


def small_fabric(
    vteps: int = 2,
    placement: tuple[int, ...] = (1, 2),
    *,
    gateway: str | None = "10.2.1.1",
    clocks: Mapping[str, Clock] | None = None,
    seed: int = 1,
    habits: Mapping[str, Habit] | None = None,
) -> Fabric:
    """Return pve1, pve2 ... (192.168.16.N) and vm1, vm2 ... (10.2.1.11, .12 ...).

    `placement` has the number of the VTEP that each VM sits behind.
    """
    hypervisors = tuple(Vtep(f"pve{n}", f"192.168.16.{n}", f"bc:24:11:10:00:{n:02x}") for n in range(1, vteps + 1))
    vms = tuple(
        Vm(f"vm{n}", f"bc:24:11:00:00:{n:02x}", f"10.2.1.{10 + n}", f"pve{at}", f"tap{502 + n}i1")
        for n, at in enumerate(placement, start=1)
    )
    return Fabric(hypervisors, vms, dict(clocks or {}), gateway, seed=seed, habits=dict(habits or {}))

"""The fabrics of the lab, as values: how many VTEPs, which VNIs, which VMs behind which, what lies between."""

from dataclasses import dataclass, replace
from ipaddress import IPv6Address

GATEWAY_MAC = "bc:24:11:aa:aa:a1"  # one bridge MAC on every VTEP, as Proxmox VE configures an anycast gateway
PREFIX_LENGTH = {4: 24, 6: 64}


@dataclass(frozen=True, slots=True)
class Vnet:
    """A segment: its bridge is called `name`, or its VLAN is `vlan` on the one VLAN-aware bridge."""

    name: str = "EVPN1"
    vni: int = 5001
    vlan: int = 10
    gateway4: str = "10.2.1.1"  # the address that `add_gateway` gives to the SVI of every VTEP
    gateway6: str = "2001:db8:1::1"
    has_gateway: bool = False  # whether the addresses are there from the start
    gateway_macs: tuple[str, ...] = (GATEWAY_MAC,)  # VTEP n has the n-th, and the last one those beyond


@dataclass(frozen=True, slots=True)
class Vm:
    """A guest before it is booted. Prefix lengths are 24 and 64."""

    name: str
    vtep: str
    mac: str
    ipv4: tuple[str, ...]
    vnet: str = "EVPN1"
    ipv6: tuple[str, ...] = ()

    @property
    def link_local(self) -> str:
        """The address that the kernel makes of the MAC (RFC 4291, appendix A)."""
        octets = bytes.fromhex(self.mac.replace(":", ""))
        interface = bytes([octets[0] ^ 2]) + octets[1:3] + b"\xff\xfe" + octets[3:]
        return str(IPv6Address(bytes.fromhex("fe80000000000000") + interface))


@dataclass(frozen=True, slots=True)
class Fabric:
    """One fabric: everything that is decided before the first namespace is made."""

    name: str
    about: str
    vtep_count: int
    vms: tuple[Vm, ...]
    vnets: tuple[Vnet, ...] = (Vnet(),)
    bridges: str = "per-vni"  # or "vlan-aware": one bridge, a VLAN for each VNI, upper VLAN devices as SVIs
    underlay: str = "ipv4"  # or "ipv6"
    peering: str = "mesh"  # or "reflector": a host rr1 of its own
    vxlan_port: int = 4789
    l3_vni: int | None = 100001
    also_shows: tuple[str, ...] = ()  # diagnoses that are true of it, whatever the story

    @property
    def vteps(self) -> tuple[str, ...]:
        """The names of the hypervisors."""
        return tuple(f"pve{number}" for number in range(1, self.vtep_count + 1))

    def vnet(self, name: str) -> Vnet:
        """Return the segment of this name."""
        (found,) = (one for one in self.vnets if one.name == name)
        return found

    def vm(self, name: str) -> Vm:
        """Return the guest of this name, as it is at boot."""
        (found,) = (one for one in self.vms if one.name == name)
        return found


def _vm(number: int, vtep: int, vnet: str = "EVPN1", subnet: str = "10.2.1") -> Vm:
    return Vm(f"vm{number}", f"pve{vtep}", f"bc:24:11:00:00:{number:02x}", (f"{subnet}.{10 + number}",), vnet)


def _spread(vm_count: int, vtep_count: int) -> tuple[Vm, ...]:
    """Return guests of one segment, dealt out to the VTEPs in turn."""
    return tuple(_vm(number, 1 + (number - 1) % vtep_count) for number in range(1, vm_count + 1))


_SECOND = Vnet("EVPN2", 5002, 20, "10.2.2.1", "2001:db8:2::1")
_PROXMOX = Fabric(
    "proxmox",
    "four hypervisors, one bridge for each VNI, full iBGP mesh, an L3 VNI: Proxmox VE's SDN",
    vtep_count=4,
    vms=(_vm(1, 1), _vm(2, 4), _vm(3, 1), _vm(4, 3), _vm(5, 2), _vm(6, 4)),
)

FABRICS = {
    fabric.name: fabric
    for fabric in (
        _PROXMOX,
        replace(
            _PROXMOX,
            name="vlan-aware",
            about="one VLAN-aware bridge, a VLAN for each VNI, VLAN devices as SVIs: Cumulus, SONiC",
            bridges="vlan-aware",
            also_shows=("double-reply",),  # in user-mode Linux 6.1, which answers unicast requests and forwards them
        ),
        replace(
            _PROXMOX,
            name="ipv6-underlay",
            about="VXLAN and BGP over IPv6; flood lists by hand, no EVPN: VTEPs of FRR 8.4 are IPv4",
            underlay="ipv6",
            also_shows=("flooded-before-type3",),  # nobody announces the VNI
            l3_vni=None,
        ),
        replace(
            _PROXMOX,
            name="reflector",
            about="a route reflector instead of the full mesh",
            peering="reflector",
        ),
        replace(_PROXMOX, name="port-8472", about="VXLAN on UDP 8472, the kernel's default", vxlan_port=8472),
        replace(
            _PROXMOX,
            name="overlapping",
            about="two VNIs with the same addresses; only the first has a gateway, for there is no VRF",
            vnets=(Vnet(), replace(_SECOND, gateway4="10.2.1.1", gateway6="2001:db8:1::1")),
            vms=(
                *(_vm(1, 1), _vm(2, 4), _vm(3, 1), _vm(4, 3)),
                *(replace(_vm(4 + n, vtep, "EVPN2"), ipv4=(f"10.2.1.{10 + n}",)) for n, vtep in ((1, 1), (2, 4))),
            ),
        ),
        replace(
            _PROXMOX,
            name="symmetric",
            about="two subnets, routed symmetrically over an L3 VNI in the default VRF (RFC 9135)",
            vnets=(replace(Vnet(), has_gateway=True), replace(_SECOND, has_gateway=True)),
            vms=(
                *(_vm(1, 1), _vm(2, 4), _vm(3, 1), _vm(4, 3)),
                *(_vm(5, 2, "EVPN2", "10.2.2"), _vm(6, 4, "EVPN2", "10.2.2")),
            ),
        ),
        Fabric("pair", "two hypervisors, two VMs: the smallest", vtep_count=2, vms=(_vm(1, 1), _vm(2, 2))),
        Fabric("six", "six hypervisors, twelve VMs", vtep_count=6, vms=_spread(12, 6)),
        Fabric("twelve", "twelve hypervisors, forty VMs: the largest", vtep_count=12, vms=_spread(40, 12)),
    )
}

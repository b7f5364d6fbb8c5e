"""VMs: a namespace with one NIC, and the wire to a bridge port of whichever VTEP they run on.

A guest's NIC must not lose its carrier when the guest moves (QEMU's does not), so between NIC and
port lies a two-port bridge in a namespace of its own, without learning: port--wire--NIC. Only the half of the port
is cut off and made anew on the other VTEP.
"""

from dataclasses import dataclass

from samples.lab import namespaces
from samples.lab.fabric import PREFIX_LENGTH, Vm

NIC = "ens19"
WIRES = "wires"  # the namespace of all wires
QUIET: dict[str, int | str] = {
    "net.ipv6.conf.all.disable_ipv6": 1,
    "net.ipv6.conf.default.disable_ipv6": 1,
}
FIRST_ONLY = ("disable_ipv6", "router_solicitations")  # until it boots; once, for its repeats come when they like


@dataclass(frozen=True, slots=True)
class Guest:
    """A VM as it runs now: what it is called and addressed, and the port that it is behind."""

    name: str
    mac: str
    ipv4: tuple[str, ...]
    ipv6: tuple[str, ...]
    link_local: str
    vnet: str
    vni: int
    vtep: str
    tap: str
    namespace: str
    nic: str = NIC


def tap_name(vm: str) -> str:
    """Return the bridge port's name as Proxmox VE would call it: vm1 has the number 503."""
    return f"tap{502 + int(vm.removeprefix('vm'))}i1"


def make_nic(vm: Vm, namespace: str, wires: str) -> None:
    """Make the guest's NIC, up, without address and with IPv6 off, and its end of the wire."""
    wire = _wire(vm.name)
    namespaces.write(namespace, {f"net.ipv6.conf.default.{name}": 1 for name in FIRST_ONLY})
    namespaces.batch(
        wires,
        [
            f"link add {wire} type bridge mcast_snooping 0 ageing_time 0 group_fwd_mask 0xfff8",
            f"link set {wire} up",
            f"link add {wire}n type veth peer name {NIC} address {vm.mac} netns {namespace}",
            f"link set {wire}n master {wire} up",
            f"link set {wire}n type bridge_slave learning off",
        ],
    )
    namespaces.batch(namespace, ["link set lo up", f"link set {NIC} up"])


def plug(vm: str, wires: str, vtep: str, vtep_namespace: str, master: str, vlan: int | None) -> None:
    """Make the guest's port on a VTEP, up. `vlan` is the access VLAN of a VLAN-aware bridge."""
    tap, end = tap_name(vm), port_side(vm, vtep)
    namespaces.batch(wires, [f"link add {end} type veth peer name {tap} netns {vtep_namespace}"])
    namespaces.write(vtep_namespace, {f"net.ipv6.conf.{tap}.disable_ipv6": 1})
    namespaces.batch(vtep_namespace, [f"link set {tap} master {master}", f"link set {tap} up"])
    if vlan is not None:
        namespaces.run(vtep_namespace, "bridge", "vlan", "add", "dev", tap, "vid", str(vlan), "pvid", "untagged")
    namespaces.batch(wires, [f"link set {end} up"])


def connect(vm: str, wires: str, vtep: str, old_vtep: str = "") -> None:
    """Lead the guest's wire to its port on a VTEP; the port on the old one stays up, with nobody behind it."""
    lines = [f"link set {port_side(vm, old_vtep)} nomaster"] if old_vtep else []
    end = port_side(vm, vtep)
    lines += [f"link set {end} master {_wire(vm)}", f"link set {end} type bridge_slave learning off"]
    namespaces.batch(wires, lines)


def unplug(vm: str, wires: str, vtep: str) -> None:
    """Remove the guest's port from a VTEP: the NIC keeps its carrier."""
    namespaces.batch(wires, [f"link del {port_side(vm, vtep)}"])


def port_side(vm: str, vtep: str) -> str:
    """Return the wire's end at a port: what is sent into it reaches the VTEP as if the guest's QEMU had sent it."""
    return f"{_wire(vm)}{vtep}"


def boot_lines(vm: Vm) -> list[str]:
    """Return the `ip` commands that give the NIC its addresses."""
    return [f"address add {one}/{PREFIX_LENGTH[4]} dev {NIC} broadcast +" for one in vm.ipv4] + [
        f"address add {one}/{PREFIX_LENGTH[6]} dev {NIC}" for one in vm.ipv6
    ]


def _wire(vm: str) -> str:
    return f"w{vm.removeprefix('vm')}"

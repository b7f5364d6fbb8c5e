"""The data plane of a VTEP (iproute2): bridges, VXLAN devices and SVIs, in the fabric's style, and the underlay."""

from samples.lab import namespaces
from samples.lab.fabric import PREFIX_LENGTH, Fabric, Vnet
from samples.lab.routing import address

UPLINK = "ens18"
SPINE = "spine"
VLAN_BRIDGE = "bridge"
L3_BRIDGE = "vrfbr_EZone1"
L3_VXLAN = "vrfvx_EZone1"
HOST_SETTINGS: dict[str, int | str] = {
    "net.ipv4.ip_forward": 1,
    "net.ipv6.conf.all.forwarding": 1,
    "net.ipv6.conf.default.forwarding": 1,
    "net.ipv6.conf.default.dad_transmits": 0,  # bridges are there long before anyone captures
}
L3_BRIDGE_MAC = "9a:f0:70:00:00:{number:02x}"  # the router's MAC that a VTEP advertises


def bridge(fabric: Fabric, vnet: Vnet) -> str:
    """Return the bridge that a segment's ports are in."""
    return VLAN_BRIDGE if fabric.bridges == "vlan-aware" else vnet.name


def svi(fabric: Fabric, vnet: Vnet) -> str:
    """Return the interface that has the gateway's addresses."""
    return f"vlan{vnet.vlan}" if fabric.bridges == "vlan-aware" else vnet.name


def vxlan(vnet: Vnet) -> str:
    """Return a segment's VXLAN device."""
    return f"vxlan_{vnet.name}"


def make_underlay(fabric: Fabric, spine: str, hosts: dict[str, str]) -> None:
    """Connect the hosts (name to namespace) by one Ethernet and address them."""
    namespaces.write(spine, {"net.ipv6.conf.all.disable_ipv6": 1, "net.ipv6.conf.default.disable_ipv6": 1})
    lines = [f"link add {SPINE} type bridge mcast_snooping 0", f"link set {SPINE} up"]
    for name, namespace in hosts.items():
        lines += [
            f"link add {name} type veth peer name {UPLINK} netns {namespace}",
            f"link set {name} master {SPINE} up",
        ]
    for namespace in hosts.values():
        namespaces.write(namespace, HOST_SETTINGS)
        namespaces.unfilter_bridges(namespace)
    namespaces.batch(spine, lines)
    for name, namespace in hosts.items():
        length = 64 if fabric.underlay == "ipv6" else 24
        flags = " nodad" if fabric.underlay == "ipv6" else ""
        namespaces.batch(
            namespace,
            [
                "link set lo up",
                f"link set {UPLINK} up",
                f"address add {address(fabric, name)}/{length} dev {UPLINK}{flags}",
            ],
        )


def make_vtep(fabric: Fabric, name: str, namespace: str) -> None:
    """Make a VTEP's bridges and VXLAN devices, all up."""
    number = int(name.removeprefix("pve"))
    lines = []
    if fabric.bridges == "vlan-aware":
        lines += [f"link add {VLAN_BRIDGE} type bridge vlan_filtering 1 vlan_default_pvid 0"]
        lines += [f"link set {VLAN_BRIDGE} up"]
    for vnet in fabric.vnets:
        lines += _segment(fabric, name, vnet, gateway_mac(vnet, number))
    if fabric.l3_vni:
        lines += [
            f"link add {L3_BRIDGE} address {L3_BRIDGE_MAC.format(number=number)} type bridge",
            f"link set {L3_BRIDGE} addrgenmode none",
            f"link set {L3_BRIDGE} up",
            f"link add {L3_VXLAN} type vxlan id {fabric.l3_vni} {_tunnel(fabric, name)}",
            f"link set {L3_VXLAN} addrgenmode none master {L3_BRIDGE}",
            f"link set {L3_VXLAN} type bridge_slave neigh_suppress on learning off",
            f"link set {L3_VXLAN} up",
        ]
    namespaces.batch(namespace, lines)
    quiet = [vxlan(vnet) for vnet in fabric.vnets]
    namespaces.write(
        namespace,
        {f"net.ipv6.conf.{port}.disable_ipv6": 1 for port in quiet},
    )
    namespaces.batch(namespace, [f"link set {port} up" for port in quiet])
    if fabric.bridges == "vlan-aware":
        namespaces.batch(namespace, _vlans(fabric), program="bridge")
    if fabric.underlay == "ipv6":
        namespaces.batch(namespace, _floods(fabric, name), program="bridge")


def gateway_mac(vnet: Vnet, number: int) -> str:
    """Return the SVI's MAC on the VTEP of this number, counted from 1."""
    return vnet.gateway_macs[min(number, len(vnet.gateway_macs)) - 1]


def gateway_lines(fabric: Fabric, vnet: Vnet, verb: str = "add") -> list[str]:
    """Return the `ip` commands that give a segment's SVI its addresses, or take them."""
    return [
        f"address {verb} {one}/{PREFIX_LENGTH[version]} dev {svi(fabric, vnet)}{' nodad' if version == 6 else ''}"
        for version, one in ((4, vnet.gateway4), (6, vnet.gateway6))
        if one
    ]


def _segment(fabric: Fabric, host: str, vnet: Vnet, mac: str) -> list[str]:
    device = vxlan(vnet)
    lines = [f"link add {device} type vxlan id {vnet.vni} {_tunnel(fabric, host)}"]
    if fabric.bridges == "vlan-aware":
        upper = svi(fabric, vnet)
        lines += [f"link add link {VLAN_BRIDGE} name {upper} address {mac} type vlan id {vnet.vlan}"]
        lines += [f"link set {upper} up"]
    else:
        lines = [f"link add {vnet.name} address {mac} type bridge", f"link set {vnet.name} up", *lines]
    lines += [
        f"link set {device} master {bridge(fabric, vnet)}",
        f"link set {device} type bridge_slave neigh_suppress on learning {_learning(fabric)}",
    ]
    return lines + (gateway_lines(fabric, vnet) if vnet.has_gateway else [])


def _tunnel(fabric: Fabric, host: str) -> str:
    learning = "" if fabric.underlay == "ipv6" else "nolearning"
    return f"dstport {fabric.vxlan_port} local {address(fabric, host)} {learning}"


def _learning(fabric: Fabric) -> str:
    """Return whether overlay ports learn MACs from frames: where FRR cannot (its VTEPs are IPv4), the kernel must."""
    return "on" if fabric.underlay == "ipv6" else "off"


def _floods(fabric: Fabric, host: str) -> list[str]:
    """Return the flood lists that FRR does not make for IPv6 VTEPs."""
    others = [address(fabric, name) for name in fabric.vteps if name != host]
    devices = [vxlan(vnet) for vnet in fabric.vnets]
    return [f"fdb append 00:00:00:00:00:00 dev {device} dst {other} self" for device in devices for other in others]


def _vlans(fabric: Fabric) -> list[str]:
    lines = []
    for vnet in fabric.vnets:
        lines += [
            f"vlan add dev {vxlan(vnet)} vid {vnet.vlan} pvid untagged",
            f"vlan add dev {VLAN_BRIDGE} vid {vnet.vlan} self",
        ]
    return lines

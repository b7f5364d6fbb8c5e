"""What happens to the guests of the lab's world: they boot, move, die and are addressed anew; each one a deed."""

import time
from dataclasses import replace

from samples.lab import frames, guests, namespaces
from samples.lab.fabric import PREFIX_LENGTH, Fabric, Vm
from samples.lab.ground import Ground
from samples.lab.guests import Guest
from samples.lab.traffic import protocol_of, send

OLD_PORT_S = 0.2  # from the guest's start on its new VTEP to the end of its old port
DAD_S = 2.2  # one DAD probe after up to 1 s, 1 s of silence, then the first router solicitation


class Tenancy(Ground):
    """The deeds that make, move and change guests."""

    def boot(self, *vms: str, settle: bool = True) -> None:
        """Boot guests: NIC up, addresses, DAD and router solicitation; with `settle`, wait until these are over."""
        for name in vms:
            vm = self.fabric.vm(name)
            host = self.add_host(name, "vm")
            guests.make_nic(vm, host.namespace, self.wires)
            _plug(self, name, vm.vtep, vm.vnet)
            guests.connect(name, self.wires, vm.vtep)
            self.guests[name] = _guest(self.fabric, vm, host.namespace)
            _appears(self, name, guests.NIC)
        for name in vms:
            vm = self.fabric.vm(name)
            with self.deed("boot", vm=name, vtep=vm.vtep):
                self.homes.append((time.time_ns(), name, vm.vtep))
                namespaces.write(self.host(name).namespace, {f"net.ipv6.conf.{guests.NIC}.disable_ipv6": 0})
                namespaces.batch(self.host(name).namespace, guests.boot_lines(vm))
        if settle:
            self.wait(DAD_S)

    def move(self, vm: str, vtep: str, how: str) -> None:
        """Move a guest. `how`: "gratuitous" (the guest announces itself), "rarp" (its QEMU does) or "silent".

        As in a live migration the guest runs on the new VTEP before its port on the old one goes.
        """
        source = self.guests[vm]
        with self.deed("move", vm=vm, source=source.vtep, destination=vtep, how=how):
            _go(self, vm, vtep)
            if how == "rarp":
                send(self.wires, guests.port_side(vm, vtep), frames.reverse_announcement(source.mac))
            elif how == "gratuitous":
                for ip in source.ipv4:
                    send(source.namespace, guests.NIC, frames.announcement(source.mac, ip))
                for ip in (*source.ipv6, source.link_local):
                    send(source.namespace, guests.NIC, frames.unsolicited_advertisement(source.mac, ip))
            self.wait(OLD_PORT_S)
            _leave(self, source)

    def move_to_deaf_port(self, vm: str, vtep: str) -> None:
        """Move a guest to a port that does not learn MACs, while its old VTEP's port stays up with nobody behind it."""
        with self.deed("move_to_deaf_port", vm=vm, source=self.guests[vm].vtep, destination=vtep):
            _go(self, vm, vtep, learning="off")

    def freeze(self, vm: str) -> None:
        """Let a guest die without its VTEP noticing: its NIC is dead, its port stays up."""
        with self.deed("freeze", vm=vm):
            namespaces.batch(self.guests[vm].namespace, [f"link set {guests.NIC} down"])

    def thaw(self, vm: str) -> None:
        """Let a frozen guest live again: its NIC comes up, with DAD and router solicitation."""
        with self.deed("thaw", vm=vm):
            namespaces.batch(self.guests[vm].namespace, [f"link set {guests.NIC} up"])

    def cut(self, vm: str) -> None:
        """Remove a guest's port, as when it is stopped: the VTEP notices."""
        guest = self.guests[vm]
        with self.deed("cut", vm=vm, vtep=guest.vtep):
            _leave(self, guest)

    def plug(self, vm: str) -> None:
        """Give a guest that was cut off its port on the same VTEP again."""
        guest = self.guests[vm]
        with self.deed("plug", vm=vm, vtep=guest.vtep):
            _plug(self, vm, guest.vtep, guest.vnet)
            guests.connect(vm, self.wires, guest.vtep)

    def change_mac(self, vm: str, mac: str) -> None:
        """Give a guest's NIC another MAC, without a word on the wire."""
        guest = self.guests[vm]
        with self.deed("change_mac", vm=vm, before=guest.mac, after=mac):
            self.run(vm, "sysctl", "-q", "-w", f"net.ipv6.conf.{guests.NIC}.addr_gen_mode=1")
            namespaces.batch(guest.namespace, [f"link set {guests.NIC} address {mac}"])
            self.guests[vm] = replace(guest, mac=mac)

    def add_address(self, vm: str, ip: str) -> None:
        """Give a guest a further address; IPv6 does DAD."""
        guest = self.guests[vm]
        with self.deed("add_address", vm=vm, ip=ip):
            version = 4 if protocol_of(ip) == "arp" else 6
            namespaces.batch(guest.namespace, [f"address add {ip}/{PREFIX_LENGTH[version]} dev {guests.NIC}"])
            four, six = ((*guest.ipv4, ip), guest.ipv6) if version == 4 else (guest.ipv4, (*guest.ipv6, ip))
            self.guests[vm] = replace(guest, ipv4=four, ipv6=six)

    def remove_address(self, vm: str, ip: str) -> None:
        """Take an address from a guest."""
        guest = self.guests[vm]
        with self.deed("remove_address", vm=vm, ip=ip):
            version = 4 if protocol_of(ip) == "arp" else 6
            namespaces.batch(guest.namespace, [f"address del {ip}/{PREFIX_LENGTH[version]} dev {guests.NIC}"])
            four, six = (tuple(one for one in all_of if one != ip) for all_of in (guest.ipv4, guest.ipv6))
            self.guests[vm] = replace(guest, ipv4=four, ipv6=six)

    def make_router(self, vm: str) -> None:
        """Let a guest forward IPv6: its advertisements carry the router flag from now on (RFC 4861, 4.4)."""
        with self.deed("make_router", vm=vm):
            self.run(vm, "sysctl", "-q", "-w", f"net.ipv6.conf.{guests.NIC}.forwarding=1")

    def hurry_neighbours(self, vm: str, seconds: float) -> None:
        """Set how long a guest takes a neighbour for reachable (30 s is usual) before it asks again, by unicast."""
        with self.deed("hurry_neighbours", vm=vm, seconds=seconds):
            settings = {
                f"net.{family}.neigh.{guests.NIC}.{name}": int(value)
                for family in ("ipv4", "ipv6")
                for name, value in (("base_reachable_time_ms", seconds * 1000), ("delay_first_probe_time", 1))
            }
            namespaces.write(self.guests[vm].namespace, settings)

    def fix_neighbour(self, vm: str, ip: str, mac: str) -> None:
        """Give a guest a static neighbour entry: it will not ask for that address."""
        with self.deed("fix_neighbour", vm=vm, ip=ip, mac=mac):
            line = f"neigh replace {ip} lladdr {mac} dev {guests.NIC} nud permanent"
            namespaces.batch(self.guests[vm].namespace, [line])

    def route_by_gateway(self, vm: str) -> None:
        """Give a guest default routes by its segment's gateway."""
        guest = self.guests[vm]
        vnet = self.fabric.vnet(guest.vnet)
        with self.deed("route_by_gateway", vm=vm):
            lines = [f"route replace default via {vnet.gateway4}"] if guest.ipv4 else []
            lines += [f"-6 route replace default via {vnet.gateway6}"] if guest.ipv6 else []
            for line in lines:
                self.run(vm, "ip", *line.split())


def _go(stage: Ground, vm: str, vtep: str, learning: str = "on") -> None:
    """Make a port on another VTEP and lead the guest's wire to it."""
    source = stage.guests[vm]
    _plug(stage, vm, vtep, source.vnet)
    namespaces.batch(stage.host(vtep).namespace, [f"link set {source.tap} type bridge_slave learning {learning}"])
    stage.homes.append((time.time_ns(), vm, vtep))
    stage.guests[vm] = replace(source, vtep=vtep)
    guests.connect(vm, stage.wires, vtep, source.vtep)


def _leave(stage: Ground, guest: Guest) -> None:
    """Remove a guest's port from a VTEP."""
    index = _index(stage, guest.vtep, guest.tap)
    guests.unplug(guest.name, stage.wires, guest.vtep)
    stage.emit("interface", "goes", {"host": guest.vtep, "interface": guest.tap, "ifindex": index})


def _plug(stage: Ground, vm: str, vtep: str, vnet: str) -> None:
    namespace, master = stage.host(vtep).namespace, stage.bridge(vtep, vnet)
    guests.plug(vm, stage.wires, vtep, namespace, master, _vlan(stage, vnet))
    _appears(stage, vtep, guests.tap_name(vm))


def _vlan(stage: Ground, vnet: str) -> int | None:
    return stage.fabric.vnet(vnet).vlan if stage.fabric.bridges == "vlan-aware" else None


def _appears(stage: Ground, host: str, interface: str) -> None:
    index = _index(stage, host, interface)
    told = {"host": host, "namespace": stage.host(host).namespace, "interface": interface, "ifindex": index}
    stage.emit("interface", "appears", told)


def _index(stage: Ground, host: str, interface: str) -> int:
    (found,) = (index for index, name in stage.interfaces(host).items() if name == interface)
    return found


def _guest(fabric: Fabric, vm: Vm, namespace: str) -> Guest:
    return Guest(
        name=vm.name,
        mac=vm.mac,
        ipv4=vm.ipv4,
        ipv6=vm.ipv6,
        link_local=vm.link_local,
        vnet=vm.vnet,
        vni=fabric.vnet(vm.vnet).vni,
        vtep=vm.vtep,
        tap=guests.tap_name(vm.name),
        namespace=namespace,
    )

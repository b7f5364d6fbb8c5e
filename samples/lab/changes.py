"""What is changed on the VTEPs of the lab's world: gateways, suppression, tables, routing; each one a deed."""

import time
from collections.abc import Callable

from samples.lab import bridges, namespaces
from samples.lab.ground import Ground
from samples.lab.routing import AS_NUMBER, address

CENTISECONDS = 100


class Changes(Ground):
    """The deeds that change VTEPs."""

    def add_gateway(self, vnet: str, arp_accept: bool = True) -> None:
        """Give the SVIs of every VTEP the gateway's addresses; `arp_accept` as Proxmox VE sets it then."""
        with self.deed("add_gateway", vnet=vnet, arp_accept=arp_accept):
            for vtep in self.fabric.vteps:
                device = self.svi(vtep, vnet)
                if arp_accept:
                    settings = {f"net.ipv4.conf.{device}.arp_accept": 1}
                    namespaces.write(self.host(vtep).namespace, settings)
                namespaces.batch(
                    self.host(vtep).namespace, bridges.gateway_lines(self.fabric, self.fabric.vnet(vnet), "replace")
                )

    def remove_gateway(self, vnet: str) -> None:
        """Take the gateway's addresses from every VTEP."""
        with self.deed("remove_gateway", vnet=vnet):
            for vtep in self.fabric.vteps:
                lines = bridges.gateway_lines(self.fabric, self.fabric.vnet(vnet), "del")
                namespaces.batch(self.host(vtep).namespace, [line.removesuffix(" nodad") for line in lines])

    def accept_untracked(self, vnet: str, on: bool) -> None:
        """Let every VTEP's SVI learn from announcements (arp_accept, accept_untracked_na), or not."""
        with self.deed("accept_untracked", vnet=vnet, on=on):
            for vtep in self.fabric.vteps:
                device = self.svi(vtep, vnet)
                settings = {
                    f"net.ipv4.conf.{device}.arp_accept": int(on),
                    f"net.ipv6.conf.{device}.accept_untracked_na": int(on),
                }
                namespaces.write(self.host(vtep).namespace, settings)

    def disable_ipv6(self, vtep: str, vnet: str) -> None:
        """Switch IPv6 off on an SVI."""
        with self.deed("disable_ipv6", vtep=vtep, vnet=vnet):
            _ipv6(self, vtep, vnet, on=False)

    def enable_ipv6(self, vtep: str, vnet: str) -> None:
        """Switch IPv6 on again on an SVI."""
        with self.deed("enable_ipv6", vtep=vtep, vnet=vnet):
            _ipv6(self, vtep, vnet, on=True)

    def suppress(self, vtep: str, vnet: str, on: bool) -> None:
        """Switch ARP and ND suppression of a segment's VXLAN port on or off."""
        with self.deed("suppress", vtep=vtep, vnet=vnet, on=on):
            line = f"link set dev {self.vxlan(vtep, vnet)} neigh_suppress {'on' if on else 'off'}"
            self.run(vtep, "bridge", *line.split())

    def age_after(self, vnet: str, seconds: int) -> None:
        """Set how long the bridges remember a silent MAC (300 s is usual)."""
        with self.deed("age_after", vnet=vnet, seconds=seconds):
            for vtep in self.fabric.vteps:
                line = f"link set {self.bridge(vtep, vnet)} type bridge ageing_time {seconds * CENTISECONDS}"
                namespaces.batch(self.host(vtep).namespace, [line])

    def age_neighbours_after(self, vnet: str, seconds: int) -> None:
        """Set how long the SVIs take a neighbour for reachable (30 s is usual), and how soon unused ones go."""
        with self.deed("age_neighbours_after", vnet=vnet, seconds=seconds):
            for vtep in self.fabric.vteps:
                device = self.svi(vtep, vnet)
                settings = {
                    f"net.{family}.neigh.{device}.{name}": value
                    for family in ("ipv4", "ipv6")
                    for name, value in (("base_reachable_time_ms", seconds * 1000), ("gc_stale_time", seconds))
                }
                namespaces.write(self.host(vtep).namespace, settings)

    def set_neighbour(self, vtep: str, vnet: str, ip: str, mac: str) -> None:
        """Write a neighbour entry into a VTEP's SVI as zebra would install a remote one."""
        with self.deed("set_neighbour", vtep=vtep, vnet=vnet, ip=ip, mac=mac):
            line = f"neigh replace {ip} lladdr {mac} dev {self.svi(vtep, vnet)} nud noarp extern_learn"
            namespaces.batch(self.host(vtep).namespace, [line])

    def forget_neighbour(self, vtep: str, vnet: str, ip: str) -> None:
        """Delete a neighbour entry of a VTEP's SVI."""
        with self.deed("forget_neighbour", vtep=vtep, vnet=vnet, ip=ip):
            self.run(vtep, "ip", "neigh", "del", ip, "dev", self.svi(vtep, vnet), check=False)

    def forget_mac(self, vtep: str, vnet: str, mac: str) -> None:
        """Delete a MAC from a VTEP's bridge table: frames to it are then flooded."""
        with self.deed("forget_mac", vtep=vtep, vnet=vnet, mac=mac):
            self.run(vtep, "bridge", "fdb", "del", mac, "dev", self.vxlan(vtep, vnet), "master", check=False)

    def forget_local_mac(self, vm: str) -> None:
        """Delete a guest's MAC from its own VTEP's bridge table: its routes are withdrawn until it speaks again."""
        guest = self.guests[vm]
        with self.deed("forget_local_mac", vm=vm, vtep=guest.vtep):
            self.run(guest.vtep, "bridge", "fdb", "del", guest.mac, "dev", guest.tap, "master", check=False)

    def proxy_at_port(self, vm: str, on: bool) -> None:
        """Let a guest's port answer ARP for whom the bridge knows (proxy_arp), whatever is flooded besides."""
        guest = self.guests[vm]
        with self.deed("proxy_at_port", vm=vm, vtep=guest.vtep, on=on):
            line = f"link set {guest.tap} type bridge_slave proxy_arp {'on' if on else 'off'}"
            namespaces.batch(self.host(guest.vtep).namespace, [line])

    def refuse_routes(self, vtep: str, remote: str, kind: str) -> None:
        """Let a VTEP ignore the routes of a kind from another: "multicast" (type 3: its flood list) or "macip"."""
        name = f"NO-{kind.upper()}"
        with self.deed("refuse_routes", vtep=vtep, remote=remote, kind=kind):
            self.router(vtep).configure(
                f"route-map {name} deny 10",
                f"match evpn route-type {kind}",
                "exit",
                f"route-map {name} permit 20",
                "exit",
                f"router bgp {AS_NUMBER}",
                "address-family l2vpn evpn",
                f"neighbor {address(self.fabric, remote)} route-map {name} in",
            )

    def configure(self, vtep: str, *lines: str) -> None:
        """Type lines into a VTEP's FRR."""
        with self.deed("configure", vtep=vtep, lines=list(lines)):
            self.router(vtep).configure(*lines)

    def set_gateway_mac(self, vtep: str, vnet: str, mac: str) -> None:
        """Give one VTEP's SVI another MAC."""
        with self.deed("set_gateway_mac", vtep=vtep, vnet=vnet, mac=mac):
            namespaces.batch(self.host(vtep).namespace, [f"link set {self.svi(vtep, vnet)} address {mac}"])

    def uplink(self, vtep: str, up: bool) -> None:
        """Set a VTEP's underlay interface up or down."""
        with self.deed("uplink", vtep=vtep, up=up):
            namespaces.batch(self.host(vtep).namespace, [f"link set {bridges.UPLINK} {'up' if up else 'down'}"])

    def until(self, what: str, is_so: Callable[[], bool], seconds: float = 10.0) -> bool:
        """Wait until something is so, at most that long; return whether it came to be."""
        with self.deed("until", condition=what) as details:
            end = time.monotonic() + seconds
            while not (now := is_so()) and time.monotonic() < end:
                time.sleep(0.02)
            details["met"] = now
        return now

    def until_aged(self, vm: str, seconds: float) -> bool:
        """Wait until a guest's VTEP has forgotten its MAC, at most that long; return whether it has."""
        guest = self.guests[vm]
        table = ("bridge", "fdb", "show", "br", self.bridge(guest.vtep, guest.vnet))
        return self.until(f"{vm} aged", lambda: guest.mac not in self.run(guest.vtep, *table), seconds)


def _ipv6(stage: Ground, vtep: str, vnet: str, on: bool) -> None:
    device = f"net.ipv6.conf.{stage.svi(vtep, vnet)}"
    namespaces.write(stage.host(vtep).namespace, {f"{device}.dad_transmits": 1, f"{device}.disable_ipv6": int(not on)})

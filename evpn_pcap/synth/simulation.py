"""Actions of VMs and operators become frames at every vantage point, and their truth."""

from evpn_pcap.synth import frames
from evpn_pcap.synth.clock import SECOND
from evpn_pcap.synth.control import Binding, ControlPlane, Terms
from evpn_pcap.synth.exchange import Answer, Exchange, Guests, Request
from evpn_pcap.synth.fabric import MICROSECOND, MILLISECOND, Fabric, Vm
from evpn_pcap.synth.recording import Recording
from evpn_pcap.synth.truth import Truth
from evpn_pcap.synth.wire import OUTGOING, Wire
from evpn_pcap.synth.writer import Record

RETRY_NS = 1_024 * MILLISECOND  # Linux asks three times, about a second apart
ATTEMPTS = 3
AGEING_S = 300  # of a Linux bridge's FDB


class Simulation:
    """A fabric in action. Each method is something that happens; `recording()` is what was seen.

    VMs are silent until told otherwise; their VTEPs announce their MACs from `connect` on.
    Methods move the time on by what they take; `wait` moves it further.
    """

    def __init__(self, fabric: Fabric) -> None:
        self.fabric = fabric
        self.now_ns = fabric.start_ns
        self._wire = Wire(fabric)
        self._control = ControlPlane(self._wire)
        self._guests = Guests(fabric)
        self._exchange = Exchange(self._wire, self._control, self._guests)
        self._without_ipv6: set[str] = set()
        self._listening_ns = fabric.start_ns
        self._truth = Truth(self._wire, self._control)
        self._pings = 0

    def vm(self, name: str) -> Vm:
        """Return a VM by its name."""
        return self._guests.vms[name]

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.now_ns += round(seconds * SECOND)

    def begin(self) -> None:
        """Plug every VM in, its address known, bring BGP up, and wait until all is quiet."""
        for vm in self.fabric.vms:
            self.connect(vm.name, vm.ip)
        self.start_sessions()
        self.wait(3)

    def start_sessions(self) -> None:
        """Bring up BGP between all VTEPs; what was announced before goes into their first tables."""
        self.now_ns = self._control.start(self.now_ns)

    def start_capture(self) -> None:
        """Listen from now on: what was sent before is in no capture."""
        self._listening_ns = self.now_ns

    def connect(self, vm: str, *ips: str) -> None:
        """Plug a VM in: its VTEP announces the MAC, and MAC/IP for addresses that it knows already."""
        self._guests.connected.append(vm)
        self.announce(vm, None, *ips)

    def announce(self, vm: str, *ips: str | None, sequence: int = 0, terms: Terms | None = None) -> None:
        """Let the VM's VTEP announce its MAC with each address; None is the MAC-only route.

        `terms` are what the routes say, where it is more than a mobility sequence.
        """
        mac, vtep = self._guests.vms[vm].mac, self._wire.home[vm]
        self._control.announce(vtep, [(mac, ip) for ip in ips], self.now_ns, terms or Terms(sequence))

    def withdraw(self, vm: str, *ips: str | None, vtep: str | None = None) -> None:
        """Let the VM's VTEP (or the named one) withdraw routes, all in one UPDATE where they fit."""
        mac = self._guests.vms[vm].mac
        self._control.withdraw(vtep or self._wire.home[vm], [(mac, ip) for ip in ips], self.now_ns)

    def age_out(self, vm: str) -> None:
        """Let a VM be silent: five minutes after its last frame its VTEP withdraws all that it announced for it."""
        sent = [at_ns for at_ns, _, direction in self._wire.seen[vm, self.fabric.nic] if direction == OUTGOING]
        self.now_ns = max(sent, default=self.now_ns) + AGEING_S * SECOND
        mac, advertised = self._guests.vms[vm].mac, self._control.advertised[self._wire.home[vm]]
        self.withdraw(vm, *[ip for owner, ip in advertised if owner == mac])

    def restart(self, vtep: str, down_s: float, *lost: tuple[str, str]) -> None:
        """Let a VTEP's BGP daemon restart: its sessions are reset now and up again later.

        `lost` are a VM's addresses that it no longer announces then: (VM, IP).
        """
        back_ns = self.now_ns + round(down_s * SECOND)
        self._control.restart(vtep, self.now_ns, back_ns, [(self._guests.vms[vm].mac, ip) for vm, ip in lost])

    def suppress(self, vtep: str, *, is_on: bool) -> None:
        """Switch suppression at a VTEP's vxlan port on or off."""
        (self._exchange.unsuppressed.discard if is_on else self._exchange.unsuppressed.add)(vtep)

    def disable_ipv6(self, vtep: str) -> None:
        """Disable IPv6 on a VTEP's bridge: every MAC/IPv6 route is withdrawn at once, its neighbours are gone."""
        self._without_ipv6.add(vtep)
        routes = [route for route in self._control.advertised[vtep] if route[1] is not None and ":" in route[1]]
        self._control.withdraw(vtep, routes, self.now_ns)
        self._control.forget_own(vtep, True, self.now_ns)

    def move(self, vm: str, vtep: str, *ips: str, sequence: int | None = None, old_stays_s: float = 0.07) -> None:
        """Migrate a VM: the new VTEP announces (with a higher sequence), the old one withdraws, QEMU sends RARP."""
        old, mac = self._wire.home[vm], self._guests.vms[vm].mac
        routes = {route: terms.sequence for route, terms in self._control.advertised[old].items() if route[0] == mac}
        self._wire.home[vm] = vtep
        frame = frames.rarp_announcement(mac)
        self._wire.broadcast(self._guests.vms[vm], self.now_ns, frame, is_flooded=True)
        self._truth.announcement("rarp", vm, "", self.now_ns, crossed=True)
        higher = max(routes.values(), default=0) + 1
        self.announce(vm, None, *ips, sequence=higher if sequence is None else sequence)
        self.wait(old_stays_s)  # until the old VTEP has heard of it
        self._control.withdraw(old, list(routes), self.now_ns)

    def relocate(self, vm: str, vtep: str) -> None:
        """Carry a VM to another VTEP that does not notice: nothing is announced or withdrawn."""
        self._wire.home[vm] = vtep

    def unplug(self, vm: str) -> None:
        """Take a VM off the net without its VTEP noticing: its routes stay."""
        self._guests.connected.remove(vm)
        self._wire.unplugged.add(vm)

    def teach(self, vtep: str, ip: str, mac: str) -> None:
        """Let a VTEP's kernel hold a neighbour entry that no route gave it."""
        self._control.learn(vtep, ip, Binding(mac, vtep, self.now_ns, is_route=False))

    def forget(self, *vms: str) -> None:
        """Flush the neighbour tables of VMs."""
        for vm in vms:
            self._guests.neighbours[vm].clear()

    def announcement(self, vm: str, *, learns: bool = False) -> None:
        """Let a VM send a gratuitous ARP; kept off the overlay; with `learns` (arp_accept) its VTEP announces it."""
        one = self._guests.vms[vm]
        crosses = self._wire.home[vm] in self._exchange.unsuppressed
        self._wire.broadcast(one, self.now_ns, frames.arp_request(one.mac, one.ip, one.ip), is_flooded=crosses)
        self._truth.announcement("gratuitous", vm, one.ip, self.now_ns, crossed=crosses)
        if learns:
            self.announce(vm, one.ip)
        self.wait(0.01)

    def probe(self, vm: str, ip: str, answered_with: str | None = None) -> None:
        """Let a VM probe an address (RFC 5227, or duplicate address detection); kept off the overlay.

        `answered_with` is the MAC that its VTEP answers an ARP probe with; Linux does not answer.
        """
        one = self._guests.vms[vm]
        crosses = self._wire.home[vm] in self._exchange.unsuppressed
        ask = frames.neighbour_solicitation if ":" in ip else frames.arp_request
        frame = ask(one.mac, "::" if ":" in ip else "0.0.0.0", ip)
        tap_ns, _ = self._wire.broadcast(one, self.now_ns, frame, is_flooded=crosses)
        if answered_with is not None:
            self._wire.enter(
                one, tap_ns + self._wire.pause(6, 20), frames.arp_reply(answered_with, ip, one.mac, "0.0.0.0")
            )
        self._truth.announcement("probe", vm, ip, self.now_ns, crossed=crosses)
        self.wait(0.01)

    def emit(self, vm: str, frame: bytes) -> None:
        """Let a VM send a multicast frame of any content; it is flooded."""
        self._wire.broadcast(self._guests.vms[vm], self.now_ns, frame, is_flooded=True)
        self.wait(0.01)

    def solicit_routers(self, vm: str) -> None:
        """Let a VM send an RS: flooded, so every VTEP learns MAC and link-local address; its own announces them."""
        one, home = self._guests.vms[vm], self._wire.home[vm]
        frame = frames.router_solicitation(one.mac, one.link_local)
        _, reached = self._wire.broadcast(one, self.now_ns, frame, is_flooded=True)
        self._truth.announcement("rs", vm, one.link_local, self.now_ns, crossed=True)
        for vtep in {self._wire.home[other] for other in reached} - {home} - self._without_ipv6:
            learned = Binding(one.mac, home, self.now_ns + MILLISECOND, is_route=False)
            self._control.learn(vtep, one.link_local, learned)
        if home not in self._without_ipv6:
            self.announce(vm, one.link_local)
        self.wait(0.01)

    def resolve(self, vm: str, target: str) -> bool:
        """Let a VM ask for an address (or a VM's IPv4 address), up to three times; return whether it was answered."""
        one, ip = self._guests.vms[vm], self._guests.address(target)
        requests: list[Request] = []
        while len(requests) < ATTEMPTS:
            requests.append(self._exchange.ask(one, ip, self.now_ns))
            if requests[-1].answers:
                self.now_ns = requests[-1].answers[0].at_ns
                self._guests.neighbours[vm][ip] = requests[-1].answers[0].mac
                break
            self.now_ns += RETRY_NS
        self._truth.resolution(one, ip, requests)
        return bool(requests[-1].answers)

    def ping(self, vm: str, target: str, count: int = 2, period_s: float = 1.0) -> int:
        """Let a VM ping an address, resolving first what its neighbour table lacks; return the number of replies."""
        one, ip = self._guests.vms[vm], self._guests.address(target)
        self._pings += 1
        if ip not in self._guests.neighbours[vm] and not self.resolve(vm, ip):
            return 0
        replies = 0
        for sequence in range(1, count + 1):
            begin_ns = self.now_ns
            replies += self._echo(one, ip, sequence)
            self.now_ns = max(self.now_ns, begin_ns + round(period_s * SECOND))
        return replies

    def traffic(self, first: str, second: str, count: int, period_us: int) -> None:
        """Let two VMs send each other `count` UDP datagrams each: food for the clocks."""
        ends = self._guests.vms[first], self._guests.vms[second]
        for number in range(count):
            for sender, receiver in (ends, ends[::-1]):
                ports, payload = (5000 + self._pings, 5001), number.to_bytes(8) * 8
                datagram = frames.udp(sender.ip, receiver.ip, ports, payload)
                content = frames.packet(sender.ip, receiver.ip, frames.UDP, datagram)
                frame = frames.ethernet(sender.mac, receiver.mac, *content)
                self._wire.unicast(sender, receiver, self.now_ns + self._wire.pause(1, period_us // 2), frame)
            self.now_ns += period_us * MICROSECOND
        self._pings += 1  # so that no two calls send the same packets

    def send(self, vm: str, mac: str, ip: str, *vteps: str, count: int = 1, period_s: float = 0.5) -> None:
        """Let a VM send datagrams to a MAC; they get as far as the bridges of these VTEPs, and nobody takes them."""
        sender = self._guests.vms[vm]
        self._pings += 1
        for number in range(count):
            datagram = frames.udp(sender.ip, ip, (6000 + self._pings, 5001), number.to_bytes(8) * 4)
            frame = frames.ethernet(sender.mac, mac, *frames.packet(sender.ip, ip, frames.UDP, datagram))
            self._wire.carry(sender, vteps, self.now_ns, frame)
            self.wait(period_s)

    def refresh(self, vm: str, target: str) -> None:
        """Let a VM ask the neighbour that it knows whether it is still there: unicast."""
        ip = self._guests.address(target)
        self.now_ns = self._exchange.refresh(self._guests.vms[vm], ip, self.now_ns)

    def ask_from_gateway(self, vtep: str, target: str, count: int = 3) -> None:
        """Let a VTEP's bridge device ask for a VM over the fabric; the answer stays at the VM's VTEP."""
        one, gateway_mac = self._guests.vms[target], self.fabric.gateway_mac_at(vtep)
        asker = Vm(vtep, gateway_mac, self.fabric.gateway or "", vtep, self.fabric.bridge)
        request = frames.arp_request(gateway_mac, self.fabric.gateway or "", one.ip)
        reply = frames.arp_reply(one.mac, one.ip, gateway_mac, self.fabric.gateway or "")
        for _ in range(count):
            heard = self._wire.broadcast_from_bridge(vtep, self.now_ns, request, is_flooded=True)
            answered_ns = heard[target] + self._wire.pause(8, 25)
            self._wire.to_gateway(one, answered_ns, reply)
            answer = Answer(answered_ns, one.mac, target)
            self._truth.resolution(asker, one.ip, [Request(self.now_ns, "flooded", False, (answer,), tuple(heard))])
            self.now_ns += RETRY_NS

    def announce_gateway(self, vtep: str) -> None:
        """Let a VTEP's bridge device tell its own machines its address: gratuitous ARP, not sent over the fabric."""
        mac, gateway = self.fabric.gateway_mac_at(vtep), self.fabric.gateway or ""
        self._wire.broadcast_from_bridge(vtep, self.now_ns, frames.arp_request(mac, gateway, gateway), is_flooded=False)
        self.wait(0.01)

    def recording(self) -> Recording:
        """Return everything that was seen since `start_capture`, and the truth about it."""
        self._control.finish(self.now_ns)
        captures = {
            place: tuple(
                Record(self._reading(place[0], at_ns), octets, direction)
                for at_ns, octets, direction in sorted(seen, key=lambda one: one[0])
                if at_ns >= self._listening_ns
            )
            for place, seen in self._wire.seen.items()
        }
        return Recording(self.fabric, captures, self._truth.words(self._listening_ns), self._listening_ns, self.now_ns)

    def _reading(self, host: str, true_ns: int) -> int:
        """Return what a host's clock showed at a true moment."""
        clock = self.fabric.clocks.get(host)
        return true_ns if clock is None else clock.reading(true_ns, self.fabric.start_ns)

    def _echo(self, vm: Vm, ip: str, sequence: int) -> bool:
        """Send one echo request and its reply to whoever has the MAC that the VM learned; return whether it came."""
        mac, source = self._guests.neighbours[vm.name][ip], vm.address(ip)
        request = frames.echo(source, (mac, ip), self._pings, sequence)
        if ip == self.fabric.gateway and mac == self.fabric.gateway_mac_at(self._wire.home[vm.name]):
            arrived_ns = self._wire.to_gateway(vm, self.now_ns + self._wire.pause(4, 4), request)
            reply = frames.echo((mac, ip), source, self._pings, sequence, is_reply=True)
            self.now_ns = self._wire.from_gateway(vm, arrived_ns + self._wire.pause(30, 40), reply)
            return True
        owners = [other for other in self._guests.owners(ip, vm) if other.mac == mac]
        if not owners:
            homes = [self._wire.home[other.name] for other in self.fabric.vms if other.mac == mac]
            self._wire.carry(vm, homes[:1], self.now_ns + self._wire.pause(4, 4), request)
        for owner in owners:
            self.now_ns = self._wire.unicast(vm, owner, self.now_ns + self._wire.pause(4, 4), request)
            if source[1] in self._guests.neighbours[owner.name] or self.resolve(owner.name, source[1]):
                reply = frames.echo((mac, ip), source, self._pings, sequence, is_reply=True)
                self.now_ns = self._wire.unicast(owner, vm, self.now_ns + self._wire.pause(6, 10), reply)
        return bool(owners)

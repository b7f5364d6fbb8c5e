"""What VTEPs tell each other: BGP sessions in TCP, routes with the moments they took effect.

An UPDATE leaves about 50 ms after what caused it and is in the remote kernel 10 ms after its
arrival, as measured on FRR; a withdrawal leaves at once.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations

from evpn_pcap.model import FOREVER
from evpn_pcap.synth import bgp, frames
from evpn_pcap.synth.clock import SECOND
from evpn_pcap.synth.fabric import MICROSECOND, MILLISECOND, Vtep
from evpn_pcap.synth.wire import INCOMING, OUTGOING, Wire

UPDATE_AFTER_NS = 50 * MILLISECOND
KERNEL_AFTER_NS = 10 * MILLISECOND
KEEPALIVE_NS = 9 * SECOND
ROUTES_PER_WITHDRAW = 5
SYN, SYN_ACK, ACK, PUSH_ACK, RST_ACK = 0x02, 0x12, 0x10, 0x18, 0x14
Route = tuple[str, str | None]  # MAC, IP


@dataclass(frozen=True, slots=True)
class Binding:
    """What one VTEP's kernel knew about an address, and from when until when."""

    mac: str
    origin: str  # VTEP that it came from
    from_ns: int
    until_ns: int = FOREVER
    is_route: bool = True  # False: learned from a flooded frame


@dataclass(frozen=True, slots=True)
class Terms:
    """What a VTEP says with one route."""

    sequence: int = 0  # MAC mobility
    esi: bytes = bytes(10)
    router_mac: str | None = None  # None: the VTEP's own


PLAIN = Terms()


@dataclass(frozen=True, slots=True)
class _Segment:
    """One TCP segment to be: who sends it when, and when it arrives."""

    sent_ns: int
    arrived_ns: int
    sender: str
    receiver: str
    flags: int
    payload: bytes = b""
    connection: int = 0  # of the two VTEPs, one after another


@dataclass(slots=True)
class _End:
    """One end of a TCP connection while its segments are written down."""

    port: int
    sequence: int
    last_arrived_ns: int = 0  # at this end: a link keeps the order
    last_acknowledged: int = 0
    received: list[tuple[int, int]] = field(default_factory=list)  # arrival, sequence after it

    def acknowledged(self, at_ns: int) -> int:
        """Return the sequence number up to which everything had arrived."""
        return max((end for arrived_ns, end in self.received if arrived_ns <= at_ns), default=0)


class ControlPlane:
    """The BGP full mesh of a fabric's VTEPs."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.events: list[dict[str, object]] = []  # truth: each announcement and withdrawal
        self.advertised: dict[str, dict[Route, Terms]] = defaultdict(dict)  # VTEP -> route -> what it says
        self._known: dict[tuple[str, str], list[Binding]] = defaultdict(list)  # (VTEP, IP) -> bindings
        self._segments: dict[tuple[str, str], list[_Segment]] = defaultdict(list)
        self._connections: dict[tuple[str, str], int] = defaultdict(int)  # the newest of each pair
        self._restarted: set[str] = set()
        self._started_ns: int | None = None

    def known(self, vtep: str, ip: str, at_ns: int) -> Binding | None:
        """Return what a VTEP would answer with for an address at a moment; the newest binding wins."""
        valid = [one for one in self._known[vtep, ip] if one.from_ns <= at_ns < one.until_ns]
        return max(valid, key=lambda binding: binding.from_ns, default=None)

    def learn(self, vtep: str, ip: str, binding: Binding) -> None:
        """Note what a VTEP learned from a flooded frame."""
        self._known[vtep, ip].append(binding)

    def start(self, at_ns: int) -> int:
        """Bring all sessions up and exchange tables; return when that is done."""
        self._started_ns = at_ns
        for first, second in combinations(self.wire.fabric.vteps, 2):
            ready_ns = self._shake_hands(first, second, at_ns)
            for sender, receiver in ((first, second), (second, first)):
                self._send_table(sender, receiver, ready_ns + self.wire.pause(500, 400))
        return at_ns + SECOND

    def announce(self, vtep: str, routes: Sequence[Route], at_ns: int, terms: Terms = PLAIN) -> None:
        """Advertise routes, one UPDATE each; before the sessions are up they wait in the table."""
        for number, route in enumerate(routes):
            self.advertised[vtep][route] = terms
            self._note(vtep, "announce", route, at_ns, terms.sequence)
            if self._started_ns is not None:
                self._announce_to_peers(vtep, route, at_ns + number * 200 * MICROSECOND)

    def withdraw(self, vtep: str, routes: Sequence[Route], at_ns: int) -> None:
        """Withdraw routes at once, up to five in an UPDATE."""
        for route in routes:
            self._note(vtep, "withdraw", route, at_ns, self.advertised[vtep].pop(route).sequence)
        groups = [routes[at : at + ROUTES_PER_WITHDRAW] for at in range(0, len(routes), ROUTES_PER_WITHDRAW)]
        for peer in self._peers(vtep):
            for group in groups:
                message = bgp.withdraw([self._nlri(vtep, route, is_withdrawn=True) for route in group])
                arrived_ns = self._send(vtep, peer.name, at_ns + self.wire.pause(2, 300), message)
                for route in group:
                    self._forget(peer.name, vtep, route, arrived_ns + KERNEL_AFTER_NS)

    def restart(self, vtep: str, at_ns: int, back_ns: int, lost: Sequence[Route]) -> None:
        """Let a VTEP's bgpd end and come back, without some of its routes.

        Who was told routes keeps them until the new table has ended, if their VTEP lists graceful restart; else the
        reset takes them.
        """
        for route in lost:
            self._note(vtep, "withdraw", route, back_ns, self.advertised[vtep].pop(route).sequence)
        self._restarted.add(vtep)
        for peer in self._peers(vtep):
            reset_ns = self._segment(vtep, peer.name, at_ns, RST_ACK, b"")
            first, second = (self.wire.vtep(name) for name in sorted((vtep, peer.name)))
            self._connections[first.name, second.name] += 1
            ready_ns = self._shake_hands(first, second, back_ns)
            for origin, receiver in ((first, second), (second, first)):
                is_kept = self.wire.fabric.habit(origin.name).lists_graceful_restart
                if not is_kept:
                    self._forget_all(receiver.name, origin.name, reset_ns)
                ended_ns = self._send_table(origin, receiver, ready_ns + self.wire.pause(500, 400))
                for route in lost if is_kept and origin.name == vtep else ():
                    self._forget(receiver.name, vtep, route, ended_ns + KERNEL_AFTER_NS)

    def forget_own(self, vtep: str, is_ipv6: bool, at_ns: int) -> None:
        """Empty a VTEP's own neighbour table of one family, as disabling the family on the bridge does."""
        for (owner, ip), bindings in self._known.items():
            if owner == vtep and (":" in ip) == is_ipv6:
                bindings[:] = [replace(one, until_ns=min(one.until_ns, at_ns)) for one in bindings]

    def finish(self, at_ns: int) -> None:
        """Keep the sessions alive until `at_ns` and put every segment on the wire."""
        for (first, second), segments in self._segments.items():
            for connection in range(self._connections[first, second] + 1):
                mine = [one for one in segments if one.connection == connection]
                started_ns, end_ns = (
                    mine[0].sent_ns,
                    min([at_ns, *(one.sent_ns for one in mine if one.flags == RST_ACK)]),
                )
                for number, (sender, receiver) in enumerate(((first, second), (second, first)), start=1):
                    begin_ns = started_ns + SECOND + number * 7 * MILLISECOND
                    for sent_ns in range(begin_ns, end_ns, KEEPALIVE_NS):
                        moment_ns = sent_ns + self.wire.pause(10, 900)
                        self._send(sender, receiver, moment_ns, bgp.keepalive(), connection)
            self._write_down((first, second), segments)

    def _shake_hands(self, first: Vtep, second: Vtep, at_ns: int) -> int:
        """Open the TCP connection and the BGP session between two VTEPs; return when it is established."""
        begin_ns = at_ns + self.wire.pause(1000, 5000)
        moment_ns = begin_ns
        for sender, receiver, flags in ((first, second, SYN), (second, first, SYN_ACK), (first, second, ACK)):
            moment_ns = self._segment(sender.name, receiver.name, moment_ns, flags, b"") + 20 * MICROSECOND
        for message in ("open", "keepalive"):
            there_ns = self._send(first.name, second.name, moment_ns, self._greeting(first, message))
            back_ns = self._send(second.name, first.name, there_ns + 3 * MILLISECOND, self._greeting(second, message))
            moment_ns = back_ns + 400 * MICROSECOND
        return moment_ns

    def _greeting(self, sender: Vtep, message: str) -> bytes:
        """Return the OPEN or KEEPALIVE of a VTEP."""
        has_restarted = sender.name in self._restarted
        is_kept = has_restarted if self.wire.fabric.habit(sender.name).lists_graceful_restart else None
        offer = bgp.open_message(self.wire.fabric.asn, sender.ip, is_kept=is_kept, is_restarting=has_restarted)
        return offer if message == "open" else bgp.keepalive()

    def _send_table(self, sender: Vtep, receiver: Vtep, at_ns: int) -> int:
        """Send type 3, every route advertised so far, and End-of-RIB; return when that arrives."""
        habit = self.wire.fabric.habit(sender.name)
        if habit.has_multicast_route:
            self._send(sender.name, receiver.name, at_ns, self._multicast(sender))
        for number, route in enumerate(self.advertised[sender.name], start=1):
            self._advertise(sender.name, receiver.name, route, at_ns + number * 200 * MICROSECOND)
        if habit.has_end_of_rib:
            return self._send(sender.name, receiver.name, at_ns + 100 * MILLISECOND, bgp.end_of_rib())
        return FOREVER

    def _multicast(self, sender: Vtep) -> bytes:
        """Return the UPDATE with the type 3 route of a VTEP."""
        fabric, habit = self.wire.fabric, self.wire.fabric.habit(sender.name)
        route = bgp.multicast_route(bgp.route_distinguisher(sender.ip, 2), sender.ip)
        communities = [bgp.encapsulation(), self._route_target(sender.name)]
        return bgp.update(sender.ip, [route], communities, fabric.vni if habit.has_pmsi_tunnel else None)

    def _route_target(self, vtep: str) -> bytes:
        """Return the route target under which a VTEP announces its VNI."""
        fabric, number = self.wire.fabric, self.wire.fabric.habit(vtep).route_target
        return bgp.route_target(fabric.asn, fabric.vni if number is None else number)

    def _announce_to_peers(self, vtep: str, route: Route, at_ns: int) -> None:
        """Send one route to every peer, about 50 ms after its cause."""
        sent_ns = at_ns + UPDATE_AFTER_NS + self.wire.pause(10, 400)
        for number, peer in enumerate(self._peers(vtep)):
            self._advertise(vtep, peer.name, route, sent_ns + number * 120 * MICROSECOND)

    def _advertise(self, sender: str, receiver: str, route: Route, at_ns: int) -> None:
        """Send one route in one UPDATE and note when the receiver's kernel has it."""
        next_hop = self.wire.fabric.habit(sender).next_hop or self.wire.vtep(sender).ip
        message = bgp.update(next_hop, [self._nlri(sender, route)], self._communities(sender, route))
        arrived_ns = self._send(sender, receiver, at_ns, message)
        imports = self._route_target(sender) == self._route_target(receiver)
        if route[1] is not None and imports:
            self.learn(receiver, route[1], Binding(route[0], sender, arrived_ns + KERNEL_AFTER_NS))

    def _communities(self, vtep: str, route: Route) -> list[bytes]:
        """Return the communities of a route: with an IPv4 address and a gateway also the L3 VNI's."""
        fabric, habit, (_, ip) = self.wire.fabric, self.wire.fabric.habit(vtep), route
        found = [bgp.encapsulation()] if habit.has_encapsulation else []
        found.append(self._route_target(vtep))
        if self._is_routed(ip):
            found.append(bgp.route_target(fabric.asn, fabric.l3_vni))
            router_mac = self.advertised[vtep][route].router_mac or self.wire.vtep(vtep).mac
            found += [bgp.router_mac(router_mac)] if habit.has_router_mac else []
        if ip is not None and habit.nd_flags is not None:
            found.append(bgp.nd_flags(habit.nd_flags))
        sequence = self.advertised[vtep][route].sequence
        is_told = sequence > 0 or habit.is_sticky
        return found + ([bgp.mac_mobility(sequence, is_sticky=habit.is_sticky)] if is_told else [])

    def _nlri(self, vtep: str, route: Route, *, is_withdrawn: bool = False) -> bytes:
        """Return a type 2 route of a VTEP; label 0 in a withdrawal, as FRR writes it."""
        fabric, (mac, ip) = self.wire.fabric, route
        vnis = (fabric.vni, fabric.l3_vni) if self._is_routed(ip) else (fabric.vni,)
        rd, shift_bits = bgp.route_distinguisher(self.wire.vtep(vtep).ip, 2), fabric.habit(vtep).label_shift_bits
        if is_withdrawn:
            return bgp.mac_ip_route(rd, mac, ip, (0,))
        labels = [vni << shift_bits for vni in vnis]
        return bgp.mac_ip_route(rd, mac, ip, labels, self.advertised[vtep][route].esi)

    def _is_routed(self, ip: str | None) -> bool:
        """Return whether a route carries the L3 VNI as well."""
        return ip is not None and ":" not in ip and self.wire.fabric.gateway is not None

    def _forget(self, vtep: str, origin: str, route: Route, at_ns: int) -> None:
        """End what a VTEP knew through one route."""
        mac, ip = route
        if ip is not None:
            bindings = self._known[vtep, ip]
            gone = [one.mac == mac and one.origin == origin for one in bindings]
            ended = [replace(one, until_ns=min(one.until_ns, at_ns)) for one in bindings]
            bindings[:] = [new if is_gone else old for old, new, is_gone in zip(bindings, ended, gone, strict=True)]

    def _forget_all(self, vtep: str, origin: str, at_ns: int) -> None:
        """End what a VTEP knew through another one's routes."""
        for (owner, ip), bindings in list(self._known.items()):
            for mac in {one.mac for one in bindings if owner == vtep and one.is_route}:
                self._forget(vtep, origin, (mac, ip), at_ns)

    def _note(self, vtep: str, action: str, route: Route, at_ns: int, sequence: int) -> None:
        """Write an announcement or withdrawal into the truth."""
        mac, ip = route
        event = {"vtep": vtep, "t_ns": at_ns, "action": action, "mac": mac, "ip": ip or "", "seq": sequence}
        self.events.append(event | {"vni": self.wire.fabric.vni})

    def _peers(self, vtep: str) -> Iterable[Vtep]:
        """Return the other VTEPs once sessions are up."""
        return [peer for peer in self.wire.fabric.vteps if peer.name != vtep and self._started_ns is not None]

    def _send(self, sender: str, receiver: str, at_ns: int, message: bytes, connection: int | None = None) -> int:
        """Send a BGP message, to be acknowledged a little later; return when it arrives."""
        arrived_ns = self._segment(sender, receiver, at_ns, PUSH_ACK, message, connection)
        self._segment(receiver, sender, arrived_ns + self.wire.pause(15, 30), ACK, b"", connection)
        return arrived_ns

    def _segment(
        self, sender: str, receiver: str, at_ns: int, flags: int, payload: bytes, connection: int | None = None
    ) -> int:
        """Queue a TCP segment, of the newest connection unless another is named; return when it arrives."""
        first, second = sorted((sender, receiver))
        number = self._connections[first, second] if connection is None else connection
        arrived_ns = at_ns + self.wire.transit()
        self._segments[first, second].append(_Segment(at_ns, arrived_ns, sender, receiver, flags, payload, number))
        return arrived_ns

    def _write_down(self, pair: tuple[str, str], segments: list[_Segment]) -> None:
        """Number the segments of each connection in the order they were sent and let both ends see them."""
        port = 40_000 + sum(map(ord, pair[0] + pair[1]))
        ends = {
            (connection, name): _End(bgp.PORT if number else port + connection, 1000 * (number + 1))
            for connection in range(self._connections[pair] + 1)
            for number, name in enumerate(pair)
        }
        underlay = self.wire.fabric.underlay
        for one in sorted(segments, key=lambda segment: segment.sent_ns):
            sender, receiver = ends[one.connection, one.sender], ends[one.connection, one.receiver]
            addresses = self.wire.vtep(one.sender).address, self.wire.vtep(one.receiver).address
            numbers = (sender.sequence, sender.acknowledged(one.sent_ns))
            if one.flags == ACK and numbers[1] == sender.last_acknowledged:
                continue  # another segment has said so already
            arrived_ns = max(one.arrived_ns, receiver.last_arrived_ns + MICROSECOND)
            sender.last_acknowledged, receiver.last_arrived_ns = numbers[1], arrived_ns
            ips, both = (addresses[0][1], addresses[1][1]), (sender.port, receiver.port)
            segment = frames.tcp(*ips, both, numbers, one.flags, one.payload)
            frame = frames.ethernet(addresses[0][0], addresses[1][0], *frames.packet(*ips, frames.TCP, segment))
            self.wire.see(one.sender, underlay, one.sent_ns, frame, OUTGOING)
            self.wire.see(one.receiver, underlay, arrived_ns, frame, INCOMING)
            sender.sequence += len(one.payload) + bool(one.flags & SYN)
            receiver.received.append((arrived_ns, sender.sequence))

"""A question on the wire: the VTEP's decision, and who answers how. Suppression itself, simulated."""

from dataclasses import dataclass

from evpn_pcap.synth import frames
from evpn_pcap.synth.control import Binding, ControlPlane
from evpn_pcap.synth.fabric import Fabric, Vm
from evpn_pcap.synth.wire import Wire


@dataclass(frozen=True, slots=True)
class Answer:
    """One reply as the requester got it."""

    at_ns: int
    mac: str
    by: str  # VM, or `pve1:proxy`, or `pve1:EVPN1`


@dataclass(frozen=True, slots=True)
class Request:
    """One request: what became of it, and who answered."""

    sent_ns: int
    path: str  # "suppressed" | "local" | "gateway" | "flooded"
    is_route_known: bool
    answers: tuple[Answer, ...]
    delivered_to: tuple[str, ...]


class Guests:
    """The VMs of a fabric: which are plugged in, and what their neighbour tables hold."""

    def __init__(self, fabric: Fabric) -> None:
        self.vms = {vm.name: vm for vm in fabric.vms}
        self.neighbours: dict[str, dict[str, str]] = {vm.name: {} for vm in fabric.vms}  # VM -> IP -> MAC
        self.connected: list[str] = []

    def address(self, target: str) -> str:
        """Return an address as it is, or the IPv4 address of a VM."""
        return self.vms[target].ip if target in self.vms else target

    def owners(self, ip: str, but: Vm) -> list[Vm]:
        """Return the connected VMs that have an address."""
        others = [self.vms[name] for name in self.connected if name != but.name]
        return [vm for vm in others if ip in (vm.ip, vm.link_local)]


class Exchange:
    """Requests and their answers: the decisions of a Linux bridge with suppression."""

    def __init__(self, wire: Wire, control: ControlPlane, guests: Guests) -> None:
        self.unsuppressed: set[str] = set()  # VTEPs with suppression switched off
        self._fabric = wire.fabric
        self._wire = wire
        self._control = control
        self._guests = guests

    def ask(self, vm: Vm, ip: str, sent_ns: int) -> Request:
        """Send one request and everything that follows from it."""
        home, (mac, own) = self._wire.home[vm.name], vm.address(ip)
        binding = self._control.known(home, ip, sent_ns)
        is_gateway = ip == self._fabric.gateway
        is_local = home in [self._wire.home[other.name] for other in self._guests.owners(ip, vm)]
        path = self._path(home, is_gateway, is_local, binding)
        frame = (frames.neighbour_solicitation if ":" in ip else frames.arp_request)(mac, own, ip)
        tap_ns, reached = self._wire.broadcast(vm, sent_ns, frame, is_flooded=path == "flooded")
        if is_gateway:
            answers = [self._answer_as_gateway(vm, tap_ns)]
        elif path == "suppressed" and binding is not None:
            answers = [self._answer_as_proxy(vm, ip, binding.mac, tap_ns)]
        else:
            owners = [other for other in self._guests.owners(ip, vm) if other.name in reached]
            answers = [self._answer_as_owner(other, vm, ip, reached[other.name]) for other in owners]
        is_known = binding is not None and binding.is_route
        return Request(sent_ns, path, is_known, tuple(sorted(answers, key=lambda one: one.at_ns)), tuple(reached))

    def refresh(self, vm: Vm, ip: str, sent_ns: int) -> int:
        """Send a unicast request to the neighbour that a VM knows; return when the last answer came.

        It is forwarded to the owner; a kernel before 6.16 answers it as well.
        """
        home, (mac, own), known = self._wire.home[vm.name], vm.address(ip), self._guests.neighbours[vm.name][ip]
        if ":" in ip:
            frame = frames.neighbour_solicitation(mac, own, ip, (known, ip))
        else:
            frame = frames.arp_request(mac, own, ip, known)
        habit, binding = self._fabric.habit(home), self._control.known(home, ip, sent_ns)
        if binding is not None and habit.proxies_unicast:
            tap_ns = sent_ns + self._wire.pause(10, 10)
            if not habit.forwards_unicast:
                return self._answer_as_proxy(vm, ip, binding.mac, self._wire.to_gateway(vm, sent_ns, frame)).at_ns
            self._answer_as_proxy(vm, ip, binding.mac, tap_ns)
        last_ns = sent_ns
        for owner in [other for other in self._guests.owners(ip, vm) if other.mac == known]:
            asked_ns = self._wire.unicast(vm, owner, sent_ns, frame)
            last_ns = self._answer_as_owner(owner, vm, ip, asked_ns).at_ns
        return last_ns

    def _path(self, home: str, is_gateway: bool, is_local: bool, binding: Binding | None) -> str:
        """Return which way a request goes: the Linux bridge's decisions, in their order."""
        if home in self.unsuppressed:
            return "flooded"
        if is_gateway:
            return "gateway"
        if is_local:
            return "local"
        return "flooded" if binding is None else "suppressed"

    def _answer_as_gateway(self, vm: Vm, tap_ns: int) -> Answer:
        """Let the VTEP answer for its own address; from the exchange it learns the VM's address and announces it."""
        gateway, home = self._fabric.gateway or "", self._wire.home[vm.name]
        mac = self._fabric.gateway_mac_at(home)
        reply = frames.arp_reply(mac, gateway, vm.mac, vm.ip)
        at_ns = self._wire.from_gateway(vm, tap_ns + self._wire.pause(25, 30), reply)
        if (vm.mac, vm.ip) not in self._control.advertised[home]:
            self._control.announce(home, [(vm.mac, vm.ip)], tap_ns)
        return Answer(at_ns, mac, f"{home}:{self._fabric.bridge}")

    def _answer_as_proxy(self, vm: Vm, ip: str, mac: str, tap_ns: int) -> Answer:
        """Let the VTEP answer in the target's name: only the tap and the VM see it."""
        at_ns = self._wire.enter(vm, tap_ns + self._wire.pause(6, 20), self._reply(mac, vm, ip))
        return Answer(at_ns, mac, f"{self._wire.home[vm.name]}:proxy")

    def _answer_as_owner(self, owner: Vm, vm: Vm, ip: str, asked_ns: int) -> Answer:
        """Let the target itself answer; from the request it knows the requester."""
        self._guests.neighbours[owner.name][vm.address(ip)[1]] = vm.mac
        at_ns = self._wire.unicast(owner, vm, asked_ns + self._wire.pause(8, 25), self._reply(owner.mac, vm, ip, owner))
        return Answer(at_ns, owner.mac, owner.name)

    def _reply(self, mac: str, vm: Vm, ip: str, owner: Vm | None = None) -> bytes:
        """Return the reply that tells `mac` for `ip`: the flags are the owner's, or those that Linux proxies with."""
        if ":" in ip:
            flags = {} if owner is None else {"is_router": owner.is_router, "is_override": owner.has_override}
            return frames.neighbour_advertisement((mac, ip), vm.address(ip), (mac, ip), **flags)
        return frames.arp_reply(mac, ip, vm.mac, vm.ip)

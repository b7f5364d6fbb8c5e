"""Frames travel through a simulated fabric, and every vantage point on their way sees them.

Who sees what follows measurements on Linux bridges: a broadcast is seen on the tap and the bridge
device, and on the vxlan device and the underlay (a copy for each remote VTEP) when it is flooded;
a proxied reply on the tap and in the VM only; a gateway's reply on the bridge device, then the tap.
"""

from collections import defaultdict
from random import Random

from evpn_pcap.synth import frames
from evpn_pcap.synth.fabric import MICROSECOND, Fabric, Vm, Vtep

INCOMING, OUTGOING = 1, 2


class Wire:
    """The links, bridges and tunnels of one fabric; remembers who saw which frame when, in true time."""

    def __init__(self, fabric: Fabric) -> None:
        self.fabric = fabric
        self.home = {vm.name: vm.vtep for vm in fabric.vms}
        self.seen: dict[tuple[str, str], list[tuple[int, bytes, int]]] = defaultdict(list)
        self._vteps = {vtep.name: vtep for vtep in fabric.vteps}
        self._random = Random(fabric.seed)

    def vtep(self, name: str) -> Vtep:
        """Return a VTEP by its name."""
        return self._vteps[name]

    def pause(self, floor_us: int, jitter_us: int) -> int:
        """Return a delay of at least `floor_us`, mostly near it."""
        jitter_ns = jitter_us * MICROSECOND
        return floor_us * MICROSECOND + min(self._random.randrange(jitter_ns), self._random.randrange(jitter_ns))

    def transit(self) -> int:
        """Return the delay of one crossing of the underlay."""
        jitter_ns = self.fabric.underlay_jitter_ns
        return self.fabric.underlay_floor_ns + min(self._random.randrange(jitter_ns), self._random.randrange(jitter_ns))

    def see(self, host: str, point: str, true_ns: int, frame: bytes, direction: int) -> None:
        """Note that a vantage point saw a frame."""
        self.seen[host, point].append((true_ns, frame, direction))

    def leave(self, vm: Vm, at_ns: int, frame: bytes) -> int:
        """Send a frame from a VM; return when its tap has it."""
        tap_ns = at_ns + self.pause(4, 6)
        self.see(vm.name, self.fabric.nic, at_ns, frame, OUTGOING)
        self.see(self.home[vm.name], vm.tap, tap_ns, frame, INCOMING)
        return tap_ns

    def enter(self, vm: Vm, at_ns: int, frame: bytes) -> int:
        """Hand a frame to a VM's tap; return when the VM has it."""
        vm_ns = at_ns + self.pause(1, 5)
        self.see(self.home[vm.name], vm.tap, at_ns, frame, OUTGOING)
        self.see(vm.name, self.fabric.nic, vm_ns, frame, INCOMING)
        return vm_ns

    def tunnel(self, source: str, destination: str, at_ns: int, frame: bytes) -> int:
        """Carry a frame from the vxlan device of one VTEP to the bridge of another; return when it is there."""
        fabric, ends = self.fabric, (self.vtep(source).address, self.vtep(destination).address)
        habit = fabric.habit(source)
        encapsulated = frames.vxlan(
            *ends, fabric.vni, frame, habit.vxlan_port, flags=habit.vxlan_flags, reserved=habit.vxlan_reserved
        )
        sent_ns = at_ns + self.pause(3, 8)
        received_ns = sent_ns + self.transit()
        self.see(source, fabric.underlay, sent_ns, encapsulated, OUTGOING)
        self.see(destination, fabric.underlay, received_ns, encapsulated, INCOMING)
        self.see(destination, fabric.vxlan, received_ns + MICROSECOND, frame, INCOMING)
        self.see(destination, fabric.bridge, received_ns + MICROSECOND, frame, INCOMING)
        return received_ns + self.pause(2, 6)

    def unicast(self, sender: Vm, receiver: Vm, at_ns: int, frame: bytes) -> int:
        """Carry a frame from one VM to another; return when it arrives (bridges are promiscuous: being captured)."""
        source, destination = self.home[sender.name], self.home[receiver.name]
        tap_ns = self.leave(sender, at_ns, frame)
        self.see(source, self.fabric.bridge, tap_ns, frame, INCOMING)
        if source == destination:
            return self.enter(receiver, tap_ns + self.pause(1, 4), frame)
        vxlan_ns = tap_ns + self.pause(2, 6)
        self.see(source, self.fabric.vxlan, vxlan_ns, frame, OUTGOING)
        return self.enter(receiver, self.tunnel(source, destination, vxlan_ns, frame), frame)

    def broadcast(self, sender: Vm, at_ns: int, frame: bytes, *, is_flooded: bool) -> tuple[int, dict[str, int]]:
        """Send a frame to everybody, beyond the VTEP only when flooded; return when the tap and each VM had it."""
        source = self.home[sender.name]
        tap_ns = self.leave(sender, at_ns, frame)
        self.see(source, self.fabric.bridge, tap_ns, frame, INCOMING)
        reached = {source: tap_ns + self.pause(1, 4)}
        if is_flooded:
            vxlan_ns = tap_ns + self.pause(10, 20)
            self.see(source, self.fabric.vxlan, vxlan_ns, frame, OUTGOING)
            remotes = [vtep.name for vtep in self.fabric.vteps if vtep.name != source]
            copies = [vxlan_ns + MICROSECOND * 3 * number for number in range(len(remotes))]
            reached |= {name: self.tunnel(source, name, at, frame) for name, at in zip(remotes, copies, strict=True)}
        others = [vm for vm in self.fabric.vms if vm != sender and self.home[vm.name] in reached]
        return tap_ns, {vm.name: self.enter(vm, reached[self.home[vm.name]], frame) for vm in others}

    def to_gateway(self, sender: Vm, at_ns: int, frame: bytes) -> int:
        """Send a unicast frame to the VTEP itself; return when the bridge device has it."""
        tap_ns = self.leave(sender, at_ns, frame)
        self.see(self.home[sender.name], self.fabric.bridge, tap_ns, frame, INCOMING)
        return tap_ns

    def from_gateway(self, receiver: Vm, at_ns: int, frame: bytes) -> int:
        """Send a frame from the VTEP's bridge device to a VM; return when it arrives."""
        self.see(self.home[receiver.name], self.fabric.bridge, at_ns, frame, OUTGOING)
        return self.enter(receiver, at_ns + self.pause(2, 4), frame)

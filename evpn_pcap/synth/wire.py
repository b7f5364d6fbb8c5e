"""Frames travel through a simulated fabric, and every vantage point on their way sees them.

Who sees what follows measurements on Linux bridges: a broadcast is seen on the tap and the bridge
device, and on the vxlan device and the underlay (a copy for each remote VTEP) when it is flooded;
a proxied reply on the tap and in the VM only; a gateway's reply on the bridge device, then the tap.
"""

from collections import defaultdict
from collections.abc import Sequence
from random import Random

from evpn_pcap.synth import frames
from evpn_pcap.synth.fabric import MICROSECOND, Fabric, Vm, Vtep

INCOMING, OUTGOING = 1, 2
VNI_IS_VALID = 0x08  # flag of a VXLAN header


class Wire:
    """The links, bridges and tunnels of one fabric; remembers who saw which frame when, in true time."""

    def __init__(self, fabric: Fabric) -> None:
        self.fabric = fabric
        self.home = {vm.name: vm.vtep for vm in fabric.vms}
        self.unplugged: set[str] = set()  # VMs whose link is down
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
        """Hand a frame to a VM's tap; return when the VM has it. Without a link nobody sees it."""
        vm_ns = at_ns + self.pause(1, 5)
        if vm.name in self.unplugged:
            return vm_ns
        self.see(self.home[vm.name], vm.tap, at_ns, frame, OUTGOING)
        self.see(vm.name, self.fabric.nic, vm_ns, frame, INCOMING)
        return vm_ns

    def tunnel(self, source: str, destination: str, at_ns: int, frame: bytes) -> int:
        """Carry a frame from the vxlan device of one VTEP to the bridge of another; return when it is there.

        A header without the I flag is dropped on arrival (RFC 7348, 5).
        """
        fabric, ends = self.fabric, (self.vtep(source).address, self.vtep(destination).address)
        habit = fabric.habit(source)
        encapsulated = frames.vxlan(
            *ends, fabric.vni, frame, habit.vxlan_port, flags=habit.vxlan_flags, reserved=habit.vxlan_reserved
        )
        sent_ns = at_ns + self.pause(3, 8)
        received_ns = sent_ns + self.transit()
        self.see(source, fabric.underlay, sent_ns, encapsulated, OUTGOING)
        self.see(destination, fabric.underlay, received_ns, encapsulated, INCOMING)
        if habit.vxlan_flags & VNI_IS_VALID:
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
            listed = self.fabric.habit(source).flood_list
            peers = [vtep.name for vtep in self.fabric.vteps if vtep.name != source]
            remotes = peers if listed is None else [name for name in peers if name in listed]
            copies = [vxlan_ns + MICROSECOND * 3 * number for number in range(len(remotes))]
            arrived = {name: self.tunnel(source, name, at, frame) for name, at in zip(remotes, copies, strict=True)}
            reached |= arrived if self.fabric.habit(source).vxlan_flags & VNI_IS_VALID else {}
        others = [vm for vm in self.fabric.vms if vm != sender and self.home[vm.name] in reached]
        heard = {vm.name: self.enter(vm, reached[self.home[vm.name]], frame) for vm in others}
        for remote in [name for name in reached if name != source and self.fabric.habit(name).returns_floods]:
            at_ns = reached[remote] + self.pause(10, 20)
            again = {peer: self.tunnel(remote, peer, at_ns, frame) for peer in reached if peer != remote}
            for vm in [vm for vm in self.fabric.vms if self.home[vm.name] in again]:
                self.enter(vm, again[self.home[vm.name]], frame)
        return tap_ns, heard

    def carry(self, sender: Vm, vteps: Sequence[str], at_ns: int, frame: bytes) -> None:
        """Carry a unicast frame as far as the bridges of some VTEPs, where nobody takes it."""
        home = self.home[sender.name]
        tap_ns = self.leave(sender, at_ns, frame)
        self.see(home, self.fabric.bridge, tap_ns, frame, INCOMING)
        remotes = [name for name in vteps if name != home]
        if remotes:
            vxlan_ns = tap_ns + self.pause(2, 6)
            self.see(home, self.fabric.vxlan, vxlan_ns, frame, OUTGOING)
            for number, name in enumerate(remotes):
                self.tunnel(home, name, vxlan_ns + MICROSECOND * 3 * number, frame)

    def broadcast_from_bridge(self, vtep: str, at_ns: int, frame: bytes, *, is_flooded: bool) -> dict[str, int]:
        """Send a frame of a VTEP's own bridge device to everybody there, and beyond; return when each VM had it."""
        self.see(vtep, self.fabric.bridge, at_ns, frame, OUTGOING)
        reached = {vtep: at_ns + self.pause(1, 4)}
        if is_flooded:
            self.see(vtep, self.fabric.vxlan, at_ns + MICROSECOND, frame, OUTGOING)
            remotes = [other.name for other in self.fabric.vteps if other.name != vtep]
            reached |= {name: self.tunnel(vtep, name, at_ns + 2 * MICROSECOND, frame) for name in remotes}
        there = [vm for vm in self.fabric.vms if self.home[vm.name] in reached]
        return {vm.name: self.enter(vm, reached[self.home[vm.name]], frame) for vm in there}

    def to_gateway(self, sender: Vm, at_ns: int, frame: bytes) -> int:
        """Send a unicast frame to the VTEP itself; return when the bridge device has it."""
        tap_ns = self.leave(sender, at_ns, frame)
        self.see(self.home[sender.name], self.fabric.bridge, tap_ns, frame, INCOMING)
        return tap_ns

    def from_gateway(self, receiver: Vm, at_ns: int, frame: bytes) -> int:
        """Send a frame from the VTEP's bridge device to a VM; return when it arrives."""
        self.see(self.home[receiver.name], self.fabric.bridge, at_ns, frame, OUTGOING)
        return self.enter(receiver, at_ns + self.pause(2, 4), frame)

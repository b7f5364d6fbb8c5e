"""What the interfaces saw becomes journeys: who sent a frame, where it went, and who answered it."""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from samples.lab import bridges
from samples.lab.fabric import Fabric
from samples.lab.routing import address
from samples.lab.witness.reading import Frame, read
from samples.lab.witness.ring import Seen

JOURNEY_NS = 1_000_000_000  # what a frame does, it has done by then
INSIDE_NS = 20_000_000  # a bridge forwards within this; a VTEP that has just begun to answer is later
ECHO_NS = 5_000_000_000
WAY_NS = 100_000_000  # from host to host


class Sighting(NamedTuple):
    """One frame at one interface."""

    time_ns: int
    host: str
    interface: str
    role: str  # vm, tap, svi, bridge, vxlan, uplink
    is_outgoing: bool
    frame: Frame


class Source(NamedTuple):
    """Where a frame came into the world: `vm2`, `pve1:EVPN1` (an SVI), `pve1:proxy`."""

    by: str
    came_over_underlay: bool


class Journeys:
    """All sightings of a run, by frame. Homes are (ns, vm, vtep); taps the name of each guest's port."""

    def __init__(
        self, seen: Sequence[Seen], fabric: Fabric, homes: Sequence[tuple[int, str, str]], taps: dict[str, str]
    ) -> None:
        self._fabric = fabric
        self._vtep_of = {address(fabric, name): name for name in fabric.vteps}
        self._guest_of = {tap: vm for vm, tap in taps.items()}
        self._homes = sorted(homes)
        self.sightings = [one for one in (self._sighting(seen_one) for seen_one in seen) if one]
        self._by_content: dict[bytes, list[Sighting]] = defaultdict(list)
        self._at: dict[tuple[str, str, bool], list[Sighting]] = defaultdict(list)
        for one in self.sightings:
            self._by_content[one.frame.content].append(one)
            self._at[one.host, one.role, one.is_outgoing].append(one)
        self._inputs = cache(self._pair)
        self._arrivals = cache(self._pair_arrivals)

    def home(self, vm: str, time_ns: int) -> str:
        """Return the VTEP that a guest was behind."""
        earlier = [vtep for since_ns, name, vtep in self._homes if name == vm and since_ns <= time_ns]
        return earlier[-1] if earlier else next(vtep for _, name, vtep in self._homes if name == vm)

    def vteps_own(self) -> list[Sighting]:
        """Return what the SVIs sent by themselves."""
        return [one for one in self.sightings if one.role == "svi" and one.is_outgoing]

    def sent_by_guests(self) -> list[tuple[str, Sighting]]:
        """Return what guests sent, with their names; a RARP is QEMU's and enters at the port."""
        own = [(one.host, one) for one in self.sightings if one.role == "vm" and one.is_outgoing]
        qemu = [
            (self._guest_of[one.interface], one)
            for one in self.sightings
            if one.role == "tap" and not one.is_outgoing and one.frame.name == "rarp"
        ]
        return sorted(own + qemu, key=lambda pair: pair[1].time_ns)

    def received(self, vm: str) -> list[Sighting]:
        """Return what arrived at a guest."""
        return self._at[vm, "vm", False]

    def entered(self, vtep: str, begin_ns: int, end_ns: int) -> list[Sighting]:
        """Return what came into a VTEP, from guests or over the fabric, between two moments."""
        ports, overlay = (self._at[vtep, role, False] for role in ("tap", "vxlan"))
        found = [*_between(ports, begin_ns, end_ns), *_between(overlay, begin_ns, end_ns)]
        return sorted(found, key=lambda one: one.time_ns)

    def after(self, first: Sighting) -> list[Sighting]:
        """Return where this very frame was seen from now on, until its sender sends an equal one."""
        same = self._by_content[first.frame.content]
        begin = bisect_left(same, first.time_ns, key=lambda one: one.time_ns)
        found = []
        for one in same[begin:]:
            again = one.is_outgoing == first.is_outgoing and (one.host, one.interface) == (first.host, first.interface)
            if one.time_ns > first.time_ns + JOURNEY_NS or (again and one is not first):
                break
            found.append(one)
        return found

    def copies(self, sent: Sighting, by: str) -> list[Sighting]:
        """Return the packets in which this frame went over the underlay; not those of an equal one of another sender.

        SVIs of several VTEPs may send equal frames at once, and a guest may send back what it received.
        """
        packets = [one for one in self.after(sent) if one.role == "uplink" and one.is_outgoing]
        return [one for one in packets if self._tunnelled_for(one) in (by, "unknown")]

    def is_echo(self, vm: str, sent: Sighting) -> bool:
        """Return whether a guest sent back what it had received."""
        same = self._by_content[sent.frame.content]
        received = [one for one in same if one.host == vm and one.role == "vm" and not one.is_outgoing]
        return any(0 <= sent.time_ns - one.time_ns <= ECHO_NS for one in received)

    def _tunnelled_for(self, packet: Sighting) -> str:
        put_out = self._latest(packet, packet.host, "vxlan", is_outgoing=True)
        by = self._origin(put_out, came_over_underlay=False).by if put_out else "unknown"
        return "unknown" if by.endswith(":proxy") else by  # a request is nobody's proxy

    def deliveries(self, sent: Sighting, by: str) -> list[str]:
        """Return the guests that this frame reached; an equal one of another sender is not it."""
        arrived = [one for one in self.after(sent) if one.role == "vm" and not one.is_outgoing]
        return sorted(one.host for one in arrived if self.source(one).by in (by, "unknown"))

    def source(self, arrival: Sighting) -> Source:
        """Return who sent the frame that arrived at a guest."""
        vtep = self.home(arrival.host, arrival.time_ns)
        emission = self._latest(arrival, vtep, "tap", is_outgoing=True)
        return self._origin(emission, came_over_underlay=False) if emission else Source("unknown", False)

    def _origin(self, emission: Sighting, *, came_over_underlay: bool) -> Source:
        """Follow a frame that a VTEP put out back to where that VTEP had it from."""
        entered = self._inputs(emission.host, emission.interface, emission.frame.content).get(emission)
        if entered is None:
            return Source(f"{emission.host}:proxy", came_over_underlay)
        if entered.role == "svi":
            return Source(f"{entered.host}:{entered.interface}", came_over_underlay)
        if entered.role == "tap":
            return Source(self._guest_of[entered.interface], came_over_underlay)
        arrival = self._arrivals(entered.host, entered.frame.content).get(entered)
        if arrival is None or arrival.frame.tunnel is None:
            return Source("unknown", True)
        remote = self._vtep_of[arrival.frame.tunnel[0]]
        sent = self._latest(arrival, remote, "vxlan", is_outgoing=True)
        return self._origin(sent, came_over_underlay=True) if sent else Source("unknown", True)

    def _pair(self, host: str, interface: str, content: bytes) -> dict[Sighting, Sighting]:
        """Return, for each time an interface of a VTEP put this frame out, where it had come in: each entry once."""
        here = [one for one in self._by_content[content] if one.host == host]
        emissions = [one for one in here if one.interface == interface and one.is_outgoing]
        return _paired(emissions, [one for one in here if _enters(one) and one.interface != interface])

    def _pair_arrivals(self, host: str, content: bytes) -> dict[Sighting, Sighting]:
        """Return, for each time this frame left a tunnel at a VTEP, the packet that brought it: each packet once."""
        here = [one for one in self._by_content[content] if one.host == host and not one.is_outgoing]
        decapsulated = [one for one in here if one.role == "vxlan"]
        return _paired(decapsulated, [one for one in here if one.role == "uplink"])

    def _latest(self, later: Sighting, host: str, role: str, *, is_outgoing: bool) -> Sighting | None:
        """Return the last sighting of the same frame at such an interface, at most WAY_NS before."""
        same = self._by_content[later.frame.content]
        end = bisect_right(same, later.time_ns, key=lambda one: one.time_ns)
        for one in reversed(same[:end]):
            if one.time_ns < later.time_ns - WAY_NS:
                return None
            if (one.host, one.role, one.is_outgoing) == (host, role, is_outgoing):
                return one
        return None

    def _sighting(self, seen: Seen) -> Sighting | None:
        frame = read(seen.octets, self._fabric.vxlan_port)
        role = _role(self._fabric, seen.host, seen.interface)
        if frame is None or not role or (frame.tunnel is not None) != (role == "uplink"):
            return None
        return Sighting(seen.time_ns, seen.host, seen.interface, role, seen.is_outgoing, frame)


def _between(sightings: list[Sighting], begin_ns: int, end_ns: int) -> list[Sighting]:
    begin = bisect_left(sightings, begin_ns, key=lambda one: one.time_ns)
    return sightings[begin : bisect_right(sightings, end_ns, key=lambda one: one.time_ns)]


def _paired(later: list[Sighting], earlier: list[Sighting]) -> dict[Sighting, Sighting]:
    """Return for each later sighting the first earlier one, at most INSIDE_NS before, that no other has taken."""
    left, pairs = list(earlier), {}
    for one in later:
        fitting = [entry for entry in left if 0 <= one.time_ns - entry.time_ns <= INSIDE_NS]
        if fitting:
            pairs[one] = fitting[0]
            left.remove(fitting[0])
    return pairs


def _enters(one: Sighting) -> bool:
    return one.is_outgoing if one.role == "svi" else one.role in ("tap", "vxlan") and not one.is_outgoing


@cache
def _role(fabric: Fabric, host: str, interface: str) -> str:
    if host not in fabric.vteps:
        return "vm"
    if interface == bridges.UPLINK:
        return "uplink"
    if interface.startswith("tap"):
        return "tap"
    named = {bridges.bridge(fabric, vnet): "bridge" for vnet in fabric.vnets}
    named |= {bridges.vxlan(vnet): "vxlan" for vnet in fabric.vnets}
    named |= {bridges.svi(fabric, vnet): "svi" for vnet in fabric.vnets}
    return named.get(interface, "")

"""Witnesses of what happens in the lab: they watch the kernels and the daemons, and never a capture file.

`Witnesses(world, seconds)` is a callback of the world. After the world's end it holds the frames that every interface
saw, the counters around each deed, where interfaces and guests were, and the folder `evidence` has the rest.
"""

import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from samples.lab import bridges, namespaces
from samples.lab.guests import Guest
from samples.lab.routing import REFLECTOR
from samples.lab.witness.counters import NETLINK_NETFILTER, Counted, Counters
from samples.lab.witness.ring import Rings, Seen
from samples.lab.witness.snapshots import Monitors, Snapshots
from samples.lab.world import World

UNWATCHED = ("lo", bridges.L3_BRIDGE, bridges.L3_VXLAN)  # no ARP or ND of a guest passes there
SNAPSHOT_COUNT = 10  # spread over the run, beside those around changes
TRAFFIC = {"ping", "resolve", "resolve_all", "forget", "arping", "solicit", "solicit_router", "probe", "announce"}
TRAFFIC |= {"send_frame", "stream", "until"}  # deeds that change no table by themselves


@dataclass(frozen=True, slots=True)
class Deed:
    """One driven deed: what it was, when, and what the counters said before and after."""

    what: str
    details: dict[str, Any]
    before: dict[str, Counted]
    after: dict[str, Counted]


class Witnesses:
    """A callback of the world; `seen`, `deeds`, `indexes` and `lost` are whole when the world has ended."""

    def __init__(self, world: World, seconds: int) -> None:
        self.world, self.fabric = world, world.fabric
        self.deeds: list[Deed] = []
        self.indexes: dict[str, dict[int, str]] = {}  # host -> interface index -> name
        self.guests: list[tuple[int, dict[str, Guest]]] = []  # as they were from that moment (ns) on
        self.evidence = world.folder / "evidence"
        self._namespaces: dict[str, str] = {}
        self._counters: dict[str, Counters] = {}
        self._begun: list[tuple[str, dict[str, Counted]]] = []
        self._snapshots = Snapshots(self.evidence)
        self._monitors = Monitors(self.evidence)
        self._rings = Rings(
            lambda host, name: namespaces.packet_socket(self._namespaces[host], name), self.fabric.vxlan_port
        )
        self._every_ns = seconds * 1_000_000_000 // SNAPSHOT_COUNT
        self.uncounted = ""  # why nothing is counted
        self._due_ns = 0
        self._free_ns = 0  # no snapshot before: they must not fill the run
        self._snapshot_count = 0

    @property
    def seen(self) -> list[Seen]:
        """The frames of all interfaces, in order of time once the world has ended."""
        return self._rings.seen

    @property
    def lost(self) -> dict[str, int]:
        """How many frames an interface's ring had no room for: host:interface to count."""
        return self._rings.lost

    def __call__(self, phase: str, what: str, details: dict[str, Any]) -> None:
        """Hear what the world does."""
        self.guests.append((time.time_ns(), dict(self.world.guests)))
        if phase == "interface":
            self._interface(what, details)
        elif phase == "before":
            self._snapshot_if_due()
            self._begun.append((what, self._count()))
        elif phase == "after":
            _, before = self._begun.pop(next(i for i in reversed(range(len(self._begun))) if self._begun[i][0] == what))
            self.deeds.append(Deed(what, dict(details), before, self._count()))
            if what not in TRAFFIC:
                self._due_ns = 0
        elif phase == "end":
            self._snapshot()

    def close(self) -> None:
        """End all watching. The world calls it before its namespaces go."""
        self._monitors.close()
        self._rings.close()
        for counters in self._counters.values():
            counters.close()
        self._snapshots.close()

    def _interface(self, what: str, details: dict[str, Any]) -> None:
        host, interface = details["host"], details["interface"]
        if what == "goes":
            self._rings.drop(host, interface)
            return
        self.indexes.setdefault(host, {})[details["ifindex"]] = interface
        if host == REFLECTOR or interface in UNWATCHED:
            return
        namespace = self._namespaces[host] = details["namespace"]
        if host in self.fabric.vteps:
            self._monitors.add(host, namespace)
        self._count_at(host, namespace, interface)
        self._rings.add(host, interface)

    def _count_at(self, host: str, namespace: str, interface: str) -> None:
        """Begin to count at an interface; where nftables has no netdev family (user-mode Linux) nothing is counted."""
        try:
            if host not in self._counters and not self.uncounted:
                port = self.fabric.vxlan_port
                self._counters[host] = Counters(host, _nft(namespace), lambda: _netlink(namespace), port)
        except namespaces.CommandError as error:
            self.uncounted = str(error).splitlines()[0]
        if host in self._counters:
            self._counters[host].add(interface, is_uplink=interface == bridges.UPLINK)

    def _count(self) -> dict[str, Counted]:
        return {host: counters.read() for host, counters in self._counters.items()}

    def _snapshot_if_due(self) -> None:
        if self._due_ns <= time.time_ns() >= self._free_ns:
            self._snapshot()

    def _snapshot(self) -> None:
        begin_ns = time.time_ns()
        routers = {name: (self._namespaces[name], str(self.world.router(name).folder)) for name in self.fabric.vteps}
        self._snapshots.take(routers, with_text=self._snapshot_count % 3 == 0)
        self._snapshot_count += 1
        end_ns = time.time_ns()
        self._due_ns, self._free_ns = end_ns + self._every_ns, end_ns + 3 * (end_ns - begin_ns)


def _nft(namespace: str) -> Callable[[str], None]:
    def run(rules: str) -> None:
        namespaces.run(namespace, "nft", "-f", "-", stdin=rules)

    return run


def _netlink(namespace: str) -> socket.socket:
    return namespaces.inside(namespace, lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER))

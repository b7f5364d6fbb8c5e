"""What hosts of the lab send: pings and resolutions, probes and announcements, each one a deed of the world."""

import socket
import subprocess
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from ipaddress import ip_address

from samples.lab import frames, guests, namespaces
from samples.lab.ground import Ground
from samples.lab.guests import Guest

ECHO_TIMEOUT_S = "1"
ECHO_INTERVAL_S = "0.2"
ECHO_STEP_S = 0.1
LONGEST_FRAME = 2048
ONCE_IN_NS = 500_000_000


def protocol_of(target: str) -> str:
    """Return which protocol resolves an address."""
    return "arp" if ip_address(target).version == 4 else "nd"


class Traffic(Ground):
    """The deeds that send frames."""

    def ping(self, vm: str, target: str, count: int = 2) -> int:
        """Ping from a guest and return how many echoes came back."""
        with self.deed("ping", vm=vm, target=target, count=count, protocol=protocol_of(target)) as details:
            printed = self.run(vm, *_ping(self.guests[vm], target, count), check=False)
            details["answered"] = _echoes(printed)
        return int(details["answered"])

    def ping_from_svi(self, vtep: str, vnet: str, target: str, count: int = 2) -> int:
        """Ping from a VTEP's own gateway address and return how many echoes came back."""
        device = self.svi(vtep, vnet)
        with self.deed("ping_from_svi", vtep=vtep, vnet=vnet, target=target, count=count) as details:
            line = ("ping", "-n", "-c", str(count), "-i", ECHO_INTERVAL_S, "-W", ECHO_TIMEOUT_S, "-I", device, target)
            details["answered"] = _echoes(self.run(vtep, *line, check=False))
        return int(details["answered"])

    def resolve(self, vm: str, target: str) -> bool:
        """Let a guest forget an address and ping it once; return whether the echo came back."""
        with self.deed("resolve", vm=vm, target=target, protocol=protocol_of(target)) as details:
            _forget(self, vm, target)
            printed = self.run(vm, *_ping(self.guests[vm], target, 1), check=False)
            details["answered"] = _echoes(printed) == 1
        return bool(details["answered"])

    def resolve_all(self, pairs: Iterable[tuple[str, str]]) -> int:
        """Let many guests forget and ping at once, one deed for all; return how many echoes came back."""
        told = list(pairs)
        with self.deed("resolve_all", pairs=[list(pair) for pair in told]) as details:
            for vm, target in told:
                _forget(self, vm, target)
            running = [
                namespaces.popen(
                    self.host(vm).namespace,
                    *_ping(self.guests[vm], target, 1),
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    text=True,
                )
                for vm, target in told
            ]
            details["answered"] = sum(_echoes(one.communicate()[0]) for one in running)
        return int(details["answered"])

    def forget(self, vm: str, target: str = "") -> None:
        """Let a guest forget one neighbour, or all."""
        with self.deed("forget", vm=vm, target=target):
            _forget(self, vm, target)

    def arping(self, vm: str, target: str, count: int = 1, unicast: bool = False) -> int:
        """Ask by ARP with a tool that leaves the guest's own table alone; return the number of replies.

        iputils' arping asks by broadcast first and by unicast from the first reply on, unless told `-b`.
        """
        with self.deed("arping", vm=vm, target=target, count=count, unicast=unicast) as details:
            form = [] if unicast else ["-b"]
            line = ("arping", "-I", guests.NIC, "-c", str(count), "-w", str(count), *form, target)
            printed = self.run(vm, *line, check=False)
            details["replies"] = printed.count("reply from")
        return int(details["replies"])

    def solicit(self, vm: str, target: str) -> bool:
        """Ask by ND with a tool that leaves the guest's own table alone (ndisc6); return whether an NA came."""
        with self.deed("solicit", vm=vm, target=target) as details:
            printed = self.run(vm, "ndisc6", "-1", "-r", "1", "-w", "1000", target, guests.NIC, check=False)
            details["answered"] = "Target link-layer address" in printed
        return bool(details["answered"])

    def solicit_router(self, vm: str) -> None:
        """Send a router solicitation with the source link-layer option (rdisc6)."""
        with self.deed("solicit_router", vm=vm):
            self.run(vm, "rdisc6", "-1", "-r", "1", "-w", "300", guests.NIC, check=False)

    def probe(self, vm: str, target: str, count: int = 1) -> bool:
        """Probe an IPv4 address as RFC 5227 has it; return whether anyone defended it."""
        with self.deed("probe", vm=vm, target=target, count=count) as details:
            line = ("arping", "-D", "-I", guests.NIC, "-c", str(count), "-w", str(count), target)
            details["defended"] = "Unicast reply from" in self.run(vm, *line, check=False)
        return bool(details["defended"])

    def announce(self, vm: str, ip: str) -> None:
        """Announce an address unasked: gratuitous ARP or an unsolicited NA."""
        guest = self.guests[vm]
        with self.deed("announce", vm=vm, ip=ip, protocol=protocol_of(ip)):
            make = frames.announcement if protocol_of(ip) == "arp" else frames.unsolicited_advertisement
            send(self.host(vm).namespace, guests.NIC, make(guest.mac, ip))

    def send_frame(self, vm: str, frame: bytes, what: str) -> None:
        """Send a frame out of a guest's NIC as it is."""
        with self.deed("send_frame", vm=vm, frame=what):
            send(self.host(vm).namespace, guests.NIC, frame)

    def echo_broadcasts(self, vm: str, seconds: float, frame_kind: int) -> None:
        """Let a guest send every broadcast of an EtherType back as it came, in the background, for some seconds."""
        with self.deed("echo_broadcasts", vm=vm, seconds=seconds):
            opened = self.packet_socket(vm, guests.NIC, frame_kind)
            threading.Thread(target=_echo, args=(opened, time.monotonic() + seconds), daemon=True).start()

    @contextmanager
    def stream(self, vm: str, target: str, count: int, interval_s: float) -> Iterator[None]:
        """Ping in the background while the block runs; leaving it waits for the last echo."""
        line = _ping(self.guests[vm], target, count, str(interval_s))
        with self.deed("stream", vm=vm, target=target, count=count) as details:
            program = namespaces.popen(self.host(vm).namespace, *line, stdout=subprocess.PIPE, text=True)
            yield
            details["answered"] = _echoes(program.communicate()[0])

    def chat(self, host: str, target: str, interval_s: float) -> None:
        """Ping from a host in the background, until captures and witnesses have ended."""
        with self.deed("chat", host=host, target=target):
            self.popen(host, "ping", "-n", "-q", "-i", str(interval_s), target, stdout=subprocess.DEVNULL)


def send(namespace: str, interface: str, frame: bytes) -> None:
    """Send one frame out of an interface of a namespace."""
    with namespaces.packet_socket(namespace, interface) as out:
        out.send(frame)


def _echo(opened: socket.socket, end: float) -> None:
    """Return each broadcast once: what came back from the fabric is known by its octets."""
    returned: set[tuple[bytes, int]] = set()
    with opened:
        opened.settimeout(ECHO_STEP_S)
        while time.monotonic() < end:
            try:
                frame, origin = opened.recvfrom(LONGEST_FRAME)
            except TimeoutError:
                continue
            key = (frame, time.monotonic_ns() // ONCE_IN_NS)
            if origin[2] == socket.PACKET_BROADCAST and key not in returned:
                returned.add(key)
                opened.send(frame)


def _ping(guest: Guest, target: str, count: int, interval_s: str = ECHO_INTERVAL_S) -> list[str]:
    bound = ["-I", guest.nic] if ip_address(target).is_link_local else []
    return ["ping", "-n", "-c", str(count), "-i", interval_s, "-W", ECHO_TIMEOUT_S, *bound, target]


def _echoes(printed: str) -> int:
    return sum(" bytes from " in line and "DUP!" not in line for line in printed.splitlines())


def _forget(stage: Ground, vm: str, target: str) -> None:
    chosen = ["to", target] if target else []
    for family in ("-4", "-6") if not target else ("-4",) if protocol_of(target) == "arp" else ("-6",):
        stage.run(vm, "ip", family, "neigh", "flush", *chosen, "dev", guests.NIC, check=False)

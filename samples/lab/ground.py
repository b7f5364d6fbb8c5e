"""The ground of the world: namespaces, underlay, VTEPs and FRR daemons, from the first's start to the last's end.

However the block is left (also by a signal, also by the owner's death), nothing stays on the machine.
"""

import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Self

from samples.lab import bridges, guests, leftovers, namespaces, routing
from samples.lab.fabric import Fabric
from samples.lab.guests import Guest
from samples.lab.routing import REFLECTOR, Router

Callback = Callable[[str, str, dict[str, Any]], None]  # phase, what, details
PATIENCE_S = 5.0
FAREWELL_S = 0.5
_SIGNALS = (signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class Host:
    """A machine of the lab: a namespace."""

    name: str
    namespace: str
    kind: str  # "hypervisor", "vm" or "reflector"


class Ground:
    """A fabric while it runs: its hosts, how to run programs on them, and who is told of what is done.

    guests holds the VMs that have booted, homes where each came to be and when (ns), timeline every deed in words.
    Phases that callbacks are told: "interface" (appears, goes), "built", "established", "before" and "after" each deed,
    "capture" (begin), "end".
    """

    def __init__(
        self, fabric: Fabric, folder: Path, prefix: str = "", callbacks: Sequence[Callback] = (), log: bool = False
    ) -> None:
        self.fabric = fabric
        self.folder = folder
        self.prefix = prefix or leftovers.new_prefix()
        self.start_ns = time.time_ns()
        self.on_event: list[Callback] = list(callbacks)
        self.guests: dict[str, Guest] = {}
        self.homes: list[tuple[int, str, str]] = []
        self.timeline: list[tuple[int, str]] = []
        self._log = log
        self._hosts: dict[str, Host] = {}
        self._routers: dict[str, Router] = {}
        self._programs: list[subprocess.Popen] = []
        self._daemons: list[subprocess.Popen] = []
        self._handlers: dict[int, Any] = {}

    def __enter__(self) -> Self:
        leftovers.remove_dead()
        state = leftovers.claim(self.prefix)
        self._guard = leftovers.guard(self.prefix)
        for number in _SIGNALS:
            self._handlers[number] = signal.signal(number, _stop)
        try:
            self._build(state)
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self._farewell()
            self.emit("end", "", {})
        finally:
            self._close()

    def hosts(self) -> list[Host]:
        """Return every host that exists now."""
        return list(self._hosts.values())

    def hypervisors(self) -> list[Host]:
        """Return the VTEPs."""
        return [host for host in self._hosts.values() if host.kind == "hypervisor"]

    def host(self, name: str | Host) -> Host:
        """Return the host of this name."""
        return name if isinstance(name, Host) else self._hosts[name]

    def bridge(self, vtep: str, vnet: str) -> str:  # noqa: ARG002  # the same on every VTEP of today's fabrics
        """Return the bridge that holds a segment's ports."""
        return bridges.bridge(self.fabric, self.fabric.vnet(vnet))

    def svi(self, vtep: str, vnet: str) -> str:  # noqa: ARG002
        """Return the interface with a segment's gateway addresses."""
        return bridges.svi(self.fabric, self.fabric.vnet(vnet))

    def vxlan(self, vtep: str, vnet: str) -> str:  # noqa: ARG002
        """Return a segment's VXLAN device."""
        return bridges.vxlan(self.fabric.vnet(vnet))

    def interfaces(self, host: str | Host) -> dict[int, str]:
        """Return a host's interfaces: index to name."""
        lines = self.run(host, "ip", "-o", "link").splitlines()
        pairs = (line.split(":", 2)[:2] for line in lines)
        return {int(index): name.strip().partition("@")[0] for index, name in pairs}

    def run(self, host: str | Host, *argv: str, check: bool = True) -> str:
        """Run a program on a host and return what it printed."""
        return namespaces.run(self.host(host).namespace, *argv, check=check)

    def popen(self, host: str | Host, *argv: str, **options: Any) -> subprocess.Popen:
        """Start a program on a host; it gets SIGINT when the world ends."""
        program = namespaces.popen(self.host(host).namespace, *argv, **options)
        self._programs.append(program)
        return program

    def packet_socket(self, host: str | Host, interface: str, protocol: int = namespaces.ETH_P_ALL) -> Any:
        """Return an AF_PACKET socket bound to an interface of a host."""
        return namespaces.packet_socket(self.host(host).namespace, interface, protocol)

    def router(self, host: str | Host) -> Router:
        """Return the FRR of a host."""
        return self._routers[self.host(host).name]

    def vtysh(self, host: str | Host, command: str) -> str:
        """Return what a host's vtysh prints."""
        return self.router(host).vtysh(command)

    def emit(self, phase: str, what: str, details: dict[str, Any]) -> None:
        """Tell the callbacks."""
        for callback in self.on_event:
            callback(phase, what, details)

    def say(self, text: str) -> None:
        """Put a line into the timeline."""
        self.timeline.append((time.time_ns(), text))
        if self._log:
            print(f"{(self.timeline[-1][0] - self.start_ns) / 1e9:8.3f} {text}", flush=True)

    @contextmanager
    def deed(self, what: str, /, **details: Any) -> Iterator[dict[str, Any]]:
        """Announce a deed, let it be done, announce that it is done; what is put into the details is told then."""
        details["t_ns"] = time.time_ns()
        self.emit("before", what, details)
        details["t_ns"] = time.time_ns()  # the callbacks took their time
        yield details
        details["end_ns"] = time.time_ns()
        told = {name: value for name, value in details.items() if name not in ("t_ns", "end_ns")}
        self.say(f"{what} " + " ".join(f"{name}={value}" for name, value in told.items()))
        self.emit("after", what, details)

    def wait(self, seconds: float) -> None:
        """Let time pass: nothing is done."""
        time.sleep(seconds)

    def begin_captures(self) -> None:
        """Tell recorders that wait for it to begin now."""
        self.emit("capture", "begin", {})
        self.say("captures begin")

    def add_host(self, name: str, kind: str) -> Host:
        """Make a host's namespace."""
        host = Host(name, f"{self.prefix}{name}", kind)
        namespaces.run("", "ip", "netns", "add", host.namespace)
        self._hosts[name] = host
        return host

    @property
    def wires(self) -> str:
        """The namespace that holds the guests' wires."""
        return f"{self.prefix}{guests.WIRES}"

    def _build(self, state: Path) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        for name in self.fabric.vteps:
            self.add_host(name, "hypervisor")
        if self.fabric.peering == "reflector":
            self.add_host(REFLECTOR, "reflector")
        spine = f"{self.prefix}{bridges.SPINE}"
        for namespace in (spine, self.wires):
            namespaces.run("", "ip", "netns", "add", namespace)
        namespaces.write(self.wires, guests.QUIET)
        namespaces.unfilter_bridges(self.wires)
        bridges.make_underlay(self.fabric, spine, {host.name: host.namespace for host in self.hosts()})
        for host in self.hypervisors():
            bridges.make_vtep(self.fabric, host.name, host.namespace)
        for host in self.hosts():
            for index, interface in self.interfaces(host).items():
                told = {"host": host.name, "namespace": host.namespace, "interface": interface, "ifindex": index}
                self.emit("interface", "appears", told)
        self.emit("built", "", {})
        self.say(f"fabric {self.fabric.name}: {self.fabric.about}")
        for host in self.hosts():
            self._routers[host.name] = Router(host.name, host.namespace, state / host.name)
            self._daemons += routing.start(self._routers[host.name], self.fabric)
        routing.wait_until_established(list(self._routers.values()))
        self.say("BGP sessions up")
        self.emit("established", "", {})

    def _farewell(self) -> None:
        """Let every guest solicit routers: a frame that all see, so that every capture covers the story's end."""
        self.wait(FAREWELL_S)
        with self.deed("farewell"):
            for name in self.guests:
                line = ("rdisc6", "-1", "-r", "1", "-w", "300", guests.NIC)
                self.popen(name, *line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            self.wait(FAREWELL_S)

    def _close(self) -> None:
        """Close the callbacks, end the programs, keep the logs, and leave nothing."""
        with _undisturbed():
            for callback in reversed(self.on_event):
                if (close := getattr(callback, "close", None)) is not None:
                    close()
            self._end_programs()
            self._keep_logs()
            leftovers.remove(self.prefix)
            for program in self._daemons:
                program.wait()
            if self._guard.stdin is not None:
                self._guard.stdin.close()
            self._guard.wait()
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def _end_programs(self) -> None:
        for program in self._programs:
            if program.poll() is None:
                program.send_signal(signal.SIGINT)
        for program in self._programs:
            with suppress(subprocess.TimeoutExpired):
                program.wait(PATIENCE_S)

    def _keep_logs(self) -> None:
        evidence = self.folder / "evidence"
        for name, router in self._routers.items():
            if router.log.exists():
                evidence.mkdir(parents=True, exist_ok=True)
                (evidence / f"{name}-frr.log").write_bytes(router.log.read_bytes())


def _stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
    raise SystemExit(128 + number)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Let no signal break off the clean-up; an impatient second Ctrl-C changes nothing."""
    numbers = (signal.SIGINT, *_SIGNALS)
    before = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

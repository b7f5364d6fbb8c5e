"""Ways of capturing, as values, and the recorder that captures a world in one of them (tcpdump, dumpcap, gzip)."""

import os
import re
import signal
import subprocess
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from samples.lab import bridges, guests, namespaces

EVERY_POINT = ("vm", "tap", "bridge", "vxlan", "underlay")
SETTLE_S = 1.2  # the kernel hands a block of frames over after a second at the latest
PATIENCE_S = 10.0
SAID_OCTETS = 65_536
_SEVERAL = "several"  # the point of a dumpcap file with all of a host's interfaces
_POINTS = {guests.NIC: "vm", "tap": "tap", "vxlan_": "vxlan", bridges.UPLINK: "underlay", "lo": ""}
_LISTENING = re.compile("listening on|Capturing on|File: ")
_DROPPED = re.compile(r"(\d+) packets? dropped by (?:kernel|interface)")
_DUMPCAP_DROPPED = re.compile(r"dropped on interface .*: \d+/(\d+)")


@dataclass(frozen=True, slots=True)
class CaptureWay:
    """Where frames are caught, and with which program and options."""

    name: str
    about: str
    points: tuple[str, ...] = EVERY_POINT  # and "any": `-i any` on each hypervisor
    options: tuple[str, ...] = ("-U",)
    filter: str = ""
    program: str = "tcpdump"  # or "dumpcap": one file for each host, begun when the story says so
    file: str = "{host}-{interface}.pcap"
    gzip: bool = False
    ending: signal.Signals = signal.SIGINT
    is_late: bool = False  # begins at the story's `begin_captures`, not with the fabric

    @property
    def is_whole(self) -> bool:
        """Whether such captures hold everything: every point, every frame, every octet, until the end."""
        is_everywhere = set(EVERY_POINT) <= set(self.points)
        is_all = not self.filter and self.ending == signal.SIGINT and "-s" not in self.options and not self.is_late
        return is_everywhere and is_all


WAYS = {
    way.name: way
    for way in (
        CaptureWay("each", "tcpdump -U on every interface of every host"),
        CaptureWay("everything", "the same and -i any on every hypervisor", (*EVERY_POINT, "any")),
        CaptureWay("any", "tcpdump -i any on the hypervisors, and nothing else", ("any",)),
        CaptureWay("vms", "the VMs' NICs only", ("vm",)),
        CaptureWay("underlay", "the hypervisors' underlay NICs only", ("underlay",)),
        CaptureWay("edge", "ports and underlay NICs, for fabrics with many hosts", ("tap", "underlay")),
        CaptureWay("nanosecond", "time stamps in ns", options=("-U", "--time-stamp-precision=nano")),
        *(
            CaptureWay(f"snap{length}", f"the first {length} octets of each frame", options=("-U", "-s", str(length)))
            for length in (64, 96, 256)
        ),
        CaptureWay(
            "dumpcap",
            "dumpcap: one pcapng file a host with all its interfaces",
            program="dumpcap",
            options=("-q",),
            file="{host}-{interface}.pcapng",
            is_late=True,
        ),
        CaptureWay(
            "ring-size", "tcpdump -C 1 -W 3: files of 1 MB, the oldest is overwritten", options=("-C", "1", "-W", "3")
        ),
        CaptureWay(
            "ring-time",
            "tcpdump -G 5: a new file every 5 s",
            options=("-U", "-G", "5"),
            file="{host}-{interface}-%s.pcap",
        ),
        CaptureWay("gzip", "tcpdump -w - | gzip", gzip=True, file="{host}-{interface}.pcap.gz"),
        CaptureWay("killed", "tcpdump without -U, killed: files end in mid-packet", options=(), ending=signal.SIGKILL),
        CaptureWay("no-nd", "a capture filter that hides ND", filter="not icmp6"),
        CaptureWay("late", "every interface, from when the story says so", is_late=True),
    )
}


@dataclass(slots=True)
class _Running:
    file: str
    program: subprocess.Popen
    errors: IO[str]
    line: list[str]
    packer: subprocess.Popen | None = None
    is_ready: bool = False


@dataclass(slots=True)
class Recorder:
    """A callback of the world that captures it; `drops` is what the programs said they lost, by file."""

    folder: Path
    way: CaptureWay
    drops: dict[str, int] = field(default_factory=dict)
    _running: list[_Running] = field(default_factory=list)
    _seen: Counter[str] = field(default_factory=Counter)
    _waiting: list[tuple[str, str, str]] = field(default_factory=list)
    _has_begun: bool = False

    def __call__(self, phase: str, what: str, details: dict[str, Any]) -> None:
        """Begin a capture where an interface appears; before anything else happens, all of them listen."""
        if phase == "interface":
            if what == "appears":
                self._take(details)
            return
        if phase == "capture":
            self._has_begun = True
            self._begin()
        self._wait_until_listening()

    def close(self) -> None:
        """Let the last frames arrive, end every program and wait for it."""
        time.sleep(SETTLE_S)
        for one in self._running:
            if one.program.poll() is None:
                one.program.send_signal(self.way.ending)
        for one in self._running:
            one.program.wait(PATIENCE_S)
            if one.packer is not None:
                one.packer.wait(PATIENCE_S)
            one.errors.seek(0)
            said = one.errors.read()
            one.errors.close()
            found = [int(count) for count in (*_DROPPED.findall(said), *_DUMPCAP_DROPPED.findall(said))]
            self.drops[one.file] = sum(found)
            if (path := self.folder / one.file).exists() and not path.stat().st_size:
                path.unlink()  # killed before it wrote its first block: no capture
        self._running.clear()

    def _take(self, details: dict[str, Any]) -> None:
        """Capture at an interface if it is one of the way's points, now or when the story begins captures."""
        host, interface = details["host"], details["interface"]
        if interface == bridges.UPLINK and "any" in self.way.points:
            self._plan(details["namespace"], host, "any")
        if _point(interface) in self.way.points:
            self._plan(details["namespace"], host, interface)

    def _plan(self, namespace: str, host: str, interface: str) -> None:
        self._waiting.append((namespace, host, interface))
        if self._has_begun or not self.way.is_late:
            self._begin()

    def _begin(self) -> None:
        """Start what waits: a program for each interface, or one for all of a host's."""
        groups: dict[tuple[str, str, str], list[str]] = {}
        for namespace, host, interface in self._waiting:
            point = _SEVERAL if self.way.program == "dumpcap" else interface
            groups.setdefault((namespace, host, point), []).append(interface)
        self._waiting.clear()
        for (namespace, host, point), interfaces in groups.items():
            self._start(namespace, self._file(host, point), interfaces)

    def _file(self, host: str, point: str) -> str:
        """Return the name of a file; a point that is captured for the second time gets a number after it."""
        name = self.way.file.format(host=host, interface=point)
        self._seen[name] += 1
        again = self._seen[name] - 1
        return f"{name}{again}" if again and not self.way.gzip else name

    def _start(self, namespace: str, file: str, interfaces: list[str]) -> None:
        target = "-" if self.way.gzip else str(self.folder / file)
        chosen = [word for name in interfaces for word in ("-i", name)]
        line = [self.way.program, *chosen, *self.way.options, "-w", target]
        if self.way.program == "tcpdump":
            line += ["-n", "-Z", "root", *self.way.filter.split()]
        errors = tempfile.TemporaryFile("w+")  # noqa: SIM115  # read and closed when the program has ended
        output = subprocess.PIPE if self.way.gzip else subprocess.DEVNULL
        program = namespaces.popen(namespace, *line, stdin=subprocess.DEVNULL, stdout=output, stderr=errors)
        packer = None
        if self.way.gzip:
            with (self.folder / file).open("wb") as packed:
                packer = subprocess.Popen(["gzip"], stdin=program.stdout, stdout=packed, start_new_session=True)
            if program.stdout is not None:
                program.stdout.close()  # gzip has it now, and alone
        self._running.append(_Running(file, program, errors, line, packer))

    def _wait_until_listening(self) -> None:
        end = time.monotonic() + PATIENCE_S
        for one in self._running:
            while not one.is_ready:
                said = os.pread(one.errors.fileno(), SAID_OCTETS, 0).decode(
                    errors="replace"
                )  # the program's place stays
                one.is_ready = _LISTENING.search(said) is not None
                if not one.is_ready and (one.program.poll() is not None or time.monotonic() > end):
                    raise namespaces.CommandError(f"{one.file}: {' '.join(one.line)}: {said.strip()}")
                time.sleep(0 if one.is_ready else 0.005)


def _point(interface: str) -> str:
    """Return which kind of vantage point an interface of this name is; the L3 VNI's are none."""
    if interface in (bridges.L3_BRIDGE, bridges.L3_VXLAN):
        return ""
    for prefix, point in _POINTS.items():
        if interface.startswith(prefix):
            return point
    return "bridge"

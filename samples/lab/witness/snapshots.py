"""What daemons and kernel of a hypervisor hold at a moment, kept as evidence: `<host>@<unix ns>-<what>.json|txt`."""

import json
import subprocess
import time
from pathlib import Path

from samples.lab import namespaces

VTYSH = {
    "bgp-evpn-route": "show bgp l2vpn evpn route",
    "evpn-arp-cache": "show evpn arp-cache vni all",
    "evpn-mac": "show evpn mac vni all",
}
KERNEL_JSON = {
    "ip-neigh": ("ip", "-j", "neigh"),
    "bridge-fdb": ("bridge", "-j", "fdb"),
    "bridge-link": ("bridge", "-d", "-j", "link"),
    "ip-addr": ("ip", "-j", "addr"),
}
KERNEL_TEXT = {"ip-neigh": ("ip", "neigh"), "bridge-fdb": ("bridge", "fdb"), "bridge-link": ("bridge", "-d", "link")}
MONITORS = {"neigh": ("ip", "-ts", "monitor", "neigh"), "fdb": ("bridge", "-timestamp", "monitor", "fdb")}
INDEX = "snapshots.json"


class Snapshots:
    """Takes snapshots of all hypervisors, and knows between which moments each was taken."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.index: list[dict] = []  # file, host, what, begin_ns, end_ns
        folder.mkdir(parents=True, exist_ok=True)

    def take(self, routers: dict[str, tuple[str, str]], *, with_text: bool) -> None:
        """Take one of every hypervisor: name to (namespace, folder of the vty sockets).

        All programs of one host run at once; `with_text` adds what the commands print for people.
        """
        for host, (namespace, sockets) in routers.items():
            begin_ns = time.time_ns()
            running = []
            for name, line in _commands(sockets, with_text=with_text).items():
                file = f"{host}@{begin_ns}-{name}"
                with (self.folder / file).open("wb") as output:
                    running.append((file, line, namespaces.popen(namespace, *line, stdout=output)))
            for _, _, program in running:
                program.wait()
            times = {"begin_ns": begin_ns, "end_ns": time.time_ns()}
            self.index += [{"file": file, "host": host, "program": list(line)} | times for file, line, _ in running]

    def close(self) -> None:
        """Write the index beside the files."""
        (self.folder / INDEX).write_text(json.dumps(self.index, indent=1) + "\n", encoding="ascii")


def _commands(sockets: str, *, with_text: bool) -> dict[str, tuple[str, ...]]:
    vtysh = ("vtysh", "--vty_socket", sockets, "-c")
    found: dict[str, tuple[str, ...]] = {f"{name}.json": (*vtysh, f"{command} json") for name, command in VTYSH.items()}
    found |= {f"{name}.json": line for name, line in KERNEL_JSON.items()}
    if with_text:
        found |= {f"{name}.txt": (*vtysh, command) for name, command in VTYSH.items()}
        found |= {f"{name}.txt": line for name, line in KERNEL_TEXT.items()}
    return found


class Monitors:
    """`ip monitor neigh` and `bridge monitor fdb` of every hypervisor, one log each beside the snapshots."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._running: dict[str, list[subprocess.Popen]] = {}

    def add(self, host: str, namespace: str) -> None:
        """Begin to listen on a host, unless it is listened to."""
        if host in self._running:
            return
        programs = self._running[host] = []
        for name, line in MONITORS.items():
            with (self.folder / f"{host}-{name}.log").open("wb") as output:
                programs.append(namespaces.popen(namespace, "env", "TZ=UTC", *line, stdout=output))

    def close(self) -> None:
        """End the programs; the logs are whole then."""
        for program in (one for programs in self._running.values() for one in programs):
            program.terminate()
            program.wait()

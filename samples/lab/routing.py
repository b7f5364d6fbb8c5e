"""FRR in a namespace (zebra and bgpd): configuration of a VTEP or a route reflector, start, and sessions up."""

import json
import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from samples.lab import namespaces
from samples.lab.fabric import Fabric

DAEMONS = Path("/usr/lib/frr")
AS_NUMBER = 65001
REFLECTOR = "rr1"
REFLECTOR_NUMBER = 250  # its host part in the underlay
PATIENCE_S = 40.0


class FabricDownError(RuntimeError):
    """The fabric did not come up in time; says what is missing."""


@dataclass(frozen=True, slots=True)
class Router:
    """The FRR daemons of one host: its namespace, and the folder of its sockets, configuration and log."""

    host: str
    namespace: str
    folder: Path

    @property
    def log(self) -> Path:
        """What both daemons log: UTC, microseconds."""
        return self.folder / "frr.log"

    def vtysh(self, command: str) -> str:
        """Return what vtysh prints for a command."""
        return namespaces.run("", "vtysh", "--vty_socket", str(self.folder), "-c", command)

    def configure(self, *lines: str) -> None:
        """Type lines in configuration mode."""
        commands = [part for line in ("configure terminal", *lines) for part in ("-c", line)]
        namespaces.run("", "vtysh", "--vty_socket", str(self.folder), *commands)


def address(fabric: Fabric, host: str) -> str:
    """Return a host's underlay address."""
    number = REFLECTOR_NUMBER if host == REFLECTOR else int(host.removeprefix("pve"))
    return f"fd00:16::{number}" if fabric.underlay == "ipv6" else f"192.168.16.{number}"


def start(router: Router, fabric: Fabric) -> list[subprocess.Popen]:
    """Write the configuration and start both daemons, in the foreground: they are children and leave no zombies."""
    router.folder.mkdir()
    shutil.chown(router.folder, "frr", "frr")
    started = []
    for daemon, text in (("zebra", _zebra(router, fabric)), ("bgpd", _bgpd(router, fabric))):
        configuration = router.folder / f"{daemon}.conf"
        configuration.write_text(text, encoding="ascii")
        shutil.chown(configuration, "frr", "frr")
        program = namespaces.popen(
            router.namespace,
            *(str(DAEMONS / daemon), "-P", "0", "-f", str(configuration)),
            *("-i", str(router.folder / f"{daemon}.pid"), "-z", str(router.folder / "zserv.api")),
            *("--vty_socket", str(router.folder)),
            env={"PATH": os.defpath, "TZ": "UTC"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        started.append(program)
        _wait_for(router, daemon, program)
    return started


def wait_until_established(routers: list[Router]) -> None:
    """Wait until every BGP session of these is up. Raises FabricDownError, naming the first that is not."""
    end = time.monotonic() + PATIENCE_S
    for router in routers:
        while missing := _not_established(router):
            if time.monotonic() > end:
                raise FabricDownError(
                    f"{router.host}: no BGP session with {', '.join(missing)} after {PATIENCE_S:.0f} s"
                )
            time.sleep(0.1)


def _wait_for(router: Router, daemon: str, program: subprocess.Popen) -> None:
    """Wait until a daemon listens for vtysh, which it does when it has read its configuration."""
    end = time.monotonic() + PATIENCE_S
    while not (router.folder / f"{daemon}.vty").exists():
        if program.poll() is not None or time.monotonic() > end:
            raise FabricDownError(f"{router.host}: {daemon} did not start; see {router.log}")
        time.sleep(0.01)


def _not_established(router: Router) -> list[str]:
    summary = json.loads(router.vtysh("show bgp l2vpn evpn summary json") or "{}")
    peers = summary.get("peers", {})
    if not peers:
        return ["any peer"]
    return [peer for peer, facts in peers.items() if facts["state"] != "Established"]


def _zebra(router: Router, fabric: Fabric) -> str:
    is_vtep = router.host != REFLECTOR
    return "\n".join(
        [
            f"hostname {router.host}",
            f"log file {router.log} debugging",
            "log timestamp precision 6",
            "debug zebra vxlan",
            *([f"vni {fabric.l3_vni}"] if fabric.l3_vni and is_vtep else []),
            "",
        ]
    )


def _bgpd(router: Router, fabric: Fabric) -> str:
    vteps = list(fabric.vteps)
    if fabric.peering == "reflector":
        peers = vteps if router.host == REFLECTOR else [REFLECTOR]
    else:
        peers = [name for name in vteps if name != router.host]
    number = REFLECTOR_NUMBER if router.host == REFLECTOR else int(router.host.removeprefix("pve"))
    return "\n".join(
        [
            f"hostname {router.host}",
            f"log file {router.log} debugging",
            "log timestamp precision 6",
            "debug bgp updates in",
            "debug bgp updates out",
            f"router bgp {AS_NUMBER}",
            f" bgp router-id 192.168.16.{number}",
            " no bgp default ipv4-unicast",
            " neighbor VTEP peer-group",
            f" neighbor VTEP remote-as {AS_NUMBER}",
            " neighbor VTEP timers connect 1",
            *(f" neighbor {address(fabric, peer)} peer-group VTEP" for peer in peers),
            " address-family l2vpn evpn",
            "  neighbor VTEP activate",
            *(["  neighbor VTEP route-reflector-client"] if router.host == REFLECTOR else []),
            *(["  advertise-all-vni"] if router.host != REFLECTOR and fabric.underlay == "ipv4" else []),
            " exit-address-family",
            "",
        ]
    )

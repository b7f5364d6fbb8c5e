"""Programs and sockets inside named network namespaces (ip-netns(8), setns(2))."""

import ctypes
import os
import socket
import subprocess
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

FOLDER = Path("/run/netns")
CLONE_NEWNET = 0x40000000
ETH_P_ALL = 0x0003
Made = TypeVar("Made")
_libc = ctypes.CDLL(None, use_errno=True)


class CommandError(RuntimeError):
    """A program that the lab needs ended with an error; says which, where, and what it printed."""


def command(namespace: str, *argv: str) -> list[str]:
    """Return the command line that runs a program inside a namespace."""
    return ["nsenter", f"--net={FOLDER / namespace}", *argv]


def run(namespace: str, *argv: str, check: bool = True, stdin: str = "") -> str:
    """Run a program inside a namespace, or in the machine's own for "", and return what it printed.

    Raises CommandError where it ends with an error and `check` is set.
    """
    line = command(namespace, *argv) if namespace else list(argv)
    done = subprocess.run(line, input=stdin, capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise CommandError(f"{namespace or 'machine'}: {' '.join(argv)}: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def batch(namespace: str, lines: list[str], program: str = "ip") -> None:
    """Run many `ip` or `bridge` commands inside a namespace in one process; raises CommandError at the first error."""
    run(namespace, program, "-batch", "-", stdin="\n".join(lines) + "\n")


def popen(namespace: str, *argv: str, **options: Any) -> subprocess.Popen:
    """Start a program inside a namespace, in a session of its own: a Ctrl-C at the terminal is not for it."""
    return subprocess.Popen(command(namespace, *argv), start_new_session=True, **options)


def write(namespace: str, settings: Mapping[str, int | str]) -> None:
    """Set sysctls, named with dots, inside a namespace."""
    run(namespace, "sysctl", "-q", "-w", *(f"{name}={value}" for name, value in settings.items()))


def unfilter_bridges(namespace: str) -> None:
    """Keep iptables out of a namespace's bridges, where the kernel has br_netfilter at all."""
    if Path("/proc/sys/net/bridge").is_dir():
        write(namespace, {f"net.bridge.bridge-nf-call-{table}": 0 for table in ("arptables", "iptables", "ip6tables")})


def packet_socket(namespace: str, interface: str, protocol: int = ETH_P_ALL) -> socket.socket:
    """Return an AF_PACKET socket bound to an interface of a namespace; it serves any thread. Raises OSError."""

    def make() -> socket.socket:
        opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(protocol))
        opened.bind((interface, protocol))
        return opened

    return inside(namespace, make)


def inside(namespace: str, make: Callable[[], Made]) -> Made:
    """Return what `make` makes inside a namespace: a socket stays there. Raises OSError.

    A thread of its own enters the namespace and ends: the caller stays where it is.
    """
    made: list[Made | OSError] = []

    def enter() -> None:
        try:
            with (FOLDER / namespace).open() as handle:
                if _libc.setns(handle.fileno(), CLONE_NEWNET):
                    raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), namespace)
                made.append(make())
        except OSError as error:
            made.append(error)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    (result,) = made
    if isinstance(result, OSError):
        raise result
    return result

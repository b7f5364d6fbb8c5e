"""What a run leaves on the machine is found by its prefix and removed: after its end, its crash, or a kill -9.

A run's marks: namespaces whose names begin with its prefix, the processes in them, and a folder
below /run/evpn-lab with the owner's process id and start time. Interfaces live in the namespaces only.
`python -m samples.lab.leftovers PREFIX` is the run's guard: it waits until its standard input ends, which it does
when the owner is gone however it went, and cleans up.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from itertools import count
from pathlib import Path

from samples.lab import namespaces

STATE = Path("/run/evpn-lab")
PATIENCE_S = 5.0  # for processes that were asked to end
_numbers = count(1)


def new_prefix() -> str:
    """Return a prefix that no other run of this machine has: `lab<pid>x<n>-`."""
    return f"lab{os.getpid()}x{next(_numbers)}-"


def claim(prefix: str) -> Path:
    """Make the run's folder, note the owner in it, and return it. A claimed prefix raises FileExistsError."""
    folder = STATE / prefix
    STATE.mkdir(mode=0o755, exist_ok=True)
    folder.mkdir(mode=0o755)
    (folder / "owner").write_text(f"{os.getpid()} {_started(os.getpid())}", encoding="ascii")
    return folder


def guard(prefix: str) -> subprocess.Popen:
    """Start the process that removes what the run leaves when its owner dies without having done so."""
    return subprocess.Popen(
        [sys.executable, "-m", "samples.lab.leftovers", prefix],
        stdin=subprocess.PIPE,
        start_new_session=True,
        cwd=Path(__file__).parents[2],
    )


def remove(prefix: str) -> None:
    """End every process in the run's namespaces, remove these and the run's folder. Nothing there: nothing done."""
    names = _namespaces(prefix)
    for signal_number in (signal.SIGTERM, signal.SIGKILL):
        end = time.monotonic() + PATIENCE_S
        alive = _signal(names, signal_number)
        while alive and time.monotonic() < end:
            time.sleep(0.05)
            alive = _processes(names)
        if not alive:
            break
    for name in names:
        namespaces.run("", "ip", "netns", "delete", name, check=False)
    shutil.rmtree(STATE / prefix, ignore_errors=True)
    if STATE.is_dir() and not any(STATE.iterdir()):
        STATE.rmdir()


def remove_dead() -> list[str]:
    """Remove every run whose owner is no more, and return their prefixes."""
    dead = [folder.name for folder in sorted(STATE.glob("*")) if not _is_owned(folder)]
    for prefix in dead:
        remove(prefix)
    return dead


def _is_owned(folder: Path) -> bool:
    try:
        pid, started = (folder / "owner").read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return time.time() - folder.stat().st_mtime < PATIENCE_S  # being claimed just now
    return _started(int(pid)) == started


def _started(pid: int) -> str:
    """Return when a process began, in clock ticks since boot; "" where there is none (proc(5), field 22)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()[19]
    except OSError:
        return ""


def _namespaces(prefix: str) -> list[str]:
    return sorted(path.name for path in namespaces.FOLDER.glob(f"{prefix}*"))


def _processes(names: list[str]) -> list[int]:
    """Return the processes in these namespaces (one pass over /proc for all of them)."""
    inside = {(namespaces.FOLDER / name).stat().st_ino for name in names if (namespaces.FOLDER / name).exists()}
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if (folder / "ns/net").stat().st_ino in inside and _state(folder) != "Z":
                found.append(int(folder.name))
        except OSError:
            continue  # it ended meanwhile
    return found


def _state(folder: Path) -> str:
    return (folder / "stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()[0]


def _signal(names: list[str], signal_number: int) -> list[int]:
    found = _processes(names)
    for pid in found:
        try:
            os.kill(pid, signal_number)
        except ProcessLookupError:
            continue
    return found


if __name__ == "__main__":
    sys.stdin.buffer.read()
    remove(sys.argv[1])

"""A second kernel for what the machine's own cannot do: a run inside user-mode Linux (Debian's user-mode-linux, 6.1).

Its root is the machine's file system, its namespaces and interfaces are its own, and it ends with the run. The
modules of that kernel bring VLAN-aware bridges; being older, it also proxies unicast requests *and* forwards them.
"""

import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from samples.lab import leftovers, namespaces
from samples.lab.fabric import Fabric

PROGRAM = "linux.uml"
MODULES = Path("/usr/lib/uml/modules")
MEMORY = "2500M"
PROJECT = Path(__file__).parents[2]
FAILED = 125  # the exit status where the kernel ended without telling one
_BOOT = """#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root PYTHONPATH={project} PYTHONDONTWRITEBYTECODE=1 TMPDIR=/run
mount -t proc proc /proc && mount -t sysfs sys /sys && mount -t tmpfs run /run
exec > {told} 2>&1
mkdir -p /run/m/lib/modules && ln -s {modules}/$(uname -r) /run/m/lib/modules/
modprobe -d /run/m -a $(cd {modules}/$(uname -r) && find . -name 'nft_*.ko' -printf '%f\\n' | sed 's/.ko$//')
modprobe -d /run/m -a bridge 8021q vxlan veth tun nf_tables nf_conntrack_bridge
ip link set lo up
cd {project}
{command}
echo $? > {status}
sync
halt -f > /dev/null 2>&1
"""


def missing(fabric: Fabric) -> str:
    """Return what the machine's kernel says to a fabric of this kind; "" where it can be built here."""
    if fabric.bridges != "vlan-aware":
        return ""
    namespace = leftovers.new_prefix() + "try"
    namespaces.run("", "ip", "netns", "add", namespace)
    try:
        namespaces.run(namespace, "ip", "link", "add", "bridge", "type", "bridge", "vlan_filtering", "1")
    except namespaces.CommandError as error:
        return str(error).rpartition(": ")[2]
    finally:
        namespaces.run("", "ip", "netns", "delete", namespace)
    return ""


def run(*arguments: str) -> int:
    """Run this Python with these arguments inside user-mode Linux; tell what it told, and return its exit status.

    Raises CommandError where user-mode Linux is not installed.
    """
    if shutil.which(PROGRAM) is None:
        raise namespaces.CommandError("this needs another kernel: install Debian's user-mode-linux and kmod")
    with tempfile.TemporaryDirectory() as folder:
        boot, told, status = (Path(folder, name) for name in ("boot", "told", "status"))
        command = shlex.join([sys.executable, *arguments])
        boot.write_text(
            _BOOT.format(project=PROJECT, told=told, status=status, modules=MODULES, command=command),
            encoding="utf-8",
        )
        boot.chmod(0o755)
        line = [
            PROGRAM,
            f"mem={MEMORY}",
            "rootfstype=hostfs",
            "rootflags=/",
            "rw",
            f"init={boot}",
            "con=null",
            "con0=null",
        ]
        kernel = subprocess.Popen(
            line,
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            kernel.wait()
        finally:
            if kernel.poll() is None:
                os.killpg(kernel.pid, signal.SIGKILL)
                kernel.wait()
        print(told.read_text(encoding="utf-8", errors="replace") if told.exists() else "", end="")
        return int(status.read_text(encoding="ascii")) if status.exists() else FAILED

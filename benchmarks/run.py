"""Times `evpn-pcap packets` against `tshark -T fields` and tcpdump's scan on one generated capture, in turns.

    python benchmarks/run.py [--packets 1000000] [--rounds 3]

Prints each figure's median over the rounds and the ratio of every round: on a shared machine only
ratios of one run mean something. Whole processes, imports included; peak memory as the kernel says.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FIELDS = (
    *("frame.number", "frame.time_epoch", "ip.src", "ip.dst", "vxlan.vni", "eth.src", "eth.dst", "arp.opcode"),
    *("arp.src.hw_mac", "arp.src.proto_ipv4", "arp.dst.hw_mac", "arp.dst.proto_ipv4", "icmpv6.type"),
    *("icmpv6.nd.ns.target_address", "icmpv6.nd.na.target_address"),
)
SHOWN = "arp || icmpv6.type in {133..137}"


def commands(capture: Path) -> dict[str, list[str]]:
    """Return what is compared: name -> command."""
    ours = shutil.which("evpn-pcap") or str(Path(sys.executable).with_name("evpn-pcap"))
    fields = [word for field in FIELDS for word in ("-e", field)]
    return {
        "evpn-pcap packets": [ours, "packets", str(capture), "--format", "csv", "--no-progress"],
        "tcpdump scan": ["tcpdump", "-nr", str(capture), "-w", "/dev/null", "udp port 4789"],
        "tshark -T fields": ["tshark", "-n", "-r", str(capture), "-Y", SHOWN, "-T", "fields", *fields],
    }


def measured(command: list[str]) -> tuple[float, float]:
    """Return wall seconds and peak memory in MB of one run, its output thrown away."""
    begin = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command[0]} ended with {process.returncode}")
    return time.perf_counter() - begin, usage.ru_maxrss / 1000


def main() -> None:
    """Make the capture, run everything in turns, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--packets", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        capture = Path(folder) / "bulk.pcap"
        maker = Path(__file__).with_name("make_bulk.py")
        subprocess.run([sys.executable, str(maker), str(capture), "--packets", str(chosen.packets)], check=True)
        compared = {name: command for name, command in commands(capture).items() if shutil.which(command[0])}
        rounds = [{name: measured(command) for name, command in compared.items()} for _ in range(chosen.rounds)]
        size = capture.stat().st_size / 1e6
    print(f"{chosen.packets} packets, {size:.0f} MB, {chosen.rounds} rounds in turns")
    for name in compared:
        wall_s = statistics.median(one[name][0] for one in rounds)
        ratios = ", ".join(f"{one[name][0] / one['evpn-pcap packets'][0]:.1f}" for one in rounds)
        peak = max(one[name][1] for one in rounds)
        print(f"{name:20} {wall_s:8.2f} s {chosen.packets / wall_s:12,.0f} packets/s {peak:6.0f} MB   x {ratios}")


if __name__ == "__main__":
    main()

"""Times BGP decoding against `tshark -T fields` on one generated capture of EVPN routes, in turns.

    python benchmarks/run_bgp.py [--routes 100000] [--rounds 3]

Two figures of ours: `evpn-pcap updates` as a whole process that writes every column as Parquet, and the work alone
(from the file to the table) inside a process that has started. tshark writes the fields that those columns are made of.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from run import measured

BGP, NLRI, PATH, COMMUNITY = "bgp", "bgp.evpn.nlri", "bgp.update.path_attribute", "bgp.ext_com"
FIELDS = (
    *(
        "frame.number",
        "frame.time_epoch",
        "ip.src",
        "tcp.srcport",
        "ip.dst",
        "tcp.dstport",
        "tcp.seq_raw",
        f"{BGP}.type",
    ),
    *(f"{NLRI}.{name}" for name in ("rt", "rd", "esi", "etag", "mac_addr", "ip.addr", "ipv6.addr", "prefix_len")),
    *(f"{NLRI}.{name}" for name in ("mpls_ls1", "mpls_ls2")),
    *(f"{PATH}.{name}" for name in ("mp_reach_nlri.next_hop.ipv4", "origin", "as_path_segment.as4", "local_pref")),
    *(f"{PATH}.{name}" for name in ("multi_exit_disc", "originator_id", "pmsi.ingress_rep_ip")),
    *(f"{COMMUNITY}.{name}" for name in ("tunnel_type", "value_as2", "value_an4")),
    *(f"{COMMUNITY}_evpn.{name}" for name in ("esi.router_mac", "mmac.seq", "mmac.flags.sticky")),
)
WORK = """
import gc, sys, time
gc.set_threshold(1_000_000, 50, 50)  # as the command line does
from evpn_pcap.model import Options
from evpn_pcap.reading import read_captures, updates_of
begin = time.perf_counter()
decoded, _ = read_captures([sys.argv[1]], Options(anchors_per_second_count=0))
updates_of(decoded)
print(time.perf_counter() - begin)
"""


def main() -> None:
    """Make the capture, run everything in turns, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--routes", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    rounds = []
    with tempfile.TemporaryDirectory() as folder:
        capture = Path(folder) / "bgp.pcap"
        maker = Path(__file__).with_name("make_bgp.py")
        subprocess.run([sys.executable, str(maker), str(capture), "--routes", str(chosen.routes)], check=True)
        ours = [str(Path(sys.executable).with_name("evpn-pcap")), "updates", str(capture), "--no-progress"]
        fields = [word for field in FIELDS for word in ("-e", field)]
        theirs = ["tshark", "-n", "-r", str(capture), "-Y", "bgp.type", "-T", "fields", *fields]
        work = [sys.executable, "-c", WORK, str(capture)]
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # compiled once, as a user has it from the second run on
        measured([*ours, "--format", "parquet", "--out", folder])
        for _ in range(chosen.rounds):
            worked = subprocess.run(work, check=True, capture_output=True, text=True).stdout
            whole, _ = measured([*ours, "--format", "parquet", "--out", folder])
            rounds.append((measured(theirs)[0], whole, float(worked)))
        size = capture.stat().st_size / 1e6
    print(f"{chosen.routes} EVPN routes, {size:.0f} MB, {chosen.rounds} rounds in turns")
    for place, name in enumerate(("tshark -T fields", "evpn-pcap updates", "the work alone")):
        wall_s = statistics.median(one[place] for one in rounds)
        ratios = ", ".join(f"{one[0] / one[place]:.1f}" for one in rounds)
        print(f"{name:20} {wall_s:8.2f} s {chosen.routes / wall_s:12,.0f} routes/s   tshark takes x {ratios}")


if __name__ == "__main__":
    main()

"""A run becomes a small sample: captures of chosen points with clock errors, the part of the truth that tests read.

`python -m samples.lab.sample out/lab/dead-host@proxmox samples/lab-dead-host --points vm tap underlay --seed 5`
"""

import argparse
import json
from pathlib import Path

from samples.lab import bridges, guests
from samples.lab.skew import captures_in, host_of, skew_file, steady_clocks, write_clocks

DROPPED = ("driven", "nft_readings", "witness_drops", "packets_dropped_by_capture")
POINTS = {guests.NIC: "vm", bridges.UPLINK: "underlay", "tap": "tap", "vxlan_": "vxlan"}


def make_sample(run: Path, target: Path, points: list[str], seed: int) -> None:
    """Write captures, truth.json and skew.json of a sample; README.md and expected.json are written by hand."""
    truth = json.loads((run / "truth.json").read_text(encoding="utf-8"))
    chosen = [path for path in captures_in(run) if _point(path) in points]
    hosts = sorted({host_of(path) for path in chosen})
    clocks = steady_clocks(hosts, seed, round(truth["lab_start"] * 1_000_000) * 1000)
    target.mkdir(parents=True, exist_ok=True)
    for path in chosen:
        skew_file(path, target / path.name, clocks[host_of(path)].stamp)
    write_clocks(target / "skew.json", run.name, clocks)
    kept = {name: value for name, value in truth.items() if name not in DROPPED}
    (target / "truth.json").write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


def _point(path: Path) -> str:
    interface = path.name.partition("-")[2]
    return next((point for prefix, point in POINTS.items() if interface.startswith(prefix)), "bridge")


def main() -> None:
    """Make a sample of a run."""
    parser = argparse.ArgumentParser(prog="python -m samples.lab.sample", description=main.__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--points", nargs="+", default=["vm", "tap", "bridge", "underlay"])
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    make_sample(asked.run, asked.target, asked.points, asked.seed)


if __name__ == "__main__":
    main()

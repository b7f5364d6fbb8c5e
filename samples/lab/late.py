"""Runs whose captures begin later -> claims that a route was missing, and whether anything in the captures proves them.

Where a session was up before, BGP does not tell again what it had told: then nobody can say that a route is not in
force, but for a session that begins in what is left. Witnesses are the logs of the bgpds (every End-of-RIB that a VTEP
received came after the cut, so its tables are known whole) and truth.json (did the VTEP hold the route when asked?).
"""

import argparse
import json
import shutil
import subprocess
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import evpn_pcap
from evpn_pcap.model import RouteState
from samples.lab.receipts import first_table_ends
from samples.lab.skew import captures_in

SHARES = (0.3, 0.5)
SAME_NS = 50_000_000  # one request, in truth.json and in the captures
COUNTS = ("rows", "claims", "proved", "unproved", "wrong")
HEADER = " ".join((f"{'run':44} {'cut':>5}", *(f"{name:>9}" for name in COUNTS)))
Row = dict[Any, Any]


def late_claims(folder: Path, share: float) -> tuple[Counter[str], list[str]]:
    """Return what a run's captures without the first share of its time claim of missing routes, and each unproved one.

    `claims` are rows whose route was not in force, or missing by their reason; `wrong`: the VTEP held the route.
    """
    truth = json.loads((folder / "truth.json").read_text(encoding="utf-8"))
    begin, end = (round(truth[name] * 1_000_000) * 1000 for name in ("lab_start", "lab_end"))
    cut_ns = begin + round((end - begin) * share)
    with tempfile.TemporaryDirectory() as later:
        for path in captures_in(folder):
            cut(path, Path(later) / path.name, cut_ns)
        rows = evpn_pcap.analyze([later]).tables.resolutions
    counts = Counter(rows=len(rows))
    told: list[str] = []
    is_missing = rows["route_state"].eq(RouteState.NOT_IN_FORCE) | rows["reason"].eq("no-neighbour")
    for row in rows[is_missing].to_dict("records"):
        is_proved, is_held = _is_proved(row, folder, truth, cut_ns), _is_held(row, truth)
        counts.update(claims=1, proved=is_proved, unproved=not is_proved, wrong=is_held)
        if is_held or not is_proved:
            word = "wrong" if is_held else "unproved"
            told.append(f"{word}: {row['time_ns']} {row['requester_ip']} asks for {row['target_ip']}")
    return counts, told


def cut(source: Path, target: Path, begin_ns: int) -> None:
    """Write a capture without what came before a moment."""
    since = f"{begin_ns // 10**9}.{begin_ns % 10**9:09}"
    done = subprocess.run(["editcap", "-A", since, source, target], capture_output=True, check=False)
    if done.returncode and source.stat().st_size > 24:  # a capture that was killed may hold nothing
        raise RuntimeError(done.stderr.decode())


def _is_proved(row: Row, folder: Path, truth: Row, cut_ns: int) -> bool:
    """Return whether all tables that the ingress VTEP was told began after the cut."""
    hosts = [host for host, ip in truth["vteps"].items() if ip == row["ingress_vtep"]]
    ends_ns = [at for host in hosts for at in first_table_ends(folder / "evidence" / f"{host}-frr.log").values()]
    return len(ends_ns) > 0 and min(ends_ns) > cut_ns


def _is_held(row: Row, truth: Row) -> bool:
    """Return whether the ingress VTEP held the route of the target when it was asked."""
    return any(
        one["bgp_route_at_ingress"]
        and (one["requester_ip"], one["target"]) == (row["requester_ip"], row["target_ip"])
        and abs(one["t_ns"] - row["time_ns"]) <= SAME_NS
        for one in truth["resolutions"]
    )


def main() -> None:
    """Print, for each run, what its captures claim of missing routes when they begin later."""
    parser = argparse.ArgumentParser(prog="python -m samples.lab.late", description=main.__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    asked = parser.parse_args()
    if shutil.which("editcap") is None:
        parser.error("editcap (wireshark-common) cuts the captures, and is not installed")
    print(HEADER)
    whole: Counter[str] = Counter()
    for folder in asked.folders:
        for share in SHARES if captures_in(folder) else ():
            counts, told = late_claims(folder, share)
            print(_line(folder.name, f"{share:.0%}", counts), *(f"    {line}" for line in told), sep="\n", flush=True)
            whole += counts
    print(_line("all", "", whole))


def _line(run: str, share: str, counts: Counter[str]) -> str:
    return " ".join((f"{run:44} {share:>5}", *(f"{counts[name]:9}" for name in COUNTS)))


if __name__ == "__main__":
    main()

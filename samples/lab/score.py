"""What the program says of a run's captures against the run's truth: right, wrong, undecided, missing, surplus.

The only part of the lab that knows the program. A row of the program belongs to a true one if guest, target, protocol
and time agree; with clock errors, the true time is what the program's reference clock showed then (skew.json).
"""

import argparse
import json
import struct
import sys
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

import evpn_pcap
from evpn_pcap.addresses import mac_text
from evpn_pcap.model import FOREVER, Capture
from samples.lab import expected
from samples.lab.capturing import WAYS
from samples.lab.fabric import FABRICS
from samples.lab.scenarios import SCENARIOS
from samples.lab.skew import captures_in, read_clocks

NEAR_NS = 50_000_000
PCAP_MAGICS = (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1")
ASKED_BYTES = {"arp": 42, "nd": 78}  # up to the address asked for
TUNNEL_BYTES = 50  # Ethernet, IPv4, UDP, VXLAN
DOUBTS = ("undecided", "unknown")
EDGE_NS = 1_000_000  # how far a capture's last frame may be from the end of its listening
COLUMNS = ("right", "wrong", "undecided", "missing", "unseen", "surplus", "unjoined")
HEADER = f"{'run':44} {'rows':>5} " + " ".join(f"{name:>9}" for name in COLUMNS) + "  found"
Row = dict[str, Any]


@dataclass(slots=True)
class Score:
    """What became of a run's true resolutions, and what the rules found."""

    run: str
    rows: int = 0  # true resolutions
    counts: Counter[str] = field(default_factory=Counter)
    others: Counter[str] = field(default_factory=Counter)  # probes, announcements, refreshes, requests of VTEPs
    reasons: Counter[str] = field(default_factory=Counter)  # why undecided
    findings: Counter[str] = field(default_factory=Counter)
    made_for: tuple[str, ...] = ()  # what the scenario must bring out,
    also_shows: tuple[str, ...] = ()  # and what truly happens in it besides
    is_whole: bool = True  # captured everywhere, all the time, every octet: what it is made for can be found
    told: list[str] = field(default_factory=list)  # one line for each row that is not right
    claims: list[tuple[str, ...]] = field(default_factory=list)  # what was claimed of each true row, in their order
    disagreements: tuple[str, ...] = ()
    changed: list[str] = field(default_factory=list)  # claims that clock errors turned into others

    @property
    def is_bad(self) -> bool:
        """Whether anything is wrong: a claim, a row that nobody asked for, a finding, a witness, a clock."""
        counts = self.counts + self.others
        is_wrong = any(counts[name] for name in ("wrong", "missing", "surplus"))
        return bool(is_wrong or self.disagreements or self.changed or self.unexpected or self.absent)

    @property
    def unexpected(self) -> list[str]:
        """The rules that found what the scenario neither is made for nor declares."""
        return sorted(set(self.findings) - {*self.made_for, *self.also_shows})

    @property
    def absent(self) -> list[str]:
        """The rules that did not find what the scenario is made for, although everything was captured."""
        return sorted(set(self.made_for) - set(self.findings)) if self.is_whole else []

    def compare(self, true_clocks: "Score") -> None:
        """Note where a claim became another one with clock errors; one that became undecided or unknown is no other."""
        for number, (one, other) in enumerate(zip(true_clocks.claims, self.claims, strict=True), 1):
            if any(new not in (old, *DOUBTS) for old, new in zip(one, other, strict=True)):
                self.changed.append(f"row {number}: {one} became {other}")

    def complaints(self) -> list[str]:
        """Return a line for everything that is not as it should be."""
        return [
            *self.told,
            *(f"witnesses disagree: {line}" for line in self.disagreements),
            *(f"clock errors change a claim: {line}" for line in self.changed),
            *(f"found though not declared: {name}" for name in self.unexpected),
            *(f"made for it and not found: {name}" for name in self.absent),
        ]

    def line(self) -> str:
        """Return the score as a line of the scoreboard."""
        counts = " ".join(f"{self.counts[name]:9}" for name in COLUMNS)
        found = ", ".join(f"{name} {count}" for name, count in sorted(self.findings.items()))
        return f"{self.run:44} {self.rows:5} {counts}  {found or '-'}"


def score(folder: Path, truth_folder: Path | None = None) -> Score:
    """Analyze a folder's captures and compare with truth.json, which may lie in another folder."""
    truth = json.loads(((truth_folder or folder) / "truth.json").read_text(encoding="utf-8"))
    analysis = evpn_pcap.analyze(captures_in(folder))
    clocks = read_clocks(folder / "skew.json") if (folder / "skew.json").exists() else {}
    reference = analysis.clocks[0].reference if analysis.clocks else None
    stamp = clocks[reference].stamp if reference in clocks else int
    result = Score(folder.name)
    if scenario := SCENARIOS.get(truth.get("scenario")):
        result.made_for = scenario.made_for
        result.also_shows = (*scenario.also_shows, *FABRICS[truth["fabric"]].also_shows)
        result.is_whole = WAYS[truth["capture"]["way"]].is_whole
    result.findings = Counter(finding.name for finding in analysis.findings)
    result.disagreements = tuple(truth["disagreements_between_witnesses"])
    table = analysis.tables.resolutions
    columns = [str(name) for name in table.columns]
    rows = [_words(dict(zip(columns, row, strict=True))) for row in table.itertuples(index=False, name=None)]
    kept = {capture.capture_id: _snaplen(folder / capture.name) for capture in analysis.captures}
    hidden = ["nd"] if "not icmp6" in truth["capture"].get("filter", "") else []
    true_rows, others = expected.resolutions(truth), expected.others(truth)
    guests = {row["requester_mac"] for row in true_rows}
    for one in (*true_rows, *others):
        one["expected_ns"] = [stamp(one["t_ns"]), *(clock.stamp(one["t_ns"]) for clock in clocks.values())]
        one["is_seen"] = one["protocol"] not in hidden and any(
            _is_captured(capture, clocks[capture.host].stamp(one["t_ns"]) if clocks else one["t_ns"], places)
            for capture in analysis.captures
            for places in [{place for place in one["seen_at"] if _octets(one, place) <= kept[capture.capture_id]}]
        )
    judged: dict[str, list[Row]] = {"resolutions": [], "others": []}
    for row in rows:
        is_told = row["kind"] == "resolution" and row["requester_mac"] in guests
        judged["resolutions" if is_told else "others"].append(row)
    _compare(result, true_rows, judged["resolutions"])
    _compare_others(result, others, judged["others"])
    return result


def _words(row: Row) -> Row:
    return row | {"requester_mac": mac_text(int(row["requester_mac"]))}


def _snaplen(path: Path) -> int:
    """Return how many octets of a frame a pcap file keeps at most; other files of the lab keep all."""
    head = path.read_bytes()[:24]
    return struct.unpack_from("<I", head, 16)[0] if head[:4] in PCAP_MAGICS else FOREVER


def _octets(true_row: Row, place: str) -> int:
    """Return how many octets of a frame hold what it asks for, at an interface; the tunnel's headers come first."""
    return ASKED_BYTES[true_row["protocol"]] + (TUNNEL_BYTES if place.endswith(":ens18") else 0)


def _is_captured(capture: Capture, shown_ns: int, places: set[str]) -> bool:
    """Return whether a capture was listening at one of the interfaces that a frame passed, when it did."""
    if capture.first_ns is None or capture.last_ns is None:
        return False
    if not capture.first_ns - EDGE_NS <= shown_ns <= capture.last_ns + EDGE_NS:
        return False
    is_whole = capture.point.startswith(("any", "several"))
    return any(
        place.startswith(f"{capture.host}:") if is_whole else place == f"{capture.host}:{capture.point}"
        for place in places
    )


def _distance_ns(row: Row, true_row: Row) -> int:
    """Return how far a row is from a true one; on the common clock, or for a host without one on any host's clock."""
    expected_ns = true_row["expected_ns"]
    return min(abs(row["time_ns"] - one) for one in (expected_ns[:1] if row["margin_ns"] < FOREVER else expected_ns))


def _reach_ns(row: Row) -> int:
    return NEAR_NS + (int(row["margin_ns"]) if row["margin_ns"] < FOREVER else 0)


def _key(row: Row) -> tuple:
    target = row["target_ip"]
    return row["protocol"], row["requester_mac"], None if pd.isna(target) else target


def _compare(result: Score, true_rows: list[Row], rows: list[Row]) -> None:
    """Give each true resolution the nearest row of the same guest and target, and judge it."""
    free = defaultdict(list)
    for row in rows:
        free[_key(row)].append(row)
    result.rows = len(true_rows)
    for true_row in true_rows:
        near = [row for row in free[_key(true_row)] if _distance_ns(row, true_row) <= _reach_ns(row)]
        found = min(near, key=lambda one: (one["margin_ns"] >= FOREVER, _distance_ns(one, true_row)), default=None)
        if found:
            free[_key(true_row)].remove(found)
            word = _judge(found, true_row)
            result.claims.append((found["outcome"], found["answered_by"]))
        else:
            word = "missing" if true_row["is_seen"] else "unseen"
            result.claims.append((word, ""))
        result.counts[word] += 1
        if found and word == "undecided":
            result.reasons[found["undecided_reason"]] += 1
        if word in ("wrong", "undecided", "missing"):
            result.told.append(_told(word, true_row, found))
    for row in (one for left in free.values() for one in left):
        word = "surplus" if row["margin_ns"] < FOREVER else "unjoined"  # its host has no place on the common clock
        result.counts[word] += 1
        result.told.append(_told(word, None, row))


def _judge(row: Row, true_row: Row) -> str:
    if row["answered_by"] not in (true_row["answered_by"], "unknown"):
        return "wrong"
    if row["outcome"] == "undecided":
        return "undecided"
    return "right" if row["outcome"] == true_row["outcome"] else "wrong"


def _compare_others(result: Score, true_rows: list[Row], rows: list[Row]) -> None:
    """Judge the rows that are not in the headline: each must be true, and if decided rightly so."""
    by_key = defaultdict(list)
    for true_row in true_rows:
        by_key[true_row["kind"], _key(true_row)].append(true_row)
    for row in rows:
        near = [one for one in by_key[row["kind"], _key(row)] if _distance_ns(row, one) <= _reach_ns(row)]
        is_right = (row["outcome"] == "flooded") in {one["is_flooded"] for one in near}
        word = "undecided" if row["outcome"] == "undecided" else "right" if is_right else "wrong"
        word = word if near else "surplus"
        result.others[word] += 1
        if word in ("wrong", "surplus"):
            result.told.append(_told(f"{word} ({row['kind']})", near[0] if near else None, row))


def _told(word: str, true_row: Row | None, row: Row | None) -> str:
    """Return a line about one row: what the truth has, what the program says."""
    one: Row = true_row or row or {}
    who = f"{one['protocol']} {one['requester_mac']} -> {one['target_ip']}"
    when = f"{(true_row['t_ns'] if true_row else one['time_ns']) / 1e9:.6f}"
    names = ("outcome", "answered_by", "is_flooded", "reason", "undecided_reason", "id")
    truth, said = ({name: part[name] for name in names if name in part} if part else None for part in (true_row, row))
    return f"{word}: {when} {who}: truth {truth}, program {said}"


def main() -> None:
    """Print the score of each folder with captures, and what is not right; X-skewed has its truth.json in X."""
    parser = argparse.ArgumentParser(prog="python -m samples.lab.score", description=main.__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    asked = parser.parse_args()
    print(HEADER)
    scores: list[Score] = []
    for folder in asked.folders:
        scores.append(score(folder, folder.with_name(folder.name.removesuffix("-skewed"))))
        print(scores[-1].line(), *(f"    {line}" for line in scores[-1].complaints()), sep="\n", flush=True)
    sys.exit(any(one.is_bad for one in scores))


if __name__ == "__main__":
    main()

"""What the program says of a run's routes, against the daemons' own prints and against what taught the VTEPs.

The prints (`show bgp l2vpn evpn route json` of FRR, in evidence/) were taken ten times over a run and around changes.
Truth of the announcements is `macip_events` in truth.json: when zebra told bgpd, and after which frame, held against
the kernel's own notices (triggers.py). The UPDATE came onto the wire between bgpd's line that formats it and the first
line of a receiver that has it: a delay is as far from the true one as it is outside of that span.
"""

import argparse
import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

import evpn_pcap
from evpn_pcap.addresses import mac_text
from evpn_pcap.model import FOREVER, Analysis, Options
from samples.lab.neighbours import Neighbours
from samples.lab.receipts import Receipts, Refusals, has_updates, table_ends
from samples.lab.skew import captures_in, read_clocks
from samples.lab.triggers import settled

PRINTED = "-bgp-evpn-route.json"
SETTLED_NS = 100_000_000  # a VTEP's own table is ahead of its UPDATE by what bgpd waits: 50 ms, here doubled
UPDATE_NS = 200_000_000  # from bgpd's log line to the UPDATE on the wire, at most
SAME_FRAME_NS = 1_000_000  # one frame at a guest's NIC, its port and the bridge
DELAY_NS = 5_000_000
OPERATIONS = {
    ("arp", 1): "arp-request", ("arp", 2): "arp-reply", ("rarp", 3): "rarp", ("nd", 133): "rs", ("nd", 135): "ns",
    ("nd", 136): "na", **dict.fromkeys((("mld", kind) for kind in (130, 131, 132, 143)), "mld"),
}  # fmt: skip
ROUTES = ("receivers", "prints", "outside", "given", "routes", "changing", "untold", "refused", "missing", "surplus")
CAUSES = ("told", "unsent", "unknown", "uncaptured", "tabled", "right", "wrong", "none", "late")
HEADER = " ".join((f"{'run':44}", *(f"{name:>9}" for name in ROUTES), "|", *(f"{n:>10}" for n in CAUSES), "worst ms"))
COMMUNITY = re.compile(r"(RT|MM|Rmac):(\S+?)(?:,|\s|$)")
Row = dict[Any, Any]
Stamp = Callable[[int], int]


class Way(NamedTuple):
    """One path of a route, in the words of FRR's print."""

    rd: str
    prefix: str
    next_hop: str
    route_targets: tuple[str, ...]
    sequence: int
    router_mac: str


class Print(NamedTuple):
    """One VTEP's whole table, taken between two moments of true time."""

    host: str
    begin_ns: int
    end_ns: int
    file: Path
    ways: frozenset[Way]


@dataclass(slots=True)
class Comparison:
    """How a run's routes and announcements compare, and a line for each difference."""

    run: str
    counts: Counter[str] = field(default_factory=Counter)
    worst_ns: int = 0  # greatest difference of a delay from the true one
    told: list[str] = field(default_factory=list)

    def line(self) -> str:
        """Return the comparison as a line under HEADER."""
        cells = [f"{self.counts[name]:9}" for name in ROUTES]
        cells += ["|", *(f"{self.counts[name]:10}" for name in CAUSES), f"{self.worst_ns / 1e6:8.2f}"]
        return " ".join((f"{self.run:44}", *cells))


def compare(folder: Path) -> Comparison:
    """Return how the routes of a run's captures compare; X-skewed has its truth.json and evidence in X.

    Where a session was up before its capture began, BGP does not tell again what it had told: there each VTEP's first
    print after that is given to the program as a snapshot, and the later ones are compared. Prints before the first
    and after the last frame of the VTEP's captures, and of VTEPs whose UPDATEs were cut, are `outside`; so are those
    after a given print from before the captures, if the VTEP's bgpd logged UPDATEs between the two.
    """
    home = folder.with_name(folder.name.removesuffix("-skewed"))
    truth = json.loads((home / "truth.json").read_text(encoding="utf-8"))
    clocks = read_clocks(folder / "skew.json") if (folder / "skew.json").exists() else {}
    found = Comparison(folder.name)
    analysis = evpn_pcap.analyze(captures_in(folder))
    every = read_prints(home)
    sessions = analysis.tables.sessions
    packets = analysis.tables.packets
    is_cut = (packets["protocol"] == "bgp") & (packets["stop_reason"] != "")
    cut = {*sessions.loc[sessions["gap_count"] > 0, "receiver_ip"], *packets.loc[is_cut, "target_ip"]}
    known = [one for one in every if truth["vteps"][one.host] not in cut]
    prints = [one for one in known if _is_covered(one, analysis, clocks)]
    if _begins_late(analysis):
        first = _first_to_know(every, prints)
        times = {host: _seconds(_stamp(clocks, host)(one.begin_ns)) for host, one in first.items()}
        given = tuple(f"{host}@{times[host]}={one.file}" for host, one in first.items())
        analysis = evpn_pcap.analyze(captures_in(folder), Options(snapshots=given))
        stale = {host for host, one in first.items() if _is_outdated(one, home, analysis, clocks)}
        prints = [one for one in prints if one is not first[one.host] and one.host not in stale]
        found.counts["given"] = len(given)
    found.counts["outside"] = len(every) - len(prints) - found.counts["given"]
    stamp = _stamp(clocks, analysis.clocks[0].reference if analysis.clocks else "")
    refusals = {one.host: Refusals(home / "evidence" / f"{one.host}-frr.log") for one in prints}
    _compare_prints(found, prints, analysis, truth["vteps"], stamp, refusals)
    _compare_causes(found, truth, analysis, clocks, home / "evidence")
    return found


def _first_to_know(every: list[Print], covered: list[Print]) -> dict[str, Print]:
    """Return, by host, the first print in its captures; where that is the only one, the last before."""
    begun = {one.host: one for one in reversed(covered)}
    earlier = {one.host: one for one in every if one.host in begun and one.begin_ns < begun[one.host].begin_ns}
    counts = Counter(one.host for one in covered)
    return begun | {host: one for host, one in earlier.items() if counts[host] == 1}


def _is_outdated(one: Print, home: Path, analysis: Analysis, clocks: Row) -> bool:
    """Return whether a VTEP's table changed between a print of it and the first frame of its captures."""
    stamp = _stamp(clocks, one.host)
    firsts = [each.first_ns for each in analysis.captures if each.host == one.host and each.first_ns is not None]
    until_ns = one.begin_ns + max(0, min(firsts) - stamp(one.begin_ns))
    log = home / "evidence" / f"{one.host}-frr.log"
    return until_ns > one.end_ns and has_updates(log, one.begin_ns, until_ns)


def _begins_late(analysis: Analysis) -> bool:
    """Return whether some direction of a session, or all of them, was not seen from its start."""
    known_ns = analysis.tables.sessions.groupby(["sender_ip", "receiver_ip"])["complete_ns"].min()
    return known_ns.empty or bool((known_ns == FOREVER).any())


def read_prints(folder: Path) -> list[Print]:
    """Return the tables of routes that a run's VTEPs printed, in order of time."""
    index = folder / "evidence" / "snapshots.json"
    found = []
    for one in json.loads(index.read_text(encoding="utf-8")) if index.exists() else ():
        if one["file"].endswith(PRINTED):
            path = index.with_name(one["file"])
            ways = frozenset(_printed(json.loads(path.read_text(encoding="utf-8"))))
            found.append(Print(one["host"], one["begin_ns"], one["end_ns"], path, ways))
    return sorted(found, key=lambda one: (one.begin_ns, one.host))


def _printed(table: Row) -> list[Way]:
    """Return every path of a print."""
    found = []
    for rd, routes in table.items():
        for prefix, route in routes.items() if isinstance(routes, dict) else ():
            for path in (path for paths in route["paths"] for path in paths) if isinstance(route, dict) else ():
                words = COMMUNITY.findall(path.get("extendedCommunity", {}).get("string", ""))
                told = defaultdict(list)
                for name, value in words:
                    told[name].append(value)
                sequence, router_mac = int((told["MM"] or ["0"])[0]), (told["Rmac"] or [""])[0]
                hop = path["nexthops"][0]["ip"]
                found.append(Way(rd, prefix, hop, tuple(sorted(told["RT"])), sequence, router_mac))
    return found


def _said(row: Row) -> Way:
    """Return a row of ROUTES in the words of FRR's print."""
    ip, mac, (prefix, _, bits) = _text(row["ip"]), _mac(row["mac"]), _text(row["prefix"]).partition("/")
    width = 128 if ":" in ip else 32
    tails = {
        2: f"[48]:[{mac}]" + (f":[{width}]:[{ip}]" if ip else ""),
        3: f"[{width}]:[{ip}]",
        5: f"[{bits}]:[{prefix}]",
    }
    told = f"[{row['route_type']}]:[{row['ethernet_tag']}]:{tails.get(row['route_type'], '')}"
    targets = tuple(sorted(_text(row["route_targets"]).split()))
    sequence = row["mobility_sequence"] if isinstance(row["mobility_sequence"], int) else 0
    return Way(row["rd"], told, _text(row["next_hop"]), targets, sequence, _mac(row["router_mac"]))


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _mac(value: object) -> str:
    return mac_text(value) if isinstance(value, int) else ""


def _compare_prints(
    found: Comparison,
    prints: list[Print],
    analysis: Analysis,
    vteps: Row,
    stamp: Stamp,
    refusals: dict[str, Refusals],
) -> None:
    """Hold each print against the routes in force then; what changed while it was taken may be in it or not.

    `untold`: a VTEP's own routes, printed before it had told anybody anything. `refused`: what its bgpd logged as
    denied when it was told it last; packets do not show it.
    """
    by_receiver = defaultdict(list)
    for row in analysis.tables.routes.to_dict("records"):
        by_receiver[row["receiver_ip"]].append((row, _said(row)))
    found.counts["receivers"] = len({one.host for one in prints})
    found.counts["prints"] = len(prints)
    for one in prints:
        begin_ns, end_ns = stamp(one.begin_ns) - SETTLED_NS, stamp(one.end_ns) + SETTLED_NS
        vtep_ip = vteps[one.host]
        own_ns = [row["advertised_ns"] for row, _ in by_receiver[vtep_ip] if row["sender_ip"] == vtep_ip]
        is_silent = end_ns <= min(own_ns, default=FOREVER)
        untold = {way for way in one.ways if is_silent and way.next_hop == vtep_ip}
        before, tellers = _in_force(by_receiver[vtep_ip], begin_ns, end_ns)
        throughout = set(tellers)
        found.counts["untold"] += len(untold)
        found.counts["routes"] += len((one.ways - untold) | throughout)
        found.counts["changing"] += len(before - throughout)
        surplus = throughout - one.ways
        refused = {way for way in surplus if refusals[one.host].is_refused(tellers[way], way.rd, way.prefix, one)}
        found.counts["refused"] += len(refused)
        for name, ways in (("missing", one.ways - before - untold), ("surplus", surplus - refused)):
            found.counts[name] += len(ways)
            found.told += [f"{name} at {one.file.name}: {way}" for way in sorted(ways)]


def _in_force(rows: list[tuple[Row, Way]], begin_ns: int, end_ns: int) -> tuple[set[Way], dict[Way, set[str]]]:
    """Return the ways that may have been in force at any moment between, and those that were all the time, by whom."""
    before, tellers = set(), defaultdict(set)
    for row, way in rows:
        since_ns, until_ns = row["advertised_ns"], row["withdrawn_ns"]
        doubt_ns, end_doubt_ns = row["margin_ns"], row["withdraw_margin_ns"]
        may_lack, lacks = _refused(row["refused_ns"], begin_ns, end_ns)
        if since_ns - doubt_ns <= end_ns and until_ns > begin_ns - end_doubt_ns and not lacks:
            before.add(way)
        if since_ns + doubt_ns <= begin_ns and until_ns - end_doubt_ns > end_ns and not may_lack:
            tellers[way].add(row["sender_ip"])
    return before, tellers


def _refused(threes: tuple[int, ...], begin_ns: int, end_ns: int) -> tuple[bool, bool]:
    """Return whether the program holds a route as perhaps, and as surely, refused by its receiver between two times."""
    parts = list(zip(threes[::3], threes[1::3], threes[2::3], strict=True))
    may_lack = any(since <= end_ns and begin_ns < until for since, _, until in parts)
    return may_lack, any(sure <= begin_ns and end_ns < until for _, sure, until in parts)


def _is_covered(one: Print, analysis: Analysis, clocks: Row) -> bool:
    """Return whether the captures of a print's own host began before it and went on after it."""
    stamp = _stamp(clocks, one.host)
    mine = [capture for capture in analysis.captures if capture.host == one.host]
    firsts = [capture.first_ns for capture in mine if capture.first_ns is not None]
    lasts = [capture.last_ns for capture in mine if capture.last_ns is not None]
    return bool(firsts) and min(firsts) <= stamp(one.begin_ns) and stamp(one.end_ns) <= max(lasts)


def _compare_causes(found: Comparison, truth: Row, analysis: Analysis, clocks: Row, evidence: Path) -> None:
    """Hold the trigger of each announcement, and its delay, against what the witnesses tell.

    `unsent`: no UPDATE of it is in the captures; `unknown`: the witnesses know no trigger; `uncaptured`: no capture
    was there to show it; `tabled`: the program names none, and by the daemons' logs it was told before the End-of-RIB
    of the VTEP's first table, which tells what was known at any time before.
    """
    stamp = _stamp(clocks, analysis.clocks[0].reference if analysis.clocks else "")
    neighbours, receipts, ends_ns = Neighbours(evidence, truth["vteps"]), Receipts(evidence), table_ends(evidence)
    routes = analysis.tables.routes
    own = routes[
        (routes["receiver_ip"] == routes["sender_ip"]) & (routes["route_type"] == 2) & ~routes["is_preexisting"]
    ]
    by_address = defaultdict(list)
    for row in own.to_dict("records"):
        by_address[row["sender_ip"], _mac(row["mac"]), _text(row["ip"])].append(row)
    packets = analysis.tables.packets.set_index("frame_id")
    anchors = analysis.tables.anchors.set_index("frame_id")
    for event in truth["macip_events"]:
        if event["action"] != "announce" or event.get("refresh"):
            continue
        found.counts["told"] += 1
        told = _announcement(event, by_address[truth["vteps"][event["vtep"]], event["mac"], event["ip"]], stamp)
        if told is None:
            found.counts["unsent"] += 1
            continue
        trigger = settled(event, truth, neighbours)
        if trigger is None:
            found.counts["unknown"] += 1
            continue
        formatted_ns = _ns(event["update_formatted_t"])
        wire_ns = formatted_ns, receipts.first(truth["vteps"][event["vtep"]], event["route"], formatted_ns)
        word, difference_ns, said = _judge(told, trigger, wire_ns, packets, anchors, stamp)
        if word != "right" and not _is_shown(event, truth, analysis, clocks):
            word = "uncaptured"
        if word == "none" and formatted_ns <= ends_ns.get(truth["vteps"][event["vtep"]], 0):
            word = "tabled"
        found.counts[word] += 1
        if word == "right":
            found.worst_ns = max(found.worst_ns, difference_ns)
            found.counts["late"] += difference_ns > DELAY_NS
        if word in ("wrong", "none") or (word == "right" and difference_ns > DELAY_NS):
            who = f"{event['vtep']} {event['mac']} {event['ip'] or '-'}"
            found.told.append(f"{word}: {event['t']:.6f} {who}: truth {trigger}, program {said}")


def _announcement(event: Row, rows: list[Row], stamp: Stamp) -> Row | None:
    """Return the row of ROUTES that begins with an event's UPDATE, if there is one."""
    if not event.get("update_formatted_t"):
        return None
    told_ns = stamp(_ns(event["update_formatted_t"]))
    near = [one for one in rows if abs(one["advertised_ns"] - told_ns) <= UPDATE_NS + one["margin_ns"]]
    return min(near, key=lambda one: abs(one["advertised_ns"] - told_ns), default=None)


def _judge(
    row: Row, trigger: Row, wire_ns: tuple[int, int], packets: pd.DataFrame, anchors: pd.DataFrame, stamp: Stamp
) -> tuple[str, int, str]:
    """Return right, wrong or none, how far the delay is from the true one, and what the program says.

    `wire_ns`: between which moments the UPDATE came onto the wire.
    """
    frame = row["trigger_frame_id"]
    if not isinstance(frame, int):
        return "none", 0, "none"
    is_packet = frame in packets.index
    seen: Row = (packets if is_packet else anchors).loc[frame].to_dict()
    operation = seen["protocol"] if is_packet else "ordinary"
    operation = OPERATIONS.get((operation, seen["operation"]), operation) if is_packet else operation
    apart_ns = int(seen["time_ns"]) - stamp(trigger["t_ns"])
    delay_ns = int(row["trigger_delay_ns"])
    early_ns, late_ns = wire_ns[0] - trigger["t_ns"] - delay_ns, delay_ns - (wire_ns[1] - trigger["t_ns"])
    is_right = operation == trigger["op"] and abs(apart_ns) <= SAME_FRAME_NS + int(seen["margin_ns"])
    words = f"{operation} {apart_ns / 1e6:+.3f} ms from it, delay {delay_ns / 1e6:.3f} ms"
    return "right" if is_right else "wrong", max(0, early_ns, late_ns), words


def _is_shown(event: Row, truth: Row, analysis: Analysis, clocks: Row) -> bool:
    """Return whether a capture at the guest's own link listened when the trigger came, to frames of its kind."""
    trigger, tap = event["trigger"], event["trigger"]["interface"]
    guests = {vm for vm, port in truth["ports"].items() if port["tap"] == tap}
    if trigger["op"] in ("rs", "ns", "na", "mld") and "not icmp6" in truth["capture"].get("filter", ""):
        return False
    for one in analysis.captures:
        is_there = one.host in guests or (one.host == event["vtep"] and one.point.startswith((tap, "any", "several")))
        t_ns = _stamp(clocks, one.host)(trigger["t_ns"])
        if is_there and one.first_ns is not None and one.last_ns is not None and one.first_ns <= t_ns <= one.last_ns:
            return True
    return False


def _stamp(clocks: Row, host: str) -> Stamp:
    """Return what a host's clock shows at a true time."""
    return clocks[host].stamp if host in clocks else int


def _ns(seconds: float) -> int:
    return round(seconds * 1_000_000) * 1000


def _seconds(ns: int) -> str:
    return f"{ns // 10**9}.{ns % 10**9:09}"


def main() -> None:
    """Print, for each folder with captures, how its routes and their triggers compare, and what does not agree."""
    parser = argparse.ArgumentParser(prog="python -m samples.lab.routes", description=main.__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    asked = parser.parse_args()
    print(HEADER)
    whole = Comparison("all")
    for folder in asked.folders:
        if captures_in(folder):
            one = compare(folder)
            print(one.line(), *(f"    {line}" for line in one.told), sep="\n", flush=True)
            whole.counts += one.counts
            whole.worst_ns = max(whole.worst_ns, one.worst_ns)
    print(whole.line())


if __name__ == "__main__":
    main()

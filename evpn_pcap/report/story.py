"""One row of RESOLUTIONS -> its story for people: the answer first, then why, then every moment with its frame."""

from collections.abc import Iterator, Sequence
from textwrap import fill

import pandas as pd

from evpn_pcap.addresses import mac_text
from evpn_pcap.columns import RESOLUTIONS
from evpn_pcap.errors import OptionError
from evpn_pcap.model import FOREVER, Analysis
from evpn_pcap.report.escape import visible
from evpn_pcap.report.json import sorted_findings
from evpn_pcap.report.story_moments import MAC_IP, Moment, moments_of
from evpn_pcap.report.story_words import (
    AFTERMATHS,
    ANSWERS,
    CHECKS,
    EFFECTS,
    KINDS,
    OUTCOMES,
    REASONS,
    WITHDRAWALS,
)
from evpn_pcap.report.table import aligned
from evpn_pcap.report.values import capture_names, frame_text, records, written

WIDTH = 110
DISSECTED_COUNT = 4
MOST_POINTS = 3


def story(analysis: Analysis, resolution_id: int, dissections: Sequence[tuple[str, str]] = (), note: str = "") -> str:
    """Return the story of one resolution.

    `dissections` are frames with Wireshark's words for them, `note` says why there are none. Raises OptionError
    where no resolution has this id.
    """
    row = _row(analysis, resolution_id)
    found = moments_of(analysis, row)
    parts = [
        _wrapped(_headline(analysis, row)),
        _wrapped(_answer(row)),
        _section("Why", _why(row)),
        _section("What the VTEP knew", _knowledge(analysis, row)),
        _moments(row, found),
        _section("Afterwards", _afterwards(analysis, row)),
        _section("What this rests on", _limits(row, found)),
        _section("Findings about it", _findings(analysis, row)),
    ]
    if dissections:
        parts.append(
            "The deciding frames, as Wireshark shows them\n" + "\n".join(_dissected(*one) for one in dissections)
        )
    elif note:
        parts.append(_wrapped([note]))
    return "\n\n".join(part for part in parts if part) + "\n"


def deciding_frames(analysis: Analysis, resolution_id: int) -> list[int]:
    """Return the frames that a reader wants to open: first request, first copy, first answer, first UPDATE."""
    found = moments_of(analysis, _row(analysis, resolution_id))
    firsts = [
        next((one.frame_id for one in found if one.part == part), None)
        for part in ("request", "copy", "answer", "update")
    ]
    return [one for one in firsts if one is not None][:DISSECTED_COUNT]


def _row(analysis: Analysis, resolution_id: int) -> pd.Series:
    rows = analysis.tables.resolutions
    chosen = rows[rows["id"] == resolution_id]
    if chosen.empty:
        known = f"there are 1 to {rows['id'].max()}" if len(rows) else "there are none"
        raise OptionError(f"no resolution {resolution_id}: {known}")
    return chosen.iloc[0]


def _headline(analysis: Analysis, row: pd.Series) -> Iterator[str]:
    """Yield who asked what, when and where."""
    told = records(
        written(RESOLUTIONS, analysis.tables.resolutions[analysis.tables.resolutions["id"] == row["id"]], {})
    )[0]
    mac = mac_text(int(row["requester_mac"])) if pd.notna(row["requester_mac"]) else "a machine"
    who = f"{row['requester_ip']} ({mac})" if pd.notna(row["requester_ip"]) else mac
    host = f", on {row['requester_host']}," if pd.notna(row["requester_host"]) else ""
    target = row["target_ip"] if pd.notna(row["target_ip"]) else "its MAC address"
    repeats = f", {row['request_count']} times" if row["request_count"] > 1 else ""
    vni = f", VNI {row['vni']}" if pd.notna(row["vni"]) else ""
    behind = f", behind the VTEP {row['ingress_vtep']}" if pd.notna(row["ingress_vtep"]) else ""
    verb = KINDS[row["protocol"], row["kind"]]
    yield f"Resolution {row['id']} ({row['protocol'].upper()} {row['kind']}) at {told['time']}"
    yield f"{who}{host} {verb} {target}{repeats}{vni}{behind}."


def _answer(row: pd.Series) -> Iterator[str]:
    """Yield the outcome, its cost and who answered."""
    count = int(row["fabric_copy_count"])
    cost = f" {count} {'copy' if count == 1 else 'copies'} of it crossed the fabric." if count else ""
    yield OUTCOMES[row["outcome"]] + cost
    if row["outcome"] == "undecided":
        if pd.notna(row["undecided_reason"]):
            yield f"Missing: {row['undecided_reason']}."
        if pd.notna(row["likely"]):
            yield f"More likely than not it was {row['likely']}: a hint from timing or routes, not a proof."
    if row["kind"] == "announcement":
        return  # it asks nothing
    took = f" after {_span(int(row['latency_ns']))}." if pd.notna(row["latency_ns"]) else "."
    words = ANSWERS[row["answered_by"]]
    yield words if words.endswith(".") else words + took


def _why(row: pd.Series) -> Iterator[str]:
    """Yield the reason in a sentence, and where to look next."""
    reason, detail, candidates = row["reason"], row["reason_detail"], row["reason_candidates"]
    base = next((key for key in REASONS if pd.notna(reason) and str(reason).startswith(key)), None)
    if pd.notna(reason):
        yield f"{reason}: {REASONS[base]}" if base else str(reason)
    elif row["outcome"] != "undecided":
        yield "The captures leave the reason open."
    if pd.notna(detail):
        yield f"In particular: {detail}"
    if pd.notna(candidates):
        possible, _, decider = str(candidates).partition("; ")
        yield f"Possible: {possible}"
        if decider:
            yield f"What would decide: {decider.removesuffix(' would decide')}"
    if base in CHECKS:
        yield f"To check: {CHECKS[base]}"


def _knowledge(analysis: Analysis, row: pd.Series) -> Iterator[str]:
    """Yield the routes for the target at the requester's VTEP, around the request."""
    if pd.isna(row["target_ip"]) or row["kind"] == "announcement":
        return
    where = row["ingress_vtep"] if pd.notna(row["ingress_vtep"]) else "the requester's VTEP"
    route = f"MAC/IP route for {row['target_ip']}"
    no_table = "no BGP was captured" if analysis.tables.updates.empty else "the captures do not show its table whole"
    states = {
        "in force": f"A {route} was in force at {where} when the request came.",
        "not in force": f"No {route} was in force at {where} when the request came.",
        "too close": f"A {route} came or went at {where} so close to the request that the clocks leave the order open.",
        "unknown": f"Whether {where} had a {route} then is not known: {no_table}. A print of `show bgp l2vpn evpn "
        "route` from before the request, given with --snapshot, would tell.",
    }
    if row["outcome"] != "learned" and row["kind"] != "probe":
        yield states[row["route_state"]]
    routes = analysis.tables.routes
    about = routes[(routes["route_type"] == MAC_IP) & (routes["ip"] == row["target_ip"])]
    about = about[
        (about["receiver_ip"] == row["ingress_vtep"]) if pd.notna(row["ingress_vtep"]) else about["receiver_ip"].notna()
    ]
    names = capture_names(analysis.captures)
    for _, route in about.drop_duplicates(["next_hop", "mac", "advertised_ns"]).head(4).iterrows():
        yield _route(route, int(row["time_ns"]), names)


def _route(route: pd.Series, asked_ns: int, names: dict[int, str]) -> str:
    """Return when a route was in force, in a sentence."""
    came = (
        "it was there before the capture began"
        if route["is_preexisting"]
        else f"announced {_relative(int(route['advertised_ns']) - asked_ns)}"
    )
    if pd.notna(route["trigger_delay_ns"]):
        trigger = frame_text(int(route["trigger_frame_id"]), names)
        came += f", {_span(int(route['trigger_delay_ns']))} after the frame that made the VTEP learn it ({trigger})"
    gone = "still there when the capture ended"
    if route["withdrawn_ns"] != FOREVER:
        reason = WITHDRAWALS.get(str(route["withdraw_reason"]), "")
        gone = f"gone {_relative(int(route['withdrawn_ns']) - asked_ns)} {reason}".rstrip()
    frames = " ".join(frame_text(one, names) for one in route["frame_ids"])
    mine = "own route" if route["receiver_ip"] == route["next_hop"] else f"behind {route['next_hop']}"
    imported = ", but not imported (no matching route target)" if route["is_imported"] is False else ""
    refused = ", but refused there for a time or all of it (prints lack it)" if route["refused_ns"] else ""
    return f"Route {mac_text(int(route['mac']))} {route['ip']}, {mine}: {came}; {gone}{imported}{refused} [{frames}]"


def _moments(row: pd.Series, found: list[Moment]) -> str:
    """Return the table of moments."""
    cells = []
    for one in found:
        is_aligned = one.margin_ns != FOREVER
        when = f"{(one.time_ns - int(row['time_ns'])) / 1e6:+.3f}" if is_aligned else "?"
        margin = f"{one.margin_ns / 1000:.0f}" if is_aligned else "?"
        cells.append([when, margin, f"{one.host} {one.point}".rstrip(), one.what, one.frame])
    if not cells:
        return ""
    head = ["ms", "+-us", "seen at", "what", "frame"]
    title = "Moment by moment (ms since the request; +-us is how far that host's clock may be off)\n"
    return title + aligned(head, [[visible(cell) for cell in line] for line in cells]).rstrip("\n")


def _afterwards(analysis: Analysis, row: pd.Series) -> Iterator[str]:
    """Yield what the exchange led to."""
    if row["route_effect"] in EFFECTS:
        yield EFFECTS[row["route_effect"]]
    if row["kind"] in ("resolution", "refresh"):
        use = analysis.tables.aftermaths[analysis.tables.aftermaths["id"] == row["id"]]
        waited = [int(one) for one in use["answered_after_ns"].dropna()]
        if row["aftermath"] == "answered" and not waited:
            yield "The address was then used, and frames came back from it."
        else:
            yield AFTERMATHS[row["aftermath"]] + (f" It took {_span(waited[0])} from the request on." if waited else "")


def _some(points: list[str]) -> str:
    """Return the first few of several points in words."""
    shown = (
        points if len(points) <= MOST_POINTS else [*points[: MOST_POINTS - 1], f"{len(points) - MOST_POINTS + 1} more"]
    )
    return " and ".join(filter(None, (", ".join(shown[:-1]), shown[-1])))


def _limits(row: pd.Series, found: list[Moment]) -> Iterator[str]:
    """Yield what makes the answer certain, and what it assumes."""
    proofs = {
        "flooded": "Presence proves: the frames above that were seen beyond the requester's VTEP.",
        "suppressed": "Absence proves: a copy would have passed {}, captured at that moment, and there is none.",
        "learned": "Absence proves: a copy would have passed {}, captured at that moment, and there is none.",
    }
    if row["outcome"] == "flooded" or pd.notna(row["absent_at"]):
        yield proofs[row["outcome"]].format(_some(str(row["absent_at"]).split()))
    for assumption in row["assumptions"]:
        yield f"Assumed: {assumption}"
    lost = sorted({one.host for one in found if one.margin_ns == FOREVER})
    if lost:
        yield f"The clock of {', '.join(lost)} cannot be compared with the others: its moments have no place above."
    widest = max((one.margin_ns for one in found if one.margin_ns != FOREVER), default=0)
    if widest:
        yield f"Moments closer than {_span(widest)} may have happened in another order."


def _findings(analysis: Analysis, row: pd.Series) -> Iterator[str]:
    """Yield the diagnoses that rest on this row."""
    for one in sorted_findings(analysis):
        if row["id"] in one.resolution_ids:
            yield f"{one.code} {one.name} [{one.severity}]: {one.title}"
            yield f"  Advice: {one.advice} More: evpn-pcap explain {one.code}"


def _dissected(frame: str, words: str) -> str:
    lines = "\n".join("  " + visible(line) for line in words.splitlines())
    return f"\n{frame}\n{lines}"


def _section(title: str, sentences: Iterator[str]) -> str:
    told = _wrapped(sentences, indent="  ")
    return f"{title}\n{told}" if told else ""


def _wrapped(sentences: "Iterator[str] | Sequence[str]", indent: str = "") -> str:
    further = indent + "  " if indent else ""
    return "\n".join(
        fill(
            visible(one),
            WIDTH,
            initial_indent=indent,
            subsequent_indent=further,
            break_long_words=False,
            break_on_hyphens=False,
        )
        for one in sentences
    )


def _span(ns: int) -> str:
    """Return a time in the unit that it is read best in."""
    for unit, size in (("s", 10**9), ("ms", 10**6), ("us", 10**3)):
        if abs(ns) >= size:
            return f"{ns / size:.3g} {unit}" if abs(ns) < 1000 * size else f"{ns / size:.0f} {unit}"
    return f"{ns} ns"


def _relative(ns: int) -> str:
    return f"{_span(-ns)} before the request" if ns < 0 else f"{_span(ns)} after the request"

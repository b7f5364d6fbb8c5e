"""Analysis -> text for people: the answer, what limits it, every resolution, the findings with their frames."""

import io
from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from evpn_pcap import columns
from evpn_pcap.model import Analysis, Capture, ClockFit, Finding, Kind, Outcome, Severity
from evpn_pcap.report.clocks import clock_words
from evpn_pcap.report.cost import cost_lines
from evpn_pcap.report.escape import visible
from evpn_pcap.report.json import anomaly_values, sorted_findings
from evpn_pcap.report.values import capture_names, frame_text, records, written

WIDE = 1000  # columns of a "terminal" that never cuts: a pipe, a file
_STYLES = {Outcome.SUPPRESSED: "green", Outcome.FLOODED: "red", Outcome.LEARNED: "cyan", Outcome.UNDECIDED: "yellow"}
_SHOWN_FRAMES_COUNT = 3  # the JSON has them all
_SHOWN_ROWS_COUNT = 8


def render(analysis: Analysis, width: int | None = None, is_coloured: bool = False) -> str:
    """Return the answer for a screen of `width` columns; None: for a pipe or a file, where nothing is folded."""
    out = io.StringIO()
    console = Console(
        file=out, width=width or WIDE, force_terminal=is_coloured, color_system="standard" if is_coloured else None,
        markup=False, emoji=False, highlight=False, legacy_windows=False,
    )  # fmt: skip
    for line in _answer(analysis):
        console.print(line)
    for title, table in _limits(analysis):
        _show(console, title, table)
    _show(console, "Resolutions", _resolutions(analysis))
    names = capture_names(analysis.captures)
    for finding in sorted_findings(analysis):
        console.print(_finding(finding, names))
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


def _answer(analysis: Analysis) -> list[Text]:
    """Return the counts, the first thing that a reader looks for."""
    figures = analysis.summary
    counts = [(figures.suppressed, Outcome.SUPPRESSED), (figures.flooded, Outcome.FLOODED)]
    counts += [(figures.learned, Outcome.LEARNED), (figures.undecided, Outcome.UNDECIDED)]
    answer = Text(f"{figures.resolution_count} resolutions: ")
    for index, (count, outcome) in enumerate(counts):
        answer.append(", " if index else "").append(f"{count} {outcome}", style=_STYLES[outcome] if count else "")
    ratio = "no ratio" if figures.suppression_ratio is None else f"suppression ratio {figures.suppression_ratio:.3f}"
    lines = [answer, Text(f"{ratio}; {figures.fabric_copy_count} copies of requests crossed the fabric")]
    lines += [Text(line) for line in cost_lines(figures)]
    kinds = analysis.tables.resolutions["kind"]
    besides = [(int((kinds == kind).sum()), kind) for kind in Kind if kind != Kind.RESOLUTION]
    told = ", ".join(f"{count} {_plural(kind, count)}" for count, kind in besides if count)
    return [*lines, Text(f"besides: {told}")] if told else lines


def _limits(analysis: Analysis) -> list[tuple[str, Table]]:
    """Return the tables that say how far the answer can be trusted."""
    failed = _table("capture", "could not be read because")
    for name, reason in sorted(analysis.failures):
        failed.add_row(visible(name), visible(reason))
    anomalies = _table("capture", "layer", "anomaly", "count:")
    for row in anomaly_values(analysis):
        anomalies.add_row(*(visible(str(value)) for value in row.values()))
    return [
        ("Captures", _captures(analysis.captures)),
        ("Not read", failed),
        ("Clocks", _clocks(analysis.clocks)),
        ("Anomalies", anomalies),
        ("Assumptions that outcomes rest on", _counted(analysis, "assumptions")),
        ("Undecided, because", _counted(analysis, "undecided_reason")),
    ]


def _counted(analysis: Analysis, column: str) -> Table:
    """Return what a column of RESOLUTIONS says of its rows, with the rows that it says it of."""
    table = _table("resolutions", "what")
    told = analysis.tables.resolutions[["id", column]].explode(column).dropna()
    for text, ids in told.groupby(column, sort=True)["id"]:
        shown = [str(one) for one in ids.head(_SHOWN_ROWS_COUNT)]
        more = len(ids) - len(shown)
        table.add_row(", ".join(shown) + (f" (+{more})" if more > 0 else ""), visible(str(text)))
    return table


def _captures(captures: Iterable[Capture]) -> Table:
    """Return each capture with its accounting."""
    table = _table("capture", "host", "point", "role", "records:", "decoded:", "skipped", "dropped:", "note")
    for one in sorted(captures, key=lambda one: one.name):
        skipped = ", ".join(f"{count} {reason}" for reason, count in sorted(one.skipped.items()) if count)
        dropped = "not told" if one.dropped_count is None else str(one.dropped_count)
        words = [
            one.name,
            one.host,
            one.point,
            one.role,
            str(one.packet_count),
            str(one.decoded_count),
            skipped,
            dropped,
        ]
        table.add_row(*map(visible, words), "cut short" if one.is_truncated else "")
    return table


def _clocks(clocks: Iterable[ClockFit]) -> Table:
    """Return each host's clock against the reference."""
    table = _table("host", "quality", "offset ms:", "margin us:", "drift ppm:", "matched:", "steps:")
    for one in sorted(clocks, key=lambda one: one.host):
        table.add_row(*map(visible, clock_words(one)))
    return table


def _resolutions(analysis: Analysis) -> Table:
    """Return every resolution on one line with the frames that prove it."""
    has_segments = len(analysis.tables.resolutions["vni"].dropna().unique()) > 1
    segment = ("vni:",) if has_segments else ()
    answer = ("outcome", "reason", "answered by", "latency us:", "route", "copies:", "frames")
    table = _table("id:", "time (UTC)", *segment, "kind", "protocol", "requester", "target", *answer)
    told = records(written(columns.RESOLUTIONS, analysis.tables.resolutions, capture_names(analysis.captures)))
    for row in told:
        latency = "" if row["latency_ns"] is None else f"{row['latency_ns'] / 1000:.1f}"
        vni = (str(row["vni"] or ""),) if has_segments else ()
        asked = (row["kind"], row["protocol"], row["requester_ip"] or row["requester_mac"], row["target_ip"])
        rest = (row["reason"], row["answered_by"], latency, row["route_state"], str(row["fabric_copy_count"]))
        outcome = Text(row["outcome"], style=_STYLES.get(row["outcome"], ""))
        words = (visible(word or "") for word in (str(row["id"]), row["time"][11:26], *vni, *asked))
        table.add_row(*words, outcome, *(visible(word or "") for word in (*rest, _frames(row["frames"]))))
    return table


def findings_text(analysis: Analysis, known: frozenset[str] | None = None) -> str:
    """Return the findings alone; against a baseline those whose fingerprint it does not have are marked new."""
    names = capture_names(analysis.captures)
    found = sorted_findings(analysis)
    counts = {severity: sum(one.severity == severity for one in found) for severity in Severity}
    told = ", ".join(f"{count} {severity}" for severity, count in counts.items() if count)
    head = f"{len(found)} findings: {told}" if found else "no findings"
    marks = ["" if known is None else "known: " if one.fingerprint in known else "NEW: " for one in found]
    parts = [_finding(one, names, mark).plain for one, mark in zip(found, marks, strict=True)]
    return "\n".join([head, *parts, ""])


def _finding(finding: Finding, names: dict[int, str], mark: str = "") -> Text:
    """Return one finding: what, why, what to do, what else it may be, and the frames to open."""
    where = "" if finding.vni is None else f" (VNI {finding.vni})"
    lines = [f"\n{mark}{finding.code} {finding.name} [{finding.severity}]{where}: {finding.title}"]
    parts = [
        ("cause", finding.cause),
        ("advice", finding.advice),
        ("else", finding.rivals),
        ("decides", finding.would_decide),
        ("clocks", "" if finding.margin_ns is None else f"moments known within {finding.margin_ns / 1000:.0f} us"),
    ]
    lines += [f"  {label + ':':<12}{words}" for label, words in parts if words]
    lines += [f"  {'rows:':<12}{', '.join(map(str, finding.resolution_ids))}"] if finding.resolution_ids else []
    frames = _frames([frame_text(one, names) for one in finding.frame_ids])
    lines += [f"  {'frames:':<12}{frames}"] if frames else []
    return Text("\n".join("\n" * line.startswith("\n") + visible(line.lstrip("\n")) for line in lines))


def _frames(frames: Sequence[str]) -> str:
    """Return the first frames, and how many more there are."""
    more = len(frames) - _SHOWN_FRAMES_COUNT
    return " ".join(frames[:_SHOWN_FRAMES_COUNT]) + (f" (+{more})" if more > 0 else "")


def _table(*heads: str) -> Table:
    """Return an empty table; heads that end in a colon are numbers."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0))
    for head in heads:
        table.add_column(head.removesuffix(":"), justify="right" if head.endswith(":") else "left", overflow="fold")
    return table


def _show(console: Console, title: str, table: Table) -> None:
    """Print a table under its title, unless it is empty."""
    if table.row_count:
        console.print(Text(f"\n{title}"))
        console.print(table)


def _plural(kind: str, count: int) -> str:
    """Return probe or probes, refresh or refreshes."""
    return kind if count == 1 else kind + ("es" if kind.endswith("sh") else "s")

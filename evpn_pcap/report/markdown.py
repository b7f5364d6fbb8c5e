"""Analysis -> summary.md: the answer on one page, as a forge shows it beside a pull request."""

from collections.abc import Sequence
from typing import Any

from evpn_pcap import columns
from evpn_pcap.model import Analysis
from evpn_pcap.report.clocks import clock_words
from evpn_pcap.report.escape import visible
from evpn_pcap.report.gates import Verdict
from evpn_pcap.report.json import sorted_findings
from evpn_pcap.report.values import capture_names, frame_text, records, written

_SPECIAL = str.maketrans({one: "\\" + one for one in "\\`*_[]<>|#~!"} | {"&": "&amp;"})
_SHOWN_COUNT = 50  # resolutions; resolutions.csv has them all


def render(analysis: Analysis, verdicts: Sequence[Verdict] = (), timeline_svg: str = "") -> str:  # noqa: ARG001  # one signature
    """Return the summary; text that came from a capture cannot act as markup."""
    figures = analysis.summary
    ratio = "none" if figures.suppression_ratio is None else f"{figures.suppression_ratio:.3f}"
    answer = (
        f"**{figures.resolution_count} resolutions**: {figures.suppressed} suppressed, {figures.flooded} flooded, "
        f"{figures.learned} learned, {figures.undecided} undecided. Suppression ratio: **{ratio}**."
    )
    lines = ["# ARP and ND suppression", "", answer, ""]
    lines += _section("Gates", ("gate", "figure", "result"), [_gate(one) for one in verdicts])
    lines += _section("Not read", ("capture", "reason"), sorted(analysis.failures))
    clocks = [clock_words(one) for one in sorted(analysis.clocks, key=lambda one: one.host)]
    lines += _section("Clocks", ("host", "quality", "offset ms", "margin us", "drift ppm", "matched", "steps"), clocks)
    lines += _findings(analysis)
    lines += _resolutions(analysis)
    return "\n".join(lines).rstrip() + "\n"


def _gate(verdict: Verdict) -> tuple[str, str, str]:
    """Return one gate in words."""
    return verdict.gate.expression, "none" if verdict.figure is None else f"{verdict.figure:g}", verdict.result


def _findings(analysis: Analysis) -> list[str]:
    """Return each finding with cause, advice and frames."""
    names = capture_names(analysis.captures)
    lines: list[str] = []
    for one in sorted_findings(analysis):
        frames = ", ".join(frame_text(frame, names) for frame in one.frame_ids[:5])
        lines += [f"- **{_safe(one.code)} {_safe(one.name)}** ({one.severity}): {_safe(one.title)}"]
        lines += [
            f"  - {label}: {_safe(text)}"
            for label, text in (("Cause", one.cause), ("Advice", one.advice), ("Frames", frames))
            if text
        ]
    return ["## Findings", "", *lines, ""] if lines else []


def _resolutions(analysis: Analysis) -> list[str]:
    """Return the first resolutions as a table."""
    rows = records(written(columns.RESOLUTIONS, analysis.tables.resolutions, capture_names(analysis.captures)))
    head = ("time", "protocol", "requester", "target", "outcome", "reason", "answered by", "first frame")
    told = [_row(one) for one in rows[:_SHOWN_COUNT]]
    more = len(rows) - _SHOWN_COUNT
    return _section("Resolutions", head, told) + ([f"{more} more in resolutions.csv.", ""] if more > 0 else [])


def _row(one: dict[str, Any]) -> tuple[str, ...]:
    """Return one resolution in words."""
    asker = one["requester_ip"] or one["requester_mac"]
    why = one["reason"] or one["undecided_reason"]
    words = (one["time"], one["protocol"], asker, one["target_ip"], one["outcome"], why, one["answered_by"])
    return *(word or "" for word in words), next(iter(one["frames"]), "")


def _section(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return a heading and a table, or nothing where there are no rows."""
    if not rows:
        return []
    body = [f"| {' | '.join(_safe(word) for word in row)} |" for row in rows]
    return [f"## {title}", "", f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}", *body, ""]


def _safe(text: str | None) -> str:
    """Return text that Markdown and HTML leave alone."""
    return visible(text or "").translate(_SPECIAL)

"""Analysis -> JUnit XML, as every CI system reads it: gates, findings, captures and resolutions as test cases."""

from collections.abc import Iterable, Sequence

from junitparser import Error, Failure, JUnitXml, Skipped, TestCase, TestSuite

from evpn_pcap import columns
from evpn_pcap.model import Analysis, Finding
from evpn_pcap.report.escape import visible
from evpn_pcap.report.gates import Verdict
from evpn_pcap.report.json import sorted_findings
from evpn_pcap.report.values import capture_names, frame_text, records, written


def render(analysis: Analysis, verdicts: Sequence[Verdict] = (), timeline_svg: str = "") -> str:  # noqa: ARG001  # one signature
    """Return one test suite a subject.

    gates: one case an expression of --fail-on; failed where it holds, skipped where not judged.
    captures: one case a file; an error where it could not be read.
    findings: one case a rule that found something, told in its output. It passes: findings alone
    do not fail a run, a gate does.
    resolutions: one case a row; skipped where undecided.
    """
    names = capture_names(analysis.captures)
    document = JUnitXml("evpn-pcap")
    document.add_testsuite(_suite("gates", map(_gate_case, verdicts)))
    document.add_testsuite(_suite("captures", _capture_cases(analysis)))
    document.add_testsuite(_suite("findings", _finding_cases(analysis, names)))
    document.add_testsuite(_suite("resolutions", _resolution_cases(analysis, names)))
    text: bytes = document.tostring()
    return f'<?xml version="1.0" encoding="utf-8"?>\n{text.decode("utf-8")}\n'


def _suite(name: str, cases: Iterable[TestCase]) -> TestSuite:
    """Return a suite with its cases counted."""
    suite = TestSuite(f"evpn-pcap.{name}")
    suite.add_testcases(list(cases))
    return suite


def _case(subject: str, name: str, words: str = "") -> TestCase:
    """Return a passed case."""
    case = TestCase(visible(name), classname=f"evpn-pcap.{subject}")
    if words:
        case.system_out = _lines(words)
    return case


def _gate_case(verdict: Verdict) -> TestCase:
    """Return one gate."""
    case = _case("gates", verdict.gate.expression)
    if verdict.is_failed is None:
        case.result = [Skipped(f"inconclusive: the captures give no {verdict.gate.name}")]
    elif verdict.is_failed:
        case.result = [Failure(visible(f"{verdict.gate.expression} holds: it is {verdict.figure}"), "gate")]
    return case


def _capture_cases(analysis: Analysis) -> list[TestCase]:
    """Return one case a capture, read or not."""
    cases = [
        _case("captures", one.name, f"{one.packet_count} records, {one.decoded_count} decoded")
        for one in sorted(analysis.captures, key=lambda one: one.name)
    ]
    for name, reason in sorted(analysis.failures):
        case = _case("captures", name)
        case.result = [Error(visible(reason), "unreadable")]
        cases.append(case)
    return cases


def _finding_cases(analysis: Analysis, names: dict[int, str]) -> list[TestCase]:
    """Return one case a rule that found something, with every occurrence in its output."""
    occurrences: dict[str, list[Finding]] = {}
    for one in sorted_findings(analysis):
        occurrences.setdefault(f"{one.code} {one.name}", []).append(one)
    return [
        _case("findings", rule, "\n".join(_words(one, names) for one in found)) for rule, found in occurrences.items()
    ]


def _words(finding: Finding, names: dict[int, str]) -> str:
    """Return one occurrence in words."""
    frames = ", ".join(frame_text(one, names) for one in finding.frame_ids)
    return f"[{finding.severity}] {finding.title}\ncause: {finding.cause}\nadvice: {finding.advice}\nframes: {frames}\n"


def _resolution_cases(analysis: Analysis, names: dict[int, str]) -> list[TestCase]:
    """Return one case a resolution; an undecided one is skipped, with what is missing."""
    cases = []
    for row in records(written(columns.RESOLUTIONS, analysis.tables.resolutions, names)):
        asker = row["requester_ip"] or row["requester_mac"]
        words = f"{row['time']} {row['outcome']} {row['reason'] or ''}\nframes: {', '.join(row['frames'])}"
        case = _case("resolutions", f"{row['id']} {row['kind']} {row['protocol']} {asker} -> {row['target_ip']}", words)
        if row["outcome"] == "undecided":
            case.result = [Skipped(visible(row["undecided_reason"] or "undecided"))]
        cases.append(case)
    return cases


def _lines(text: str) -> str:
    """Return text of several lines with nothing but printing characters in each."""
    return "\n".join(map(visible, text.split("\n")))

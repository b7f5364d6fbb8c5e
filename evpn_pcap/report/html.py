"""Analysis -> report.html: one file that loads nothing, runs nothing and reads without colour."""

from collections.abc import Sequence
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from evpn_pcap import __version__, columns
from evpn_pcap.model import Analysis
from evpn_pcap.report.clocks import clock_words
from evpn_pcap.report.cost import cost_lines
from evpn_pcap.report.escape import visible
from evpn_pcap.report.gates import Verdict
from evpn_pcap.report.json import anomaly_values, capture_values, finding_values, sorted_findings
from evpn_pcap.report.values import capture_names, records, written

_SHOWN_COSTS_COUNT = 10  # the dearest; the JSON has them all


def render(analysis: Analysis, verdicts: Sequence[Verdict] = (), timeline_svg: str = "") -> str:
    """Return the page; `timeline_svg` is a whole SVG file of our own making and goes in as it is."""
    names = capture_names(analysis.captures)
    loader = PackageLoader("evpn_pcap.report", "")
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, loader=loader, trim_blocks=True, lstrip_blocks=True, finalize=_told
    )
    return environment.get_template("page.html.j2").render(
        version=__version__,
        summary=analysis.summary,
        verdicts=verdicts,
        failures=sorted(analysis.failures),
        captures=[capture_values(one) for one in sorted(analysis.captures, key=lambda one: one.name)],
        clocks=[clock_words(one) for one in sorted(analysis.clocks, key=lambda one: one.host)],
        anomalies=anomaly_values(analysis),
        resolutions=records(written(columns.RESOLUTIONS, analysis.tables.resolutions, names)),
        costs=cost_lines(analysis.summary),
        flood_costs=records(written(columns.FLOOD_COSTS, analysis.tables.flood_costs.head(_SHOWN_COSTS_COUNT), names)),
        findings=[finding_values(one, names) for one in sorted_findings(analysis)],
        timeline=Markup(timeline_svg[max(timeline_svg.find("<svg"), 0) :]),  # our own figure, no prologue inside HTML
    )


def _told(value: Any) -> Any:
    """Return what the page shows of a value: nothing for a missing one, no control characters."""
    if value is None:
        return ""
    return value if isinstance(value, Markup) or not isinstance(value, str) else visible(value)

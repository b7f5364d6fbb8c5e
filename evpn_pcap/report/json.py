"""Analysis -> the JSON of `analyze --format json` (schema_version 1; schema/analysis.schema.json).

Same input, same bytes: rows are sorted, no wall-clock time and no absolute path is written.
"""

from typing import Any

from evpn_pcap import __version__, columns
from evpn_pcap.model import Analysis, Capture, ClockFit, Finding
from evpn_pcap.report.table import json_text
from evpn_pcap.report.values import capture_names, frame_text, records, written

SCHEMA_VERSION = 1


def render(analysis: Analysis) -> str:
    """Return the whole analysis as JSON; absent values are null."""
    return json_text(analysis_values(analysis), is_indented=True) + "\n"


def analysis_values(analysis: Analysis) -> dict[str, Any]:
    """Return what the JSON holds, as plain Python values."""
    names = capture_names(analysis.captures)
    return {
        "schema_version": SCHEMA_VERSION,
        "tool": {"name": "evpn-pcap", "version": __version__},
        "captures": [
            capture_values(one) for one in sorted(analysis.captures, key=lambda one: (one.name, one.capture_id))
        ],
        "failures": [{"path": name, "reason": reason} for name, reason in sorted(analysis.failures)],
        "clocks": [clock_values(one) for one in sorted(analysis.clocks, key=lambda one: one.host)],
        "summary": summary_values(analysis),
        "resolutions": records(written(columns.RESOLUTIONS, analysis.tables.resolutions, names)),
        "flood_costs": records(written(columns.FLOOD_COSTS, analysis.tables.flood_costs, names)),
        "findings": [finding_values(one, names) for one in sorted_findings(analysis)],
        "anomalies": anomaly_values(analysis),
    }


def capture_values(capture: Capture) -> dict[str, Any]:
    """Return one capture: packet_count = decoded_count + the sum of skipped."""
    return {
        "path": capture.name,
        "host": capture.host,
        "point": capture.point,
        "role": capture.role,
        "file_type": capture.file_type,
        "link_type": capture.link_types[0] if capture.link_types else None,
        "link_types": list(capture.link_types),
        "packet_count": capture.packet_count,
        "byte_count": capture.byte_count,
        "decoded_count": capture.decoded_count,
        "skipped": {reason: capture.skipped[reason] for reason in sorted(capture.skipped)},
        "first_ns": capture.first_ns,
        "last_ns": capture.last_ns,
        "is_truncated": capture.is_truncated,
        "dropped_count": capture.dropped_count,
    }


def clock_values(clock: ClockFit) -> dict[str, Any]:
    """Return one host's clock minus the reference's, in the middle of the host's captures."""
    return {
        "host": clock.host,
        "reference": clock.reference,
        "quality": clock.quality.value,
        "offset_ns": clock.offset_ns,
        "drift_ppm": clock.drift_ppm,
        "margin_ns": clock.margin_ns,
        "matched_packet_count": clock.matched_packet_count,
        "anchor_ns": clock.anchor_ns,
        "steps": [{"from_ns": one.from_ns, "to_ns": one.to_ns, "size_ns": one.size_ns} for one in clock.steps],
        "flags": list(clock.flags),
        "bracketed": [{"from_ns": first, "to_ns": last} for first, last in clock.bracketed],
    }


def summary_values(analysis: Analysis) -> dict[str, Any]:
    """Return the figures over the rows of kind `resolution`."""
    return {name: getattr(analysis.summary, name) for name in type(analysis.summary).__dataclass_fields__}


def finding_values(finding: Finding, names: dict[int, str]) -> dict[str, Any]:
    """Return one finding with its frames as references."""
    return {
        "code": finding.code,
        "name": finding.name,
        "severity": finding.severity.value,
        "vni": finding.vni,
        "title": finding.title,
        "cause": finding.cause,
        "advice": finding.advice,
        "rivals": finding.rivals,
        "would_decide": finding.would_decide,
        "resolutions": list(finding.resolution_ids),
        "frames": [frame_text(one, names) for one in finding.frame_ids],
        "margin_ns": finding.margin_ns,
        "fingerprint": finding.fingerprint,
    }


def findings_json(analysis: Analysis, known: frozenset[str] | None = None) -> str:
    """Return the findings alone; against a baseline each says whether it is new."""
    names = capture_names(analysis.captures)
    found = [
        finding_values(one, names) | ({} if known is None else {"is_new": one.fingerprint not in known})
        for one in sorted_findings(analysis)
    ]
    return json_text({"schema_version": SCHEMA_VERSION, "findings": found}, is_indented=True) + "\n"


def sorted_findings(analysis: Analysis) -> list[Finding]:
    """Return the findings, the gravest first, then by code, segment and fingerprint."""
    grave = {"high": 0, "medium": 1, "low": 2, "info": 3}
    return sorted(analysis.findings, key=lambda one: (grave[one.severity], one.code, one.vni or 0, one.fingerprint))


def anomaly_values(analysis: Analysis) -> list[dict[str, Any]]:
    """Return how often each oddity was met in each capture."""
    names = capture_names(analysis.captures)
    anomalies = analysis.tables.anomalies
    counted = anomalies.groupby(["capture_id", "layer", "name"], dropna=False)["count"].sum()
    found = counted.reset_index().itertuples(index=False, name=None)
    rows = sorted((names.get(capture, str(capture)), layer, name, count) for capture, layer, name, count in found)
    return [dict(zip(("path", "layer", "name", "count"), row, strict=True)) for row in rows]

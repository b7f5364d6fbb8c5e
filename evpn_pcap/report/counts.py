"""Captures -> counts.json: where every record of every file went."""

from collections.abc import Iterable

from evpn_pcap.model import Capture
from evpn_pcap.report.json import SCHEMA_VERSION, capture_values
from evpn_pcap.report.table import json_text


def counts_text(captures: Iterable[Capture], failures: Iterable[tuple[str, str]]) -> str:
    """Return each capture's accounting as JSON: packet_count = decoded_count + the sum of skipped."""
    counted = [capture_values(one) for one in sorted(captures, key=lambda one: (one.name, one.capture_id))]
    unread = [{"path": name, "reason": reason} for name, reason in sorted(failures)]
    return (
        json_text({"schema_version": SCHEMA_VERSION, "captures": counted, "failures": unread}, is_indented=True) + "\n"
    )

"""Analysis -> one CSV line a resolution; no cell is ever a formula."""

from evpn_pcap import columns
from evpn_pcap.model import Analysis
from evpn_pcap.report.table import as_csv
from evpn_pcap.report.values import capture_names, written


def render(analysis: Analysis) -> str:
    """Return RESOLUTIONS as CSV."""
    return as_csv(
        "resolutions", written(columns.RESOLUTIONS, analysis.tables.resolutions, capture_names(analysis.captures))
    )

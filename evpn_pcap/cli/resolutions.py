"""`resolutions`: one stage's table."""

from evpn_pcap.cli.options import Clock, Gating, Output, Reading, Scope, Words
from evpn_pcap.cli.stage import send_table
from evpn_pcap.cli.work import analysis_of
from evpn_pcap.cli.write import folder_of


def resolutions(reading: Reading, scope: Scope, clock: Clock, gating: Gating, output: Output, words: Words) -> int:
    """Print every resolution with its outcome, reason, route and frames: the table behind `analyze`.

    Example: evpn-pcap resolutions captures/ --format csv > resolutions.csv
    """
    folder_of(output)
    analysis, status, _ = analysis_of(reading, scope, clock, gating, words)
    from evpn_pcap.report.scope import in_scope

    send_table("resolutions", in_scope(analysis.tables.resolutions, analysis.options), analysis.captures, output)
    return status

"""`aftermaths`: one stage's table."""

from evpn_pcap.cli.options import Clock, Gating, Output, Reading, Scope, Words
from evpn_pcap.cli.stage import send_table
from evpn_pcap.cli.work import analysis_of
from evpn_pcap.cli.write import folder_of


def aftermaths(reading: Reading, scope: Scope, clock: Clock, gating: Gating, output: Output, words: Words) -> int:
    """Print what each resolved address was then used for: the first frame, how far it got, what came back and when.

    Example: evpn-pcap aftermaths captures/ --format csv
    """
    folder_of(output)
    analysis, status, _ = analysis_of(reading, scope, clock, gating, words)
    from evpn_pcap.report.scope import in_scope

    tables, options = analysis.tables, analysis.options
    chosen = in_scope(tables.resolutions, options)["id"]
    rows = tables.aftermaths[tables.aftermaths["id"].isin(chosen)]
    send_table("aftermaths", rows.reset_index(drop=True), analysis.captures, output)
    return status

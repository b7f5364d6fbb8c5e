"""`flood-costs`: one stage's table."""

from evpn_pcap.cli.options import Clock, Gating, Output, Reading, Scope, Words
from evpn_pcap.cli.stage import send_table
from evpn_pcap.cli.work import analysis_of
from evpn_pcap.cli.write import folder_of


def flood_costs(reading: Reading, scope: Scope, clock: Clock, gating: Gating, output: Output, words: Words) -> int:
    """Print what flooding cost, the dearest first: copies, octets, share of the underlay, what suppression would save.

    Example: evpn-pcap flood-costs captures/ --format csv
    """
    folder_of(output)
    analysis, status, _ = analysis_of(reading, scope, clock, gating, words)
    from evpn_pcap.report.scope import in_scope

    send_table("flood_costs", in_scope(analysis.tables.flood_costs, analysis.options), analysis.captures, output)
    return status

"""`events`: one stage's table."""

from evpn_pcap.cli.options import Clock, Gating, Output, Reading, Scope, Words
from evpn_pcap.cli.stage import send_table
from evpn_pcap.cli.work import analysis_of
from evpn_pcap.cli.write import folder_of


def events(reading: Reading, scope: Scope, clock: Clock, gating: Gating, output: Output, words: Words) -> int:
    """Print what was asked, answered and announced: every ARP, RARP, ND and MLD frame, on the common clock.

    Example: evpn-pcap events captures/ --vni 5001
    """
    folder_of(output)
    analysis, status, _ = analysis_of(reading, scope, clock, gating, words)
    from evpn_pcap.report.scope import in_scope

    send_table("events", in_scope(analysis.tables.events, analysis.options), analysis.captures, output)
    return status

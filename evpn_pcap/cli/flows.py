"""`flows`: one stage's table."""

from evpn_pcap.cli.options import Clock, Gating, Output, Reading, Scope, Words
from evpn_pcap.cli.stage import send_table
from evpn_pcap.cli.work import analysis_of
from evpn_pcap.cli.write import folder_of


def flows(reading: Reading, scope: Scope, clock: Clock, gating: Gating, output: Output, words: Words) -> int:
    """Print each inner flow step by step along its path: frames matched, lost and reordered, one-way delays, margins.

    Example: evpn-pcap flows pve1-ens18.pcap pve4-ens18.pcap --format csv
    """
    folder_of(output)
    analysis, status, _ = analysis_of(reading, scope, clock, gating, words)
    from evpn_pcap.report.scope import in_scope

    send_table("flows", in_scope(analysis.tables.flows, analysis.options), analysis.captures, output)
    return status

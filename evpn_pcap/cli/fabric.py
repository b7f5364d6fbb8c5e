"""`fabric`: a first fabric file from what the captures show."""

from evpn_pcap.cli.options import Clock, Gating, Reading, Scope, Words
from evpn_pcap.cli.output import emit
from evpn_pcap.cli.work import analysis_of


def fabric(reading: Reading, scope: Scope, clock: Clock, gating: Gating, words: Words) -> int:
    """Print a first fabric.toml: the hosts, roles, VTEPs, gateways and ports that the captures show, for --fabric.

    Example: evpn-pcap fabric captures/ > fabric.toml
    """
    analysis, status, _ = analysis_of(reading, scope, clock, gating, words)
    from evpn_pcap.report.fabric import render

    emit(render(analysis))
    return status

"""`clocks`: how far the hosts' clocks are apart, and how well that is known."""

from evpn_pcap.cli.options import Clock, Format, Gating, Output, Reading, Scope, Words
from evpn_pcap.cli.work import analysis_of
from evpn_pcap.cli.write import folder_of, send, send_parquet


def clocks(reading: Reading, scope: Scope, clock: Clock, gating: Gating, output: Output, words: Words) -> int:
    """Print each host's clock minus the reference host's, then what every two hosts' frames say: bounds, steps, flags.

    Example: evpn-pcap clocks captures/ --reference pve1
    """
    folder = folder_of(output)
    analysis, status, _ = analysis_of(reading, scope, clock, gating, words)
    from evpn_pcap.report.clocks import FORMATS, as_frame

    if folder and output.format == Format.PARQUET:
        send_parquet(as_frame(analysis.clocks), folder / "clocks.parquet")
        send_parquet(analysis.tables.clock_pairs, folder / "clock_pairs.parquet")
    else:
        send(FORMATS[output.format](analysis.clocks, analysis.tables.clock_pairs), "clocks", output)
    return status

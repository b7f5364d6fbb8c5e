"""`analyze`: the whole story."""

from evpn_pcap.cli.options import Clock, Format, Gating, Output, Reading, Scope, Words
from evpn_pcap.cli.output import write_whole
from evpn_pcap.cli.work import analysis_of
from evpn_pcap.cli.write import folder_of, screen, send, send_parquet


def analyze(reading: Reading, scope: Scope, clock: Clock, gating: Gating, output: Output, words: Words) -> int:
    """Explain every ARP and ND resolution: suppressed, flooded or learned, by whom, why, and the frames that prove it.

    Example: evpn-pcap analyze captures/ --fail-on 'suppression_ratio < 0.9'
    """
    folder = folder_of(output)
    analysis, status, _ = analysis_of(reading, scope, clock, gating, words)
    from evpn_pcap.report import ANSWERS, renderer

    if folder and output.format == Format.PARQUET:
        for name in type(analysis.tables).__dataclass_fields__:
            send_parquet(getattr(analysis.tables, name), folder / f"{name}.parquet")
        write_whole(folder / "analysis.json", renderer(ANSWERS["json"])(analysis).encode())
    elif output.format == Format.TEXT and not folder:
        width, is_coloured = screen()
        send(renderer(ANSWERS["text"])(analysis, width, is_coloured), "analysis", output)
    else:
        send(renderer(ANSWERS[output.format])(analysis), "analysis", output)
    return status

"""`report`: everything into a folder, for CI."""

from pathlib import Path
from typing import Annotated

import typer

from evpn_pcap.cli.options import Clock, Gating, Reading, Scope, Words
from evpn_pcap.cli.output import say, write_whole
from evpn_pcap.cli.work import analysis_of


def report(
    reading: Reading,
    scope: Scope,
    clock: Clock,
    gating: Gating,
    words: Words,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder to write into.", show_default=False)],
) -> int:
    """Write report.html, junit.xml, summary.md, analysis.json, resolutions.csv and figures/timeline.svg into a folder.

    Example: evpn-pcap report captures/ --out report --fail-on 'findings{severity=high} > 0'
    """
    analysis, status, verdicts = analysis_of(reading, scope, clock, gating, words)
    from evpn_pcap.plots import picture, timeline  # matplotlib and Jinja2: only here
    from evpn_pcap.report import ANSWERS, FILES, renderer

    figure = picture(timeline.draw, analysis.tables, "svg")
    write_whole(out / "figures" / "timeline.svg", figure)
    write_whole(out / "analysis.json", renderer(ANSWERS["json"])(analysis).encode())
    write_whole(out / "resolutions.csv", renderer(ANSWERS["csv"])(analysis).encode())
    for name, module in FILES.items():
        write_whole(out / name, renderer(module)(analysis, verdicts, figure.decode()).encode())
    if not words.quiet:
        say(f"report written to {out}")
    return status

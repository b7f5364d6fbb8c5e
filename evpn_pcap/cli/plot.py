"""`plot`: figures."""

from pathlib import Path
from typing import Annotated

import typer

from evpn_pcap.cli.options import Clock, Gating, Reading, Scope, Words
from evpn_pcap.cli.output import write_whole
from evpn_pcap.cli.work import analysis_of
from evpn_pcap.errors import OptionError

_SUFFIXES = (".svg", ".png", ".pdf")


def timeline(
    reading: Reading,
    scope: Scope,
    clock: Clock,
    gating: Gating,
    words: Words,
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="The file to write; of plots: .svg, .png or .pdf.",
            show_default=False,
        ),
    ],
) -> int:
    """Draw every resolution over time, a lane a question, and when the target's route was in force.

    Example: evpn-pcap plot timeline captures/ -o timeline.svg
    """
    if output.suffix.lower() not in _SUFFIXES:
        raise OptionError(f"-o {output}: a figure ends in {', '.join(_SUFFIXES)}")
    analysis, status, _ = analysis_of(reading, scope, clock, gating, words)
    from evpn_pcap.plots import picture, timeline  # matplotlib: only for figures

    write_whole(output, picture(timeline.draw, analysis.tables, output.suffix.lower().removeprefix(".")))
    return status

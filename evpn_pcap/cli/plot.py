"""`plot`: figures."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from evpn_pcap.cli.options import Clock, Gating, Reading, Scope, Words
from evpn_pcap.cli.output import write_whole
from evpn_pcap.cli.work import analysis_of
from evpn_pcap.errors import OptionError

_SUFFIXES = (".svg", ".png", ".pdf")


FigureFile = Annotated[
    Path,
    typer.Option(
        "--output", "-o", metavar="FILE", help="The file to write; of plots: .svg, .png or .pdf.", show_default=False
    ),
]


def timeline(reading: Reading, scope: Scope, clock: Clock, gating: Gating, words: Words, output: FigureFile) -> int:
    """Draw every resolution over time, a lane a question, and when the target's route was in force.

    Example: evpn-pcap plot timeline captures/ -o timeline.svg
    """
    file_type = _type_of(output)
    analysis, status, _ = analysis_of(reading, scope, clock, gating, words)
    from evpn_pcap.plots import picture, timeline  # matplotlib: only for figures

    write_whole(output, picture(timeline.draw, analysis.tables, file_type))
    return status


def clocks(reading: Reading, scope: Scope, clock: Clock, gating: Gating, words: Words, output: FigureFile) -> int:
    """Draw how well the clocks of two hosts are known: matched frames, both bounds, fit, steps, flags; a lane a pair.

    Example: evpn-pcap plot clocks captures/ -o clocks.svg
    """
    file_type = _type_of(output)
    analysis, status, _ = analysis_of(reading, scope, clock, gating, words)
    from evpn_pcap.plots import clocks, picture  # matplotlib: only for figures

    write_whole(output, picture(clocks.draw, analysis.tables, file_type))
    return status


def routes(reading: Reading, scope: Scope, clock: Clock, gating: Gating, words: Words, output: FigureFile) -> int:
    """Draw when each MAC/IP route was in force at each receiver, and the requests that it was asked meanwhile.

    Example: evpn-pcap plot routes captures/ -o routes.svg
    """
    file_type = _type_of(output)
    analysis, status, _ = analysis_of(reading, scope, clock, gating, words)
    from evpn_pcap.plots import picture, routes  # matplotlib: only for figures

    write_whole(output, picture(routes.draw, analysis.tables, file_type))
    return status


def ladder(
    reading: Reading,
    scope: Scope,
    clock: Clock,
    gating: Gating,
    words: Words,
    resolution_id: Annotated[
        int, typer.Argument(metavar="ID", help="Number of the resolution, as `resolutions` prints it.", min=1)
    ],
    output: FigureFile,
) -> int:
    """Draw one resolution and its aftermath from host to host: request, copies, answer, first frame, UPDATEs, margins.

    Example: evpn-pcap plot ladder 4 captures/ -o ladder.svg
    """
    file_type = _type_of(output)
    analysis, status, _ = analysis_of(reading, scope, clock, gating, words)
    from evpn_pcap.plots import ladder, picture  # matplotlib: only for figures

    write_whole(output, picture(partial(ladder.draw, resolution_id=resolution_id), analysis.tables, file_type))
    return status


def _type_of(output: Path) -> str:
    """Return what kind of figure a file name asks for. Raises OptionError."""
    if output.suffix.lower() not in _SUFFIXES:
        raise OptionError(f"-o {output}: a figure ends in {', '.join(_SUFFIXES)}")
    return output.suffix.lower().removeprefix(".")

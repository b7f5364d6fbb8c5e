"""`plot`: figures."""

from functools import partial
from importlib import import_module
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
    return _drawn("timeline", output, reading, scope, clock, gating, words)


def clocks(reading: Reading, scope: Scope, clock: Clock, gating: Gating, words: Words, output: FigureFile) -> int:
    """Draw how well the clocks of two hosts are known: matched frames, both bounds, fit, steps, flags; a lane a pair.

    Example: evpn-pcap plot clocks captures/ -o clocks.svg
    """
    return _drawn("clocks", output, reading, scope, clock, gating, words)


def routes(reading: Reading, scope: Scope, clock: Clock, gating: Gating, words: Words, output: FigureFile) -> int:
    """Draw when each MAC/IP route was in force at each receiver, and the requests that it was asked meanwhile.

    Example: evpn-pcap plot routes captures/ -o routes.svg
    """
    return _drawn("routes", output, reading, scope, clock, gating, words)


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
    return _drawn("ladder", output, reading, scope, clock, gating, words, resolution_id=resolution_id)


def _drawn(
    figure: str, output: Path, reading: Reading, scope: Scope, clock: Clock, gating: Gating, words: Words, **of: int
) -> int:
    """Write one figure of plots/ to a file; `of` says what it is to be drawn of, where there is a choice."""
    file_type = _type_of(output)
    analysis, status, _ = analysis_of(reading, scope, clock, gating, words)
    from evpn_pcap.plots import picture  # matplotlib: only for figures

    draw = import_module(f"evpn_pcap.plots.{figure}").draw
    write_whole(output, picture(partial(draw, **of), analysis.tables, file_type))
    return status


def _type_of(output: Path) -> str:
    """Return what kind of figure a file name asks for. Raises OptionError."""
    if output.suffix.lower() not in _SUFFIXES:
        raise OptionError(f"-o {output}: a figure ends in {', '.join(_SUFFIXES)}")
    return output.suffix.lower().removeprefix(".")

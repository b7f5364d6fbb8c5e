"""`explain`: one resolution's story, or one rule's documentation."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from evpn_pcap.cli.options import Clock, Format, Gating, Output, Reading, Scope, Words
from evpn_pcap.cli.status import ExitStatus
from evpn_pcap.cli.work import analysis_of, options_of
from evpn_pcap.cli.write import folder_of, send
from evpn_pcap.errors import EvpnPcapError, OptionError

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class MaybeReading(Reading):
    """The captures, which the documentation of a rule does without."""

    captures: Annotated[
        list[str] | None,
        typer.Argument(metavar="CAPTURE", help="Captures, as for `analyze`; none for a rule.", show_default=False),
    ] = None  # type: ignore[assignment]  # typer's way to an optional list


def explain(
    reading: MaybeReading,
    scope: Scope,
    clock: Clock,
    gating: Gating,
    output: Output,
    words: Words,
    what: Annotated[str, typer.Argument(metavar="ID|CODE", help="Number of a resolution, or code or name of a rule.")],
) -> int:
    """Tell one resolution frame by frame across all hosts, with the dissected frames; or what a rule means.

    Example: evpn-pcap explain 3 captures/
    """
    folder_of(output)
    if output.format != Format.TEXT:
        raise OptionError(f"--format {output.format}: a story is text")
    if not what.isdecimal():
        from evpn_pcap.pipeline import load_rules
        from evpn_pcap.report.rule import render, rule_named

        send(render(rule_named(load_rules(), what)), what, output)
        return ExitStatus.PASS
    if not reading.captures:
        raise OptionError(f"explain {what}: say of which captures")
    analysis, status, _ = analysis_of(reading, scope, clock, gating, words)
    from evpn_pcap.report.story import deciding_frames, story

    number = int(what)
    dissections, note = _dissected(reading, scope, clock, deciding_frames(analysis, number))
    send(story(analysis, number, dissections, note), f"resolution-{number}", output)
    return status


def _dissected(
    reading: Reading, scope: Scope, clock: Clock, frames: "Sequence[int]"
) -> tuple[list[tuple[str, str]], str]:
    """Return the frames in Wireshark's words; where that cannot be had, a sentence that says why."""
    from evpn_pcap.reading import dissect_frames

    try:
        return dissect_frames(reading.captures, options_of(reading, scope, clock), frames), ""
    except EvpnPcapError as error:
        return [], f"The frames are not shown dissected: {error}."

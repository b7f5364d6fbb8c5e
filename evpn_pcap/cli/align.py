"""`align`: all captures in one file, on one clock."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evpn_pcap.cli.options import Clock, Reading, Scope, Words
from evpn_pcap.cli.output import say, whole_file
from evpn_pcap.cli.status import ExitStatus
from evpn_pcap.cli.work import options_of, running, tell
from evpn_pcap.errors import CaptureError, OptionError
from evpn_pcap.model import Quality
from evpn_pcap.report.escape import visible

if TYPE_CHECKING:
    from collections.abc import Iterable

    from evpn_pcap.align import Alignment
    from evpn_pcap.model import ClockFit, Source


def align(
    reading: Reading,
    clock: Clock,
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
    """Write all captures into one pcapng on one clock, an interface a host and point; own times stay as comments.

    Example: evpn-pcap align captures/ -o merged.pcapng
    """
    options = options_of(reading, Scope(), clock)
    from evpn_pcap.align import align as write_aligned
    from evpn_pcap.align import readable_twice
    from evpn_pcap.pipeline import clocks_of
    from evpn_pcap.reading import find_sources, read_captures

    sources = find_sources(reading.captures, options)
    readable_twice(sources)
    _refuse_input(output, sources)
    with running(reading, words) as run:
        decoded, failures = read_captures(reading.captures, options, run)
        tell([one.capture for one in decoded], failures, words)
        unread = {name for name, _ in failures}
        readable = [source for source in sources if source.name not in unread]
        if not readable:
            raise CaptureError("no capture could be read: nothing is written")
        clocks, hosts = clocks_of(decoded, options, run)
    readable = [replace(source, host=hosts[source.capture_id]) for source in readable]
    with whole_file(output) as file:
        written = write_aligned(readable, clocks, file, output.absolute().parent)
    _tell_written(output, written, clocks, words)
    return ExitStatus.INPUT if failures else ExitStatus.PASS


def _refuse_input(output: Path, sources: "Iterable[Source]") -> None:
    """Raise OptionError where the output would take the place of a capture that is read."""
    if output.exists() and any(output.samefile(one.file) for one in sources):
        raise OptionError(f"-o {output}: is one of the captures")


def _tell_written(output: Path, written: "Alignment", clocks: "Iterable[ClockFit]", words: Words) -> None:
    """Say how much was written, and whose times are not on the common clock."""
    if words.quiet:
        return
    hosts = tuple(clocks)
    reference = next((fit.reference for fit in hosts), "")
    say(visible(f"{output}: {written.packet_count} packets, {len(written.channels)} interfaces, clock of {reference}"))
    for fit in hosts:
        if fit.quality in (Quality.ONE_SIDED, Quality.UNALIGNABLE):
            say(visible(f"evpn-pcap: {fit.host} is {fit.quality}: its packets keep its own times"))

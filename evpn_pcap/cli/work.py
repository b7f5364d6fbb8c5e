"""What every command that reads captures does: options, a runner with its progress bar, the exit status."""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from evpn_pcap.cli.options import Clock, Gating, Reading, Scope, Words, chosen
from evpn_pcap.cli.output import say
from evpn_pcap.cli.status import ExitStatus
from evpn_pcap.model import Analysis, Capture, Options
from evpn_pcap.report.escape import visible
from evpn_pcap.scale import Map, Runner, runner

if TYPE_CHECKING:
    from rich.progress import Progress

    from evpn_pcap.report.baseline import Baseline
    from evpn_pcap.report.gates import Verdict


def analysis_of(
    reading: Reading, scope: Scope, clock: Clock, gating: Gating, words: Words
) -> "tuple[Analysis, ExitStatus, tuple[Verdict, ...]]":
    """Return the analysis of the captures, the exit status it calls for, and what became of the gates."""
    from evpn_pcap.report.gates import judge, parse_gate

    gates = [parse_gate(expression) for expression in gating.fail_on]  # a wrong one ends the run before the work
    options = options_of(reading, scope, clock)
    baseline = baseline_of(gating)
    from evpn_pcap.reading import read_captures

    with running(reading, words) as run:
        decoded, failures = read_captures(reading.captures, options, run)
        from evpn_pcap.pipeline import analyze_decoded  # pandas: a process that has it starts others slowly

        analysis = analyze_decoded(decoded, options, failures, run)
    judged = analysis
    if baseline:
        from evpn_pcap.report.baseline import compared, new_only

        judged = new_only(analysis, baseline)
        say(visible(compared(analysis, baseline)))
    verdicts = tuple(judge(gate, judged) for gate in gates)
    tell(analysis.captures, analysis.failures, words)
    tell_verdicts(verdicts)
    return analysis, status_of(analysis, verdicts, gating), verdicts


def baseline_of(gating: Gating) -> "Baseline | None":
    """Return the earlier run that --baseline names. Raises OptionError."""
    from evpn_pcap.report.baseline import read_baseline

    return read_baseline(gating.baseline) if gating.baseline else None


def options_of(reading: Reading, scope: Scope, clock: Clock | None = None) -> Options:
    """Return the options of the fabric file and of the command line."""
    base = Options()
    if reading.fabric:
        from evpn_pcap.reading import with_fabric

        base = with_fabric(base, reading.fabric)
    return chosen(base, reading, scope, clock)


@contextmanager
def running(reading: Reading, words: Words) -> Iterator[Runner]:
    """Yield the runner that the options ask for, with a progress bar where a person may be watching."""
    is_stdin_read = any(one == "-" or one.endswith("=-") for one in reading.captures)  # only this process has it
    workers, scheduler = (1, None) if is_stdin_read else (reading.workers, reading.scheduler)
    with runner(workers, scheduler) as run:
        if words.quiet or words.no_progress or not sys.stderr.isatty():
            yield run
        else:
            yield replace(run, over_captures=_watched(run.over_captures), over_parts=_watched(run.over_parts))


def status_of(analysis: Analysis, verdicts: "Sequence[Verdict]", gating: Gating) -> ExitStatus:
    """Return the exit status: unreadable input before failed gates before missing evidence."""
    if analysis.failures:
        return ExitStatus.INPUT
    is_inconclusive = analysis.summary.undecided > 0 or any(one.is_failed is None for one in verdicts)
    if any(one.is_failed for one in verdicts):
        status = ExitStatus.GATE_FAILED
    elif gating.strict_evidence and is_inconclusive:
        status = ExitStatus.INCONCLUSIVE
    else:
        status = ExitStatus.PASS
    return ExitStatus.PASS if gating.soft_fail else status


def tell(captures: Iterable[Capture], failures: Iterable[tuple[str, str]], words: Words) -> None:
    """Say which captures could not be read, and with --verbose how the others are accounted for."""
    for name, reason in failures:
        say(visible(f"evpn-pcap: {reason}" if name in reason else f"evpn-pcap: {name}: {reason}"))
    for one in captures if words.verbose else ():
        say(visible(f"{one.name}: {accounting([one])}"))


def tell_verdicts(verdicts: "Iterable[Verdict]") -> None:
    """Say which gates failed, and which could not be judged."""
    for one in verdicts:
        if one.is_failed is None:
            say(visible(f"evpn-pcap: gate {one.gate.expression!r} not judged: the captures give no {one.gate.name}"))
        elif one.is_failed:
            say(visible(f"evpn-pcap: gate failed: {one.gate.expression} (it is {one.figure})"))


def accounting(captures: Iterable[Capture]) -> str:
    """Return `100 records = 97 decoded + 3 vlan.truncated`, summed over the captures."""
    records = decoded = 0
    skipped: dict[str, int] = {}
    for one in captures:
        records += one.packet_count
        decoded += one.decoded_count
        for reason, count in one.skipped.items():
            skipped[reason] = skipped.get(reason, 0) + count
    parts = [f"{decoded} decoded", *(f"{skipped[reason]} {reason}" for reason in sorted(skipped) if skipped[reason])]
    return f"{records} records = {' + '.join(parts)}"


def _bar() -> "Progress":
    """Return a progress bar on standard error."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    return Progress(
        TextColumn("reading captures"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        console=Console(stderr=True), transient=True,
    )  # fmt: skip


def _watched(run: Map) -> Map:
    """Return the map with one step of a progress bar for every capture, or part of one, that is done."""

    def stepping(function: Callable[[Any], Any], items: Sequence[Any]) -> Iterator[Any]:
        results = run(function, items)  # first: a process with the bar's thread is not to be forked
        with _bar() as bar:
            yield from bar.track(results, total=len(items), description="")

    return stepping

"""The command line: words in, one function of the package called, text out. The only typer.

Nothing here imports pandas at the top: a command imports what it needs when it runs.
"""

import gc
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NoReturn

import typer

from evpn_pcap.cli import (
    aftermaths,
    align,
    analyze,
    check,
    clocks,
    events,
    explain,
    fabric,
    floodcosts,
    flows,
    packets,
    plot,
    report,
    resolutions,
    routes,
    tables,
    updates,
)
from evpn_pcap.cli.options import flattened
from evpn_pcap.cli.output import say
from evpn_pcap.cli.status import ExitStatus
from evpn_pcap.errors import EvpnPcapError, OptionError
from evpn_pcap.report.escape import visible

COMMANDS: dict[str, Callable[..., int]] = {
    "analyze": analyze.analyze,
    "packets": packets.packets,
    "events": events.events,
    "clocks": clocks.clocks,
    "align": align.align,
    "flows": flows.flows,
    "updates": updates.updates,
    "routes": routes.routes,
    "resolutions": resolutions.resolutions,
    "aftermaths": aftermaths.aftermaths,
    "flood-costs": floodcosts.flood_costs,
    "check": check.check,
    "explain": explain.explain,
    "fabric": fabric.fabric,
    "report": report.report,
    "tables": tables.tables,
}
PLOTS: dict[str, Callable[..., int]] = {
    "timeline": plot.timeline,
    "ladder": plot.ladder,
    "clocks": plot.clocks,
    "routes": plot.routes,
}


def _assembled(commands: dict[str, Callable[..., int]], words: str) -> typer.Typer:
    """Return a typer application of these commands."""
    app = typer.Typer(help=words, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
    for name, command in commands.items():
        app.command(name)(flattened(command))
    return app


app = _assembled(COMMANDS, "Was each ARP and ND resolution of an EVPN fabric suppressed, flooded or learned, and why.")
app.add_typer(_assembled(PLOTS, "Draw a figure of what the captures show."), name="plot")


@app.callback(invoke_without_command=True)
def _version(is_asked: bool = typer.Option(False, "--version", help="Print the version and exit.")) -> None:
    if is_asked:
        from evpn_pcap import __version__

        print(__version__)  # noqa: T201  # the answer
        raise typer.Exit


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit with an ExitStatus; an EvpnPcapError is one line on standard error."""
    signal.signal(signal.SIGTERM, _terminated)
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # else numpy starts threads, for algebra that is not done here
    gc.set_threshold(1_000_000, 50, 50)  # looking for cycles among millions of cells costs a tenth of the time
    status = run(sys.argv[1:] if arguments is None else arguments)
    with suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(status)  # all is written and closed; taking pandas apart piece by piece costs a fifth of a second


def run(arguments: Sequence[str]) -> int:
    """Return the exit status of one command line; typer itself ends with 2 on wrong usage and 130 on Ctrl-C."""
    try:
        app(args=[*arguments], prog_name="evpn-pcap")
    except SystemExit as ended:
        return int(ended.code or ExitStatus.PASS)
    except OptionError as error:
        say(visible(f"evpn-pcap: {error}"))
        return int(ExitStatus.USAGE)
    except EvpnPcapError as error:
        say(visible(f"evpn-pcap: {error}"))
        return int(ExitStatus.INPUT)
    return int(ExitStatus.PASS)


def _terminated(_signal: int, _frame: object) -> None:
    """Leave through every `finally`, so that worker processes and half-written files go too."""
    sys.exit(ExitStatus.TERMINATED)

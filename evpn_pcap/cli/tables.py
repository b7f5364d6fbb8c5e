"""`tables`: every table's columns, units and meaning."""

from typing import Annotated

import typer

from evpn_pcap.cli.options import Format
from evpn_pcap.cli.output import emit
from evpn_pcap.cli.status import ExitStatus
from evpn_pcap.errors import OptionError


def tables(
    format: Annotated[Format, typer.Option(help="How the answer is written: text or json.")] = Format.TEXT,  # noqa: A002  # the option's name
) -> int:
    """Print every table of the program: what one row stands for, and each column's unit and meaning.

    Example: evpn-pcap tables --format json
    """
    from evpn_pcap.report.reference import FORMATS

    if format not in FORMATS:
        raise OptionError(f"--format {format}: the tables are described as {' or '.join(FORMATS)}")
    emit(FORMATS[format]())
    return ExitStatus.PASS

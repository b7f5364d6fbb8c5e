"""How an answer leaves: in the chosen format, to standard output or into a folder."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from evpn_pcap.cli.options import Format, Output
from evpn_pcap.cli.output import emit, write_whole
from evpn_pcap.errors import OptionError

if TYPE_CHECKING:
    import pandas as pd

_SUFFIXES = {Format.TEXT: "txt", Format.JSON: "json", Format.CSV: "csv"}


def folder_of(output: Output) -> Path | None:
    """Return the folder to write into. Raises OptionError when Parquet has none."""
    if output.format == Format.PARQUET and output.out is None:
        raise OptionError("--format parquet writes files: say where with --out DIR")
    return output.out


def send(text: str, name: str, output: Output) -> None:
    """Write one answer: NAME.json and the like inside --out, else standard output."""
    if output.out:
        write_whole(output.out / f"{name}.{_SUFFIXES[output.format]}", text.encode("utf-8", "backslashreplace"))
    else:
        emit(text)


def send_parquet(frame: "pd.DataFrame", path: Path) -> None:
    """Write a table in its stored form as one Parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), sink)
    write_whole(path, sink.getvalue().to_pybytes())


def screen() -> tuple[int | None, bool]:
    """Return the width of the terminal that standard output is, and whether colour is welcome; else (None, False)."""
    import os
    import shutil

    if not sys.stdout.isatty():
        return None, False
    return shutil.get_terminal_size().columns, not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"

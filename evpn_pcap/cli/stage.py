"""One stage's table in the chosen format: the body that `events`, `flows`, `resolutions` and `packets` share."""

from typing import TYPE_CHECKING

from evpn_pcap.cli.options import Format, Output
from evpn_pcap.cli.write import folder_of, send, send_parquet

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd

    from evpn_pcap.model import Capture
    from evpn_pcap.table import Columns


def send_table(name: str, rows: "pd.DataFrame | Columns", captures: "Iterable[Capture]", output: Output) -> None:
    """Write a table of columns/: `name` is its name in small letters."""
    from evpn_pcap.report.table import FORMATS
    from evpn_pcap.report.values import capture_names, table_named, written

    folder = folder_of(output)
    if folder and output.format == Format.PARQUET:
        send_parquet(rows, folder / f"{name}.parquet")
    else:
        told = written(table_named(name), rows, capture_names(captures))
        send(FORMATS[output.format](name, told), name, output)

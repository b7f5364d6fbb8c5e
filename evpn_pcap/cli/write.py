"""How an answer leaves: in the chosen format, to standard output or into a folder."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from evpn_pcap.cli.options import Format, Output
from evpn_pcap.cli.output import emit, write_whole
from evpn_pcap.errors import OptionError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa

    from evpn_pcap.table import Columns, Table, Values

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


def send_parquet(rows: "pd.DataFrame | Columns", path: Path) -> None:
    """Write a table in its stored form as one Parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from evpn_pcap.table import Columns

    sink = pa.BufferOutputStream()
    if isinstance(rows, Columns):
        table = _arrow_table(rows)
        texts = [one.name for one in table.schema if pa.types.is_dictionary(one.type)]
        numbers = [one.name for one in table.schema if not pa.types.is_dictionary(one.type)]
        # No dictionaries of numbers, no least and greatest text: they take longer than all the rest. The schema is
        # not stored, for it would declare the dictionaries.
        with pq.ParquetWriter(
            sink, table.schema, store_schema=False, use_dictionary=texts, write_statistics=numbers
        ) as writer:
            writer.write_table(table)
            writer.add_key_value_metadata({"pandas": _declared(rows.table)})
    else:
        pq.write_table(pa.Table.from_pandas(rows, preserve_index=False), sink)
    write_whole(path, sink.getvalue().to_pybytes())


def _declared(table: "Table") -> str:
    """Return what pandas, which is not loaded here, reads a Parquet file's kinds from."""
    import json

    told = [
        {
            "name": one.name,
            "field_name": one.name,
            "pandas_type": {"str": "object", "boolean": "bool"}.get(one.kind.dtype, one.kind.dtype.lower()),
            "numpy_type": one.kind.dtype,
            "metadata": None,
        }
        for one in table.columns
    ]
    whole = {"index_columns": [], "column_indexes": [], "columns": told, "attributes": {}, "pandas_version": "3.0.0"}
    return json.dumps(whole)


def _arrow_table(rows: "Columns") -> "pa.Table":
    """Return columns as an Arrow table; text as dictionaries."""
    import pyarrow as pa

    arrays = []
    for column in rows.table.columns:
        kind = column.kind.dtype
        stored = {"str": pa.large_string(), "boolean": pa.bool_()}.get(kind) or pa.type_for_alias(kind.lower())
        arrays.append(_arrow_array(rows.data[column.name], stored, kind))
    return pa.Table.from_arrays(arrays, names=[column.name for column in rows.table.columns])


def _arrow_array(values: "Values", stored: "pa.DataType", kind: str) -> "pa.Array":
    """Return one column as Arrow stores it, buffer by buffer: Arrow's own way to make one loads pandas."""
    import numpy as np
    import pyarrow as pa

    from evpn_pcap.table import Maybe, Words, as_stored

    column = as_stored(values, kind) if isinstance(values, list) else values
    if isinstance(column, Words):
        texts = [word.encode("utf-8", "backslashreplace") for word in column.words]
        offsets = np.cumsum([0, *map(len, texts)], dtype=np.int64)
        words = pa.Array.from_buffers(stored, len(texts), [None, pa.py_buffer(offsets), pa.py_buffer(b"".join(texts))])
        places = np.where(column.codes < 0, 0, column.codes).astype(np.int32)
        return pa.DictionaryArray.from_arrays(_from_buffer(places, column.codes < 0, pa.int32()), words)
    if isinstance(column, Maybe):
        return _from_buffer(column.values, column.is_missing, stored)
    return _from_buffer(column, np.zeros(len(column), bool), stored)


def _from_buffer(values: "np.ndarray", is_missing: "np.ndarray", stored: "pa.DataType") -> "pa.Array":
    """Return numbers or booleans as Arrow stores them."""
    import numpy as np
    import pyarrow as pa

    is_bits = pa.types.is_boolean(stored)
    held = np.packbits(values, bitorder="little") if is_bits else values.astype(str(stored), copy=False)
    validity = pa.py_buffer(np.packbits(~is_missing, bitorder="little")) if is_missing.any() else None
    return pa.Array.from_buffers(stored, len(values), [validity, pa.py_buffer(np.ascontiguousarray(held))])


def screen() -> tuple[int | None, bool]:
    """Return the width of the terminal that standard output is, and whether colour is welcome; else (None, False)."""
    import os
    import shutil

    if not sys.stdout.isatty():
        return None, False
    return shutil.get_terminal_size().columns, not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"

"""Tables of columns/ -> columns of plain Python values in written form, as every report shows them.

MACs as bc:24:11:00:00:01, frames as `pve1-ens18.pcap:1234`, hashes as hexadecimal, missing values
and FOREVER as None. Next to a table's time stands `time`, the same in RFC 3339 UTC with nine digits.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from evpn_pcap.addresses import capture_of, mac_text, number_of
from evpn_pcap.columns import TABLES
from evpn_pcap.columns.kinds import HASH, IDS, MAC, MAYBE_SPAN, MAYBE_TIME, OCTETS, SPAN, TEXTS, TIME
from evpn_pcap.model import FOREVER, Capture
from evpn_pcap.table import Column, Columns, Table, plain

if TYPE_CHECKING:
    import pandas as pd

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LISTS = {"route_targets"}  # text of several words, separated by blanks


def time_text(time_ns: int) -> str:
    """Return ns since 1970 as 2026-11-22T10:00:00.123456789Z (RFC 3339)."""
    second, rest = divmod(time_ns, 1_000_000_000)
    return f"{_second_text(second)}.{rest:09d}Z"


def table_named(name: str) -> Table:
    """Return the table of columns/ that is called so, in small letters."""
    return next(table for table in TABLES if table.name.lower() == name)


def capture_names(captures: Iterable[Capture]) -> dict[int, str]:
    """Return the name of each capture by its capture_id."""
    return {one.capture_id: one.name for one in captures}


def frame_text(frame: int, names: Mapping[int, str]) -> str:
    """Return a frame as people find it again: pve1-ens18.pcap:1234."""
    capture = capture_of(frame)
    return f"{names.get(capture, capture)}:{number_of(frame)}"


def written(table: Table, rows: "pd.DataFrame | Columns", names: Mapping[int, str]) -> dict[str, list[Any]]:
    """Return every column of the rows in written form, in the table's order.

    `rows` have the columns of `table`, `names` maps capture_id to a name. `frame_id` becomes
    `frame` (and `trigger_frame_id` `trigger_frame`), `frame_ids` becomes `frames`, `capture_id` becomes `capture`.
    """
    data: Mapping[Any, Any] | pd.DataFrame = rows.data if isinstance(rows, Columns) else rows
    clock = _clock_of(table)
    told: dict[str, list[Any]] = {}
    for column in table.columns:
        values = plain(data[column.name])
        if column.name == clock:
            told["time"] = _times(values)
        name, told_values = _written_column(column, values, names)
        told[name] = told_values
    return told


def records(told: Mapping[str, list[Any]]) -> list[dict[str, Any]]:
    """Return columns as one dict a row."""
    return [dict(zip(told, row, strict=True)) for row in zip(*told.values(), strict=True)]


def _clock_of(table: Table) -> str | None:
    """Return the column that `time` tells in words."""
    declared = {column.name for column in table.columns}
    return next((name for name in ("time_ns", "captured_ns") if name in declared), None)


def _written_column(column: Column, values: list[Any], names: Mapping[int, str]) -> tuple[str, list[Any]]:
    """Return one column's written name and values."""
    if column.name.endswith("frame_id"):
        return column.name.removesuffix("_id"), _frames(values, names)
    if column.name == "capture_id":
        return "capture", _each(values, lambda one: names.get(one, str(one)))
    if column.name == "frame_ids":
        return "frames", [[frame_text(int(one), names) for one in ids] for ids in values]
    if column.name in _LISTS:
        return column.name, _each(values, str.split)
    if column.kind is MAC:
        return column.name, _each(values, mac_text)
    if column.kind is HASH:
        return column.name, _cut(np.array(values, ">u8").tobytes().hex(), 16)
    if column.kind is OCTETS:
        return column.name, [one.hex() for one in values]
    if column.kind in (TIME, MAYBE_TIME, SPAN, MAYBE_SPAN):
        return column.name, [None if one == FOREVER else one for one in values]
    if column.kind is IDS or column.kind is TEXTS:
        return column.name, [list(one) for one in values]
    return column.name, values


def _frames(values: list[Any], names: Mapping[int, str]) -> list[str | None]:
    """Return frame ids as references; the names are looked up once a capture."""
    if None in values:
        return _each(values, lambda one: frame_text(one, names))
    frames = np.array(values, np.int64)
    captures = capture_of(frames).tolist()
    prefix = {one: f"{names.get(one, one)}:" for one in set(captures)}
    return [prefix[one] + str(number) for one, number in zip(captures, number_of(frames).tolist(), strict=True)]


def _each(values: list[Any], tell: Callable[[Any], Any]) -> list[Any]:
    """Return a column with each distinct value told once; missing ones as None."""
    told = {one: tell(one) for one in set(values) - {None}} | {None: None}
    return list(map(told.__getitem__, values))


def _times(values: list[int]) -> list[str]:
    """Return ns since 1970 in RFC 3339; each whole second is formatted once, the digits in columns."""
    second, rest = np.divmod(np.array(values, np.int64), 1_000_000_000)
    seconds, index = np.unique(second, return_inverse=True)
    heads = np.array([list(f"{_second_text(one)}.".encode()) for one in seconds.tolist()], np.uint8).reshape(-1, 20)
    digits = rest[:, None] // 10 ** np.arange(8, -1, -1) % 10 + ord("0")
    ends = np.full((len(values), 1), ord("Z"), np.uint8)
    return _cut(np.hstack([heads[index], digits.astype(np.uint8), ends]).tobytes().decode(), 30)


def _cut(text: str, size: int) -> list[str]:
    """Return a text in parts of one size."""
    return [text[at : at + size] for at in range(0, len(text), size)]


def _second_text(second: int) -> str:
    """Return seconds since 1970 as 2026-11-22T10:00:00."""
    return (_EPOCH + timedelta(seconds=second)).strftime("%Y-%m-%dT%H:%M:%S")

"""One table -> text, JSON or CSV: what `packets`, `events`, `flows` and their sisters print."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from evpn_pcap.report.escape import cell, visible
from evpn_pcap.report.values import time_text

_FOR_MACHINES = {"captured_ns", "time_ns", "frame_key", "anchor_key"}  # `time` and the frame say it better
_MOMENTS = {"advertised_ns", "withdrawn_ns", "first_ns", "last_ns", "complete_ns"}
_SOME = 200  # values at the head of a column that tell whether values repeat
_PLAIN, _INDENTED = json.JSONEncoder(allow_nan=False), json.JSONEncoder(allow_nan=False, indent=1)
Told = Mapping[str, list[Any]]  # written column -> values, as values.written returns them


def as_json(name: str, told: Told) -> str:
    """Return {"schema_version": 1, NAME: [row, ...]} with one row a line."""
    rows = [json_text(dict(zip(told, row, strict=True))) for row in zip(*told.values(), strict=True)]
    body = "[\n" + ",\n".join(rows) + "\n]" if rows else "[]"
    return f'{{"schema_version": 1, {json_text(name)}: {body}}}\n'


def as_csv(name: str, told: Told) -> str:  # noqa: ARG001  # one signature for all formats
    """Return a header and one line a row (RFC 4180); no cell is ever a formula, lists are separated by semicolons."""
    columns = [_cells(column, _csv_cell) for column in told.values()]
    return "\n".join([",".join(told), *map(",".join, zip(*columns, strict=True)), ""])


def _csv_cell(text: str) -> str:
    """Return text as a CSV file holds it, in quotes where it needs them."""
    safe = cell(text)
    return '"' + safe.replace('"', '""') + '"' if "," in safe or '"' in safe else safe


def as_text(name: str, told: Told) -> str:
    """Return the columns that have a value, aligned, under their names."""
    shown = {key: column for key, column in told.items() if key not in _FOR_MACHINES and any(map(_is_told, column))}
    filled = {key: _cells(_moments(key, column), visible) for key, column in shown.items()}
    if not filled:
        return f"no {name}\n"
    return aligned([*filled], [*zip(*filled.values(), strict=True)])


FORMATS: dict[str, Callable[[str, Told], str]] = {"text": as_text, "json": as_json, "csv": as_csv}


def aligned(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a head and rows of text in columns two blanks apart."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    form = "  ".join(f"{{:<{width}}}" for width in widths).format
    return "".join(form(*row).rstrip() + "\n" for row in (head, *rows))


def json_text(value: object, is_indented: bool = False) -> str:
    r"""Return JSON in ASCII for strict parsers: no NaN, no lone surrogate, no raw control character."""
    encode = _INDENTED.encode if is_indented else _PLAIN.encode
    text = encode(value)
    if "\\ud" in text:  # a surrogate: half of a pair, or alone
        text = encode(_whole(value))
    return text.replace("\x7f", "\\u007f")


def _whole(value: Any) -> Any:
    """Return the value with the lone surrogates of undecodable file names written out."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, Mapping):
        return {_whole(key): _whole(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_whole(one) for one in value]
    return value


def _cells(column: list[Any], guard: Callable[[str], str]) -> list[str]:
    """Return a column as text; each distinct value is written and guarded once."""
    kinds = set(map(type, column))
    if not kinds.isdisjoint({list, tuple}):
        column = ["; ".join(map(str, one or ())) for one in column]
    if len(set(column[:_SOME])) > _SOME // 2:  # values hardly repeat: one by one, or all at once
        if kinds == {int}:
            return list(map(str, column))
        if kinds == {str} and _is_harmless(column):
            return column
    told = {one: _cell(one, guard) for one in set(column)}
    return list(map(told.__getitem__, column))


def _is_harmless(texts: list[str]) -> bool:
    """Return whether none of these texts needs a guard in any format: all asked at once."""
    whole = "".join(texts)
    return (
        whole.isprintable()
        and '"' not in whole
        and "," not in whole
        and all(one.isalnum() for one in {text[:1] for text in texts})
    )


def _cell(value: Any, guard: Callable[[str], str]) -> str:
    """Return one value as a cell shows it; a number needs no guard, and -5 must stay one."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else guard(value)


def _moments(key: str, column: list[Any]) -> list[Any]:
    """Return a column of moments in RFC 3339, any other as it is."""
    return [one and time_text(one) for one in column] if key in _MOMENTS else column


def _is_told(value: Any) -> bool:
    """Return whether a value says anything."""
    return value is not None and value != "" and value != []

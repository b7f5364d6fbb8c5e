"""How a table is declared and built: kinds of values, columns, plain arrays of them, and `Table.build`.

pandas is loaded only when a DataFrame is asked for: `packets` prints its table without it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from evpn_pcap.errors import SchemaError

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Kind:
    """How one sort of value is stored: change it here and every table follows."""

    dtype: str
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """One column: name, how it is stored, what it says."""

    name: str
    kind: Kind
    meaning: str


@dataclass(frozen=True, slots=True)
class Table:
    """One table: name, grain (what exactly one row stands for), columns, key."""

    name: str
    grain: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]

    def check(self, data: Mapping[str, object]) -> None:
        """Raise SchemaError, naming the table, when a column is missing or undeclared."""
        if wrong := {column.name for column in self.columns} ^ set(data.keys()):
            raise SchemaError(f"{self.name}: {sorted(wrong)} missing or undeclared")

    def build(self, data: Mapping[str, object]) -> "pd.DataFrame":
        """Return `data` with exactly the declared columns, order and dtypes.

        Raises SchemaError, naming the table, when a column is missing or undeclared.
        """
        import pandas as pd

        self.check(data)
        built = {column.name: _as_array(data[column.name], column.kind.dtype) for column in self.columns}
        return pd.DataFrame(built, copy=False)

    def empty(self) -> "pd.DataFrame":
        """Return the table without rows."""
        return self.build({column.name: [] for column in self.columns})

    def concat(self, frames: "list[pd.DataFrame]") -> "pd.DataFrame":
        """Return the rows of several frames of this table, in order, index reset."""
        import pandas as pd

        filled = [frame for frame in frames if len(frame)]
        if not filled:
            return self.empty()
        return pd.concat(filled, ignore_index=True)[[column.name for column in self.columns]]

    def joined(self, parts: "Sequence[Columns]") -> "Columns":
        """Return the rows of several parts of this table, in order, without making frames of them."""
        return Columns(self, {one.name: _joined([part.data[one.name] for part in parts]) for one in self.columns})


@dataclass(frozen=True, slots=True)
class Words:
    """A column of text in which few words occur many times."""

    codes: np.ndarray  # integers: elements of `words`; -1: missing
    words: Sequence[str]

    def __len__(self) -> int:
        return len(self.codes)


@dataclass(frozen=True, slots=True)
class Maybe:
    """A column of numbers or booleans, some of them missing."""

    values: np.ndarray  # of any value where missing
    is_missing: np.ndarray

    def __len__(self) -> int:
        return len(self.values)


Values = np.ndarray | Words | Maybe | list[Any]  # list: Python values, missing ones as None


@dataclass(frozen=True, slots=True)
class Columns:
    """The rows of one table as plain arrays: not yet a DataFrame. Raises SchemaError like Table.build."""

    table: Table
    data: Mapping[str, Values]

    def __post_init__(self) -> None:
        self.table.check(self.data)

    def __len__(self) -> int:
        return len(self.data[self.table.columns[0].name])

    def where(self, is_wanted: np.ndarray) -> "Columns":
        """Return the rows that are wanted (booleans, one a row)."""
        return self.take(np.flatnonzero(is_wanted))

    def take(self, chosen: np.ndarray) -> "Columns":
        """Return the rows at these places, in their order."""
        return Columns(self.table, {name: taken(values, chosen) for name, values in self.data.items()})

    def frame(self) -> "pd.DataFrame":
        """Return the DataFrame of the table."""
        return self.table.build(self.data)


def plain(values: Any) -> list[Any]:
    """Return a column of a frame or of Columns as Python values, missing ones as None."""
    if isinstance(values, list):
        return values
    if isinstance(values, Words):
        return list(map([*values.words, None].__getitem__, values.codes.tolist()))
    missing = values.is_missing if isinstance(values, Maybe) else _is_missing(values)
    if missing.all():
        return [None] * len(values)
    held = values.values if isinstance(values, Maybe) else values
    if missing.any():
        held = np.array(held, dtype=object)
        held[missing] = None
    told: list[Any] = held.tolist()
    return told


def _is_missing(values: Any) -> Any:
    return np.zeros(1, bool) if isinstance(values, np.ndarray) else values.isna().to_numpy()


def numbers(values: Values) -> np.ndarray:
    """Return a column of integers as int64, missing ones as 0."""
    if isinstance(values, Maybe):
        return np.where(values.is_missing, 0, values.values).astype(np.int64)
    return np.array([one or 0 for one in plain(values)] if isinstance(values, list) else values, np.int64)


def codes(values: Values) -> tuple[np.ndarray, list[str | None]]:
    """Return a column of text as places in a sorted list of its distinct words, missing ones first."""
    if isinstance(values, Words):
        told = [*values.words, None]
        held = values.codes
    else:
        told = plain(values)
        held = np.arange(len(told))
    distinct = sorted(set(told), key=lambda one: (one is not None, one or ""))
    place = {one: number for number, one in enumerate(distinct)}
    return np.array([place[one] for one in told], np.int64)[held], distinct


def taken(values: Values, chosen: np.ndarray) -> Values:
    """Return some elements of a column."""
    if isinstance(values, Words):
        return Words(values.codes[chosen], values.words)
    if isinstance(values, Maybe):
        return Maybe(values.values[chosen], values.is_missing[chosen])
    return [values[place] for place in chosen.tolist()] if isinstance(values, list) else values[chosen]


def filled(values: Words | Maybe, chosen: np.ndarray) -> Words | Maybe:
    """Return some elements of a column, missing ones where the place is -1."""
    if isinstance(values, Words):
        return Words(np.append(values.codes, -1)[chosen], values.words)
    return Maybe(
        np.append(values.values, values.values.dtype.type(0))[chosen], np.append(values.is_missing, True)[chosen]
    )


def as_stored(values: Sequence[Any], dtype: str) -> Words | Maybe:
    """Return Python values, missing ones as None, as a column of text, of nullable numbers or of booleans."""
    is_missing = np.array([one is None for one in values], bool)
    if dtype == "str":
        return Words(np.where(is_missing, -1, np.arange(len(values))), [one or "" for one in values])
    kind = bool if dtype == "boolean" else np.dtype(dtype.lower())
    return Maybe(np.array([0 if one is None else one for one in values], kind), is_missing)


def _joined(parts: Sequence[Values]) -> Values:
    """Return the columns of several parts as one."""
    words = [part for part in parts if isinstance(part, Words)]
    maybes = [part for part in parts if isinstance(part, Maybe)]
    arrays = [part for part in parts if isinstance(part, np.ndarray)]
    if len(parts) == 1:
        return parts[0]
    if len(words) == len(parts) > 0:
        return _joined_words(words)
    if len(maybes) == len(parts) > 0:
        return Maybe(
            np.concatenate([part.values for part in maybes]), np.concatenate([part.is_missing for part in maybes])
        )
    if len(arrays) == len(parts) > 0:
        return np.concatenate(arrays)
    return list(chain.from_iterable(map(plain, parts)))


def _joined_words(parts: Sequence[Words]) -> Words:
    """Return the columns of several parts as one, each word known once."""
    known: dict[str, int] = {}
    codes = []
    for part in parts:
        places = np.array([*(known.setdefault(word, len(known)) for word in part.words), -1])  # -1 stays -1
        codes.append(places[part.codes])
    return Words(np.concatenate(codes), tuple(known))


def _as_array(values: Any, dtype: Any) -> Any:
    """Return values as an array of the dtype; what already is one is not copied."""
    import pandas as pd

    if isinstance(values, Words):
        return pd.array(list(values.words), dtype="str").take(values.codes, allow_fill=True)
    if isinstance(values, Maybe):
        if dtype == "boolean":
            return pd.arrays.BooleanArray(values.values, values.is_missing)
        return pd.arrays.IntegerArray(values.values.astype(dtype.lower(), copy=False), values.is_missing)
    found = values.array if isinstance(values, pd.Series) else values
    return found if getattr(found, "dtype", None) == dtype else pd.Series(found, dtype=dtype).array

"""How a table is declared and built: kinds of values, columns, and `Table.build`, which holds a stage to them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from evpn_pcap.errors import SchemaError


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

    def build(self, data: Mapping[str, object]) -> pd.DataFrame:
        """Return `data` with exactly the declared columns, order and dtypes.

        Raises SchemaError, naming the table, when a column is missing or undeclared.
        """
        declared = {column.name: column.kind.dtype for column in self.columns}
        if wrong := declared.keys() ^ set(data.keys()):
            raise SchemaError(f"{self.name}: {sorted(wrong)} missing or undeclared")
        return pd.DataFrame({name: _as_array(data[name], dtype) for name, dtype in declared.items()}, copy=False)

    def empty(self) -> pd.DataFrame:
        """Return the table without rows."""
        return self.build({column.name: [] for column in self.columns})

    def concat(self, frames: list[pd.DataFrame]) -> pd.DataFrame:
        """Return the rows of several frames of this table, in order, index reset."""
        filled = [frame for frame in frames if len(frame)]
        if not filled:
            return self.empty()
        return pd.concat(filled, ignore_index=True)[[column.name for column in self.columns]]


def _as_array(values: Any, dtype: Any) -> Any:
    """Return values as an array of the dtype; what already is one is not copied."""
    found = values.array if isinstance(values, pd.Series) else values
    return found if getattr(found, "dtype", None) == dtype else pd.Series(found, dtype=dtype).array

"""Any table -> its rows inside --vni, --since and --until."""

from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from evpn_pcap.model import Options
from evpn_pcap.table import Columns, plain

if TYPE_CHECKING:
    import pandas as pd

Rows = TypeVar("Rows", "pd.DataFrame", Columns)


def in_scope(rows: Rows, options: Options) -> Rows:
    """Return the rows of the chosen segments and time; an interval counts when it overlaps.

    Reads what the table has of vni, time_ns, captured_ns, advertised_ns and withdrawn_ns. A row
    whose VNI is not known is not left out: it may belong to any segment.
    """
    if isinstance(rows, Columns):
        return rows.where(_wanted(rows.data, len(rows), options))
    return rows[_wanted(rows, len(rows), options)].reset_index(drop=True)


def _wanted(data: Any, row_count: int, options: Options) -> np.ndarray:
    """Return for each row whether it is in scope."""
    is_wanted = np.ones(row_count, bool)
    if options.vnis and "vni" in data:
        is_wanted &= np.array([one is None or one in options.vnis for one in plain(data["vni"])], bool)
    first, last = _span(data)
    if options.since_ns is not None and last:
        is_wanted &= np.array(plain(data[last]), np.int64) >= options.since_ns
    if options.until_ns is not None and first:
        is_wanted &= np.array(plain(data[first]), np.int64) < options.until_ns
    return is_wanted


def _span(data: Any) -> tuple[str | None, str | None]:
    """Return the columns that hold a row's first and last moment."""
    for first, last in (("time_ns", "time_ns"), ("captured_ns", "captured_ns"), ("advertised_ns", "withdrawn_ns")):
        if first in data:
            return first, last
    return None, None

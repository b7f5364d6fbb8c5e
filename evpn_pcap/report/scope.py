"""Any table -> its rows inside --vni, --since and --until."""

import pandas as pd

from evpn_pcap.model import Options


def in_scope(frame: pd.DataFrame, options: Options) -> pd.DataFrame:
    """Return the rows of the chosen segments and time; an interval counts when it overlaps.

    Reads what the table has of vni, time_ns, captured_ns, advertised_ns and withdrawn_ns. A row
    whose VNI is not known is not left out: it may belong to any segment.
    """
    is_wanted = pd.Series(data=True, index=frame.index)
    if options.vnis and "vni" in frame:
        is_wanted &= frame["vni"].isin(options.vnis) | frame["vni"].isna()
    first, last = _span(frame)
    if options.since_ns is not None and last:
        is_wanted &= frame[last] >= options.since_ns
    if options.until_ns is not None and first:
        is_wanted &= frame[first] < options.until_ns
    return frame[is_wanted].reset_index(drop=True)


def _span(frame: pd.DataFrame) -> tuple[str | None, str | None]:
    """Return the columns that hold a row's first and last moment."""
    for first, last in (("time_ns", "time_ns"), ("captured_ns", "captured_ns"), ("advertised_ns", "withdrawn_ns")):
        if first in frame:
            return first, last
    return None, None

"""Evidence -> FOUND: what a rule saw, row by row, becomes one occurrence per VNI and subject."""

from collections.abc import Iterable

import pandas as pd

from evpn_pcap import columns
from evpn_pcap.addresses import mac_text

KEY = ["vni", "subject"]


def gather(evidence: pd.DataFrame) -> pd.DataFrame:
    """Return FOUND, one row per VNI and subject, of the evidence of a rule.

    Reads `vni`, `subject`, `detail`, `frame_ids` (tuples) and, where a rule has them, `resolution_ids`
    (tuples) and `margin_ns` (the doubt of the moments that it compared). Frames and resolutions of a
    subject are joined, each once, in order; the margin is the largest; the detail is the first one's,
    with the number of pieces of evidence where there are several.
    """
    if evidence.empty:
        return columns.FOUND.empty()
    rows = evidence.reset_index(drop=True)
    given = {
        "resolution_ids": rows.get("resolution_ids", pd.Series([()] * len(rows))),
        "margin_ns": rows.get("margin_ns", pd.Series(pd.NA, index=rows.index)).astype("Int64"),
    }
    rows = rows.assign(vni=rows["vni"].astype("UInt32"), subject=rows["subject"].astype("str"), **given)
    grouped = rows.groupby(KEY, sort=True, dropna=False)
    found = grouped.agg(
        detail=("detail", "first"), count=("detail", "size"), margin_ns=("margin_ns", "max"),
        resolution_ids=("resolution_ids", _once), frame_ids=("frame_ids", _once),
    ).reset_index()  # fmt: skip
    times = (" (" + found["count"].astype("str") + " times)").where(found["count"] > 1, "")
    found = found.assign(detail=found["detail"].astype("str") + times)
    return columns.FOUND.build({column.name: found[column.name] for column in columns.FOUND.columns})


def tuples(*numbers: pd.Series) -> pd.Series:
    """Return, row by row, the elements of columns of the same index as one tuple: frames, or resolutions."""
    return pd.Series(list(zip(*numbers, strict=True)), index=numbers[0].index, dtype="object")


def mac_words(macs: pd.Series) -> pd.Series:
    """Return a column of MACs as text; missing ones stay missing."""
    return pd.Series([None if pd.isna(mac) else mac_text(int(mac)) for mac in macs], index=macs.index, dtype="str")


def _once(parts: Iterable[tuple[int, ...]]) -> tuple[int, ...]:
    """Return the elements of several tuples in order, each once."""
    return tuple(dict.fromkeys(one for part in parts for one in part))

"""What is known of pairs of clocks becomes CLOCK_PAIRS and CLOCK_TRACES, for people to look at."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from evpn_pcap import columns
from evpn_pcap.clocks.curve import SLEW, STEP, Curve
from evpn_pcap.clocks.pairs import PairFit

MOST_POINTS = 300  # of a course that are told
DRIFT_DOUBT_MOST = 50e-6  # a rate known worse than this is not told
ONE_WAY = "one-way"


def clock_pairs(hosts: tuple[str, ...], pairs: Sequence[PairFit], contradicted: set[tuple[int, int]]) -> pd.DataFrame:
    """Return CLOCK_PAIRS."""
    rows = [_row(hosts, pair) | {"is_contradicted": (pair.a, pair.b) in contradicted} for pair in pairs]
    table = columns.CLOCK_PAIRS
    return table.build({column.name: [row[column.name] for row in rows] for column in table.columns})


def _row(hosts: tuple[str, ...], pair: PairFit) -> dict[str, object]:
    times, curve = pair.sample.x_ns, pair.told
    first, last = int(times.min()), int(times.max())
    middle = (first + last) // 2
    row: dict[str, object] = {
        "first_host": hosts[pair.a],
        "second_host": hosts[pair.b],
        "there_packet_count": pair.upper_count,
        "back_packet_count": pair.lower_count,
        "mismatch_count": curve.mismatch_count if curve else 0,
        "first_ns": first,
        "last_ns": last,
        "at_ns": middle,
        **dict.fromkeys(("offset_ns", "lower_ns", "upper_ns", "margin_ns"), pd.NA),
        "drift_ppm": np.nan,
        "step_count": sum(one.kind == STEP for one in curve.breaks) if curve else 0,
        "slew_count": sum(one.kind == SLEW for one in curve.breaks) if curve else 0,
        "flags": " ".join(curve.flags) if curve else ONE_WAY,
    }
    if curve:
        at = float(middle - pair.base_x_ns)
        low, estimate, high = (float(np.interp(at, curve.x, one)) for one in (curve.low, curve.estimate, curve.high))
        inside = (curve.x >= curve.first_x) & (curve.x <= curve.last_x)
        row |= {
            "offset_ns": pair.base_y_ns + round(estimate),
            "lower_ns": pair.base_y_ns + int(np.floor(low)),
            "upper_ns": pair.base_y_ns + int(np.ceil(high)),
            "margin_ns": int(np.ceil(np.median((curve.high - curve.low)[inside]) / 2)),
            "drift_ppm": _drift_ppm(curve, inside),
        }
    return row


def _drift_ppm(curve: Curve, inside: np.ndarray) -> float:
    """Return the median slope of the estimate, or nan where the bounds leave it open."""
    x, y = curve.x[inside], curve.estimate[inside]
    span = curve.last_x - curve.first_x
    if len(x) < 2 or float(np.min((curve.high - curve.low)[inside])) > DRIFT_DOUBT_MOST * span:
        return float("nan")
    apart = np.diff(x)
    slope = (np.diff(y) / np.maximum(apart, 1))[np.argsort(np.diff(y) / np.maximum(apart, 1))]
    weight = np.cumsum(apart[np.argsort(np.diff(y) / np.maximum(apart, 1))])
    return float(slope[np.searchsorted(weight, weight[-1] / 2)] * 1e6)


def clock_traces(hosts: tuple[str, ...], pairs: Sequence[PairFit]) -> pd.DataFrame:
    """Return CLOCK_TRACES."""
    parts = [part for pair in pairs for part in _traces(pair)]
    table = columns.CLOCK_TRACES
    if not parts:
        return table.empty()
    names = [column.name for column in table.columns if not column.name.endswith("_host")]
    data = {name: np.concatenate([part[name] for part in parts]) for name in names}
    for name, end in (("first_host", 0), ("second_host", 1)):
        data[name] = np.concatenate([np.repeat(hosts[part["hosts"][end]], len(part["at_ns"])) for part in parts])
    missing = np.iinfo(np.int64).min
    optional = {
        name: pd.Series(data[name], dtype="Int64").mask(data[name] == missing)
        for name in ("until_ns", "lower_ns", "upper_ns")
    }
    return table.build({name: optional.get(name, data[name]) for name in (column.name for column in table.columns)})


def _traces(pair: PairFit) -> list[dict[str, np.ndarray]]:
    """Return the frames, the course and the breaks of one pair as columns; the least int64 stands for missing."""
    sample, curve = pair.sample, pair.told
    kinds = np.where(sample.is_upper, "there", "back")
    parts = [_part(pair, kinds, sample.x_ns, sample.y_ns)]
    if curve is None:
        return parts
    inside = np.flatnonzero((curve.x >= curve.first_x) & (curve.x <= curve.last_x))
    inside = inside[np.unique(np.linspace(0, len(inside) - 1, min(MOST_POINTS, len(inside))).astype(np.int64))]
    at = pair.base_x_ns + np.rint(curve.x[inside]).astype(np.int64)
    low, estimate, high = (
        pair.base_y_ns + np.rint(one[inside]).astype(np.int64) for one in (curve.low, curve.estimate, curve.high)
    )
    parts.append(_part(pair, np.repeat("course", len(at)), at, estimate, lower_ns=low, upper_ns=high))
    if curve.breaks:
        start, stop, size = (
            np.rint([getattr(one, name) for one in curve.breaks]).astype(np.int64) for name in ("start", "stop", "size")
        )
        kinds = np.array([one.kind for one in curve.breaks])
        parts.append(_part(pair, kinds, start + pair.base_x_ns, size, until_ns=stop + pair.base_x_ns))
    return parts


def _part(
    pair: PairFit, kind: np.ndarray, at_ns: np.ndarray, offset_ns: np.ndarray, **others: np.ndarray
) -> dict[str, np.ndarray]:
    missing = np.full(len(at_ns), np.iinfo(np.int64).min)
    optional = dict.fromkeys(("until_ns", "lower_ns", "upper_ns"), missing) | others
    return {"hosts": np.array([pair.a, pair.b]), "kind": kind, "at_ns": at_ns, "offset_ns": offset_ns, **optional}

"""Frames seen at both ends of a step become its delays, each with its margin, and its count of reordered frames."""

import numpy as np
import pandas as pd

from evpn_pcap.model import FOREVER

PERCENT_99 = 99


def delays(matched: pd.DataFrame, step_count: int) -> pd.DataFrame:
    """Return least, median, 99th percentile and greatest delay of each step, with margins; missing where a clock is.

    `matched` has step, delay_ns and doubt_ns. Each figure is the delay of one frame (nearest rank). Its
    margin: the figure taken of all delays less their doubts, and plus them, bounds the true one from
    both sides, for all of these figures grow with every delay.
    """
    count = np.bincount(matched["step"], minlength=step_count)
    is_open = np.bincount(matched["step"], matched["doubt_ns"] == FOREVER, step_count) > 0
    delay, doubt = matched["delay_ns"].to_numpy(np.int64), matched["doubt_ns"].to_numpy(np.int64)
    doubt = np.where(doubt == FOREVER, 0, doubt)
    step = matched["step"].to_numpy()
    told, low, high = (_ranked(step, values, count) for values in (delay, delay - doubt, delay + doubt))
    is_told = (count > 0) & ~is_open
    figures: dict[str, pd.Series] = {}
    for name, place in _places(count).items():
        at = np.where(is_told, place, 0)
        figures[f"delay_{name}_ns"] = _or_missing(told, at, is_told)
        margin = np.maximum(told[at] - low[at], high[at] - told[at]) if len(told) else np.zeros(step_count, np.int64)
        figures[f"delay_{name}_margin_ns"] = pd.Series(margin, dtype="Int64").where(is_told)
    return pd.DataFrame(figures)


def reordered_counts(matched: pd.DataFrame, step_count: int) -> np.ndarray:
    """Return how many frames of each step arrived after one that was sent later (RFC 4737, 3: Type-P-Reordered)."""
    sent = matched.sort_values(["step", "time_ns_a", "time_ns_b"], kind="stable")
    ranked = sent.assign(rank=np.arange(len(sent))).sort_values(["step", "time_ns_b", "rank"], kind="stable")
    rank = ranked["rank"].to_numpy()  # ranks of a later step are greater than all of an earlier one
    is_late = np.zeros(len(rank), bool)
    is_late[1:] = rank[1:] < np.maximum.accumulate(rank)[:-1]
    found: np.ndarray = np.bincount(ranked["step"][is_late], minlength=step_count)
    return found


def _ranked(step: np.ndarray, values: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Return the values of all steps one after the other, each step's in order."""
    assert len(step) == count.sum()
    return values[np.lexsort((values, step))]


def _places(count: np.ndarray) -> dict[str, np.ndarray]:
    """Return where each figure of each step stands in the ranked values."""
    begin = np.cumsum(count) - count
    return {
        "min": begin,
        "median": begin + (count - 1) // 2,
        "p99": begin + (count * PERCENT_99 + 99) // 100 - 1,
        "max": begin + count - 1,
    }


def _or_missing(values: np.ndarray, at: np.ndarray, is_told: np.ndarray) -> pd.Series:
    taken = values[at] if len(values) else np.zeros(len(at), np.int64)
    return pd.Series(taken, dtype="Int64").where(is_told)

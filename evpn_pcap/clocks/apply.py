"""Any table with captured_ns of a host's own clock gets time_ns and margin_ns of the common clock."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from evpn_pcap.model import FOREVER, ClockFit, Quality

BEYOND_NS_PER_NS = 10_000  # ns before the first or after the last knot that add one to the margin: 100 ppm


def on_common_clock(frame: pd.DataFrame, clocks: Sequence[ClockFit]) -> pd.DataFrame:
    """Return `frame` with time_ns (captured_ns less the host's offset) and margin_ns, the bound on its error.

    Offset and margin are interpolated between the knots of the host's ClockFit; beyond them the
    offset stays and the margin grows. A host that is not aligned keeps its own time, with a margin
    of FOREVER, so that it is never told apart from another host's. Reads host and captured_ns.
    """
    captured = frame["captured_ns"].to_numpy(np.int64)
    offset = np.zeros(len(frame), np.int64)
    margin = np.full(len(frame), FOREVER, np.int64)
    host = frame["host"].to_numpy(object)
    for fit in clocks:
        rows = np.flatnonzero(host == fit.host)
        if fit.quality is Quality.REFERENCE:
            margin[rows] = 0
        elif fit.knots:
            offset[rows], margin[rows] = _read(fit, captured[rows])
    return frame.assign(time_ns=captured - offset, margin_ns=margin)


def _read(fit: ClockFit, captured: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return offset and margin at times of the host's own clock."""
    local = np.array([knot.local_ns for knot in fit.knots], np.int64)
    knot_offset = np.array([knot.offset_ns for knot in fit.knots], np.int64)
    knot_margin = np.array([knot.margin_ns for knot in fit.knots], np.int64)
    x, at = (captured - local[0]).astype(float), (local - local[0]).astype(float)
    offset = knot_offset[0] + np.rint(np.interp(x, at, (knot_offset - knot_offset[0]).astype(float))).astype(np.int64)
    beyond = np.maximum(local[0] - captured, 0) + np.maximum(captured - local[-1], 0)
    margin = np.ceil(np.interp(x, at, knot_margin.astype(float))).astype(np.int64) - (-beyond // BEYOND_NS_PER_NS)
    return offset, margin


def is_extrapolated(captured_ns: np.ndarray, fit: ClockFit) -> np.ndarray:
    """Return at which times of a host's own clock its margin is an extrapolation: no matched frames bracket them."""
    ends = np.array(fit.bracketed, np.int64).reshape(-1, 2)
    if not len(ends):
        return np.ones(len(captured_ns), bool)
    at = np.searchsorted(ends[:, 0], captured_ns, side="right") - 1
    return np.asarray((at < 0) | (captured_ns > ends[np.maximum(at, 0), 1]))

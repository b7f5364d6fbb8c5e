"""Constraints on the difference of two clocks become windows of time, each with the rate that holds in it.

A straight line that runs under every upper and over every lower bound exists for a range of slopes (the two lines
that separate the hulls, Duda et al. 1987); where none exists the window is halved.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from evpn_pcap.clocks.direction import RATE_LIMIT

RATE_PRIOR = 200e-6  # two free-running clocks of at most 100 ppm each (IEEE 802.3 allows no more)
RATE_CHANGE = 0.3e-6  # a rate that is known is known for its own window, not better than this
GAP_NS = 20e9  # silence after which nothing is assumed about the rate before it
WINDOW_NS = 100e9
KEPT_COUNT = 300  # tightest constraints a direction that are carried on


@dataclass(frozen=True, slots=True)
class Constraints:
    """Bounds `y` (ns) on the difference of two clocks at times `x` (ns), both counted from a base."""

    x: np.ndarray
    y: np.ndarray

    def take(self, rows: np.ndarray) -> "Constraints":
        """Return the constraints that `rows` (a mask or positions) selects."""
        return Constraints(self.x[rows], self.y[rows])

    def in_order(self) -> "Constraints":
        """Return the constraints in order of time."""
        return self.take(np.argsort(self.x, kind="stable"))

    def between(self, start: float, stop: float) -> "Constraints":
        """Return the constraints with start <= x < stop."""
        return self.take((self.x >= start) & (self.x < stop))


@dataclass(frozen=True, slots=True)
class Pace:
    """What is known beforehand of the rate at which two clocks part: it is within `rho`, surely within `limit`."""

    rate: float = 0.0
    rho: float = RATE_PRIOR
    limit: float = RATE_LIMIT
    is_known: bool = False


@dataclass(frozen=True, slots=True)
class Window:
    """Constraints close in time, and the rate (ns a ns) at which the clocks part there, plus or minus rho."""

    upper: Constraints
    lower: Constraints
    rate: float
    rho: float

    @property
    def start(self) -> float:
        """First time that a constraint belongs to."""
        return float(min([*self.upper.x[:1], *self.lower.x[:1]]))

    @property
    def stop(self) -> float:
        """Last time that a constraint belongs to."""
        return float(max([*self.upper.x[-1:], *self.lower.x[-1:]]))


def tightest(upper: Constraints, lower: Constraints) -> tuple[Constraints, Constraints]:
    """Return about KEPT_COUNT constraints a direction: of each stretch of time the one that says most.

    Any choice gives valid bounds; this one loses little.
    """
    rate = _rough_rate(upper, lower)
    return _tightest(upper, rate, sign=1), _tightest(lower, rate, sign=-1)


def _tightest(constraints: Constraints, rate: float, sign: int) -> Constraints:
    if len(constraints.x) <= KEPT_COUNT:
        return constraints
    run = np.concatenate([[0], np.cumsum(np.diff(constraints.x) > GAP_NS)])
    stretch = run + np.arange(len(run)) * KEPT_COUNT // len(run)
    order = np.lexsort((sign * (constraints.y - rate * constraints.x), stretch))
    best = order[np.flatnonzero(np.diff(stretch, prepend=-1))]
    return constraints.take(np.sort(best))


def _rough_rate(upper: Constraints, lower: Constraints) -> float:
    """Return the median slope between the least uppers, and between the greatest lowers, of 32 stretches."""
    slopes = [np.zeros(1)]
    for constraints, sign in ((upper, 1), (lower, -1)):
        if len(constraints.x) < 64:
            continue
        stretch = np.arange(len(constraints.x)) * 32 // len(constraints.x)
        order = np.lexsort((sign * constraints.y, stretch))
        least = constraints.take(order[np.flatnonzero(np.diff(stretch, prepend=-1))])
        apart = least.x[16:] - least.x[:-16]
        slopes.append((least.y[16:] - least.y[:-16])[apart > 0] / apart[apart > 0])
    return float(np.clip(np.median(np.concatenate(slopes)), -RATE_LIMIT, RATE_LIMIT))


def windows(upper: Constraints, lower: Constraints, pace: Pace) -> list[Window]:
    """Return the constraints cut at gaps, then at WINDOW_NS, then where no one rate fits; in order of time.

    Where two constraints alone contradict each other, both are left out: nothing tells which is right.
    """
    times = np.sort(np.concatenate([upper.x, lower.x]))
    ends = np.flatnonzero(np.diff(times) > GAP_NS)
    starts, stops = times[np.concatenate([[0], ends + 1])], times[np.concatenate([ends, [len(times) - 1]])]
    found: list[Window] = []
    for start, stop in zip(starts, stops, strict=True):
        edges = np.linspace(start, stop, 1 + max(1, int(np.ceil((stop - start) / WINDOW_NS))))
        edges[-1] = np.inf if stop == times[-1] else stop + GAP_NS / 2
        for left, right in pairwise(edges):
            found += _fitting(upper.between(left, right), lower.between(left, right), pace)
    return found


def _fitting(upper: Constraints, lower: Constraints, pace: Pace) -> list[Window]:
    """Return one window, or more where no one rate fits all constraints."""
    count = len(upper.x) + len(lower.x)
    if count == 0:
        return []
    least, most = slopes_between(upper, lower)
    if least <= most and least <= pace.rate + pace.limit and most >= pace.rate - pace.limit:
        return [_window(upper, lower, least, most, pace)]
    times = np.sort(np.concatenate([upper.x, lower.x]))
    middle = times[count // 2]
    if count <= 2 or middle == times[0]:
        return []
    cut = (upper.between(-np.inf, middle), lower.between(-np.inf, middle))
    rest = (upper.between(middle, np.inf), lower.between(middle, np.inf))
    return _fitting(*cut, pace) + _fitting(*rest, pace)


def rated_between(window: Window, start: float, stop: float, pace: Pace) -> Window:
    """Return the window with the rate, and its rho, that its constraints between two times alone tell."""
    upper, lower = window.upper.between(start, stop), window.lower.between(start, stop)
    if not (len(upper.x) and len(lower.x)):
        return Window(window.upper, window.lower, pace.rate, pace.rho)
    inner = _window(upper, lower, *slopes_between(upper, lower), pace)
    return Window(window.upper, window.lower, inner.rate, inner.rho)


def slopes_between(upper: Constraints, lower: Constraints) -> tuple[float, float]:
    """Return the least and the greatest slope of a line under every upper and over every lower bound.

    Where no line exists the first is greater than the second.
    """
    apart = upper.x[:, None] - lower.x[None, :]
    room = upper.y[:, None] - lower.y[None, :]
    if np.any((apart == 0) & (room < 0)):
        return np.inf, -np.inf
    slope = np.divide(room, apart, out=np.zeros_like(room), where=apart != 0)
    most = np.min(slope, where=apart > 0, initial=np.inf)
    least = np.max(slope, where=apart < 0, initial=-np.inf)
    return float(least), float(most)


def _window(upper: Constraints, lower: Constraints, least: float, most: float, pace: Pace) -> Window:
    """Return the window with the middle of the possible rates, and how far from it the rate may be.

    A bend smaller than the room between the bounds would not show: it adds to rho.
    """
    low, high = max(least, pace.rate - pace.rho), min(most, pace.rate + pace.rho)
    if low > high:  # faster than clocks should be, but that is what all frames say
        low, high = max(least, pace.rate - pace.limit), min(most, pace.rate + pace.limit)
    rate, rho = (low + high) / 2, (high - low) / 2
    window = Window(upper, lower, rate, pace.rho)
    span = window.stop - window.start
    if not (len(upper.x) and len(lower.x)) or span == 0:
        return window
    room = np.min(upper.y - rate * upper.x) - np.max(lower.y - rate * lower.x)
    return Window(upper, lower, rate, min(rho + max(room, 0.0) / span, pace.rho) + RATE_CHANGE)

"""Frames between two breaks become one regime: the course of the clocks' difference, bounds on it, and an estimate.

The bounds are those of frames (clock.md, section 3), carried over time by the smooth course with four standard
deviations of its posterior; the estimate takes the floors of both directions to be alike (clock.md, section 5, P6).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from evpn_pcap.clocks.edges import Edges
from evpn_pcap.clocks.hidden import hidden_step
from evpn_pcap.clocks.observations import EACH, SAMPLE, observations, quantiles
from evpn_pcap.clocks.smoothing import Smooth, smooth

OBSERVATIONS, LEAST_OBSERVATIONS = 40, 12  # a direction; fewer where frames are very few
ENOUGH = 25  # frames an observation: the fastest of many tells more than many of few
FIRST_QUANTILE, QUANTILE = 0.3, 0.02
BEST = 40  # frames a direction that bounds rest on
SURE_SPREADS = 4.0
LONE_SPREADS = 6.0  # beyond a direction's first or last observation: that alone decides, and may be late by chance
LEAST_RHO_PPM = 0.2  # added: no course is known better
FEW_RHO_PPM = 10.0  # where frames are too few to tell the course
STAMP_US = 2.0  # stamps of a microsecond are cut off, one at each host
FAR_US = 1e12  # what stands for a bound that nobody gave
FLOOR_SHARE, FLOOR_COUNT = 0.01, 3.0
ENDING = 2  # frames of a direction
LONE, TAIL, TAIL_SHARE = 3, 10, 2.0  # so many frames at most lie by themselves below the fastest of the others


@dataclass(frozen=True, slots=True)
class Straight:
    """A course of known rate, where frames are too few for more."""

    rate: float
    rho: float

    def course(self, x: np.ndarray) -> np.ndarray:
        """Return the difference of the clocks at times x, up to a constant."""
        return self.rate * x

    def spread(self, x: np.ndarray, other: np.ndarray) -> np.ndarray:
        """Return how far course(x) - course(other) may be off, in standard deviations."""
        return np.abs(x[:, None] - other[None, :]) * (self.rho / SURE_SPREADS)


@dataclass(frozen=True, slots=True)
class Regime:
    """A stretch of time in which both clocks ran freely; times in s, clocks in us."""

    start: float
    stop: float
    model: Smooth | Straight
    level: float  # estimate = course + level
    upper_x: np.ndarray  # frames that bounds rest on, and how far above (below) the course they are
    upper_room: np.ndarray
    lower_x: np.ndarray
    lower_room: np.ndarray
    silences: np.ndarray  # (start, stop) of long ones
    silence_doubt: float  # us: a step of this size in a silence would not have shown
    upper_sample: np.ndarray  # rooms of ordinary frames, sorted
    lower_sample: np.ndarray
    mismatch_count: int
    is_sure: bool  # the model is from enough frames
    hidden: tuple[float, float] | None  # around here a step is far likelier than any wander

    def estimate(self, x: np.ndarray) -> np.ndarray:
        """Return the likely difference of the clocks."""
        return self.model.course(x) + self.level

    def bounds(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the least and the greatest difference of the clocks at times x, also beyond the regime's ends."""
        low, high = self.bounds_with(x, (None,))
        return low[0], high[0]

    def bounds_with(self, x: np.ndarray, edges: Sequence[Edges | None]) -> tuple[np.ndarray, np.ndarray]:
        """Return the least and the greatest difference, a row for each of `edges`: as if clocks may be slewed there."""
        course = self.model.course(x)
        high = self._carried(x, self.upper_x, self.upper_room, edges)
        low = self._carried(x, self.lower_x, self.lower_room, edges)
        return course - low, course + high

    def _carried(
        self, x: np.ndarray, frame_x: np.ndarray, room: np.ndarray, edges: Sequence[Edges | None]
    ) -> np.ndarray:
        if not len(frame_x):
            return np.full((len(edges), len(x)), FAR_US)
        doubt = self._sure(x)[:, None] * self.model.spread(x, frame_x) + LEAST_RHO_PPM * np.abs(
            x[:, None] - frame_x[None, :]
        )
        if len(self.silences):
            doubt = doubt + self.silence_doubt * np.abs(
                self._silences_before(x)[:, None] - self._silences_before(frame_x)[None, :]
            )
        away = doubt + room[None, :]
        return np.stack([np.min(away + one.doubt(x, frame_x) if one else away, axis=1) for one in edges]) + STAMP_US

    def _sure(self, x: np.ndarray) -> np.ndarray:
        """Return how many standard deviations hold for sure at times x."""
        if isinstance(self.model, Straight):
            return np.full(len(x), SURE_SPREADS)
        first, last = self.model.known
        return np.where((x >= first) & (x <= last), SURE_SPREADS, LONE_SPREADS)

    def _silences_before(self, x: np.ndarray) -> np.ndarray:
        edges = np.sort(self.silences.ravel())
        return np.searchsorted(edges, x, side="left")


def fit_regime(
    x: np.ndarray,
    y: np.ndarray,
    is_upper: np.ndarray,
    rate: float,
    rate_doubt: float,
    silences: np.ndarray,
    silence_doubt: float,
) -> Regime:
    """Return the regime of frames in order of time; `rate` (ppm) and its doubt are for frames too few to tell."""
    model, possible = _model(x, y, is_upper, rate, rate_doubt)
    nodes = (
        np.unique(np.concatenate([[x[0], x[-1]], model.times + model.origin]))
        if isinstance(model, Smooth)
        else x[[0, -1]]
    )
    room = y - np.interp(x, nodes, model.course(nodes))
    kept = possible[_possible(room[possible], is_upper[possible])]
    up, down = kept[np.flatnonzero(is_upper[kept])], kept[np.flatnonzero(~is_upper[kept])]
    rooms = room[up], -room[down]
    upper_x, upper_room = _best(x[up], rooms[0])
    lower_x, lower_room = _best(x[down], rooms[1])
    level = _level(*rooms)
    return Regime(
        float(x[0]),
        float(x[-1]),
        model,
        level,
        upper_x,
        upper_room,
        lower_x,
        lower_room,
        silences,
        silence_doubt,
        _sample(rooms[0]),
        _sample(rooms[1]),
        len(x) - len(kept),
        isinstance(model, Smooth),
        hidden_step(x, y - rate * x, is_upper),
    )


def _model(
    x: np.ndarray, y: np.ndarray, is_upper: np.ndarray, rate: float, rate_doubt: float
) -> tuple[Smooth | Straight, np.ndarray]:
    """Return the course, and the frames that it rests on."""
    up_count = int(is_upper.sum())
    if min(up_count, len(x) - up_count) < 4 * EACH:
        return Straight(rate, rate_doubt), np.arange(len(x))
    level = y - rate * x
    first = smooth(*observations(x, level, is_upper, FIRST_QUANTILE, _counts(is_upper)))
    room = level - _between(first, x)
    rows = _possible(room, is_upper)
    t, v, u, noise = observations(x[rows], room[rows], is_upper[rows], QUANTILE, _counts(is_upper[rows]))
    v = v + _between(first, t)
    second = smooth(t, v, u, noise)
    return replace(second, trend=second.trend + rate), rows


def _between(model: Smooth, x: np.ndarray) -> np.ndarray:
    """Return the course at many times, by lines between those of the observations."""
    nodes = np.unique(np.concatenate([x[[0, -1]], model.times + model.origin]))
    return np.interp(x, nodes, model.course(nodes))


def _counts(is_upper: np.ndarray) -> tuple[int, int]:
    """Return how many observations the frames of each direction make."""
    up, down = (
        int(np.clip(one // ENOUGH, np.clip(one // EACH, 2, LEAST_OBSERVATIONS), OBSERVATIONS))
        for one in (int(is_upper.sum()), int((~is_upper).sum()))
    )
    return up, down


def _possible(room: np.ndarray, is_upper: np.ndarray) -> np.ndarray:
    """Return the frames that are not impossibly fast, as far as the fast ones of their direction tell, in order.

    Several at the very begin or end are no wrong matches: a slew may end or begin there.
    """
    result = np.ones(len(room), bool)
    for way, sign in ((is_upper, 1), (~is_upper, -1)):
        rows = np.flatnonzero(way)
        mine = sign * room[rows]
        if len(mine) < 4 * EACH:
            continue
        fast, usual = quantiles(mine, 0.06, 0.35)
        is_right = mine >= max(fast - 1.2 * (usual - fast) - STAMP_US, _without_lone(mine))
        first, last = np.argmax(is_right), len(mine) - np.argmax(is_right[::-1])
        is_right[: first if first >= ENDING else 0] = True
        is_right[last if len(mine) - last >= ENDING else len(mine) :] = True
        result[rows] = is_right
    return np.flatnonzero(result)


def _without_lone(room: np.ndarray) -> float:
    """Return the least room of those frames that are not far faster than the next faster ones.

    Delays have a floor, and the fastest of many frames crowd at it; one that lies by itself, further below the next
    than twice what the TAIL after that spread over, is a wrong match. To leave out a right one costs little.
    """
    least = np.sort(np.partition(room, LONE + TAIL)[: LONE + TAIL + 1])
    for count in range(LONE, 0, -1):
        if least[count] - least[count - 1] > TAIL_SHARE * (least[count + TAIL] - least[count]) + STAMP_US:
            return float(least[count])
    return float(least[0])


def _sample(room: np.ndarray) -> np.ndarray:
    return np.sort(room[:: max(1, len(room) // SAMPLE)])


def _best(x: np.ndarray, room: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return of each stretch of frames the one with least room."""
    if len(x) <= BEST:
        return x, room
    edges = np.linspace(0, len(x), BEST + 1).astype(np.int64)[:-1]
    least = np.minimum.reduceat(room, edges)
    number = np.repeat(np.arange(BEST), np.diff(edges, append=len(x)))
    first = np.flatnonzero(room == least[number])
    first = first[np.diff(number[first], prepend=-1) > 0]
    return x[first], room[first]


def _level(up: np.ndarray, down: np.ndarray) -> float:
    """Return the constant under which equal shares of both directions are equally fast."""
    if not (len(up) and len(down)):
        return float(up.min()) if len(up) else float(-down.min()) if len(down) else 0.0
    share = max(FLOOR_SHARE, FLOOR_COUNT / max(1, min(len(up), len(down))))
    share = min(share, 0.5)
    low = []
    for values in (up, down):
        at = share * (len(values) - 1)
        parted = np.partition(values, [int(at), min(int(at) + 1, len(values) - 1)])
        low.append(parted[int(at)] + (at - int(at)) * (parted[min(int(at) + 1, len(values) - 1)] - parted[int(at)]))
    return float(low[0] - low[1]) / 2

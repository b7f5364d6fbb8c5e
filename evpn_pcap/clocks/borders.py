"""The frames around a break become what happened: a step or a slew, from when to when at most, and of what size.

A frame is old where only the regime before allows it, new where only the one after does. All old before all new is a
step, whose time is known to the gap between two frames; a mixture is a slew, or a clock set back.
"""

from dataclasses import dataclass

import numpy as np

from evpn_pcap.clocks.curve import SLEW, STEP, Break, Zone
from evpn_pcap.clocks.narrowing import narrowed
from evpn_pcap.clocks.regime import Regime

LEAST_STEP_US = 150.0  # a smaller one may as well be the queue that began or ended then
TURN_PPM, TURN_SHARE = 10.0, 0.25  # a rate that changes by so much, and moves the clock by this share, made no step
MOST_LATE = 2  # around a step, that come later than both regimes know it
FIRM = 3  # frames that only one regime allows: before and after so many nothing is in doubt
DELAY_US = 1_000.0  # a frame on its way when the clock was set shows what it was so much earlier or later
USUAL_SHARE = 0.9  # of frames are as fast as what is usual
HARDLY_EVER = 20.0  # times the slowest delay seen: as good as impossible
EDGE_S = 1.0  # next to a break, over which a rate is read
FASTEST_SLEW_PPM = 500.0  # of Linux adjtime
SUDDEN_PPM = 10 * FASTEST_SLEW_PPM  # what seems to be as fast, wrong matches around it included, is no slew
SLEW_FRAMES = 5.0  # mean spacings of frames that a slew may begin earlier and end later than seen
UNSEEN_US = 200.0  # a slew shows only once it has moved the clock this far


@dataclass(frozen=True, slots=True)
class _Near:
    """Frames around a break, in order of time; which of them only one of the two regimes allows, and which neither."""

    x: np.ndarray
    y: np.ndarray
    is_upper: np.ndarray
    old: np.ndarray
    new: np.ndarray
    neither: np.ndarray  # late ones, or what the clock showed on its way
    split: int  # before so many frames most are old, and from there on most are new

    def sure(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the old frames before the split, and the new ones after it."""
        return np.flatnonzero(self.old[: self.split]), np.flatnonzero(self.new[self.split :]) + self.split

    def stray(self) -> np.ndarray:
        """Return the frames that neither regime explains there: of a slew, or of a clock that shows a time twice."""
        early, late = np.flatnonzero(self.new[: self.split]), np.flatnonzero(self.old[self.split :]) + self.split
        stray = np.concatenate([early, late])
        neither = np.flatnonzero(self.neither)
        return np.sort(np.concatenate([stray, neither])) if len(neither) > MOST_LATE else stray


def located(
    x: np.ndarray, y: np.ndarray, is_upper: np.ndarray, before: Regime, after: Regime, reach: float, wrong_share: float
) -> tuple[Break, Zone]:
    """Return what happened between two regimes and, for the bounds, from when to when at most.

    `wrong_share` is that of matches found to be wrong: so many times as many, a small share, was not found.
    """
    near = _near(x, y, is_upper, before, after, reach)
    (is_old, is_new), stray = near.sure(), near.stray()
    start = float(near.x[is_old[-1]]) if len(is_old) else before.stop
    stop = float(near.x[is_new[0]]) if len(is_new) else after.start
    start, stop = min(start, stop), max(start, stop)
    at = np.array([(start + stop) / 2])
    size = float((after.estimate(at) - before.estimate(at))[0])
    if len(stray) > 1:
        start, stop = min(start, float(near.x[stray[0]])), max(stop, float(near.x[stray[-1]]))
    is_turn = _turned_us(before, after, start, stop) > TURN_SHARE * abs(size)
    is_sudden = len(stray) <= 1 or abs(size) > SUDDEN_PPM * (stop - start)
    is_step = abs(size) > LEAST_STEP_US and not is_turn and is_sudden
    again = max(size, 0.0) * 1e-6  # a clock of a that is set back shows as much time twice
    if is_step and len(stray) <= 1:
        hard = (  # one frame may be a wrong match
            float(near.x[is_old[-FIRM] if len(is_old) >= FIRM else 0]),
            float(near.x[is_new[FIRM - 1] if len(is_new) >= FIRM else -1]),
        )
        soft = narrowed(near.x, near.y, near.is_upper, (before, after), hard, wrong_share)
    elif is_step:
        soft = _mixed(near.x, near.old, near.new, again)
    else:
        soft = start, stop
    start, stop = _widened(near, (start, stop), soft, (before, after))
    # what a frame on its way when the clock was set shows may be a delay too early or too late
    delay, spacing = DELAY_US * 1e-6, float(np.median(np.diff(near.x)))
    is_fast = is_step and abs(size) > FASTEST_SLEW_PPM * (soft[1] - soft[0] + 2 * FIRM * spacing)  # surely no slew
    unseen = (stop - start) * min(1.0, UNSEEN_US / max(abs(size), 1.0)) + (0 if is_fast else SLEW_FRAMES * spacing)
    unseen += delay + (again if is_step else 0.0)
    wide = (max(before.start, start - unseen), min(after.stop, stop + unseen))
    if not is_step:
        return Break(*wide, size, SLEW), wide
    # frames from before and after mixed: a's clock; none for longer than the step left out: perhaps a's clock
    is_open = soft[0] <= soft[1] + min(size, 0.0) * 1e-6
    moved = size * 1e-6 if is_open else 0.0
    return Break(soft[0] - delay, soft[1] + delay + again, size, STEP, moved, may_be_slew=not is_fast), wide


def _near(x: np.ndarray, y: np.ndarray, is_upper: np.ndarray, before: Regime, after: Regime, reach: float) -> _Near:
    """Return the frames between two regimes and for `reach` (s) beside."""
    edges = min(before.stop, after.start) - reach, max(before.stop, after.start) + reach
    first = np.searchsorted(x, max(before.start, edges[0]))
    end = np.searchsorted(x, min(after.stop, edges[1]), side="right")
    rows = slice(int(first), int(end))
    x, y, is_upper = x[rows], y[rows], is_upper[rows]
    grid = np.linspace(x[0], x[-1], 33)
    impossible = []
    for regime in (before, after):
        low, high = (np.interp(x, grid, bound) for bound in regime.bounds(grid))
        latest = y - regime.model.course(x)
        slowest = [
            HARDLY_EVER * (sample[-1] - sample[0]) + sample[0] if len(sample) else np.inf
            for sample in (regime.upper_sample, regime.lower_sample)
        ]
        impossible.append(np.where(is_upper, (y < low) | (latest > slowest[0]), (y > high) | (-latest > slowest[1])))
    by_old, by_new = impossible
    old, new = by_new & ~by_old, by_old & ~by_new
    return _Near(x, y, is_upper, old, new, by_old & by_new, _split(old, new))


def _widened(near: _Near, hard: Zone, soft: Zone, sides: tuple[Regime, Regime]) -> Zone:
    """Return from the last frame that surely is old to the first that surely is new, around both zones."""
    before, after = sides
    sure_old = np.flatnonzero(near.old & (near.x <= hard[0]) & _is_usual(near.x, near.y, near.is_upper, before))
    sure_new = np.flatnonzero(near.new & (near.x >= hard[1]) & _is_usual(near.x, near.y, near.is_upper, after))
    start = float(near.x[sure_old[-1]]) if len(sure_old) else min(hard[0], before.stop)
    stop = float(near.x[sure_new[0]]) if len(sure_new) else max(hard[1], after.start)
    return min(start, stop, soft[0]), max(start, stop, soft[1])


def _split(old: np.ndarray, new: np.ndarray) -> int:
    """Return before how many frames most are old, and from there on most are new."""
    misfit = np.concatenate([[0], np.cumsum(new)]) + old.sum() - np.concatenate([[0], np.cumsum(old)])
    return int(np.argmin(misfit))


def _mixed(x: np.ndarray, old: np.ndarray, new: np.ndarray, again: float) -> Zone:
    """Return the time of the last old frame, and of the first new one, where a's clock was set back by `again`.

    New frames show that much too little, so the two come one after the other once it is added; wrong matches do not.
    """
    unset = x + np.where(new, again, 0.0)
    order = np.argsort(unset, kind="stable")
    split = _split(old[order], new[order])
    before, after = np.flatnonzero(old[order][:split]), np.flatnonzero(new[order][split:]) + split
    last = unset[order[before[-1]]] if len(before) else x[0]
    first = unset[order[after[0]]] if len(after) else x[-1]
    return float(last), float(first - again)


def _is_usual(x: np.ndarray, y: np.ndarray, is_upper: np.ndarray, regime: Regime) -> np.ndarray:
    """Return which frames are as fast as most of the regime's."""
    room = y - regime.model.course(x)
    result = np.zeros(len(x), bool)
    for rows, sign, sample in ((is_upper, 1, regime.upper_sample), (~is_upper, -1, regime.lower_sample)):
        if len(sample):
            result[rows] = sign * room[rows] <= sample[int(USUAL_SHARE * (len(sample) - 1))]
    return result


def _turned_us(before: Regime, after: Regime, start: float, stop: float) -> float:
    """Return how far the change of rate between two regimes may have moved the clock from `start` to `stop`."""
    span = max(stop - start, EDGE_S)
    old, new = before.estimate(np.array([start - span, start])), after.estimate(np.array([stop, stop + span]))
    turn = abs(float(np.diff(new)[0] - np.diff(old)[0])) / span
    return turn * (stop - start) if turn > TURN_PPM else 0.0

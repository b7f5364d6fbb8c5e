"""The frames around a break become what happened: a step or a slew, from when to when at most, and of what size.

A frame is old where only the regime before allows it, new where only the one after does. All old before all new is a
step, whose time is known to the gap between two frames; a mixture is a slew, or a clock set back.
"""

import numpy as np

from evpn_pcap.clocks.curve import SLEW, STEP, Break
from evpn_pcap.clocks.regime import Regime

LEAST_STEP_US = 60.0
SOFT_PROBABILITY = 1e-3  # of the delays of frames that are taken for old or new because of these delays
DELAY_US = 1_000.0  # a frame on its way when the clock was set shows what it was so much earlier or later
USUAL_SHARE = 0.9  # of frames are as fast as what is usual
HARDLY_EVER = 20.0  # times the slowest delay seen: as good as impossible
UNSEEN_US = 200.0  # a slew shows only once it has moved the clock this far

Zone = tuple[float, float]


def located(
    x: np.ndarray, y: np.ndarray, is_upper: np.ndarray, before: Regime, after: Regime, reach: float
) -> tuple[Break, Zone]:
    """Return what happened between two regimes and, for the bounds, from when to when at most."""
    first = np.searchsorted(x, max(before.start, before.stop - reach))
    end = np.searchsorted(x, min(after.stop, after.start + reach), side="right")
    rows = slice(int(first), int(end))
    near_x, near_y, near_up = x[rows], y[rows], is_upper[rows]
    grid = np.linspace(near_x[0], near_x[-1], 33)
    impossible = []
    for regime in (before, after):
        low, high = (np.interp(near_x, grid, bound) for bound in regime.bounds(grid))
        latest = near_y - regime.model.course(near_x)
        slowest = [
            HARDLY_EVER * (sample[-1] - sample[0]) + sample[0] if len(sample) else np.inf
            for sample in (regime.upper_sample, regime.lower_sample)
        ]
        impossible.append(
            np.where(near_up, (near_y < low) | (latest > slowest[0]), (near_y > high) | (-latest > slowest[1]))
        )
    old, new = impossible[1] & ~impossible[0], impossible[0] & ~impossible[1]
    misfit = np.concatenate([[0], np.cumsum(new)]) + old.sum() - np.concatenate([[0], np.cumsum(old)])
    split = int(np.argmin(misfit))
    stray = np.concatenate([np.flatnonzero(new[:split]), np.flatnonzero(old[split:]) + split])
    is_old, is_new = np.flatnonzero(old[:split]), np.flatnonzero(new[split:]) + split
    start = float(near_x[is_old[-1]]) if len(is_old) else before.stop
    stop = float(near_x[is_new[0]]) if len(is_new) else after.start
    at = np.array([(start + stop) / 2])
    size = float((after.estimate(at) - before.estimate(at))[0])
    # what a frame on its way when the clock was set shows may be a delay too early or too late
    delay = DELAY_US * 1e-6
    if len(stray) > 1:  # neither regime holds there: a slew, or a clock set back that shows the same time twice
        start, stop = min(start, float(near_x[stray[0]])), max(stop, float(near_x[stray[-1]]))
    is_step = abs(size) > LEAST_STEP_US and (len(stray) <= 1 or (stop - start) * 1e6 < 2 * abs(size))
    again = max(size, 0.0) * 1e-6  # a clock of a that is set back shows as much time twice
    if is_step and len(stray) <= 1:
        soft = _narrowed(near_x, near_y, near_up, before, after, start, stop, size)
    elif is_step:
        soft = float(near_x[np.flatnonzero(old)[-1]]), float(near_x[np.flatnonzero(new)[0]])
    else:
        soft = start, stop
    sure_old = np.flatnonzero(old & (near_x <= start) & _is_usual(near_x, near_y, near_up, before))
    sure_new = np.flatnonzero(new & (near_x >= stop) & _is_usual(near_x, near_y, near_up, after))
    start = float(near_x[sure_old[-1]]) if len(sure_old) else min(start, before.stop)
    stop = float(near_x[sure_new[0]]) if len(sure_new) else max(stop, after.start)
    unseen = (stop - start) * min(1.0, UNSEEN_US / max(abs(size), 1.0)) + (
        0 if is_step else 2 * float(np.median(np.diff(near_x)))
    )
    unseen += delay + (again if is_step else 0.0)
    wide = (max(before.start, start - unseen), min(after.stop, stop + unseen))
    if is_step:
        return Break(soft[0] - delay, soft[1] + delay + again, size, STEP), wide
    return Break(*wide, size, SLEW), wide


def _is_usual(x: np.ndarray, y: np.ndarray, is_upper: np.ndarray, regime: Regime) -> np.ndarray:
    """Return which frames are as fast as most of the regime's."""
    room = y - regime.model.course(x)
    result = np.zeros(len(x), bool)
    for rows, sign, sample in ((is_upper, 1, regime.upper_sample), (~is_upper, -1, regime.lower_sample)):
        if len(sample):
            result[rows] = sign * room[rows] <= sample[int(USUAL_SHARE * (len(sample) - 1))]
    return result


def _narrowed(
    x: np.ndarray,
    y: np.ndarray,
    is_upper: np.ndarray,
    before: Regime,
    after: Regime,
    start: float,
    stop: float,
    size: float,
) -> Zone:
    """Return the step's interval, also by frames that one regime allows but only with a delay hardly ever seen.

    After a step up, frames from a look slow under the regime before; before it, frames from b look
    slow under the regime after.
    """
    at = np.flatnonzero((x > start) & (x < stop))
    is_after = is_upper[at] == (size > 0)
    late, early = at[is_after], at[~is_after][::-1]
    rare = np.cumprod(_tail(x[late], y[late], before, is_up=size > 0))
    if len(rare) and rare[-1] < SOFT_PROBABILITY:
        stop = float(x[late[int(np.argmax(rare < SOFT_PROBABILITY))]])
    rare = np.cumprod(_tail(x[early], y[early], after, is_up=size < 0))
    if len(rare) and rare[-1] < SOFT_PROBABILITY:
        start = float(x[early[int(np.argmax(rare < SOFT_PROBABILITY))]])
    return min(start, stop), max(start, stop)


def _tail(x: np.ndarray, y: np.ndarray, regime: Regime, *, is_up: bool) -> np.ndarray:
    """Return the share of the regime's frames that are as slow as each of these."""
    room = (y - regime.model.course(x)) * (1 if is_up else -1)
    sample = regime.upper_sample if is_up else regime.lower_sample
    return (len(sample) - np.searchsorted(sample, room) + 1) / (len(sample) + 1)

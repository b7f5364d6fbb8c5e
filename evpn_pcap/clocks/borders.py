"""The frames around a break become what happened: a step or a slew, from when to when at most, and of what size.

A frame is old where only the regime before allows it, new where only the one after does. All old before all new is a
step, whose time is known to the gap between two frames; a mixture is a slew, or a clock set back.
"""

from itertools import product

import numpy as np

from evpn_pcap.clocks.cleaning import NEAR_US
from evpn_pcap.clocks.curve import SLEW, STEP, Break
from evpn_pcap.clocks.regime import Regime

LEAST_STEP_US = 150.0  # a smaller one may as well be the queue that began or ended then
TURN_PPM, TURN_SHARE = 10.0, 0.25  # a rate that changes by so much, and moves the clock by this share, made no step
UNLIKELY = 6.5  # e to this: how much less likely a moment must be than the best one to be left out
IMPOSSIBLE = 12.0  # and e to this what no delay explains
UNFOUND_SHARE = 0.02  # of wrong matches, by chance as late as a right one
MOST_LATE = 2  # around a step, that come later than both regimes know it
FIRM = 3  # frames that only one regime allows: before and after so many nothing is in doubt
PIECES = 8  # of equally many frames, that delays are told by
FAST_SHARE = 0.15  # of the usual delay, that a frame may be faster than all seen
DEVIATIONS = (-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0)  # that a regime may be off
LN_2 = 0.693
TAIL_DECADES = 7.0  # in powers of e, that late frames spread over
LEAST_PIECE_US = 2.0
DELAY_US = 1_000.0  # a frame on its way when the clock was set shows what it was so much earlier or later
USUAL_SHARE = 0.9  # of frames are as fast as what is usual
HARDLY_EVER = 20.0  # times the slowest delay seen: as good as impossible
EDGE_S = 1.0  # next to a break, over which a rate is read
FASTEST_SLEW_PPM = 500.0  # of Linux adjtime
SUDDEN_PPM = 10 * FASTEST_SLEW_PPM  # what seems to be as fast, wrong matches around it included, is no slew
SLEW_FRAMES = 5.0  # mean spacings of frames that a slew may begin earlier and end later than seen
UNSEEN_US = 200.0  # a slew shows only once it has moved the clock this far

Zone = tuple[float, float]


def located(
    x: np.ndarray, y: np.ndarray, is_upper: np.ndarray, before: Regime, after: Regime, reach: float, wrong_share: float
) -> tuple[Break, Zone]:
    """Return what happened between two regimes and, for the bounds, from when to when at most.

    `wrong_share` is that of matches found to be wrong: so many times as many, a small share, was not found.
    """
    near = min(before.stop, after.start) - reach, max(before.stop, after.start) + reach
    first = np.searchsorted(x, max(before.start, near[0]))
    end = np.searchsorted(x, min(after.stop, near[1]), side="right")
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
    split = _split(old, new)
    stray = np.concatenate([np.flatnonzero(new[:split]), np.flatnonzero(old[split:]) + split])
    neither = np.flatnonzero(impossible[0] & impossible[1])  # late ones, or what the clock showed on its way
    if len(neither) > MOST_LATE:
        stray = np.sort(np.concatenate([stray, neither]))
    is_old, is_new = np.flatnonzero(old[:split]), np.flatnonzero(new[split:]) + split
    start = float(near_x[is_old[-1]]) if len(is_old) else before.stop
    stop = float(near_x[is_new[0]]) if len(is_new) else after.start
    start, stop = min(start, stop), max(start, stop)
    at = np.array([(start + stop) / 2])
    size = float((after.estimate(at) - before.estimate(at))[0])
    # what a frame on its way when the clock was set shows may be a delay too early or too late
    delay, spacing = DELAY_US * 1e-6, float(np.median(np.diff(near_x)))
    if len(stray) > 1:  # neither regime holds there: a slew, or a clock set back that shows the same time twice
        start, stop = min(start, float(near_x[stray[0]])), max(stop, float(near_x[stray[-1]]))
    is_turn = _turned_us(before, after, start, stop) > TURN_SHARE * abs(size)
    is_sudden = len(stray) <= 1 or abs(size) > SUDDEN_PPM * (stop - start)
    is_step = abs(size) > LEAST_STEP_US and not is_turn and is_sudden
    again = max(size, 0.0) * 1e-6  # a clock of a that is set back shows as much time twice
    if is_step and len(stray) <= 1:
        hard = (  # one frame may be a wrong match
            float(near_x[is_old[-FIRM] if len(is_old) >= FIRM else 0]),
            float(near_x[is_new[FIRM - 1] if len(is_new) >= FIRM else -1]),
        )
        soft = _narrowed(near_x, near_y, near_up, (before, after), hard, wrong_share)
    elif is_step:
        soft = _mixed(near_x, old, new, again)
    else:
        soft = start, stop
    sure_old = np.flatnonzero(old & (near_x <= start) & _is_usual(near_x, near_y, near_up, before))
    sure_new = np.flatnonzero(new & (near_x >= stop) & _is_usual(near_x, near_y, near_up, after))
    start = float(near_x[sure_old[-1]]) if len(sure_old) else min(start, before.stop)
    stop = float(near_x[sure_new[0]]) if len(sure_new) else max(stop, after.start)
    start, stop = min(start, stop, soft[0]), max(start, stop, soft[1])
    is_fast = is_step and abs(size) > FASTEST_SLEW_PPM * (soft[1] - soft[0] + 2 * FIRM * spacing)  # surely no slew
    unseen = (stop - start) * min(1.0, UNSEEN_US / max(abs(size), 1.0)) + (0 if is_fast else SLEW_FRAMES * spacing)
    unseen += delay + (again if is_step else 0.0)
    wide = (max(before.start, start - unseen), min(after.stop, stop + unseen))
    if is_step:
        # frames from before and after mixed: a's clock; none for longer than the step left out: perhaps a's clock
        is_open = soft[0] <= soft[1] + min(size, 0.0) * 1e-6
        moved = size * 1e-6 if is_open else 0.0
        return Break(soft[0] - delay, soft[1] + delay + again, size, STEP, moved, may_be_slew=not is_fast), wide
    return Break(*wide, size, SLEW), wide


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


def _narrowed(
    x: np.ndarray,
    y: np.ndarray,
    is_upper: np.ndarray,
    sides: tuple[Regime, Regime],
    hard: Zone,
    wrong_share: float,
) -> Zone:
    """Return the step's interval: between which frames it is likely, as both regimes explain their delays.

    After a step up, frames from a look slow under the regime before; before it, frames from b look
    slow under the regime after. Each regime may be off by some of its deviations: what is likeliest with any counts.
    """
    rows = (x >= hard[0]) & (x <= hard[1])
    x, y, is_upper = x[rows], y[rows], is_upper[rows]
    if len(x) < 2:
        return hard
    likelihood = np.full(len(x) - 1, -np.inf)  # of a step after each frame but the last
    old, new = (_explained(x, y, is_upper, sides, number, wrong_share) for number in (0, 1))
    for (off, of_old), (other_off, of_new) in product(old, new):
        moment = np.cumsum(of_old[:-1] - of_new[:-1]) + of_new.sum()
        likelihood = np.maximum(likelihood, moment - (off**2 + other_off**2) / 2)
    likely = np.flatnonzero(likelihood > likelihood.max() - UNLIKELY)
    return float(x[likely[0]]), float(x[likely[-1] + 1])


def _explained(
    x: np.ndarray, y: np.ndarray, is_upper: np.ndarray, sides: tuple[Regime, Regime], number: int, wrong_share: float
) -> list[tuple[float, np.ndarray]]:
    """Return how likely frames are under the regime before (0) or after (1), by how many deviations it may be off."""
    one, near = sides[number], sides[number].start if number else sides[number].stop
    level = one.estimate(x)
    spread = one.model.spread(x, np.array([near]))[:, 0]
    explained = []
    for off in DEVIATIONS:
        likely = np.zeros(len(x))
        for way, sign in ((is_upper, 1), (~is_upper, -1)):
            delays = np.sort(np.concatenate([_delays(side, is_up=sign > 0) for side in sides]))
            if len(delays) > PIECES:
                likely[way] = _log_density(sign * (y - level - off * spread)[way], delays)
        explained.append((off, np.logaddexp(likely, np.log(wrong_share * UNFOUND_SHARE / NEAR_US))))
    return explained


def _delays(regime: Regime, *, is_up: bool) -> np.ndarray:
    """Return delays of ordinary frames, of which half the least round trip is taken off."""
    return regime.upper_sample - regime.level if is_up else regime.lower_sample + regime.level


def _log_density(delay: np.ndarray, delays: np.ndarray) -> np.ndarray:
    """Return how likely delays are (logarithm, each us) among `delays`, in order, that were seen.

    Pieces of equally many, and a tail of any length that the slowest piece and what may yet come share.
    """
    edges = delays[np.linspace(0, len(delays) - 1, PIECES + 1).astype(np.int64)]
    heights = 1 / PIECES / np.maximum(np.diff(edges), LEAST_PIECE_US)
    usual = 3 * (edges[-2] - edges[0]) + edges[0]
    late = (np.sum(delays > usual) + 1) / (len(delays) + 2)
    slower = np.maximum(delay - edges[-2], 0.0)
    # the median of the slowest piece tells the scale of an exponential tail
    wide = max(float(delays[-(len(delays) // (2 * PIECES)) - 1] - edges[-2]) / LN_2, LEAST_PIECE_US)
    tail = np.exp(-slower / wide) / wide / PIECES + late / TAIL_DECADES / (slower + wide)
    piece = np.clip(np.searchsorted(edges[:-1], delay, side="right") - 1, 0, PIECES - 1)
    density = np.where(piece == PIECES - 1, tail, heights[piece] + late / TAIL_DECADES / wide)
    too_fast = np.maximum(edges[0] - delay - wide * FAST_SHARE, 0.0)
    return np.asarray(np.log(density) - np.minimum(too_fast / (wide * FAST_SHARE), IMPOSSIBLE))

"""Frames around a step become the time in which it likely is, as both regimes explain their delays."""

from itertools import product

import numpy as np

from evpn_pcap.clocks.cleaning import NEAR_US
from evpn_pcap.clocks.curve import Zone
from evpn_pcap.clocks.regime import Regime

UNLIKELY = 6.5  # e to this: how much less likely a moment must be than the best one to be left out
IMPOSSIBLE = 12.0  # and e to this what no delay explains
UNFOUND_SHARE = 0.02  # of wrong matches, by chance as late as a right one
PIECES = 8  # of equally many frames, that delays are told by
FAST_SHARE = 0.15  # of the usual delay, that a frame may be faster than all seen
DEVIATIONS = (-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0)  # that a regime may be off
LN_2 = 0.693
TAIL_DECADES = 7.0  # in powers of e, that late frames spread over
LEAST_PIECE_US = 2.0


def narrowed(
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

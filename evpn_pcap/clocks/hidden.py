"""Frames of one regime become the step that hides in it, if one explains them far better than any wander does.

A likelihood ratio: a step between any two observations is tried as one more unknown, under each wander. Observations
are of so few frames that a wander which moves the clock from one to the next as a step does would show everywhere.
Queues are no normal noise: a step counts where both directions show it, each by itself (Paxson 1998).
"""

import numpy as np

from evpn_pcap.clocks.curve import Zone
from evpn_pcap.clocks.observations import observations
from evpn_pcap.clocks.smoothing import GATE, WANDERS, kernel

FRAMES, MOST_OBSERVATIONS = 3, 40  # frames an observation, so that a late one does not count; a direction
MOST_FRAMES = 1_200  # with more, bins are fine enough
SURE_GAIN = 25.0  # twice the logarithm of how much likelier a step makes the observations
HINT_GAIN = 12.5  # of one begin, without which no other was seen to be sure
SURE = 7.0  # standard deviations of the step in each direction
LEAST_STEP_US = 120.0  # one of 300 us may show in part
LEAST_BESIDE = 2  # observations of each direction before a step, and after
LEAST_NOISE_US = 2.0


def hidden_step(x: np.ndarray, level: np.ndarray, is_upper: np.ndarray) -> Zone | None:
    """Return between which times a step hides, if one does; x in s, level (the differences less any line) in us.

    A step within an observation shows only in part, so observations are begun at several frames, if the first begin
    gives any hint.
    """
    if len(x) > MOST_FRAMES:
        return None
    found: list[tuple[float, Zone]] = []
    for skipped in range(FRAMES):
        rows = np.ones(len(x), bool)
        for way in (is_upper, ~is_upper):
            rows[np.flatnonzero(way)[: skipped * max(1, int(way.sum()) // MOST_OBSERVATIONS // FRAMES)]] = False
        gain, zone = _step(x[rows], level[rows], is_upper[rows])
        found += [(gain, zone)] if zone else []
        if gain < HINT_GAIN:
            break
    return max(found)[1] if found else None


def _step(x: np.ndarray, level: np.ndarray, is_upper: np.ndarray) -> tuple[float, Zone | None]:
    """Return by how much a step makes observations of these frames likelier and, if it is sure, when it is."""
    counts = [min(MOST_OBSERVATIONS, int(rows.sum()) // FRAMES) for rows in (is_upper, ~is_upper)]
    if min(counts) < 2 * LEAST_BESIDE:
        return 0.0, None
    t, values, is_up, noise = observations(x, level, is_upper, 0.0, (counts[0], counts[1]))
    noise = np.maximum(noise, LEAST_NOISE_US)
    for rows in (is_up, ~is_up):
        noise[rows] *= np.maximum(_off_both(values[rows]) / (GATE * noise[rows]), 1)
    beside = np.min([np.minimum(np.cumsum(one), one.sum() - np.cumsum(one)) for one in (is_up, ~is_up)], axis=0)
    places = np.flatnonzero(beside >= LEAST_BESIDE) + 1
    if not len(places):
        return 0.0, None
    after, gain, up, down = _likeliest(t - t[0], values, is_up, noise, places)
    in_spreads = up[0] / up[1], down[0] / down[1]
    is_sure = gain > SURE_GAIN and (min(in_spreads) > SURE or max(in_spreads) < -SURE)
    is_large = abs(up[0] + down[0]) / 2 > LEAST_STEP_US
    return gain, (float(t[after - 2]), float(t[after + 1])) if is_sure and is_large else None


def _off_both(values: np.ndarray) -> np.ndarray:
    """Return how far each value is outside what the one before and the one after span: a step is off one of them."""
    before, after = np.roll(values, 1), np.roll(values, -1)
    before[0], after[-1] = after[0], before[-1]
    above, below = values - np.maximum(before, after), np.minimum(before, after) - values
    return np.maximum(np.maximum(above, below), 0.0)


Size = tuple[float, float]  # of a step in one direction, and its standard deviation


def _likeliest(
    t: np.ndarray, values: np.ndarray, is_up: np.ndarray, noise: np.ndarray, places: np.ndarray
) -> tuple[int, float, Size, Size]:
    """Return the first observation, of `places`, after the likeliest step, twice the logarithm of how much likelier
    it makes all of them, and its size as each direction alone shows it.
    """
    root = 1 / noise
    size, turned = np.linalg.eigh(kernel(t, t) * root[:, None] * root[None, :])
    turned *= root[:, None]
    level = np.stack([is_up, ~is_up, t], axis=1).astype(float)
    later = np.arange(len(t))[:, None] >= places
    flat = turned.T @ np.column_stack([level, values, later])
    known = level.shape[1]
    variance = WANDERS[:, None] * np.maximum(size, 0)[None, :] + 1
    weighted = flat[None, :, :] / variance[:, :, None]
    inner, cross = (flat[:, :known].T @ weighted[:, :, part] for part in (slice(known), slice(known, None)))
    solved = np.linalg.solve(inner, cross)
    misfit = (flat[:, known] * weighted[:, :, known]).sum(1) - (cross[:, :, 0] * solved[:, :, 0]).sum(1)
    pull = flat[:, known] @ weighted[:, :, known + 1 :] - (cross[:, :, :1] * solved[:, :, 1:]).sum(1)
    worth = (flat[:, known + 1 :] * weighted[:, :, known + 1 :]).sum(1) - (cross[:, :, 1:] * solved[:, :, 1:]).sum(1)
    plain = -np.log(variance).sum(1) - np.linalg.slogdet(inner)[1] - misfit
    stepped = plain[:, None] + pull**2 / np.maximum(worth, np.finfo(float).tiny)
    wander, best = np.unravel_index(int(np.argmax(stepped)), stepped.shape)
    both = turned.T @ np.column_stack([level, later[:, best] & is_up, later[:, best] & ~is_up])
    covariance = np.linalg.inv(both.T @ (both / variance[wander][:, None]))
    sizes = covariance[-2:] @ (weighted[wander, :, known] @ both)
    up, down = zip(sizes.tolist(), np.sqrt(np.diag(covariance)[-2:]).tolist(), strict=True)
    return int(places[best]), float(stepped[wander, best] - plain.max()), up, down

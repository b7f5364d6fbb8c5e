"""Frames become observations: low quantiles of both directions' delays over stretches of time, and how sure each is."""

import numpy as np

EACH = 5  # frames an observation, at least
SAMPLE = 4_000
Observations = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def observations(
    x: np.ndarray, level: np.ndarray, is_upper: np.ndarray, share: float, counts: tuple[int, int]
) -> Observations:
    """Return time, quantile `share` of the delays (us), direction and noise (us) of stretches, in order of time.

    `counts` says how many stretches of equally many frames there are of a's frames, and of b's.
    """
    parts = []
    for way, sign, count in ((is_upper, 1, counts[0]), (~is_upper, -1, counts[1])):
        rows = np.flatnonzero(way)
        mine_x, mine = x[rows], sign * level[rows]
        each = len(mine) // count
        skip = (len(mine) - each * count) // 2
        at = share * (each - 1)
        low, next_one = int(at), min(int(at) + 1, each - 1)
        block = np.partition(mine[skip : skip + each * count].reshape(count, each), [low, next_one], axis=1)
        value = block[:, low] + (at - low) * (block[:, next_one] - block[:, low])
        when = mine_x[skip : skip + each * count].reshape(count, each).mean(axis=1)
        some = slice(None, None, max(1, len(mine) // SAMPLE))
        noise = quantile_noise(mine[some] - np.interp(mine_x[some], when, value), (at + 1) / (each + 1), each)
        parts.append((when, sign * value, np.full(count, sign > 0), np.full(count, noise)))
    t, v, u, noises = (np.concatenate(values) for values in zip(*parts, strict=True))
    order = np.argsort(t, kind="stable")
    return t[order], v[order], u[order], noises[order]


def quantile_noise(values: np.ndarray, share: float, count: int) -> float:
    """Return the standard deviation of a quantile of `count` values that are distributed like these (Woodruff 1952)."""
    off = np.sqrt(share * (1 - share) / (count + 2))
    least, most = quantiles(values, max(share - off, 0.0), min(share + off, 1.0))
    return (most - least) / 2


def quantiles(values: np.ndarray, *shares: float) -> list[float]:
    """Return the values below which these shares of all lie."""
    at = [int(share * (len(values) - 1)) for share in shares]
    parted = np.partition(values, at)
    return [float(parted[i]) for i in at]

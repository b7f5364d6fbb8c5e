"""Estimates of pairs become one of each host: weighted least squares on the graph of hosts, moment by moment.

The normal equations are those of a graph's weighted Laplacian; iterated reweighting (Huber 1964) keeps one pair whose
paths are unlike from pulling all others.
"""

from collections.abc import Sequence

import numpy as np

ROUNDS = 2
MANY_HOSTS, TRUST_STRIDE = 100, 8  # of many hosts, how far pairs are trusted is found at every eighth moment
USUAL = 2.0  # sigmas of disagreement after which a pair counts less
MOST_CELLS = 5_000_000  # of matrices that are solved together


def needed(host_count: int, ends: Sequence[tuple[int, int]], is_shown: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Return, for each pair and moment, whether it counts although it has no frames around that moment.

    `is_shown` tells for each pair and moment whether it has. Where hosts are joined by pairs that
    have, those know better: a clock may have been set since. What is left unjoined is joined by the
    pairs whose frames are nearest in time, and by no more than are needed.
    """
    if not ends:
        return []
    moment = np.arange(len(is_shown[0]))
    group = np.repeat(np.arange(host_count)[:, None], len(moment), axis=1)
    for (a, b), shown in zip(ends, is_shown, strict=True):
        _join(group, a, b, shown & (group[a] != group[b]))
    result = [np.zeros(len(moment), bool) for _ in ends]
    first = [int(np.argmax(shown)) if shown.any() else len(moment) for shown in is_shown]
    last = [int(np.flatnonzero(shown)[-1]) if shown.any() else -1 for shown in is_shown]
    later, earlier = np.argsort(first, kind="stable"), np.argsort(last, kind="stable")[::-1]
    for numbers, limits, sign in ((later, first, 1), (earlier, last, -1)):
        for number in numbers:
            a, b = ends[number]
            rows = (sign * (limits[number] - moment) > 0) & (group[a] != group[b])
            result[number] |= rows
            _join(group, a, b, rows)
    return result


def _join(group: np.ndarray, a: int, b: int, rows: np.ndarray) -> None:
    """Give the groups of two hosts one number at the chosen moments."""
    if rows.any():
        part = group[:, rows]
        group[:, rows] = np.where(part == part[b], part[a], part)


def agreed(
    host_count: int,
    reference: int,
    ends: Sequence[tuple[int, int]],
    estimates: Sequence[np.ndarray],
    sigmas: Sequence[np.ndarray],
) -> np.ndarray:
    """Return each host's clock less the reference's, at each moment; hosts that no pair connects stay at 0.

    `ends` are pairs of hosts (a, b); `estimates` of b less a and their `sigmas` have one value a moment.
    """
    if not ends:
        return np.zeros((host_count, 1))
    a, b = np.array(ends, np.int64).T
    hosts = np.unique(np.concatenate([a, b, [reference]]))
    others = hosts[hosts != reference]
    place = np.full(host_count, len(others))
    place[others] = np.arange(len(others))
    estimate, weight = np.stack(estimates), 1 / np.stack(sigmas) ** 2
    result = np.zeros((host_count, estimate.shape[1]))
    usual = np.arange(0, estimate.shape[1], 1 if len(others) < MANY_HOSTS else TRUST_STRIDE)
    trust = np.ones_like(weight)
    for _ in range(ROUNDS if len(a) > len(others) else 0):  # a tree has nothing to disagree about
        values = _solved(place[a], place[b], len(others), estimate[:, usual], (weight * trust)[:, usual])
        off = np.abs(values[place[b]] - values[place[a]] - estimate[:, usual]) * np.sqrt(weight[:, usual])
        nearest = np.minimum(np.searchsorted(usual, np.arange(estimate.shape[1]), side="right"), len(usual)) - 1
        trust = (1 / np.maximum(off / USUAL, 1))[:, nearest]
    result[others] = _solved(place[a], place[b], len(others), estimate, weight * trust)[: len(others)]
    return result


def _solved(a: np.ndarray, b: np.ndarray, count: int, estimate: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return the hosts' values, one column a moment; number `count` stands for the reference, which is 0."""
    values = np.zeros((count + 1, estimate.shape[1]))
    right = np.zeros_like(values)
    diagonal = np.zeros_like(values)
    np.add.at(diagonal, a, weight)
    np.add.at(diagonal, b, weight)
    np.add.at(right, b, weight * estimate)
    np.add.at(right, a, -weight * estimate)
    each = np.arange(count)
    chunk = max(1, MOST_CELLS // (count + 1) ** 2)
    for start in range(0, estimate.shape[1], chunk):
        part = slice(start, start + chunk)
        matrix = np.zeros((weight[:, part].shape[1], count + 1, count + 1))
        matrix[:, a, b] = matrix[:, b, a] = -weight[:, part].T
        matrix[:, each, each] = diagonal[:count, part].T
        solved = np.linalg.solve(matrix[:, :count, :count], right[:count, part].T[..., None])
        values[:count, part] = solved[..., 0].T
    return values

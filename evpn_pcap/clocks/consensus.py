"""Estimates of pairs become one of each host: weighted least squares on the graph of hosts, moment by moment.

The normal equations are those of a graph's weighted Laplacian; iterated reweighting (Huber 1964) keeps one pair whose
paths are unlike from pulling all others.
"""

from collections.abc import Sequence

import numpy as np

ROUNDS = 4
USUAL = 2.0  # sigmas of disagreement after which a pair counts less
MOST_CELLS = 5_000_000  # of matrices that are solved together


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
    chunk = max(1, MOST_CELLS // (len(others) + 1) ** 2)
    for start in range(0, estimate.shape[1], chunk):
        part = slice(start, start + chunk)
        result[others, part] = _solved(place[a], place[b], len(others), estimate[:, part], weight[:, part])
    return result


def _solved(a: np.ndarray, b: np.ndarray, count: int, estimate: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return the hosts' values, one column a moment; number `count` stands for the reference, which is 0."""
    moments = np.arange(estimate.shape[1])
    trust = np.ones_like(weight)
    values = np.zeros((count + 1, len(moments)))
    for _ in range(ROUNDS if len(a) > count else 1):  # a tree has nothing to disagree about
        w = weight * trust
        matrix = np.zeros((len(moments), count + 1, count + 1))
        right = np.zeros((len(moments), count + 1))
        for pair, (one, other) in enumerate(zip(a, b, strict=True)):
            matrix[:, one, one] += w[pair]
            matrix[:, other, other] += w[pair]
            matrix[:, one, other] -= w[pair]
            matrix[:, other, one] -= w[pair]
            right[:, other] += w[pair] * estimate[pair]
            right[:, one] -= w[pair] * estimate[pair]
        values[:count] = np.linalg.solve(matrix[:, :count, :count], right[:, :count, None])[..., 0].T
        off = np.abs(values[b] - values[a] - estimate) * np.sqrt(weight)
        trust = 1 / np.maximum(off / USUAL, 1)
    return values[:count]

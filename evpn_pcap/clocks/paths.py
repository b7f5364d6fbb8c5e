"""Constraints between pairs of hosts become the tightest that follow for any two: shortest paths (Bellman and Ford)."""

from collections import deque
from dataclasses import dataclass, replace

import numpy as np

LEAST_WRONG_NS = 5_000.0  # a pair whose bounds the joint estimate contradicts by more is named
MOST_VISITS = 15  # of a host, on ways to others; more only where constraints exclude each other
MOST_COMPARED = 24  # hosts among which every two are compared along all paths
SAME_NS = 1e-3


@dataclass(frozen=True, slots=True)
class Constraint:
    """In each interval of time: (b - a) is at most `most` above and `least` below the difference of their estimates.

    Both have two rows, at the interval's start and at its stop, and are linear in between.
    """

    a: int
    b: int
    most: np.ndarray
    least: np.ndarray


def from_reference(host_count: int, reference: int, constraints: list[Constraint]) -> tuple[np.ndarray, np.ndarray]:
    """Return how far each host's clock may be below its estimate (first, at most 0) and above it.

    Arrays of host, start or stop, interval. One path serves a whole interval, so that the line between
    its two ends is a bound, too.
    """
    if not constraints:
        nothing = np.full((host_count, 2, 1), np.inf)
        nothing[reference] = 0
        return -nothing, nothing
    there = [(one.a, one.b, one.most) for one in constraints] + [(one.b, one.a, one.least) for one in constraints]
    back = [(target, source, cost) for source, target, cost in there]
    return -_shortest(host_count, reference, back), _shortest(host_count, reference, there)


def _shortest(host_count: int, reference: int, edges: list[tuple[int, int, np.ndarray]]) -> np.ndarray:
    """Return the least sum of costs from the reference to each host, at both ends of each interval."""
    leaving: list[list[tuple[int, np.ndarray, np.ndarray]]] = [[] for _ in range(host_count)]
    for source, target, cost in edges:
        leaving[source].append((target, cost[0], cost.sum(axis=0)))
    sums = np.full((host_count, edges[0][2].shape[1]), np.inf)
    starts = sums.copy()
    sums[reference] = starts[reference] = 0
    waiting, is_waiting, visits = deque([reference]), np.zeros(host_count, bool), np.zeros(host_count, np.int64)
    while waiting:  # hosts that were reached more cheaply than before
        source = waiting.popleft()
        is_waiting[source] = False
        visits[source] += 1
        for target, start, total in leaving[source]:
            candidate = sums[source] + total
            is_better = candidate < sums[target] - SAME_NS
            if is_better.any():
                np.copyto(sums[target], candidate, where=is_better)
                np.copyto(starts[target], starts[source] + start, where=is_better)
                if not is_waiting[target] and visits[target] < MOST_VISITS:
                    waiting.append(target)
                    is_waiting[target] = True
    with np.errstate(invalid="ignore"):
        stops = np.where(np.isfinite(sums), sums - starts, np.inf)
    return np.stack([starts, stops], axis=1)


def between_all(host_count: int, constraints: list[Constraint]) -> np.ndarray:
    """Return how far (second host - first host) may be above the difference of their estimates (Floyd and Warshall)."""
    distance = np.full((host_count, host_count, 2, constraints[0].most.shape[1]), np.inf)
    distance[np.arange(host_count), np.arange(host_count)] = 0
    for one in constraints:
        distance[one.a, one.b], distance[one.b, one.a] = one.most, one.least
    for via in range(host_count):
        longer = distance[:, via, None] + distance[None, via, :]
        is_better = longer.sum(axis=2, keepdims=True) < distance.sum(axis=2, keepdims=True)
        distance = np.where(is_better, longer, distance)
    return distance


def contradicted(
    host_count: int, constraints: list[Constraint], is_torn: np.ndarray
) -> tuple[list[Constraint], set[tuple[int, int]], np.ndarray]:
    """Return constraints that agree, the pairs that were contradicted, and each host's doubt (as Constraint.most).

    Around a loop whose constraints exclude each other (a negative cycle, in the intervals
    `is_torn`) the estimate of least squares lies outside of one of them. Which is wrong is not known
    for sure, so the two hosts are in doubt by as much as their pair is contradicted by.
    """
    gap = np.zeros((host_count, 2, len(is_torn)))
    wrong: set[tuple[int, int]] = set()
    kept: list[Constraint] = []
    for one in constraints:
        off = np.where(is_torn, np.maximum(0, np.maximum(-one.most, -one.least)), 0)
        if (off > LEAST_WRONG_NS).any():
            wrong.add((one.a, one.b))
        gap[one.a], gap[one.b] = np.maximum(gap[one.a], off), np.maximum(gap[one.b], off)
        most, least = (np.where(is_torn, np.maximum(values, 0), values) for values in (one.most, one.least))
        kept.append(replace(one, most=most, least=least))
    return kept, wrong, gap

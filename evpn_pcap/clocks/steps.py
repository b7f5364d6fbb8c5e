"""Breaks of pairs become steps of hosts: a clock that was set shows in all pairs of its host, and in no others."""

from dataclasses import dataclass

import numpy as np

from evpn_pcap.clocks.curve import STEP
from evpn_pcap.clocks.pairs import PairFit
from evpn_pcap.model import ClockStep

ALIKE_NS = 100_000.0  # steps of pairs that differ by less, or by a tenth, are of one size
ALIKE_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class _Seen:
    """A pair's break as a step of one of its hosts: the clock itself moved by size between two of its times."""

    host: int
    pair: int
    number: int
    from_ns: int
    to_ns: int
    size_ns: float


def attribute(host_count: int, pairs: list[PairFit], reference: int) -> tuple[list[tuple[ClockStep, ...]], set[int]]:
    """Return the steps of each host, and the hosts whose steps may as well be the other host's of their only pair.

    A break belongs to the host that it explains more pairs of, by share; where both hosts have only
    this pair nothing tells, and the host that is not the reference is taken.
    """
    left = [seen for number, pair in enumerate(pairs) for seen in _both(number, pair)]
    spans = [_own_spans(host, pairs) for host in range(host_count)]
    steps: list[list[ClockStep]] = [[] for _ in range(host_count)]
    arbitrary: set[int] = set()
    while left:
        groups = [_alike(left, seen) for seen in left]
        could = [_could_show(spans[seen.host], seen) for seen in left]
        share = [len({seen.pair for seen in group}) / max(1, count) for group, count in zip(groups, could, strict=True)]
        best = max(range(len(left)), key=lambda i: (share[i], len(groups[i]), left[i].host != reference, -i))
        group, host = groups[best], left[best].host
        if share[best] <= 0.5:
            break  # most of the host's pairs do not show it: no clock was set
        if len(group) == 1:
            both = [other for other in left if (other.pair, other.number) == (group[0].pair, group[0].number)]
            if all(_could_show(spans[other.host], other) <= 1 for other in both):
                arbitrary.add(host)
        steps[host].append(_step(group))
        explained = {(seen.pair, seen.number) for seen in group}
        left = [seen for seen in left if (seen.pair, seen.number) not in explained]
    return [tuple(sorted(own, key=lambda step: step.from_ns)) for own in steps], arbitrary


def _own_spans(host: int, pairs: list[PairFit]) -> list[tuple[int, int]]:
    """Return for each pair of a host from when to when it has frames, by the host's own clock."""
    spans = []
    for pair in pairs:
        if pair.curve and host in (pair.a, pair.b):
            first, last = pair.base_x_ns + round(pair.curve.first_x), pair.base_x_ns + round(pair.curve.last_x)
            before, after = _levels(pair, pair.curve.first_x, pair.curve.last_x) if host == pair.b else (0.0, 0.0)
            base_ns = pair.base_y_ns if host == pair.b else 0
            spans.append((first + base_ns + round(before), last + base_ns + round(after)))
    return spans


def _could_show(spans: list[tuple[int, int]], seen: _Seen) -> int:
    """Return how many pairs have frames before and after."""
    return sum(first < seen.to_ns and last > seen.from_ns for first, last in spans)


def _both(number: int, pair: PairFit) -> list[_Seen]:
    """Return a pair's steps as steps of b, and as opposite ones of a."""
    seen = []
    for place, one in enumerate(pair.curve.breaks if pair.curve else ()):
        if one.kind == STEP:
            start = pair.base_x_ns + round(one.start)
            of_a, of_b = (pair.base_x_ns + round(one.stop_by(is_a=is_a)) for is_a in (True, False))
            before, after = (pair.base_y_ns + round(value) for value in _levels(pair, one.start, one.stop))
            from_ns, to_ns = start + min(before, after), of_b + max(before, after)
            seen.append(_Seen(pair.b, number, place, from_ns, to_ns, one.size))
            seen.append(_Seen(pair.a, number, place, start, of_a, -one.size))
    return seen


def _levels(pair: PairFit, start: float, stop: float) -> tuple[float, float]:
    """Return the estimate just before and just after a break."""
    curve = pair.curve
    if curve is None:
        return 0.0, 0.0
    before, after = np.interp([start, stop], curve.x, curve.estimate)
    return float(before), float(after)


def _alike(left: list[_Seen], seen: _Seen) -> list[_Seen]:
    """Return, one a pair, the steps of the same host that may be the same one."""
    close = max(ALIKE_NS, ALIKE_SHARE * abs(seen.size_ns))
    found: dict[int, _Seen] = {}
    for other in left:
        is_same = other.host == seen.host and other.from_ns <= seen.to_ns and seen.from_ns <= other.to_ns
        if is_same and abs(other.size_ns - seen.size_ns) <= close:
            found.setdefault(other.pair, other)
    return list(found.values())


def _step(group: list[_Seen]) -> ClockStep:
    """Return what all pairs say together: the time that is in all intervals, the size of the best known."""
    sharpest = min(group, key=lambda seen: seen.to_ns - seen.from_ns)
    start, stop = max(seen.from_ns for seen in group), min(seen.to_ns for seen in group)
    if start > stop:
        start, stop = sharpest.from_ns, sharpest.to_ns
    return ClockStep(start, stop, round(sharpest.size_ns))

"""ANCHORS and POINTS become one ClockFit a host: how far its clock is ahead of the reference's, how sure."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from evpn_pcap.clocks.direction import find_order
from evpn_pcap.clocks.graph import Courses, best_reference, follow
from evpn_pcap.clocks.margins import pair_margins
from evpn_pcap.clocks.matching import Matches, find_matches
from evpn_pcap.clocks.pair_tables import clock_pairs, clock_traces
from evpn_pcap.clocks.pairs import PairFit, Stamps, fit_pair, stamps_of
from evpn_pcap.clocks.places import locate
from evpn_pcap.clocks.repeats import told_apart
from evpn_pcap.clocks.steps import attribute
from evpn_pcap.clocks.stretches import Stretch, bracketed, close_stretches
from evpn_pcap.errors import OptionError
from evpn_pcap.model import ClockFit, ClockKnot, ClockStep, Quality
from evpn_pcap.order import PairMargins

DRIFT_DOUBT_MOST = 50e-6  # a rate known worse than this is not told
ARBITRARY = "step-host-unknown"  # a flag: two hosts alone do not show whose clock was set

MANY_MATCHES = 200_000  # fewer are fitted before another process has started

Covered = tuple[int, int]
Fitted = tuple[PairFit, np.ndarray]  # and where its frames are close (stretches.py)
Map = Callable[[Callable[[Any], Any], Sequence[Any]], Iterable[Any]]


@dataclass(frozen=True, slots=True)
class Alignment:
    """What the clock stage hands on: a fit a host, how well any two are known against each other, and what shows it."""

    fits: tuple[ClockFit, ...]
    margins: PairMargins
    pairs: pd.DataFrame  # CLOCK_PAIRS
    traces: pd.DataFrame  # CLOCK_TRACES


def compare_clocks(
    anchors: pd.DataFrame, points: pd.DataFrame, reference: str | None, over_shares: Map = map
) -> Alignment:
    """Return one ClockFit for every host of POINTS, sorted by host, exactly one of them the reference; and PairMargins.

    Frames matched in both directions bound the difference of two clocks without any assumption on
    delays; bounds add up along the best paths (clock.md, sections 3 to 6). A host that no two-way
    matches connect with the reference has no figures: it is one-sided, or unalignable.

    Reads ANCHORS and POINTS. `reference` names the host whose clock is the common one; None takes
    the host that leaves the least doubt. `over_shares` is `map`, or works like it over processes
    that share this one's memory. Raises OptionError when there is no such host.
    """
    with threadpool_limits(limits=1, user_api="blas"):  # matrices are small: threads would mostly wait for each other
        return _compared(anchors, points, reference, over_shares)


def _compared(anchors: pd.DataFrame, points: pd.DataFrame, reference: str | None, over_shares: Map) -> Alignment:
    hosts = tuple(sorted(points["host"].unique()))
    if reference is not None and reference not in hosts:
        raise OptionError(f"the reference {reference!r} is not a host of these captures ({', '.join(hosts) or 'none'})")
    if not hosts:
        return Alignment((), pair_margins((), None, ()), clock_pairs((), (), set()), clock_traces((), ()))
    covered, rank = _covered(points, hosts), _rank(points, hosts)

    def follow_all(pairs: list[PairFit]) -> tuple[int, Courses, tuple[ClockFit, ...]]:
        number = hosts.index(reference) if reference is not None else best_reference(len(hosts), pairs, rank)
        courses = follow(len(hosts), pairs, number, covered)
        return number, courses, fits_of(hosts, pairs, courses, number, covered)

    located = locate(anchors, points, hosts)
    matches = find_matches(located)
    found = _fit_pairs(matches, over_shares)
    number, courses, fits = follow_all([pair for pair, _ in found.values()])
    more = find_matches(told_apart(located, fits, [pair for pair, _ in found.values()]))
    if len(more.a):  # frames sent again and again, which only known clocks tell apart
        found = dict(sorted((found | _fit_pairs(matches.gaining(more), over_shares)).items()))
        number, courses, fits = follow_all([pair for pair, _ in found.values()])
    pairs, close = [pair for pair, _ in found.values()], [rows for _, rows in found.values()]
    stretches = bracketed(len(hosts), pairs, close, courses, number)
    fits = tuple(replace(fit, bracketed=_told(fit, rows)) for fit, rows in zip(fits, stretches, strict=True))
    tables = clock_pairs(hosts, pairs, courses.contradicted), clock_traces(hosts, pairs)
    return Alignment(fits, pair_margins(hosts, courses, fits), *tables)


def fits_of(
    hosts: tuple[str, ...], pairs: list[PairFit], courses: Courses, reference: int, covered: list[Covered]
) -> tuple[ClockFit, ...]:
    """Return one fit a host from the courses of their clocks."""
    steps, arbitrary = attribute(len(hosts), pairs, reference)
    for host in arbitrary:
        courses.flags[host].add(ARBITRARY)
    counts = [sum(pair.matched_count for pair in pairs if host in (pair.a, pair.b)) for host in range(len(hosts))]
    return tuple(
        _reference_fit(name, counts[host], covered[host], steps[host])
        if host == reference
        else _fit(name, hosts[reference], courses, host, counts[host], covered[host], pairs, steps[host])
        for host, name in enumerate(hosts)
    )


def _told(fit: ClockFit, stretches: tuple[Stretch, ...]) -> tuple[Stretch, ...]:
    """Return the stretches of a fit that are told: the reference's clock is its own measure."""
    if fit.quality is Quality.REFERENCE:
        return ((fit.knots[0].local_ns, fit.knots[-1].local_ns),)
    return stretches if fit.knots else ()


def _fit_pairs(matches: Matches, over_shares: Map) -> dict[tuple[int, int], Fitted]:
    """Return what is known of every pair of hosts with frames whose direction is known, in order of pair."""
    order = find_order(matches)
    known = np.flatnonzero(order)
    matches, order = matches.take(known), order[known]
    if not len(known):
        return {}
    starts = np.flatnonzero(np.concatenate([[True], (np.diff(matches.a) != 0) | (np.diff(matches.b) != 0)]))
    spans = list(zip(starts.tolist(), [*starts[1:].tolist(), len(known)], strict=True))
    spans.sort(key=lambda span: span[0] - span[1])  # the largest first: processes are done at about the same time
    run = over_shares if len(known) >= MANY_MATCHES else map
    found = {(one[0].a, one[0].b): one for one in run(partial(_fit_span, matches, order), spans)}
    return {pair: found[pair] for pair in sorted(found)}


def _fit_span(matches: Matches, order: np.ndarray, span: tuple[int, int]) -> Fitted:
    """Return what the matches of one pair say, those from one number up to another."""
    rows = slice(*span)
    stamps = stamps_of(matches.take(rows), order[rows])
    return fit_stamps(int(matches.a[span[0]]), int(matches.b[span[0]]), stamps)


def fit_stamps(a: int, b: int, stamps: Stamps) -> Fitted:
    """Return what the stamps of frames between hosts a and b say of their clocks, and where they lie close."""
    pair = fit_pair(a, b, stamps)
    return pair, close_stretches(pair, stamps)


def _covered(points: pd.DataFrame, hosts: tuple[str, ...]) -> list[Covered]:
    """Return first and last moment of each host's captures, its own clock."""
    span = (
        points[points["last_ns"] >= points["first_ns"]]
        .groupby("host")
        .agg(first=("first_ns", "min"), last=("last_ns", "max"))
    )
    span = span.reindex(list(hosts), fill_value=0)
    return [(int(first), int(last)) for first, last in zip(span["first"], span["last"], strict=True)]


def _rank(points: pd.DataFrame, hosts: tuple[str, ...]) -> list[tuple[int, str]]:
    """Return for each host what settles a tie: hypervisors first, then by name."""
    runs_vtep = points.groupby("host")["is_hypervisor"].any()
    return [(0 if bool(runs_vtep[host]) else 1, host) for host in hosts]


def _reference_fit(host: str, count: int, covered: Covered, steps: tuple[ClockStep, ...]) -> ClockFit:
    first, last = covered
    return ClockFit(
        host=host,
        reference=host,
        quality=Quality.REFERENCE,
        anchor_ns=(first + last) // 2,
        offset_ns=0,
        drift_ppm=0.0,
        margin_ns=0,
        matched_packet_count=count,
        knots=tuple(ClockKnot(moment, 0, 0) for moment in dict.fromkeys(covered)),
        steps=steps,
    )


def _fit(
    host: str,
    reference: str,
    courses: Courses,
    number: int,
    count: int,
    covered: Covered,
    pairs: list[PairFit],
    steps: tuple[ClockStep, ...],
) -> ClockFit:
    """Return the fit of one host from its row of the courses."""
    low, high = courses.low[number], courses.high[number]
    is_bounded = bool(np.isfinite(low).all() and np.isfinite(high).all())
    knots = _on_own_clock(courses.moments_ns, low, high, courses.estimate[number]) if is_bounded else None
    if knots is None:
        is_heard = any(number in (pair.a, pair.b) and pair.curve is None for pair in pairs)
        quality = Quality.ONE_SIDED if is_heard else Quality.UNALIGNABLE
        return ClockFit(host, reference, quality, None, None, None, None, count)
    local, apart, margin = knots
    local, offset = local + courses.base_ns[number], apart + courses.base_ns[number]
    anchor = sum(covered) // 2
    flags = tuple(sorted(courses.flags[number]))
    return ClockFit(
        host=host,
        reference=reference,
        quality=Quality.APPROXIMATE if flags else Quality.ACCURATE,
        anchor_ns=anchor,
        offset_ns=int(offset[0]) + round(float(np.interp(anchor - local[0], local - local[0], offset - offset[0]))),
        drift_ppm=_drift_ppm(local, offset, margin),
        margin_ns=int(np.ceil(np.interp(anchor - local[0], local - local[0], margin))),
        matched_packet_count=count,
        knots=tuple(map(ClockKnot, local.tolist(), offset.tolist(), margin.tolist())),
        steps=steps,
        flags=flags,
    )


def _on_own_clock(
    moments: np.ndarray, low: np.ndarray, high: np.ndarray, estimate: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Return the course as knots on the host's own clock: local time, offset, margin; None where nothing is bounded.

    When the host shows `local`, the reference shows one of the moments with moment + low <= local
    <= moment + high. The first and the last of these bound the offset, exactly and even where a
    clock was set back and shows the same time twice.
    """
    moment = (moments - moments[0]).astype(float)
    latest = np.maximum.accumulate(moment + high)  # what the host shows at most, until this moment
    earliest = np.minimum.accumulate((moment + low)[::-1])[::-1]  # at least, from this moment on
    likely = np.maximum.accumulate(moment + estimate)
    is_first, is_likely = np.diff(latest, prepend=-np.inf) > 0, np.diff(likely, prepend=-np.inf) > 0
    is_last = np.diff(earliest, append=np.inf) > 0
    local = np.unique(np.floor(np.concatenate([latest, earliest, likely])))
    local = local[(local >= latest[0]) & (local <= earliest[-1])]
    if not len(local):
        return None
    most = local - np.interp(local, latest[is_first], moment[is_first])
    least = local - np.interp(local, earliest[is_last], moment[is_last])
    offset = np.rint(np.clip(local - np.interp(local, likely[is_likely], moment[is_likely]), least, most))
    margin = np.ceil(np.maximum(most - offset, offset - least)) + 2
    return local.astype(np.int64) + moments[0], offset.astype(np.int64), margin.astype(np.int64)


def _drift_ppm(local: np.ndarray, offset: np.ndarray, margin: np.ndarray) -> float | None:
    """Return the slope of the offset over time, by least squares with the certain knots counting most.

    None where the margins leave more than 50 ppm open, which is more than quartz clocks differ by.
    """
    x = (local - local[0]).astype(float)
    if 2 * int(margin.min()) > DRIFT_DOUBT_MOST * x[-1]:
        return None
    y = (offset - offset[0]).astype(float)
    weight = 1 / np.maximum(margin, 1).astype(float) ** 2
    x, y = x - np.average(x, weights=weight), y - np.average(y, weights=weight)
    return float((weight * x * y).sum() / (weight * x * x).sum() * 1e6)

"""Compares clock estimates on simulated pairs whose truth is known, side by side with simpler ones; then many hosts.

    python benchmarks/clocks.py [--only pairs | hosts] [--scenes full bursty ...] [--runs 20] [--frames 200 2000 20000]
                                [--hosts 500 --pairs 2000] [--seed N]

Errors are |estimate - truth| in us at random times, median / 99th percentile over all runs of a scenario. "half" is
half the bracket that users are told, "covered" the share of times with the truth inside in the worst run, "open"
counts the runs with a time that is neither covered nor inside an interval that the fit names (step, slew, silence),
and "named" is the share of all times that such intervals take. Widths of steps are in mean spacings of frames;
"oracle" is the mean for one who knows all but the step's time. Seeds are fresh unless one is given; runs are spread
over all cores.
"""

import argparse
import math
import resource
import time
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from evpn_pcap.clocks import on_common_clock
from evpn_pcap.clocks.fit import Fitted, fit_stamps, fits_of
from evpn_pcap.clocks.graph import UNSTEADY, best_reference, follow
from evpn_pcap.clocks.pairs import PairFit, Stamps, fit_pair
from evpn_pcap.scale import Runner, runner
from evpn_pcap.synth.clock import Clock
from evpn_pcap.synth.clock_pairs import (
    FLOOR_NS,
    JITTER_NS,
    JITTER_SHAPE,
    LATE_NS,
    LATE_SHARE,
    SCENES,
    SPAN_NS,
    START_NS,
    BarePair,
    simulate_fabric,
    simulate_pair,
)  # fmt: skip

TIMES = 1_000
STAMP_NS = 2_000  # stamps are cut to a microsecond, at each host
UNLIKELY = 1_000.0
Line = tuple[float, float]


def truth(pair: BarePair, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return random times between the pair's first and last frame, by a's clock, and the true difference then."""
    x, difference = pair.moments(TIMES, seed)
    rows = (x >= pair.a_ns.min()) & (x <= pair.a_ns.max())
    return x[rows], difference[rows]


def least_squares(x: np.ndarray, y: np.ndarray) -> Line:
    """Return slope and intercept of a line through all differences (Clement and Dagenais 2009)."""
    slope, intercept = np.polyfit(x, y, 1)
    return float(slope), float(intercept)


def hull(x: np.ndarray, y: np.ndarray, is_upper: np.ndarray) -> Line:
    """Return the mean of the steepest and the flattest line between both hulls (as Trace Compass), of the longest
    beginning that allows one."""
    first, last, found = 2, len(x), (0.0, float(np.median(y)))
    while first <= last:
        middle = (first + last) // 2
        lines = separating(x[:middle], y[:middle], is_upper[:middle])
        first, last = (middle + 1, last) if lines else (first, middle - 1)
        found = lines or found
    return found


def separating(x: np.ndarray, y: np.ndarray, is_upper: np.ndarray) -> Line | None:
    """Return the mean of the two extreme lines under all uppers and over all lowers (Duda et al. 1987), if any."""
    if is_upper.all() or not is_upper.any():
        return 0.0, float(y[0])
    above, below = corners(x[is_upper], y[is_upper], 1), corners(x[~is_upper], y[~is_upper], -1)
    apart, room = above[0][:, None] - below[0], above[1][:, None] - below[1]
    slope = np.divide(room, apart, out=np.zeros_like(room), where=apart != 0)
    most, least = np.where(apart > 0, slope, np.inf), np.where(apart < 0, slope, -np.inf)
    if most.min() < least.max() or not np.isfinite([most.min(), least.max()]).all():
        return None
    ends = [np.unravel_index(most.argmin(), most.shape)[0], np.unravel_index(least.argmax(), least.shape)[0]]
    starts = [above[1][end] - s * above[0][end] for end, s in zip(ends, (most.min(), least.max()), strict=True)]
    return float(most.min() + least.max()) / 2, float(sum(starts)) / 2


def corners(x: np.ndarray, y: np.ndarray, sign: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the corners of the lower hull (sign 1) or the upper hull (sign -1) of points in order of x."""
    kept: list[tuple[float, float]] = []
    for point in zip(x.tolist(), (sign * y).tolist(), strict=True):
        while len(kept) > 1 and turn(kept[-2], kept[-1], point) <= 0:
            kept.pop()
        kept.append(point)
    return np.array([p[0] for p in kept]), sign * np.array([p[1] for p in kept])


def turn(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> float:
    """Return on which side of the line from a to b the point c lies."""
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


@dataclass
class Run:
    """What one run of a scenario came to."""

    errors_us: dict[str, np.ndarray]
    half_us: float
    covered: float
    is_open: bool
    named: float
    widths: list[float] = field(default_factory=list)  # of steps near the true one, in mean spacings of frames
    least: float = 0.0  # what an oracle makes of the step's width
    steps: int = 0
    inside: int = 0
    false: int = 0


def judged(drawn: tuple[str, int, int]) -> Run | None:
    """Return how all methods do in one run of a scenario, (name, number of frames, seed)."""
    name, count, seed = drawn
    pair = simulate_pair(SCENES[name], count, seed)
    y_ns = pair.b_ns - pair.a_ns
    fit = fit_pair(0, 1, Stamps(pair.a_ns, y_ns, pair.is_from_a))
    told = fit.bounding(is_steady=not (fit.told and UNSTEADY & set(fit.told.flags)))  # as the graph has a lone pair's
    if told is None:
        return None
    at, expected = truth(pair, seed)
    x, y = (pair.a_ns - fit.base_x_ns) / 1e9, (y_ns - fit.base_y_ns) / 1e3
    t, d = (at - fit.base_x_ns) / 1e9, (expected - fit.base_y_ns) / 1e3
    curve = told.scaled(1e-9, 1e-3)
    low, estimate, high = (np.interp(t, curve.x, one) for one in (curve.low, curve.estimate, curve.high))
    errors = {"ours": np.abs(estimate - d), "median": np.abs(np.median(y) - d)}
    for method, line in (("squares", least_squares(x, y)), ("hull", hull(x, y, pair.is_from_a))):
        errors[method] = np.abs(line[0] * t + line[1] - d)
    is_inside = (low <= d) & (d <= high)
    is_named = np.zeros(len(t), bool)
    for one in curve.breaks:
        is_named |= (t >= one.start) & (t <= one.stop)
    run = Run(
        errors,
        float(np.median(high - low)) / 2,
        float(is_inside.mean()),
        bool((~is_inside & ~is_named).any()),
        float(is_named.mean()),
    )
    count_steps(run, pair, fit, count)
    return run


def count_steps(run: Run, pair: BarePair, fit: PairFit, count: int) -> None:
    """Compare the steps of a fit with the true one."""
    steps = [one for one in fit.curve.breaks if one.kind == "step"] if fit.curve else []
    if pair.step is None:
        run.false = len(steps)
        return
    at = pair.step[0] - fit.base_x_ns
    spans = [(one.start, one.stop_by(is_a=bool(pair.clock_a.step_ns))) for one in steps]
    near = [(start, stop) for start, stop in spans if start - 2e9 <= at <= stop + 2e9]
    run.steps = 1
    run.inside = any(start <= at <= stop for start, stop in near)
    run.false = len(steps) - len(near)
    run.widths = [(stop - start) / (SPAN_NS / count) for start, stop in near]
    run.least = oracle_ns(pair) / (SPAN_NS / count)


def oracle_ns(pair: BarePair) -> float:
    """Return the width of a step's interval to one who knows all but its time: both clocks, the law of delays of the
    plain scenarios, and which matches are wrong. Moments UNLIKELY times less likely than the best are left out.
    """
    shown = ((pair.a_ns, pair.clock_a), (pair.b_ns, pair.clock_b))
    moments = [[when(clock, stamps - step) for step in (0, clock.step_ns)] for stamps, clock in shown]
    old, new = (np.where(pair.is_from_a, 1, -1) * (moments[1][after] - moments[0][after]) for after in (0, 1))
    unset = moments[1 if pair.clock_a.step_ns else 0][0]
    is_new = unset - START_NS > max(pair.clock_a.step_after_ns, pair.clock_b.step_after_ns)
    sent = np.where(is_new, moments[0][1], moments[0][0])
    delay = np.where(is_new, new, old)
    right = np.flatnonzero((delay > FLOOR_NS - STAMP_NS) & (delay < FLOOR_NS + LATE_NS + 20 * JITTER_NS))
    right = right[np.argsort(sent[right], kind="stable")]
    moment = np.concatenate([[0.0], np.cumsum(likely(old[right]) - likely(new[right]))])
    best = np.flatnonzero(moment > moment.max() - np.log(UNLIKELY))
    sent = np.concatenate([[START_NS], sent[right], [START_NS + SPAN_NS]])
    return float(sent[best[-1] + 1] - sent[best[0]])


def when(clock: Clock, shown: np.ndarray) -> np.ndarray:
    """Return the true time at which a clock that was never set shows this."""
    clock, true_ns = replace(clock, step_ns=0), shown
    for _ in range(4):
        true_ns = true_ns - (clock.reading(true_ns, START_NS) - shown)
    return true_ns


def likely(delay: np.ndarray) -> np.ndarray:
    """Return how likely delays are (logarithm, each ns) by the law that they are made by."""
    scale = JITTER_NS / JITTER_SHAPE
    slow = np.maximum(delay - FLOOR_NS, STAMP_NS) / scale
    usual = np.exp((JITTER_SHAPE - 1) * np.log(slow) - slow) / math.gamma(JITTER_SHAPE) / scale
    late = LATE_SHARE / LATE_NS * (delay < FLOOR_NS + LATE_NS)
    return np.log(np.where(delay > FLOOR_NS - STAMP_NS, usual + late, 0.0) + 1e-30)


def words(runs: list[Run], method: str) -> str:
    """Return median and 99th percentile of a method's errors."""
    error = np.concatenate([run.errors_us[method] for run in runs])
    return f"{np.median(error):.1f}/{np.percentile(error, 99):.4g}"


def compare(run: Runner, scenes: list[str], frames: list[int], seeds: range) -> None:
    """Print a line for every scenario and number of frames."""
    head = f"{'scenario':20} {'frames':>6}  {'ours':>12} {'median':>15} {'squares':>15} {'hull':>16}"
    print(
        f"{head}  {'half':>6} {'covered':>9} {'open':>4} {'named':>6}  "
        "steps found/inside/all, false, width mean/median, oracle"
    )
    for name in scenes:
        for count in frames:
            found = list(run.over_parts(judged, [(name, count, seed) for seed in seeds]))
            runs = [one for one in found if one is not None]
            if not runs:
                print(f"{name:20} {count:6}  no frames both ways: no number")
                continue
            widths = [width for one in runs for width in one.widths]
            inside, steps, false = (sum(getattr(one, what) for one in runs) for what in ("inside", "steps", "false"))
            seen = f"{sum(bool(one.widths) for one in runs)}/{inside}/{steps}, {false}"
            least = [one.least for one in runs]
            width = f", {np.mean(widths):.1f}/{np.median(widths):.1f}, {np.mean(least):.1f}" if widths else ""
            figures = (
                f"{np.median([one.half_us for one in runs]):6.1f} {100 * min(one.covered for one in runs):8.2f}%"
                f" {sum(one.is_open for one in runs):4} {100 * np.mean([one.named for one in runs]):5.1f}%"
            )
            others = f"{words(runs, 'median'):>15} {words(runs, 'squares'):>15} {words(runs, 'hull'):>16}"
            print(f"{name:20} {count:6}  {words(runs, 'ours'):>12} {others}  {figures}  {seen}{width}", flush=True)


def many_hosts(run: Runner, host_count: int, pair_count: int, seed: int) -> None:
    """Print how a whole fabric does: pairs over all cores, then the graph; making the frames is not counted."""
    fabric = simulate_fabric(host_count, pair_count, seed)
    pairs, spent, frames = [], 0.0, 0
    for start in range(0, len(fabric.pairs), 100):
        numbers = range(start, min(start + 100, len(fabric.pairs)))
        made = [(*fabric.pairs[number], fabric.frames(number)) for number in numbers]
        frames += sum(len(one.a_ns) for _, _, one in made)
        made.sort(key=lambda one: -len(one[2].a_ns))
        begin = time.perf_counter()
        pairs += [pair for pair, _ in run.over_shares(fitted, made)]
        spent += time.perf_counter() - begin
    begin = time.perf_counter()
    pairs.sort(key=lambda pair: (pair.a, pair.b))
    hosts = tuple(f"h{number:03d}" for number in range(host_count))
    reference = best_reference(host_count, pairs, [(0, host) for host in hosts])
    covered = [tuple(int(clock.reading(START_NS + end, START_NS)) for end in (0, SPAN_NS)) for clock in fabric.clocks]
    fits = fits_of(hosts, pairs, follow(host_count, pairs, reference, covered), reference, covered)
    graph = time.perf_counter() - begin
    at = START_NS + np.sort(np.random.default_rng(seed).integers(0, SPAN_NS, 300))
    errors, margins, covered_count, true_steps, right, false = [], [], 0, 0, 0, 0
    expected = fabric.clocks[reference].reading(at, START_NS)
    for clock, fit in zip(fabric.clocks, fits, strict=True):
        rows = on_common_clock(pd.DataFrame({"host": fit.host, "captured_ns": clock.reading(at, START_NS)}), fits)
        error = np.abs(rows["time_ns"].to_numpy() - expected)
        errors.append(error)
        margins.append(rows["margin_ns"].median())
        covered_count += int((error <= rows["margin_ns"].to_numpy()).sum())
        same = [one for one in fit.steps if abs(one.size_ns - clock.step_ns) < 300_000]
        true_steps, right, false = (
            true_steps + bool(clock.step_ns),
            right + bool(same),
            false + len(fit.steps) - len(same),
        )
    error_us = np.concatenate(errors) / 1e3
    memory = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / 1024
    print(
        f"{host_count} hosts, {len(pairs)} pairs, {frames / 1e6:.1f} M frames: error {np.median(error_us):.2f}/"
        f"{np.percentile(error_us, 99):.1f} us, margin {np.median(margins) / 1e3:.0f} us, covered"
        f" {100 * covered_count / error_us.size:.3f}%, steps {right}/{true_steps} at the right host, {false} false;"
        f" pairs {spent:.1f} s, graph {graph:.1f} s, {memory:.0f} MB"
    )


def fitted(made: tuple[int, int, BarePair]) -> Fitted:
    """Return what one pair's frames say."""
    a, b, pair = made
    return fit_stamps(a, b, Stamps(pair.a_ns, pair.b_ns - pair.a_ns, pair.is_from_a))


def main() -> None:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=["pairs", "hosts"])
    parser.add_argument("--scenes", nargs="*", default=list(SCENES), choices=list(SCENES))
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--frames", type=int, nargs="*", default=[200, 2_000, 20_000])
    parser.add_argument("--hosts", type=int, default=500)
    parser.add_argument("--pairs", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=int(np.random.SeedSequence().generate_state(1)[0]))
    options = parser.parse_args()
    with threadpool_limits(limits=1, user_api="blas"), runner() as run:
        if options.only != "hosts":
            print(f"seed {options.seed}, {options.runs} runs a line, errors in us: median/99th percentile")
            compare(run, options.scenes, options.frames, range(options.seed, options.seed + options.runs))
        if options.only != "pairs":
            many_hosts(run, options.hosts, options.pairs, options.seed)


if __name__ == "__main__":
    main()

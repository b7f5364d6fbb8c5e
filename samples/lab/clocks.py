"""What the program says of a run's clocks against skew.json: is the truth inside the margins, at every second?

A clock shows `stamp(t)` at a true time t; the program puts that onto the common clock, with a margin. A second of a
host is inside where the reference's own stamp lies within it at ten moments; of those outside, "flagged" are the ones
where the program says that the margin may not hold: no matched frames bracket the moment closely, or the host has a
flag. "extrap." counts the seconds that hold such a moment. One-way delays of flows are compared with those of the same
captures without clock errors.
"""

import argparse
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

import evpn_pcap
from evpn_pcap import columns
from evpn_pcap.clocks import is_extrapolated, on_common_clock
from evpn_pcap.model import FOREVER, Analysis, ClockFit, Quality
from samples.lab.skew import S_NS, Clock, captures_in, read_clocks

TENTH_NS = S_NS // 10
MOST_EARLY_NS = 600 * S_NS  # how long before the story captures begin at most
ROUNDS = 4  # of searching the true time that a clock shows
TICK_NS = 1_000  # stamps were cut to a microsecond once more
SUFFIX = "-skewed"
HEADER = (
    f"{'run':44} {'hosts':>5} {'aligned':>7} {'seconds':>7} {'inside':>7} {'flagged':>7} {'outside':>7} {'extrap.':>7}"
    f" {'median us':>9} {'p99 us':>8} {'margin us':>9}  {'flows':>5} {'outside':>7}"
)


@dataclass(slots=True)
class ClockScore:
    """Seconds of all aligned hosts of a run by whether the truth is inside their margins; flows of its two twins."""

    run: str
    host_count: int = 0
    aligned_count: int = 0
    seconds: Counter[str] = field(
        default_factory=Counter
    )  # inside, flagged (outside, and said to be doubtful), outside
    errors_ns: list[np.ndarray] = field(default_factory=list)
    margins_ns: list[np.ndarray] = field(default_factory=list)
    extrapolated_count: int = 0  # seconds in which matched frames do not bracket every moment closely
    flow_count: int = 0
    flows_outside: int = 0
    told: list[str] = field(default_factory=list)

    @property
    def is_bad(self) -> bool:
        """Whether a truth is outside of its margin, and nothing says that it may be."""
        return bool(self.seconds["outside"] or self.flows_outside)

    def line(self) -> str:
        """Return the score as a line."""
        errors = np.concatenate(self.errors_ns) if self.errors_ns else np.zeros(1)
        margins = np.concatenate(self.margins_ns) if self.margins_ns else np.zeros(1)
        seconds = (
            self.seconds.total(),
            *(self.seconds[name] for name in ("inside", "flagged", "outside")),
            self.extrapolated_count,
        )
        return (
            f"{self.run:44} {self.host_count:5} {self.aligned_count:7} {' '.join(f'{count:7}' for count in seconds)}"
            f" {np.median(errors) / 1000:9.1f} {np.percentile(errors, 99) / 1000:8.1f} {np.median(margins) / 1000:9.1f}"
            f"  {self.flow_count:5} {self.flows_outside:7}"
        )


def score_clocks(folder: Path, true_folder: Path | None) -> ClockScore:
    """Analyze a folder's captures, and those without clock errors if given, and compare with skew.json."""
    analysis, clocks = evpn_pcap.analyze(captures_in(folder)), read_clocks(folder / "skew.json")
    result = ClockScore(folder.name, len(analysis.clocks))
    for fit in analysis.clocks:
        own = [one for one in analysis.captures if one.host == fit.host]
        first_ns = [one.first_ns for one in own if one.first_ns is not None]
        last_ns = [one.last_ns for one in own if one.last_ns is not None]
        if fit.quality is Quality.REFERENCE:
            result.aligned_count += 1
        elif fit.knots and first_ns and last_ns:
            result.aligned_count += 1
            _judge(result, fit, clocks, (min(first_ns), max(last_ns)))
        else:
            result.told.append(f"{fit.host}: {fit.quality.value}, no margin to judge")
    if true_folder:
        _compare_flows(result, analysis, evpn_pcap.analyze(captures_in(true_folder)))
    return result


def _judge(result: ClockScore, fit: ClockFit, clocks: dict[str, Clock], ends_ns: tuple[int, int]) -> None:
    """Count a host's seconds; `ends_ns` are when its captures begin and end, by its own clock."""
    own, reference = clocks[fit.host], clocks[fit.reference]
    begin_ns, end_ns = (_true_time(own, one) for one in ends_ns)
    begin_ns = max(begin_ns, own.t0_ns - MOST_EARLY_NS)  # a kernel's first stamp may be of 1970
    true_ns = np.unique([*range(begin_ns, end_ns + 1, TENTH_NS), end_ns])
    shown_ns = np.array([own.stamp(int(one)) for one in true_ns], np.int64)
    expected_ns = np.array([reference.stamp(int(one)) for one in true_ns], np.int64)
    placed = on_common_clock(pd.DataFrame({"host": fit.host, "captured_ns": shown_ns}), [fit])
    error_ns = np.abs(placed["time_ns"].to_numpy() - expected_ns)
    margin_ns = placed["margin_ns"].to_numpy()
    second = (true_ns - begin_ns) // S_NS
    over_ns = np.maximum(error_ns - margin_ns, 0)
    bad = np.unique(second[over_ns > 0])
    result.seconds["inside"] += len(np.unique(second)) - len(bad)
    is_said = is_extrapolated(shown_ns, fit) | bool(fit.flags)
    unsaid = np.unique(second[(over_ns > 0) & ~is_said])
    result.seconds["flagged"] += len(bad) - len(unsaid)
    result.seconds["outside"] += len(unsaid)
    result.extrapolated_count += len(np.unique(second[is_extrapolated(shown_ns, fit)]))
    result.errors_ns.append(error_ns)
    result.margins_ns.append(margin_ns)
    if len(bad):
        when = ", ".join(f"{int(one)}" for one in bad[:12]) + (", ..." if len(bad) > 12 else "")
        said = ", ".join(fit.flags) or "nothing"
        if len(unsaid):
            said += f", and frames bracket {len(unsaid)} of them"
        result.told.append(
            f"{fit.host}: outside in {len(bad)} of {len(np.unique(second))} seconds ({when}) by up to"
            f" {over_ns.max() / 1000:.1f} us; flags: {said}; {_deeds(own, begin_ns)}; reference {fit.reference}:"
            f" {_deeds(reference, begin_ns)}"
        )


def _true_time(clock: Clock, shown_ns: int) -> int:
    """Return a true time at which a clock shows `shown_ns`."""
    true_ns = shown_ns - clock.offset_ns
    for _ in range(ROUNDS):
        true_ns += shown_ns - clock.stamp(true_ns)
    return true_ns


def _deeds(clock: Clock, begin_ns: int) -> str:
    """Return when a clock was set and slewed, in seconds since `begin_ns`."""
    steps = [f"step {one.step_ns / 1e6:+.0f} ms at {(one.at_ns - begin_ns) / S_NS:.1f} s" for one in clock.steps]
    steps += [
        f"slew {one.rate_ppb / 1000:+.0f} ppm from {(one.from_ns - begin_ns) / S_NS:.1f} s"
        f" to {(one.until_ns - begin_ns) / S_NS:.1f} s"
        for one in clock.slews
    ]
    return ", ".join(steps) or "only drift and wander"


def _compare_flows(result: ClockScore, with_errors: Analysis, true_clocks: Analysis) -> None:
    """Count the flows whose median one-way delay is another with clock errors, beyond what both margins allow."""
    one, other = (_numbered(analysis.tables.flows) for analysis in (true_clocks, with_errors))
    both = one.merge(
        other, on=[*columns.FLOWS.key, "number"], how="inner", suffixes=("", "_there"), validate="one_to_one"
    )
    names = ("delay_median_ns", "delay_median_margin_ns")
    both = both.dropna(subset=[name + suffix for name in names for suffix in ("", "_there")])
    delay, margin, delay_there, margin_there = (
        both[name + suffix].to_numpy(np.int64) for suffix in ("", "_there") for name in names
    )
    is_known = np.maximum(margin, margin_there) < FOREVER
    over_ns = np.where(
        is_known, np.abs(delay_there - delay) - np.where(is_known, margin + margin_there, 0) - TICK_NS, 0
    )
    result.flow_count += int(is_known.sum())
    result.flows_outside += int((over_ns > 0).sum())
    for at in np.flatnonzero(over_ns > 0)[:8]:
        row = both.iloc[at]
        where = f"{row['from_host']}:{row['from_point']} -> {row['to_host']}:{row['to_point']}"
        result.told.append(
            f"flow {row['source_ip']} -> {row['destination_ip']}, {where}: {delay_there[at] / 1000:.1f} us against"
            f" {delay[at] / 1000:.1f} us, {over_ns[at] / 1000:.1f} us beyond the margins"
        )


def _numbered(flows: pd.DataFrame) -> pd.DataFrame:
    """Return flows with the number of each among those of one key: a vantage point that came anew has its own rows."""
    most_first = flows.sort_values("matched_packet_count", ascending=False, kind="stable")
    number = most_first.groupby(list(columns.FLOWS.key), dropna=False).cumcount()
    return flows.assign(number=number.reindex(flows.index))


def main() -> None:
    """Print, for each folder with clock errors, whether the program's margins hold its true times."""
    parser = argparse.ArgumentParser(prog="python -m samples.lab.clocks", description=main.__doc__)
    parser.add_argument("folders", nargs="+", type=Path, help="folders X-skewed, with skew.json")
    parser.add_argument("--no-flows", action="store_true", help="do not compare one-way delays with those in X")
    asked = parser.parse_args()
    print(HEADER)
    scores: list[ClockScore] = []
    for folder in asked.folders:
        true_folder = folder.with_name(folder.name.removesuffix(SUFFIX))
        has_twin = not asked.no_flows and true_folder != folder and true_folder.is_dir()
        scores.append(score_clocks(folder, true_folder if has_twin else None))
        print(scores[-1].line(), *(f"    {line}" for line in scores[-1].told), sep="\n", flush=True)
    whole = ClockScore(f"all {len(scores)}")
    for one in scores:
        whole.host_count += one.host_count
        whole.aligned_count += one.aligned_count
        whole.seconds += one.seconds
        whole.extrapolated_count += one.extrapolated_count
        whole.errors_ns += one.errors_ns
        whole.margins_ns += one.margins_ns
        whole.flow_count += one.flow_count
        whole.flows_outside += one.flows_outside
    print(whole.line())
    sys.exit(any(one.is_bad for one in scores))


if __name__ == "__main__":
    main()

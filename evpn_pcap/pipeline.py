"""Captures become packets, packets become events, clocks are aligned, updates become routes,
requests become resolutions, rules read it all: the whole program, in order."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from evpn_pcap import columns
from evpn_pcap.aftermaths import find_aftermaths
from evpn_pcap.clocks import compare_clocks, on_common_clock
from evpn_pcap.events import find_events
from evpn_pcap.floodcosts import find_flood_costs
from evpn_pcap.flows import find_flows
from evpn_pcap.hostclocks import with_own_clocks
from evpn_pcap.model import FOREVER, Analysis, ClockFit, Decoded, Options, Tables
from evpn_pcap.reading import Runner, read_captures, updates_of
from evpn_pcap.resolutions import resolve
from evpn_pcap.routes import route_intervals, routes_at, with_agreement, with_causes, with_speakers
from evpn_pcap.rules import apply_rules, load_rules
from evpn_pcap.sightings import join_sightings, with_common_keys
from evpn_pcap.sources import with_fabric
from evpn_pcap.sources.snapshots import read_snapshots
from evpn_pcap.summary import summarize
from evpn_pcap.vantage import find_points, with_roles

PRINT_NS = 1_000_000_000  # a print shows a moment within this time of its stamp
NO_CAPTURE_NS = 1_000_000_000  # taken to bound the clock error of a host that only prints are of

__all__ = ["analyze", "load_rules", "read_captures", "routes_at", "with_fabric"]  # what the command line calls


def analyze(paths: Sequence[str | Path], options: Options | None = None, run: Runner = map) -> Analysis:
    """Explain every ARP and ND resolution that these captures show.

    `paths` are capture files, folders, globs, or HOST[:POINT]=PATH. Returns an Analysis, whose
    `tables` are DataFrames of columns/. A capture that cannot be read is listed in `failures`
    and the others are analyzed. `run` is `map`, or a runner of `scale` to use several processes.
    Raises OptionError where a path or option makes no sense.
    """
    options = options or Options()
    decoded, failures = read_captures(paths, options, run)
    return analyze_decoded(decoded, options, failures, run)


@pd.option_context("mode.string_storage", "python")  # few words, each in many rows: a third faster than Arrow's copies
def analyze_decoded(
    decoded: Sequence[Decoded], options: Options, failures: tuple[tuple[str, str], ...] = (), run: Runner = map
) -> Analysis:
    """Explain every ARP and ND resolution that these decoded captures show."""
    decoded = with_own_clocks(decoded)
    interfaces, packets, anchors, oddities = _joined(decoded)
    updates, bgp_oddities = (told.frame() for told in updates_of(decoded))

    points = find_points(interfaces, packets, anchors, oddities, options)
    alignment = compare_clocks(anchors, points, options.reference, _over_shares(run))
    clocks = alignment.fits
    packets, anchors, updates = (on_common_clock(table, clocks) for table in (packets, anchors, updates))
    events = find_events(join_sightings(packets), points)
    printed, odd, unread = read_snapshots(options)
    printed = with_speakers(_on_clock(printed, clocks), updates)
    routes, sessions = route_intervals(updates, printed)
    covered = _with_coverage(points, clocks)
    snapshots = with_agreement(printed, routes, sessions, covered)
    routes = with_causes(routes, sessions, events, anchors, points, snapshots)
    flows = find_flows(anchors, covered, alignment.margins)
    resolutions = resolve(events, covered, anchors, routes, sessions, snapshots, alignment.margins, options)
    aftermaths = find_aftermaths(resolutions, events, anchors, points)

    flood_costs = find_flood_costs(resolutions, packets, anchors, points, interfaces)
    anomalies = columns.ANOMALIES.concat([oddities, bgp_oddities, odd])
    tables = Tables(
        interfaces,
        points,
        packets,
        anchors,
        events,
        updates,
        snapshots,
        routes,
        sessions,
        flows,
        resolutions,
        aftermaths,
        flood_costs,
        anomalies,
        alignment.pairs,
        alignment.traces,
    )
    findings = apply_rules(load_rules(), tables)
    captures = with_roles([one.capture for one in decoded], points)
    return Analysis(
        captures, clocks, tables, findings, summarize(resolutions, flood_costs), (*failures, *unread), options
    )


def clocks_of(
    decoded: Sequence[Decoded], options: Options, run: Runner = map
) -> tuple[tuple[ClockFit, ...], dict[int, str]]:
    """Return the clocks of the hosts of these decoded captures, and each capture's host: what `align` needs."""
    decoded = with_own_clocks(decoded)
    interfaces, packets, anchors, oddities = _joined(decoded)
    points = find_points(interfaces, packets, anchors, oddities, options)
    clocks = compare_clocks(anchors, points, options.reference, _over_shares(run)).fits
    return clocks, {one.capture.capture_id: one.capture.host for one in decoded}


def _over_shares(run: Runner) -> Runner:
    """Return what runs a function over items of this process's memory: plain maps would send all of it to others."""
    return getattr(run, "over_shares", map)


def _joined(decoded: Sequence[Decoded]) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return INTERFACES, PACKETS, ANCHORS and ANOMALIES of all captures, each in one table."""
    return (
        columns.INTERFACES.concat([one.interfaces for one in decoded]),
        columns.PACKETS.concat([one.packets for one in decoded]),
        with_common_keys(columns.ANCHORS.concat([one.anchors for one in decoded])),
        columns.ANOMALIES.concat([one.anomalies for one in decoded]),
    )


def _on_clock(snapshots: pd.DataFrame, clocks: tuple[ClockFit, ...]) -> pd.DataFrame:
    """Return SNAPSHOTS on the common clock; the clock of a host without captures is taken to be about the same."""
    placed = on_common_clock(snapshots, clocks)
    margin = placed["margin_ns"].mask(~placed["host"].isin([fit.host for fit in clocks]), NO_CAPTURE_NS)
    return placed.assign(margin_ns=margin.where(margin == FOREVER, margin + PRINT_NS))


def _with_coverage(points: pd.DataFrame, clocks: tuple[ClockFit, ...]) -> pd.DataFrame:
    """Return POINTS with its coverage on the common clock: first_time_ns, last_time_ns, point_margin_ns."""
    first = on_common_clock(points.assign(captured_ns=points["first_ns"]), clocks)
    last = on_common_clock(points.assign(captured_ns=points["last_ns"]), clocks)
    margin = first["margin_ns"].combine(last["margin_ns"], max)
    return points.assign(first_time_ns=first["time_ns"], last_time_ns=last["time_ns"], point_margin_ns=margin)

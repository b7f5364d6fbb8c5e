"""Clock fits -> text, JSON, CSV or a DataFrame: what `clocks` prints."""

from collections.abc import Callable, Sequence

import pandas as pd

from evpn_pcap.model import ClockFit
from evpn_pcap.report.escape import visible
from evpn_pcap.report.json import SCHEMA_VERSION, clock_values
from evpn_pcap.report.table import Told, aligned, as_csv, json_text

_HEAD = ("host", "quality", "offset_ms", "margin_us", "drift_ppm", "matched_packet_count", "steps")


def as_text(clocks: Sequence[ClockFit]) -> str:
    """Return one line a host: its clock minus the reference's."""
    if not clocks:
        return "no clocks\n"
    reference = clocks[0].reference
    rows = [[visible(word) for word in clock_words(one)] for one in _sorted(clocks)]
    return f"clock of each host minus the clock of {visible(reference)}\n" + aligned(_HEAD, rows)


def clock_words(clock: ClockFit) -> list[str]:
    """Return one fit in words: host, quality, offset in ms, margin in us, drift in ppm, matches, steps."""
    offset = "" if clock.offset_ns is None else f"{clock.offset_ns / 1e6:.6f}"
    margin = "" if clock.margin_ns is None else f"{clock.margin_ns / 1e3:.3f}"
    drift = "" if clock.drift_ppm is None else f"{clock.drift_ppm:.3f}"
    return [
        clock.host,
        clock.quality.value,
        offset,
        margin,
        drift,
        str(clock.matched_packet_count),
        str(len(clock.steps)),
    ]


def as_json(clocks: Sequence[ClockFit]) -> str:
    """Return {"schema_version": 1, "clocks": [...]}."""
    return (
        json_text(
            {"schema_version": SCHEMA_VERSION, "clocks": [clock_values(one) for one in _sorted(clocks)]},
            is_indented=True,
        )
        + "\n"
    )


def as_csv_text(clocks: Sequence[ClockFit]) -> str:
    """Return one line a host; `steps` is their number."""
    return as_csv("clocks", _columns(clocks))


def as_frame(clocks: Sequence[ClockFit]) -> pd.DataFrame:
    """Return one row a host; `steps` is their number."""
    return pd.DataFrame(_columns(clocks)).astype({"offset_ns": "Int64", "margin_ns": "Int64", "anchor_ns": "Int64"})


FORMATS: dict[str, Callable[[Sequence[ClockFit]], str]] = {"text": as_text, "json": as_json, "csv": as_csv_text}


def _columns(clocks: Sequence[ClockFit]) -> Told:
    """Return the fits as columns."""
    rows = [clock_values(one) | {"steps": len(one.steps)} for one in _sorted(clocks)]
    names = (
        "host",
        "reference",
        "quality",
        "offset_ns",
        "drift_ppm",
        "margin_ns",
        "matched_packet_count",
        "anchor_ns",
        "steps",
    )
    return {name: [row[name] for row in rows] for name in names}


def _sorted(clocks: Sequence[ClockFit]) -> list[ClockFit]:
    """Return the fits in order of host."""
    return sorted(clocks, key=lambda one: one.host)

"""Clock fits -> text, JSON, CSV or a DataFrame: what `clocks` prints."""

from collections.abc import Callable, Hashable, Sequence
from typing import Any

import pandas as pd

from evpn_pcap.model import ClockFit
from evpn_pcap.report.escape import visible
from evpn_pcap.report.json import SCHEMA_VERSION, clock_values
from evpn_pcap.report.table import Told, aligned, as_csv, json_text

_PAIR_HEAD = (
    *("first_host", "second_host", "there", "back", "offset_ms", "lower_ms", "upper_ms", "drift_ppm", "steps", "flags"),
)
_HEAD = ("host", "quality", "offset_ms", "margin_us", "drift_ppm", "matched_packet_count", "steps")


def as_text(clocks: Sequence[ClockFit], pairs: pd.DataFrame) -> str:
    """Return one line a host, its clock minus the reference's; then one line for two hosts with frames in common."""
    if not clocks:
        return "no clocks\n"
    reference = clocks[0].reference
    rows = [[visible(word) for word in clock_words(one)] for one in _sorted(clocks)]
    hosts = f"clock of each host minus the clock of {visible(reference)}\n" + aligned(_HEAD, rows)
    told = [[visible(word) for word in pair_words(one)] for one in pairs.to_dict("records")]
    return hosts + ("\ntwo hosts: second clock minus first\n" + aligned(_PAIR_HEAD, told) if told else "")


def pair_words(pair: dict[Hashable, Any]) -> list[str]:
    """Return one row of CLOCK_PAIRS in words."""

    def milliseconds(name: str) -> str:
        return "" if pd.isna(pair[name]) else f"{pair[name] / 1e6:.6f}"

    return [
        pair["first_host"],
        pair["second_host"],
        str(pair["there_packet_count"]),
        str(pair["back_packet_count"]),
        milliseconds("offset_ns"),
        milliseconds("lower_ns"),
        milliseconds("upper_ns"),
        "" if pd.isna(pair["drift_ppm"]) else f"{pair['drift_ppm']:.3f}",
        str(pair["step_count"]),
        pair["flags"] + (" contradicted" if pair["is_contradicted"] else ""),
    ]


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


def as_json(clocks: Sequence[ClockFit], pairs: pd.DataFrame) -> str:
    """Return {"schema_version": 1, "clocks": [...], "clock_pairs": [...]}."""
    told = pairs.astype(object).where(pairs.notna(), None).to_dict("records")
    values = {"clocks": [clock_values(one) for one in _sorted(clocks)], "clock_pairs": told}
    return json_text({"schema_version": SCHEMA_VERSION, **values}, is_indented=True) + "\n"


def as_csv_text(clocks: Sequence[ClockFit], pairs: pd.DataFrame) -> str:  # noqa: ARG001  # one signature for all formats
    """Return one line a host; `steps` is their number."""
    return as_csv("clocks", _columns(clocks))


def as_frame(clocks: Sequence[ClockFit]) -> pd.DataFrame:
    """Return one row a host; `steps` is their number."""
    return pd.DataFrame(_columns(clocks)).astype({"offset_ns": "Int64", "margin_ns": "Int64", "anchor_ns": "Int64"})


FORMATS: dict[str, Callable[[Sequence[ClockFit], pd.DataFrame], str]] = {
    "text": as_text,
    "json": as_json,
    "csv": as_csv_text,
}


def _columns(clocks: Sequence[ClockFit]) -> Told:
    """Return the fits as columns."""
    rows = [clock_values(one) | {"steps": len(one.steps), "flags": ";".join(one.flags)} for one in _sorted(clocks)]
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
        "flags",
    )
    return {name: [row[name] for row in rows] for name in names}


def _sorted(clocks: Sequence[ClockFit]) -> list[ClockFit]:
    """Return the fits in order of host."""
    return sorted(clocks, key=lambda one: one.host)

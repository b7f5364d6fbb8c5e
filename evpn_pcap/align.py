"""Captures and their hosts' clocks become one pcapng on the common clock: `align`, beside the pipeline.

The captures are read twice more: once for the least time of each batch and for what the interfaces
are, once to write. So memory is bounded however long they are, and records out of order are no matter.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pandas as pd

from evpn_pcap import __version__
from evpn_pcap.aligned import (
    Channel,
    Records,
    Store,
    Stream,
    merge,
    packet_blocks,
    section_blocks,
    statistics_blocks,
)
from evpn_pcap.clocks import on_common_clock
from evpn_pcap.errors import CaptureError, OptionError
from evpn_pcap.model import FOREVER, Batch, ClockFit, FileEnd, Interface, Quality, Source
from evpn_pcap.sources import read_batches

MEMORY_BYTES = 128 << 20  # for the windows onto all captures together
LEAST_WINDOW_BYTES = 1 << 16
MOST_WINDOW_BYTES = 8 << 20
SECOND_NS = 1_000_000_000
MOST_KNOTS = 500  # that a comment lists


@dataclass(frozen=True, slots=True)
class Alignment:
    """What was written."""

    packet_count: int
    channels: tuple[Channel, ...]


@dataclass(slots=True)
class _Place:
    """One vantage point so far: an interface of the output."""

    host: str
    label: str
    link_type: int
    number: int
    files: list[str] = field(default_factory=list)
    snaplen_bytes: int = 0
    packet_count: int = 0
    dropped_count: int | None = None
    first_ns: int = FOREVER
    last_ns: int = -FOREVER
    margins_ns: tuple[int, int] = (FOREVER, 0)


@dataclass(frozen=True, slots=True)
class _Surveyed:
    """What one capture holds: the least time of each batch and all later ones, and its interfaces' places."""

    source: Source
    earliest_ns: np.ndarray
    places: tuple[_Place, ...]  # by interface_index


def align(
    sources: Sequence[Source],
    clocks: Sequence[ClockFit],
    file: BinaryIO,
    folder: Path,
    memory_bytes: int = MEMORY_BYTES,
) -> Alignment:
    """Write every record of the captures into `file`, in order of the common clock, and return what was written.

    One interface a host and point, with its clock's offset and margin in comments. A host that is
    not aligned keeps its own times, and its interfaces say so. `memory_bytes` bounds what is read at a
    time, but no capture gets less than 64 KiB; half as much is held back in memory of records out of
    order, the rest in `folder`, without a name. Raises CaptureError where a capture cannot be read (again).
    """
    window_bytes = min(max(memory_bytes // max(len(sources), 1), LEAST_WINDOW_BYTES), MOST_WINDOW_BYTES)
    fits = {fit.host: fit for fit in clocks}
    places: dict[tuple[str, str, int], _Place] = {}
    surveyed = [_survey(source, fits[source.host], places, window_bytes) for source in sources]
    channels = tuple(_channel(place, fits[place.host]) for place in places.values())
    first_ns = min((one.first_ns for one in channels if one.first_ns is not None), default=0)
    offset_s = min(0, first_ns // SECOND_NS)
    reference = next((fit.reference for fit in clocks), "")
    comment = (
        f"{len(sources)} captures on the clock of {reference}. A packet's time is on that clock; its comment is the "
        "time that the capturing host's own clock gave it. Interface comments tell each clock's offset and margin."
    )
    file.write(section_blocks(f"evpn-pcap {__version__}", comment, channels, offset_s))
    streams = [
        Stream(one.source.name, one.earliest_ns.tolist(), _records(one, fits[one.source.host], window_bytes))
        for one in surveyed
    ]
    packet_count = 0
    for pieces in merge(streams, Store(folder, memory_bytes // 2)):
        packet_count += sum(map(len, pieces))
        file.write(packet_blocks(pieces, offset_s))
    file.write(statistics_blocks(channels, offset_s))
    return Alignment(packet_count, channels)


def readable_twice(sources: Sequence[Source]) -> None:
    """Raise OptionError where a capture is a pipe or standard input, which give their octets only once."""
    for source in sources:
        if str(source.file) == "-" or not source.file.is_file():
            raise OptionError(f"{source.name}: align reads every capture more than once; save it to a file first")


def _survey(source: Source, fit: ClockFit, places: dict[tuple[str, str, int], _Place], window_bytes: int) -> _Surveyed:
    """Return what one capture holds, and add its interfaces to `places`."""
    least: list[int] = []
    spans: dict[int, list[int]] = {}  # interface -> count, greatest captured length, first, last, least, most margin
    for batch in read_batches(source, window_bytes):
        if isinstance(batch, FileEnd):
            found = tuple(_place(source, one, places) for one in batch.interfaces)
            for number, figures in spans.items():
                _add(found[number], figures)
            for place, one in zip(found, batch.interfaces, strict=True):
                place.snaplen_bytes = max(place.snaplen_bytes, one.snaplen_bytes)
                if one.dropped_count is not None:
                    place.dropped_count = (place.dropped_count or 0) + one.dropped_count
            earliest_ns = np.minimum.accumulate(np.array(least, np.int64)[::-1])[::-1]
            return _Surveyed(source, earliest_ns, found)
        if len(batch.start):
            time_ns, margin_ns = _common(batch, fit)
            least.append(int(time_ns.min()))
            _measure(spans, batch, time_ns, margin_ns)
    raise CaptureError(f"{source.name}: has no end")


def _measure(spans: dict[int, list[int]], batch: Batch, time_ns: np.ndarray, margin_ns: np.ndarray) -> None:
    """Add the figures of a batch to those of its interfaces."""
    for number in np.unique(batch.interface_index).tolist():
        rows = batch.interface_index == number
        figures = [
            int(np.count_nonzero(rows)),
            int(batch.captured_bytes[rows].max()),
            int(time_ns[rows].min()),
            int(time_ns[rows].max()),
            int(margin_ns[rows].min()),
            int(margin_ns[rows].max()),
        ]
        known = spans.setdefault(number, [0, 0, FOREVER, -FOREVER, FOREVER, 0])
        spans[number] = [join(one, other) for join, one, other in zip(_JOINS, known, figures, strict=True)]


_JOINS: tuple[Callable[[int, int], int], ...] = (int.__add__, max, min, max, min, max)


def _add(place: _Place, figures: Sequence[int]) -> None:
    count, longest, first_ns, last_ns, least_ns, most_ns = figures
    place.packet_count += count
    place.snaplen_bytes = max(place.snaplen_bytes, longest)
    place.first_ns, place.last_ns = min(place.first_ns, first_ns), max(place.last_ns, last_ns)
    place.margins_ns = min(place.margins_ns[0], least_ns), max(place.margins_ns[1], most_ns)


def _place(source: Source, interface: Interface, places: dict[tuple[str, str, int], _Place]) -> _Place:
    """Return the vantage point of one interface of one capture; ring-buffer files of a point share it."""
    label = interface.name or source.point
    key = (source.host, label, interface.link_type)
    place = places.setdefault(key, _Place(*key, number=len(places)))
    if source.name not in place.files:
        place.files.append(source.name)
    return place


def _records(surveyed: _Surveyed, fit: ClockFit, window_bytes: int) -> Iterator[Records]:
    """Yield the records of a capture again, with their times on the common clock."""
    channels = np.array([place.number for place in surveyed.places], np.int64)
    for batch in read_batches(surveyed.source, window_bytes):
        if isinstance(batch, Batch) and len(batch.start):
            yield Records(
                octets=batch.octets,
                start=batch.start,
                captured_bytes=batch.captured_bytes,
                wire_bytes=batch.wire_bytes,
                captured_ns=batch.captured_ns,
                time_ns=_common(batch, fit)[0],
                channel=channels[batch.interface_index],
                direction=batch.direction,
            )


def _common(batch: Batch, fit: ClockFit) -> tuple[np.ndarray, np.ndarray]:
    """Return the times of a batch on the common clock, and their margins."""
    timed = on_common_clock(pd.DataFrame({"captured_ns": batch.captured_ns, "host": fit.host}), (fit,))
    return timed["time_ns"].to_numpy(np.int64), timed["margin_ns"].to_numpy(np.int64)


def _channel(place: _Place, fit: ClockFit) -> Channel:
    """Return one interface of the output, with what is known of its clock in words."""
    is_seen = place.packet_count > 0
    name = f"{place.host}:{place.label}" if place.label else place.host
    return Channel(
        name=name,
        description=f"host {place.host}, from {', '.join(place.files)}",
        link_type=place.link_type,
        snaplen_bytes=place.snaplen_bytes,
        comments=(_clock_words(fit, place), *_step_words(fit), *_knot_words(fit)),
        packet_count=place.packet_count,
        dropped_count=place.dropped_count,
        first_ns=place.first_ns if is_seen else None,
        last_ns=place.last_ns if is_seen else None,
    )


def _clock_words(fit: ClockFit, place: _Place) -> str:
    if fit.quality is Quality.REFERENCE:
        return f"clock of {fit.host}: reference; times are its own"
    if fit.offset_ns is None or fit.anchor_ns is None or place.margins_ns[1] == FOREVER:
        return (
            f"clock of {fit.host}: {fit.quality}; times are its own, NOT on the clock of {fit.reference}: "
            "their order against packets of other hosts says nothing"
        )
    drift = "" if fit.drift_ppm is None else f", drift {fit.drift_ppm:.3f} ppm"
    return (
        f"clock of {fit.host}: {fit.quality}; time = own time - offset; offset {fit.offset_ns} ns at own time "
        f"{_seconds(fit.anchor_ns)}{drift}; margin of times {place.margins_ns[0]} to {place.margins_ns[1]} ns"
    )


def _step_words(fit: ClockFit) -> list[str]:
    return [
        f"clock of {fit.host} was set by {step.size_ns} ns between own times {_seconds(step.from_ns)} "
        f"and {_seconds(step.to_ns)}"
        for step in fit.steps
    ]


def _knot_words(fit: ClockFit) -> list[str]:
    """Return the corrections over time in one text, evenly thinned where there are very many."""
    if not fit.knots:
        return []
    chosen = np.unique(np.linspace(0, len(fit.knots) - 1, min(len(fit.knots), MOST_KNOTS)).astype(int))
    knots = [fit.knots[place] for place in chosen.tolist()]
    lines = [f"{_seconds(one.local_ns)} {one.offset_ns} {one.margin_ns}" for one in knots]
    return ["\n".join([f"own time (s), offset (ns), margin (ns), {len(knots)} of {len(fit.knots)}:", *lines])]


def _seconds(time_ns: int) -> str:
    """Return ns as seconds with nine digits, exactly."""
    second, rest_ns = divmod(abs(time_ns), SECOND_NS)
    return f"{'-' if time_ns < 0 else ''}{second}.{rest_ns:09d}"

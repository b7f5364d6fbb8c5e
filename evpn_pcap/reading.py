"""Paths -> decoded captures: the first arrow, for those who need no more."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from evpn_pcap.addresses import capture_of, frame_id, number_of
from evpn_pcap.decode import Part, decode, decode_part, join_parts
from evpn_pcap.errors import CaptureError
from evpn_pcap.model import Decoded, Options, Source
from evpn_pcap.sources import find_sources, read_batches, split_source, with_fabric
from evpn_pcap.table import Columns

__all__ = [
    "dissect_frames",
    "find_sources",
    "read_captures",
    "updates_of",
    "with_fabric",
]  # what the command line calls

Runner = Callable[[Callable[[Source], Any], Sequence[Source]], Iterable[Any]]


def _native(source: Source, options: Options) -> Decoded:
    return decode(read_batches(source), source, options)


def _through_tshark(source: Source, options: Options) -> Decoded:
    from evpn_pcap.tshark import decode_with_tshark  # asyncio, which only this reader needs

    return decode_with_tshark(source, options)


READERS: dict[str, Callable[[Source, Options], Decoded]] = {"native": _native, "tshark": _through_tshark}


def read_capture(source: Source, options: Options) -> Decoded | str:
    """Return one capture decoded, or in words why it could not be read at all."""
    try:
        return READERS[options.reader](source, options)
    except CaptureError as error:
        return str(error)


def read_captures(
    paths: Sequence[str | Path], options: Options, run: Runner = map
) -> tuple[list[Decoded], tuple[tuple[str, str], ...]]:
    """Return every readable capture decoded, and the name and reason of each unreadable one.

    `run` is `map` or anything that works like it over processes or machines; that of `scale` has
    large captures read in parts, too.
    """
    sources = find_sources(paths, options)
    process_count = getattr(run, "process_count", 1) if options.reader == "native" else 1
    split = [split_source(source, process_count) for source in sources]
    if all(len(parts) == 1 for parts in split):
        results = list(run(partial(read_capture, options=options), sources))
    else:
        results = _read_in_parts(sources, split, options, getattr(run, "over_parts", run))
    failures = [(s.name, r) for s, r in zip(sources, results, strict=True) if isinstance(r, str)]
    return [result for result in results if isinstance(result, Decoded)], tuple(failures)


def updates_of(decoded: Sequence[Decoded]) -> tuple[Columns, Columns]:
    """Return UPDATES and ANOMALIES of the BGP sessions in these decoded captures, each by its host's own clock."""
    from evpn_pcap import columns
    from evpn_pcap.decode.bgp import decode_updates  # what only those need who ask for more than `packets`
    from evpn_pcap.streams import join_streams

    streams, stream_anomalies = join_streams(columns.SEGMENTS.joined([one.columns["segments"] for one in decoded]))
    updates, bgp_anomalies = decode_updates(streams)
    return updates, columns.ANOMALIES.joined([stream_anomalies, bgp_anomalies])


def dissect_frames(paths: Sequence[str | Path], options: Options, frame_ids: Sequence[int]) -> list[tuple[str, str]]:
    """Return each frame's reference and its layers in Wireshark's words, in the order asked for.

    Raises DependencyError where tshark is not installed, CaptureError where it cannot read a file.
    """
    from evpn_pcap.tshark import dissected_frames

    sources = {source.capture_id: source for source in find_sources(paths, options)}
    wanted: dict[int, list[int]] = {}
    for frame in frame_ids:
        wanted.setdefault(capture_of(frame), []).append(number_of(frame))
    found = {
        frame_id(capture_id, number): words
        for capture_id, numbers in wanted.items()
        for number, words in dissected_frames(sources[capture_id], numbers, options.vxlan_ports).items()
    }
    names = {frame: f"{sources[capture_of(frame)].name}:{number_of(frame)}" for frame in found}
    return [(names[frame], found[frame]) for frame in frame_ids if frame in found]


def _read_in_parts(
    sources: Sequence[Source], split: Sequence[tuple[Source, ...]], options: Options, run: Runner
) -> list[Decoded | str]:
    """Return each capture as `read_capture` does, where `split` says of which parts it is to be joined."""
    read = iter(run(partial(_read_some, options=options), [part for parts in split for part in parts]))
    return [
        _joined(source, list(islice(read, len(parts))), options) for source, parts in zip(sources, split, strict=True)
    ]


def _read_some(source: Source, options: Options) -> Decoded | Part | str:
    """Return a capture, or a part of one, decoded, or in words why it could not be read at all."""
    if source.begin_bytes == 0 and source.end_bytes is None:
        return read_capture(source, options)
    try:
        return decode_part(read_batches(source), source, options)
    except CaptureError as error:
        return str(error)


def _joined(source: Source, results: Sequence[Decoded | Part | str], options: Options) -> Decoded | str:
    """Return a capture joined from its parts, or read in one piece where they do not tell what that gives."""
    parts = [result for result in results if isinstance(result, Part)]
    wholes = [result for result in results if not isinstance(result, Part)]
    joined = join_parts(parts, options) if not wholes else wholes[0] if not parts else None
    return read_capture(source, options) if joined is None else joined

"""Paths -> decoded captures: the first arrow, for those who need no more."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from evpn_pcap.decode import decode
from evpn_pcap.errors import CaptureError
from evpn_pcap.model import Decoded, Options, Source
from evpn_pcap.sources import find_sources, read_batches, with_fabric

__all__ = ["read_captures", "with_fabric"]  # what the command line calls

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

    `run` is `map` or anything that works like it over processes or machines.
    """
    sources = find_sources(paths, options)
    results = list(run(partial(read_capture, options=options), sources))
    failures = [(s.name, r) for s, r in zip(sources, results, strict=True) if isinstance(r, str)]
    return [result for result in results if isinstance(result, Decoded)], tuple(failures)

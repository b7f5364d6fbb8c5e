"""Capture files become batches of records: which files, whose they are, and what is in them."""

from collections.abc import Iterator

from evpn_pcap.errors import CaptureError
from evpn_pcap.model import Batch, FileEnd, Source
from evpn_pcap.sources.compression import Stream
from evpn_pcap.sources.fabric import with_fabric
from evpn_pcap.sources.labels import find_sources
from evpn_pcap.sources.parts import split_source
from evpn_pcap.sources.pcap import byte_order_of, read_pcap
from evpn_pcap.sources.pcapng import SECTION_HEADER, read_pcapng
from evpn_pcap.sources.window import WINDOW_BYTES, Window

__all__ = ["find_sources", "read_batches", "split_source", "with_fabric"]


def read_batches(source: Source, window_bytes: int = WINDOW_BYTES) -> Iterator[Batch | FileEnd]:
    """Yield the records of one capture file, or of a part of it, in batches of some thousand, and at last a FileEnd.

    Reads pcap and pcapng, gzip or Zstandard around them, in bounded memory: `window_bytes` of the file at
    a time, or one record where that is longer. A batch stays valid until the next one is asked for.
    Every record has a frame number as Wireshark gives it, counted from the first of the part;
    offsets are the file's.
    What is wrong in the file is a Note of the FileEnd. Raises CaptureError where the file cannot
    be opened, is not a capture, or is compressed with Zstandard and the package for it is missing.
    """
    stream = Stream(source.file, source.name, source.begin_bytes, source.end_bytes)
    try:
        window = Window(stream, window_bytes)
        first = window.octets[: min(window.end, 4)].tobytes()
        if first == SECTION_HEADER:
            yield from read_pcapng(window)
        elif len(first) == len(SECTION_HEADER) and byte_order_of(first):
            yield from read_pcap(window)
        else:
            found = f"begins with {first.hex(' ')}" if first else "is empty"
            reason = f" ({window.problem})" if window.problem else ""
            raise CaptureError(f"{window.name}: a pcap or pcapng file expected, but it {found}{reason}")
    finally:
        stream.close()

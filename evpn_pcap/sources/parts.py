"""A large pcap file becomes parts that several processes can read at once.

Where a part begins is a guess: a place in the file where a long chain of plausible records starts.
Whoever reads the parts can tell whether the guesses were right: the walk over the records of a part
then ends exactly where the next part begins, and by induction every record is found that one reading
finds. Parts that do not meet are thrown away, and the file is read in one piece.
"""

import os
import stat
from dataclasses import replace
from pathlib import Path

from evpn_pcap.errors import CaptureError
from evpn_pcap.model import Source
from evpn_pcap.sources.compression import MAGIC_BYTES, Stream
from evpn_pcap.sources.pcap import byte_order_of, find_record
from evpn_pcap.sources.piece import FILE_HEADER_BYTES
from evpn_pcap.sources.window import Window

PART_BYTES = 16 << 20  # for less, starting a process costs more than it saves


def split_source(source: Source, part_count: int, least_bytes: int = PART_BYTES) -> tuple[Source, ...]:
    """Return a capture file as at most so many parts of about equal size, in the file's order.

    The source itself, alone, where the file is too small for two parts of `least_bytes`, is not a
    regular file, compressed or pcapng (whose records need the blocks before them), or where no place
    to split it is found.
    """
    if part_count < 2:
        return (source,)
    body_bytes = _size_of_pcap(source.file) - FILE_HEADER_BYTES
    part_count = min(part_count, body_bytes // least_bytes)
    shares = [FILE_HEADER_BYTES + body_bytes * part // part_count for part in range(1, part_count)]
    begins = sorted({begin for share in shares if (begin := _record_after(source, share)) is not None})
    bounds = zip([0, *begins], [*begins, None], strict=True)
    return tuple(replace(source, begin_bytes=begin, end_bytes=end) for begin, end in bounds)


def _size_of_pcap(file: Path) -> int:
    """Return the size of a regular, uncompressed pcap file; 0 for anything else."""
    if not file.is_file():  # a pipe would wait, and give its octets only once
        return 0
    try:
        with file.open("rb", buffering=0) as opened:
            about = os.fstat(opened.fileno())
            magic = opened.read(MAGIC_BYTES)
    except OSError:  # reading it will tell
        return 0
    is_pcap = stat.S_ISREG(about.st_mode) and len(magic) == MAGIC_BYTES and byte_order_of(magic)
    return about.st_size if is_pcap else 0


def _record_after(source: Source, near_bytes: int) -> int | None:
    """Return the offset of what seems to be the first record from an offset on, if there is one."""
    try:
        stream = Stream(source.file, source.name, near_bytes)
        try:
            return find_record(Window(stream))
        finally:
            stream.close()
    except CaptureError:  # reading it will tell
        return None

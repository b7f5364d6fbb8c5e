"""A file, gzip (RFC 1952), Zstandard (RFC 8878) or neither, becomes one stream of octets."""

import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from evpn_pcap.errors import CaptureError
from evpn_pcap.sources.piece import FILE_HEADER_BYTES, Piece

GZIP_MAGIC = b"\x1f\x8b"
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
MAGIC_BYTES = 4
INPUT_BYTES = 1 << 16
OUTPUT_BYTES = 1 << 18  # most that one step of gzip hands on: a bomb never fills the memory
ZSTD_INPUT_BYTES = 512  # Zstandard has no such bound, but 512 octets cannot become more than some 16 MB
ZSTD_WINDOW_BYTES = 1 << 27  # the zstd program's own limit
GZIP_HEADER_BYTES = 10
GZIP_TRAILER_BYTES = 8
GZIP_LONGEST_HEADER_BYTES = 1 << 18  # an extra field of 64 KiB, a name and a comment


class _DamageError(Exception):
    """The compressed stream cannot be read on; what came before it was sound."""


class Stream:
    """The octets of one file from its beginning, decompressed on the way.

    `problem` says in words why the stream ended early, once it has; None while all is well.
    """

    def __init__(self, file: Path, name: str, begin_bytes: int = 0, end_bytes: int | None = None) -> None:
        """Open the file ("-": standard input), called `name` in messages. Raises CaptureError where that fails.

        With `begin_bytes` or `end_bytes`, which only an uncompressed pcap file may have: the part of
        it between these offsets, behind the file's header.
        """
        self.name = name
        self.base_bytes = max(0, begin_bytes - FILE_HEADER_BYTES)  # add it to a record's offset in a part
        self.problem: str | None = None
        self._is_standard_input = str(file) == "-"
        try:
            self._file: BinaryIO | Piece = sys.stdin.buffer if self._is_standard_input else file.open("rb", buffering=0)
        except OSError as error:
            raise CaptureError(f"{name}: cannot be opened: {error.strerror or error}") from error
        if begin_bytes or end_bytes is not None:
            self._file = Piece(self._file, begin_bytes, end_bytes)
        try:
            self._first = self._read_fully(MAGIC_BYTES)
        except OSError as error:
            self.close()
            raise CaptureError(f"{name}: cannot be read: {error.strerror or error}") from error
        self._chunks = self._decompressed()
        self._pending = memoryview(b"")

    def close(self) -> None:
        """Close the file, unless it is standard input."""
        if not self._is_standard_input:
            self._file.close()

    def read_into(self, view: memoryview) -> int:
        """Fill `view` as far as the stream goes and return how many octets that was."""
        filled = 0
        try:
            while filled < len(view):
                count = self._read_some(view[filled:])
                if not count:
                    break
                filled += count
        except _DamageError as damage:
            self.problem, self._chunks = str(damage), iter(())
        except OSError as error:
            self.problem, self._chunks = f"cannot be read on: {error.strerror or error}", iter(())
        return filled

    def _read_some(self, view: memoryview) -> int:
        if self._chunks is None and not self._first:
            return self._file.readinto(view) or 0  # type: ignore[union-attr]  # every binary file has it
        if self._chunks is None:
            self._pending, self._first = memoryview(self._first), b""
        while not self._pending and self._chunks is not None:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._pending = memoryview(chunk)
        count = min(len(view), len(self._pending))
        view[:count] = self._pending[:count]
        self._pending = self._pending[count:]
        return count

    def _decompressed(self) -> Iterator[bytes] | None:
        """Return the chunks of a compressed file; None where the file is not compressed."""
        if self._first.startswith(GZIP_MAGIC):
            return _gunzip(self._raw_chunks(INPUT_BYTES))
        if self._first == ZSTD_MAGIC:
            return _unzstd(self._raw_chunks(ZSTD_INPUT_BYTES), self.name)
        return None

    def _raw_chunks(self, size_bytes: int) -> Iterator[bytes]:
        yield self._first
        while chunk := self._file.read(size_bytes):
            yield chunk

    def _read_fully(self, count: int) -> bytes:
        octets = b""
        while len(octets) < count and (more := self._file.read(count - len(octets))):
            octets += more
        return octets


def _gunzip(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield what the members of a gzip file hold, one after the other (RFC 1952, 2.2)."""
    data = b""
    member_count = 0
    while True:
        header, data = _gzip_header(data, chunks)
        if not header:
            if data.strip(b"\0"):
                raise _DamageError(f"gzip: {len(data)} or more octets after member {member_count} are not gzip")
            return
        member_count += 1
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        checksum = size = 0
        while not inflater.eof:
            try:
                inflated = inflater.decompress(data, OUTPUT_BYTES)
            except zlib.error as error:
                raise _DamageError(f"gzip: member {member_count} is damaged: {error}") from error
            checksum, size = zlib.crc32(inflated, checksum), size + len(inflated)
            if inflated:
                yield inflated
            data = inflater.unconsumed_tail
            if not data and not inflater.eof and not (data := next(chunks, b"")):
                raise _DamageError(f"gzip: member {member_count} ends before its end")
        data = inflater.unused_data
        while len(data) < GZIP_TRAILER_BYTES and (more := next(chunks, b"")):
            data += more
        trailer, data = data[:GZIP_TRAILER_BYTES], data[GZIP_TRAILER_BYTES:]
        if len(trailer) < GZIP_TRAILER_BYTES:
            raise _DamageError(f"gzip: member {member_count} ends inside its trailer")
        if trailer != checksum.to_bytes(4, "little") + (size & 0xFFFFFFFF).to_bytes(4, "little"):
            raise _DamageError(f"gzip: member {member_count} has a wrong checksum or length")


def _gzip_header(data: bytes, chunks: Iterator[bytes]) -> tuple[bytes, bytes]:
    """Return the header of the next member and what follows it; no header where no member follows."""
    while (length := _gzip_header_bytes(data)) is None:
        more = next(chunks, b"")
        if not more and data.startswith(GZIP_MAGIC):
            raise _DamageError("gzip: a member ends inside its header")
        if not more:
            return b"", data
        data += more
    return data[:length], data[length:]


def _gzip_header_bytes(data: bytes) -> int | None:
    """Return the length of the gzip header that data begins with: 0 if none, None if more is needed."""
    if len(data) >= len(GZIP_MAGIC) and not data.startswith(GZIP_MAGIC):
        return 0
    if len(data) > GZIP_LONGEST_HEADER_BYTES:
        raise _DamageError("gzip: a member's header is longer than any real one")
    if len(data) < GZIP_HEADER_BYTES:
        return None
    flags, length = data[3], GZIP_HEADER_BYTES
    if flags & 0x04:  # FEXTRA
        length += 2 + int.from_bytes(data[length : length + 2], "little")
    for flag in (0x08, 0x10):  # FNAME, FCOMMENT: each ends with a zero octet
        if flags & flag:
            end = data.find(b"\0", length)
            if end < 0:
                return None
            length = end + 1
    length += 2 if flags & 0x02 else 0  # FHCRC
    return length if length <= len(data) else None


def _unzstd(chunks: Iterator[bytes], name: str) -> Iterator[bytes]:
    """Yield what the frames of a Zstandard file hold. Raises CaptureError without the optional package."""
    try:
        import zstandard  # optional, and only for such files
    except ImportError as error:
        raise CaptureError(
            f"{name}: is compressed with Zstandard; install the `compression` extra: evpn-pcap[compression]"
        ) from error
    decompressor = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW_BYTES)
    inflater = decompressor.decompressobj()
    is_between = True
    for chunk in chunks:
        data = chunk
        while data:
            is_between = False
            try:
                yield inflater.decompress(data)
            except zstandard.ZstdError as error:
                raise _DamageError(f"zstd: {error}") from error
            data = b""
            if inflater.eof:
                data, inflater, is_between = inflater.unused_data, decompressor.decompressobj(), True
    if not is_between:
        raise _DamageError("zstd: the last frame ends before its end")

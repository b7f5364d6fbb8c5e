"""The laws of reading capture files: every record, its time to the nanosecond, and nothing else."""

import gzip
import os
import re
import struct
import subprocess
import sys
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evpn_pcap.errors import CaptureError
from evpn_pcap.model import FOREVER, FileEnd, Source
from evpn_pcap.sources import read_batches
from evpn_pcap.sources.timestamps import to_nanoseconds
from evpn_pcap.sources.walk import Layout, walk

ORDERS = ("<", ">")
SECOND = 1_340_954_905
PAYLOADS = (b"", b"a", b"four", b"twenty-one octets long")


@dataclass(frozen=True)
class Record:
    """What one record of a file should come back as."""

    time_ns: int
    octets: bytes
    wire_bytes: int
    interface_index: int = 0
    link_type: int = 1
    direction: int = 0


def read(file):
    """Return the records and the FileEnd of a file, and check what every batch promises."""
    records, found = [], []
    for found in read_batches(Source(0, Path(file), Path(file).name, "host", "point")):
        records += records_of(found, len(records))
    assert isinstance(found, FileEnd)
    return records, found


def records_of(batch, record_count):
    """Return the records of a batch while it is valid; none of a FileEnd."""
    if isinstance(batch, FileEnd):
        return []
    assert batch.first_frame_number == record_count + 1
    assert len(batch.start) > 0
    assert (batch.start + batch.captured_bytes + 256 <= len(batch.octets)).all()
    columns = (batch.captured_ns, batch.start, batch.captured_bytes, batch.wire_bytes)
    columns += (batch.interface_index, batch.link_type, batch.direction)
    return [
        Record(time, batch.octets[start : start + captured].tobytes(), wire, interface, link, direction)
        for time, start, captured, wire, interface, link, direction in zip(*(c.tolist() for c in columns), strict=True)
    ]


def note_names(end):
    return [note.name for note in end.notes]


# --- pcap ---


def pcap_bytes(records, order="<", magic=0xA1B2C3D4, version=(2, 4), link_type=1):
    """Write (seconds, fraction, octets, wire length) as a pcap file."""
    more = b"\x07\0\0\0\x08\x06\x04\0" if magic == 0xA1B2CD34 else b""
    parts = [struct.pack(order + "IHHiIII", magic, *version, 0, 0, 65535, link_type)]
    for seconds, fraction, data, wire in records:
        lengths = (wire, len(data)) if version < (2, 3) else (len(data), wire)
        parts += [struct.pack(order + "IIII", seconds, fraction, *lengths), more, data]
    return b"".join(parts)


def some_records(count=4, fraction=1):
    return [
        (SECOND + i, fraction + i, PAYLOADS[i % len(PAYLOADS)], len(PAYLOADS[i % len(PAYLOADS)]) + i)
        for i in range(count)
    ]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(("magic", "tick_ns"), [(0xA1B2C3D4, 1000), (0xA1B23C4D, 1), (0xA1B2CD34, 1000)])
@pytest.mark.parametrize("version", [(2, 4), (2, 2)])
def test_pcap_variants(tmp_path, order, magic, tick_ns, version):
    """Every variant of pcap, in either byte order, gives back what was written."""
    file = tmp_path / "a.pcap"
    written = [*some_records(), (0xFFFFFFFF, 999_999, b"last", 1500)]
    file.write_bytes(pcap_bytes(written, order, magic, version, link_type=113))

    records, end = read(file)

    assert records == [Record(s * 10**9 + f * tick_ns, data, wire, 0, 113) for s, f, data, wire in written]
    assert (end.file_type, end.byte_count, end.is_truncated) == ("pcap", file.stat().st_size, False)
    assert [(i.interface_index, i.link_type, i.snaplen_bytes) for i in end.interfaces] == [(0, 113, 65535)]
    assert end.interfaces[0].ticks_per_second * tick_ns == 10**9
    assert end.notes == ()


def test_frame_check_sequence_bits_are_no_link_type(tmp_path):
    """The link type is the lower half of its field; the upper tells about the frame check sequence."""
    file = tmp_path / "a.pcap"
    file.write_bytes(pcap_bytes(some_records(), link_type=0x2400_0001))

    assert {record.link_type for record in read(file)[0]} == {1}


def test_fractions_of_more_than_a_second(tmp_path):
    """A fraction that is no fraction is added as it stands, and noted once."""
    file = tmp_path / "a.pcap"
    file.write_bytes(pcap_bytes([(1, 5, b"", 0), (1, 0xFFFFFFFF, b"", 0), (1, 1_000_000, b"", 0)]))

    records, end = read(file)

    assert [record.time_ns for record in records] == [10**9 + 5000, 10**9 + 0xFFFFFFFF * 1000, 2 * 10**9]
    assert [(note.name, note.frame_number, note.detail[0]) for note in end.notes] == [("bad-time", 2, "2")]


@pytest.mark.parametrize("length", [262_145, 0x7FFFFFFF, 0xFFFFFFFF])
def test_pcap_goes_on_after_a_bad_length(tmp_path, length):
    """A record of impossible length is left out and noted, and every record after it is read."""
    file = tmp_path / "a.pcap"
    before, after = some_records(5), some_records(50)
    broken = struct.pack("<IIII", SECOND, 0, length, length) + b"whatever it was"
    file.write_bytes(pcap_bytes(before) + broken + pcap_bytes(after)[24:])

    records, end = read(file)

    assert [record.octets for record in records] == [data for _, _, data, _ in before + after]
    assert [(note.name, note.offset_bytes) for note in end.notes] == [("bad-record-length", len(pcap_bytes(before)))]
    assert not end.is_truncated


def test_pcap_stops_where_nothing_follows_a_bad_length(tmp_path):
    """Where no plausible record follows a broken one, the file counts as truncated there."""
    file = tmp_path / "a.pcap"
    file.write_bytes(pcap_bytes(some_records(3)) + struct.pack("<IIII", SECOND, 0, 300_000, 300_000) + b"\xff" * 5000)

    records, end = read(file)

    assert (len(records), end.is_truncated, note_names(end)) == (3, True, ["bad-record-length"])


def test_longest_packet_is_read(tmp_path):
    """A record of 262,144 octets, the most that libpcap accepts, is read."""
    file = tmp_path / "a.pcap"
    file.write_bytes(pcap_bytes([(SECOND, 0, b"\1" * 262_144, 262_144)]))

    assert [len(record.octets) for record in read(file)[0]] == [262_144]


def test_files_longer_than_the_window(tmp_path):
    """Whatever the window's bounds cut, every record arrives once, whole, in order."""
    file = tmp_path / "a.pcap"
    rng = np.random.default_rng(7)
    noise = rng.integers(0, 256, 70_000, dtype=np.uint8).tobytes()
    written = [
        (SECOND + i // 100, i % 100, noise[i % 999 : i % 999 + int(n)], int(n))
        for i, n in enumerate([*rng.integers(0, 3000, 9000), *rng.integers(0, 69_000, 200), *[0] * 3000])
    ]
    file.write_bytes(pcap_bytes(written))

    count, checksums = 0, []
    for batch in read_batches(Source(0, file, "a", "", "")):
        last = batch
        spans = zip(getattr(batch, "start", ()), getattr(batch, "captured_bytes", ()), strict=True)
        checksums += [zlib.crc32(batch.octets[start : start + length]) for start, length in spans]
        count += 1

    assert file.stat().st_size > 18 << 20
    assert count > 3
    assert checksums == [zlib.crc32(data) for _, _, data, _ in written]
    assert last.byte_count == file.stat().st_size


# --- pcapng ---


def option(order, code, value):
    return struct.pack(order + "HH", code, len(value)) + value + b"\0" * (-len(value) % 4)


def block(order, kind, body):
    total = len(body) + 12 + (-len(body) % 4)
    return struct.pack(order + "II", kind, total) + body + b"\0" * (-len(body) % 4) + struct.pack(order + "I", total)


def section(order, comment=b"", version=(1, 0)):
    options = option(order, 1, comment) if comment else b""
    return block(order, 0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, *version, -1) + options)


def interface(order, link_type=1, snaplen=0, **options):
    codes = {"name": 2, "description": 3, "resolution": 9, "offset": 14}
    listed = b"".join(option(order, codes[key], value) for key, value in options.items())
    return block(order, 1, struct.pack(order + "HHI", link_type, 0, snaplen) + listed)


def enhanced(order, number, ticks, data, wire, options=b""):
    padded = data + b"\0" * (-len(data) % 4)
    head = struct.pack(order + "IIIII", number, ticks >> 32, ticks & 0xFFFFFFFF, len(data), wire)
    return block(order, 6, head + padded + options)


def obsolete(order, number, ticks, data, wire, options=b""):
    padded = data + b"\0" * (-len(data) % 4)
    head = struct.pack(order + "HHIIII", number, 9, ticks >> 32, ticks & 0xFFFFFFFF, len(data), wire)
    return block(order, 2, head + padded + options)


def simple(order, data, wire):
    return block(order, 3, struct.pack(order + "I", wire) + data)


def statistics(order, number, *options):
    return block(order, 5, struct.pack(order + "III", number, 0, 0) + b"".join(options))


def everything_bytes(order):
    """One section with one block of every kind that is read."""
    ticks = SECOND * 10**6 + 5
    started = struct.pack(order + "II", ticks >> 32, ticks & 0xFFFFFFFF)
    return (
        section(order, b"kept")
        + interface(order, 1, 8, name=b"ens18", description=b"underlay")
        + interface(order, 276, 0, name=b"any", resolution=b"\x09", offset=struct.pack(order + "q", -3600))
        + enhanced(order, 0, ticks, b"one", 60, option(order, 1, b"x") + option(order, 2, struct.pack(order + "I", 1)))
        + block(order, 4, b"\0" * 8)
        + enhanced(order, 1, SECOND * 10**9 + 7, b"two22", 61, option(order, 2, struct.pack(order + "I", 0x12)))
        + obsolete(order, 1, SECOND * 10**9 + 8, b"three", 62, option(order, 2, struct.pack(order + "I", 2)))
        + simple(order, b"12345678", 70)
        + simple(order, b"123", 3)
        + statistics(order, 0, option(order, 2, started), option(order, 5, struct.pack(order + "Q", 3)))
        + statistics(order, 0, option(order, 3, started), option(order, 7, struct.pack(order + "Q", 4)))
        + block(order, 0xBAD, b"\0" * 8)
        + enhanced(order, 0, ticks + 1, b"", 60)
    )


def everything_records(first=0):
    ns = SECOND * 10**9
    return [
        Record(ns + 5000, b"one", 60, first, 1, 1),
        Record(ns + 7 - 3600 * 10**9, b"two22", 61, first + 1, 276, 2),
        Record(ns + 8 - 3600 * 10**9, b"three", 62, first + 1, 276, 2),
        Record(0, b"12345678", 70, first, 1, 0),
        Record(0, b"123", 3, first, 1, 0),
        Record(ns + 6000, b"", 60, first, 1, 0),
    ]


@pytest.mark.parametrize("order", ORDERS)
def test_pcapng_of_every_block(tmp_path, order):
    """Every kind of packet block gives back what was written; other blocks are counted."""
    file = tmp_path / "a.pcapng"
    file.write_bytes(everything_bytes(order))

    records, end = read(file)

    assert records == everything_records()
    assert (end.file_type, end.byte_count, end.is_truncated) == ("pcapng", file.stat().st_size, False)
    assert end.comments == ("kept",)
    ens18, any_ = end.interfaces
    assert (ens18.name, ens18.description, ens18.snaplen_bytes, ens18.link_type) == ("ens18", "underlay", 8, 1)
    assert (ens18.started_ns, ens18.ended_ns) == (SECOND * 10**9 + 5000,) * 2
    assert (ens18.dropped_count, any_.dropped_count) == (4, None)
    assert (any_.ticks_per_second, any_.offset_s, any_.started_ns) == (10**9, -3600, None)
    assert sorted(note_names(end)) == ["no-time", "skipped-block", "skipped-block"]


def test_sections_of_either_byte_order(tmp_path):
    """Sections of different byte order follow each other, and interface numbers go on over them."""
    file = tmp_path / "a.pcapng"
    file.write_bytes(everything_bytes("<") + everything_bytes(">") + everything_bytes("<"))

    records, end = read(file)

    assert records == everything_records() + everything_records(2) + everything_records(4)
    assert [one.interface_index for one in end.interfaces] == list(range(6))


def test_many_tiny_sections(tmp_path):
    """Thousands of sections of one packet each are read in time that grows as the file does."""
    file = tmp_path / "a.pcapng"
    one = section("<") + interface("<") + enhanced("<", 0, 1, b"x", 1)
    file.write_bytes(one * 5_000)

    records, _ = read(file)

    assert [record.interface_index for record in records] == list(range(5_000))


def test_unknown_interfaces_and_lengths_are_left_out(tmp_path):
    """A packet of an interface not described, or longer than its block, is noted and left out."""
    file = tmp_path / "a.pcapng"
    too_long = block("<", 6, struct.pack("<IIIII", 0, 0, 0, 500, 500) + b"\0" * 8)
    too_short = block("<", 6, b"\0" * 4)
    good = enhanced("<", 0, 1, b"x", 1)
    start = section("<") + simple("<", b"early", 5) + interface("<")
    file.write_bytes(start + good + enhanced("<", 1, 1, b"y", 1) + too_long + too_short + good)

    records, end = read(file)

    assert [record.octets for record in records] == [b"early", b"x", b"x"]
    assert {"unknown-interface", "bad-record-length"} <= set(note_names(end))
    assert not end.is_truncated


@pytest.mark.parametrize("length", [0, 8, 11, 13, 0x01020001, 0xFFFFFFFF])
def test_pcapng_goes_on_after_a_bad_length(tmp_path, length):
    """After a block of impossible length, reading goes on at the next sound packet."""
    file = tmp_path / "a.pcapng"
    good = enhanced("<", 0, 1, b"good", 4)
    file.write_bytes(section("<") + interface("<") + good * 3 + struct.pack("<II", 6, length) + b"\xee" * 7 + good * 5)

    records, end = read(file)

    assert (len(records), note_names(end), end.is_truncated) == (8, ["bad-block-length"], False)


def test_pcapng_goes_on_after_two_lengths_that_differ(tmp_path):
    """A block whose two lengths differ is left out, and what comes before and after it is read."""
    file = tmp_path / "a.pcapng"
    good = enhanced("<", 0, 1, b"good", 4)
    file.write_bytes(section("<") + interface("<") + good * 3 + good[:-4] + b"\x99\0\0\0" + good * 5)

    records, end = read(file)

    assert (len(records), note_names(end), end.is_truncated) == (8, ["bad-block-length"], False)


def test_section_of_unknown_version_is_skipped(tmp_path):
    """Blocks of a section whose version nobody knows are counted, not guessed at."""
    file = tmp_path / "a.pcapng"
    content = interface("<") + enhanced("<", 0, 1, b"x", 1)
    file.write_bytes(section("<") + content + section("<", version=(2, 0)) + content + section("<") + content)

    records, end = read(file)

    assert [record.interface_index for record in records] == [0, 1]
    assert note_names(end) == ["unknown-version", "skipped-block", "skipped-block"]


def test_block_longer_than_the_window(tmp_path):
    """A block of 12 MB, longer than the window, is skipped and what follows is read."""
    file = tmp_path / "a.pcapng"
    good = enhanced("<", 0, 1, b"good", 4)
    file.write_bytes(section("<") + interface("<") + good + block("<", 0xBAD, b"\x06" * (12 << 20)) + good)

    assert len(read(file)[0]) == 2


@given(
    ticks=st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=5),
    resolution=st.integers(0, 255),
    offset_s=st.integers(-(2**63), 2**63 - 1) | st.integers(-(10**10), 10**10),
)
def test_time_resolutions_are_exact(ticks, resolution, offset_s):
    """Ticks of any resolution become ns as whole-number arithmetic says, within what int64 holds."""
    per_second = (2 if resolution & 0x80 else 10) ** (resolution & 0x7F)

    times, is_outside = to_nanoseconds(np.array(ticks, dtype=np.uint64), resolution, np.array([offset_s] * len(ticks)))

    exact = [tick * 10**9 // per_second + offset_s * 10**9 for tick in ticks]
    held = [tick * 10**9 // per_second < FOREVER and abs(offset_s) <= 9_223_372_036 for tick in ticks]
    inside = [value < FOREVER and hold for value, hold in zip(exact, held, strict=True)]
    assert [t for t, i in zip(times.tolist(), inside, strict=True) if i] == [
        t for t, i in zip(exact, inside, strict=True) if i
    ]
    assert is_outside.tolist() == [not i for i in inside]
    assert (times < FOREVER).all()


# --- the walk ---

PCAP_LAYOUTS = [Layout(order, size, 8, size, 0, 262_144) for order in ORDERS for size in (16, 24)]
BLOCK_LAYOUT = Layout("<", 12, 4, 0, 12, 1 << 24, 4, 0x0A0D0D0A)


def walk_with_struct(octets, begin, end, layout):
    """The walk as anybody would write it."""
    starts = []
    while begin + layout.header_bytes <= end:
        (length,) = struct.unpack_from(layout.byte_order + "I", octets, begin + layout.length_at)
        (first,) = struct.unpack_from(layout.byte_order + "I", octets, begin)
        following = begin + length + layout.overhead_bytes
        is_sound = layout.shortest <= length <= layout.longest and length % layout.alignment_bytes == 0
        if not is_sound or following > end or first == layout.stop_word:
            break
        starts.append(begin)
        begin = following
    return starts, begin


def chain_bytes(layout, sizes, filler, rng):
    """Records of these sizes, their payloads random octets or full of headers that look like records."""
    fake = bytearray(layout.header_bytes + 4)
    struct.pack_into(layout.byte_order + "I", fake, layout.length_at, layout.shortest + 4)
    payload = (bytes(fake) * 200, rng.integers(0, 256, 4000, dtype=np.uint8).tobytes(), b"\0" * 4000)[filler]
    octets = bytearray()
    for size in sizes:
        head = bytearray(layout.header_bytes)
        whole = layout.header_bytes + size
        struct.pack_into(layout.byte_order + "I", head, layout.length_at, whole - layout.overhead_bytes)
        octets += head + payload[:size]
    return octets


@pytest.mark.parametrize("layout", [*PCAP_LAYOUTS, BLOCK_LAYOUT])
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_walk_equals_the_serial_walk(layout, data):
    """Whatever is guessed and whatever the payloads hold, the walk is exactly the serial walk."""
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    sizes = rng.integers(0, data.draw(st.sampled_from([2, 50, 900])), data.draw(st.integers(0, 400))) * 4
    chain = chain_bytes(layout, sizes.tolist(), data.draw(st.integers(0, 2)), rng)
    for place in data.draw(st.lists(st.integers(0, max(len(chain) - 5, 0)), max_size=3 if chain else 0)):
        chain[place : place + 4] = data.draw(
            st.sampled_from([b"\xff" * 4, b"\0" * 4, b"\x0a\x0d\x0d\x0a", b"\0\0\0\4"])
        )
    end = data.draw(st.integers(0, len(chain)))
    octets = np.frombuffer(bytes(chain) + bytes(256), dtype=np.uint8)
    truth, stop = walk_with_struct(octets.data, 0, end, layout)
    true_ones = rng.choice(truth, len(truth) // 3) if truth else []
    guesses = np.unique([*true_ones, *rng.integers(0, end + 1, data.draw(st.integers(0, 300)))]).astype(np.int64)

    starts, stopped = walk(octets, 0, end, layout, guesses)

    assert (starts.tolist(), stopped) == (truth, stop)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32), is_capture_in_capture=st.booleans())
def test_captures_inside_captures(tmp_path_factory, seed, is_capture_in_capture):
    """Packets that carry pcap records of the same time, as in a copied capture, add no record."""
    rng = np.random.default_rng(seed)
    inner = pcap_bytes([(SECOND, 1, bytes(int(n)), int(n)) for n in rng.integers(0, 100, 40)])[24:]
    payload = inner if is_capture_in_capture else rng.integers(0, 256, 3000, dtype=np.uint8).tobytes()
    written = [(SECOND + 1, 2, payload[: int(n)], int(n)) for n in rng.integers(0, len(payload), 4000)]
    file = tmp_path_factory.getbasetemp() / f"inner{os.getpid()}.pcap"
    file.write_bytes(pcap_bytes(written))

    sizes = [
        size for batch in read_batches(Source(0, file, "", "", "")) for size in getattr(batch, "captured_bytes", ())
    ]

    assert sizes == [len(data) for _, _, data, _ in written]


# --- cuts, compression, and what is no capture ---


SMALL_FILES = {
    "pcap": pcap_bytes(some_records(6)),
    "pcap of nanoseconds": pcap_bytes(some_records(3), ">", 0xA1B23C4D),
    "modified pcap": pcap_bytes(some_records(3), ">", 0xA1B2CD34),
    "pcapng": everything_bytes("<"),
    "sections": everything_bytes(">") + everything_bytes("<"),
    "gzip": gzip.compress(pcap_bytes(some_records(20)), mtime=0),
    "members": gzip.compress(pcap_bytes(some_records(6)), mtime=0)
    + gzip.compress(pcap_bytes(some_records(6))[24:], mtime=0),
}


@pytest.mark.parametrize("name", SMALL_FILES)
def test_cut_at_every_octet(tmp_path, name):
    """Cut anywhere, a file gives what came before the cut, says so, or is refused with a clear error."""
    file = tmp_path / "cut"
    whole = SMALL_FILES[name]
    file.write_bytes(whole)
    truth, _ = read(file)
    counts, refused = [], []
    for size in range(len(whole)):
        file.write_bytes(whole[:size])
        try:
            records, end = read(file)
        except CaptureError as error:
            refused.append((size, str(error)))
            continue
        assert records == truth[: len(records)]
        assert end.is_truncated == ("cut-tail" in note_names(end))
        counts.append(len(records))

    assert counts == sorted(counts)
    assert counts[-1] >= len(truth) - 1
    assert all(file.name in message and "expected" in message for _, message in refused)
    assert [size for size, _ in refused] == list(range(len(refused)))


@settings(max_examples=300, deadline=None)
@given(
    name=st.sampled_from(sorted(SMALL_FILES)),
    changes=st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=5)), min_size=1, max_size=8),
)
def test_damaged_files_never_escape(tmp_path_factory, name, changes):
    """However a file is damaged, it is read as far as it goes or refused with a CaptureError."""
    octets = bytearray(SMALL_FILES[name])
    for place, value in changes:
        offset = int(place * (len(octets) - 1))
        octets[offset : offset + len(value)] = value
    file = tmp_path_factory.getbasetemp() / f"damaged{os.getpid()}"
    file.write_bytes(octets)

    try:
        _, end = read(file)
    except CaptureError as error:
        end = error

    assert isinstance(end, FileEnd | CaptureError)


def test_gzip_faults_are_told(tmp_path):
    """A wrong checksum, a cut and garbage after a gzip file are told, and what is sound is read."""
    plain = pcap_bytes(some_records(8))
    whole = gzip.compress(plain, mtime=0)
    with_name = b"\x1f\x8b\x08\x1e" + whole[4:10] + b"\x03\0abc" + b"name\0comment\0" + b"\0\0" + whole[10:]
    faults = {
        "none": whole,
        "header options": with_name,
        "zero padding": whole + bytes(512),
        "checksum": whole[:-8] + b"\0\0\0\0" + whole[-4:],
        "cut trailer": whole[:-3],
        "garbage": whole + b"garbage",
    }
    results = {}
    for name, octets in faults.items():
        (tmp_path / name).write_bytes(octets)
        records, end = read(tmp_path / name)
        results[name] = (len(records), end.is_truncated, note_names(end))

    sound, told = (8, False, []), (8, True, ["cut-tail"])
    assert results == {
        "none": sound,
        "header options": sound,
        "zero padding": sound,
        "checksum": told,
        "cut trailer": told,
        "garbage": told,
    }


def test_a_bomb_of_empty_records(tmp_path):
    """A small file that unpacks to four million empty records is read to its end."""
    file = tmp_path / "a.pcap.gz"
    file.write_bytes(gzip.compress(pcap_bytes([]) + bytes(16 << 22), mtime=0))

    count = sum(len(getattr(batch, "start", ())) for batch in read_batches(Source(0, file, "", "", "")))

    assert count == 1 << 22


def test_zstandard_without_its_package(tmp_path, monkeypatch):
    """Without the optional package a Zstandard file is refused, and the message says what to install."""
    file = tmp_path / "a.pcap.zst"
    file.write_bytes(b"\x28\xb5\x2f\xfd" + bytes(20))
    monkeypatch.setitem(sys.modules, "zstandard", None)

    with pytest.raises(CaptureError, match=re.escape("evpn-pcap[compression]")):
        read(file)


def test_zstandard(tmp_path):
    """Zstandard files, several frames too, are read; a cut one is told."""
    zstandard = pytest.importorskip("zstandard", reason="the compression extra is not installed")
    plain = pcap_bytes(some_records(200))
    frames = zstandard.compress(plain[:1000]) + zstandard.compress(plain[1000:])
    (tmp_path / "whole").write_bytes(frames)
    (tmp_path / "cut").write_bytes(frames[:-9])
    (tmp_path / "damaged").write_bytes(frames[:-40] + b"\xff" * 40)

    whole, end = read(tmp_path / "whole")

    assert (len(whole), end.is_truncated) == (200, False)
    assert read(tmp_path / "cut")[1].is_truncated
    assert read(tmp_path / "damaged")[1].is_truncated


@pytest.mark.parametrize("octets", [b"", b"\xa1", b"GIF89a and more", gzip.compress(b"none", mtime=0), b"\0" * 100])
def test_no_capture(tmp_path, octets):
    """What is no capture is refused: the message has the name, what was expected and what was found."""
    file = tmp_path / "a.pcap"
    file.write_bytes(octets)

    with pytest.raises(CaptureError, match=r"a\.pcap: a pcap or pcapng file expected, but it (is empty|begins with)"):
        read(file)


def test_unreadable_files(tmp_path):
    """A folder, and a file that is not there, are refused with the system's own reason."""
    for file in (tmp_path, tmp_path / "absent.pcap"):
        with pytest.raises(CaptureError, match=r"cannot be (opened|read): "):
            read(file)


def test_old_pcap_version_is_refused(tmp_path):
    """A pcap file of version 1 is refused: its records look different."""
    file = tmp_path / "a.pcap"
    file.write_bytes(pcap_bytes([], version=(1, 0)))

    with pytest.raises(CaptureError, match=r"version 2 expected, 1\.0 found"):
        read(file)


def test_standard_input():
    """A capture on standard input is read like any other, also where it comes in small pieces."""
    program = (
        "from pathlib import Path; from evpn_pcap.model import Source; from evpn_pcap.sources import read_batches;"
        "print(sum(len(getattr(b, 'start', ())) for b in read_batches(Source(0, Path('-'), '-', '', ''))))"
    )
    process = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    octets = pcap_bytes(some_records(9))
    for begin in range(0, len(octets), 10):
        process.stdin.write(octets[begin : begin + 10])
        process.stdin.flush()

    assert process.communicate()[0] == b"9\n"


def test_sources_do_not_import_pandas():
    """Reading needs no pandas: a start of the program does not pay for it."""
    program = "import sys, evpn_pcap.sources; print('pandas' in sys.modules)"

    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)

    assert result.stdout == "False\n"


# --- the corpus ---

TIMES_THAT_CAPINFOS_BREAKS = (
    "timestamp_invalid_nano.pcap",  # a fraction of more than a second, which it computes in 32 bits
    "timestamp_invalid_micro.pcap",  # the same
    "atm-oam-loopback-print-overrun.pcap",  # the same
    "rx_serviceid_oobr.pcap",  # the same
    "pim_header_asan-2.pcap",  # times more than 2**31 s apart, which it compares in 32 bits
    "bgp_vpn_rt-oobr.pcap",  # the same
    "olsr-oobr-2.pcap",  # the same
)


@pytest.fixture(scope="module")
def capinfos(corpus_folder, captures_folder):
    """What capinfos says of every file that it can read: path to count, earliest and latest time as text."""
    files = sorted(f for folder in (corpus_folder, captures_folder) for f in folder.rglob("*.pcap*") if f.is_file())
    command = ["capinfos", "-c", "-a", "-e", "-S", "-T", "-r", "-M"]
    result = subprocess.run([*command, *map(str, files)], capture_output=True, text=True)
    rows = [line.split("\t") for line in result.stdout.splitlines()]
    return {path: (int(count), earliest, latest) for path, count, earliest, latest in rows}


@pytest.mark.corpus
@pytest.mark.tshark
def test_record_counts_are_capinfos(capinfos):
    """Every file that capinfos can read has as many records here as there; there is no deviation."""
    counts = {path: len(read(path)[0]) for path in capinfos}

    assert len(counts) > 900
    assert counts == {path: count for path, (count, _, _) in capinfos.items()}


@pytest.mark.corpus
@pytest.mark.tshark
def test_times_are_capinfos(capinfos):
    """The earliest and the latest time of every file equal capinfos' to the last digit that it prints."""
    told = {
        path: times
        for path, (_, *times) in capinfos.items()
        if "n/a" not in times and not path.endswith(TIMES_THAT_CAPINFOS_BREAKS)
    }
    ours = {path: sorted(record.time_ns for record in read(path)[0]) for path in told}

    assert len(told) > 850
    assert told == {
        path: [as_printed(ours[path][0], earliest), as_printed(ours[path][-1], latest)]
        for path, (earliest, latest) in told.items()
    }


def as_printed(time_ns, model):
    """Return a time in seconds with as many digits as the model has."""
    digits = len(model.partition(".")[2])
    return f"{time_ns // 10**9}.{time_ns % 10**9:09}"[: digits - 9 or None]

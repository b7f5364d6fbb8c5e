"""A capture becomes the same tables through Wireshark's dissectors: a second reader, a second opinion.

The only pyshark. tshark is run twice over the file: as PDML, which keeps the layers of a frame in
their order and each field's place, and as JSON for the frames' own octets, which PDML leaves out.
What is counted comes from capinfos, never from an exit status: pyshark kills a tshark that is slow
to end, and tshark ends with an error for every cut file. Much slower than the native reader.
"""

import asyncio
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evpn_pcap import columns
from evpn_pcap.addresses import frame_id
from evpn_pcap.errors import CaptureError, DependencyError
from evpn_pcap.model import Capture, Decoded, Note, Options, Role, Source
from evpn_pcap.table import Columns, Table
from evpn_pcap.tshark_fields import WALK, Dissection, anchor_keys, dissect, frame_key, length_bytes

START_SECONDS = 120  # loading dissectors on a busy machine
SECONDS_PER_RECORD = 0.05
OURS = " ".join(("geninfo", "frame", *WALK))
# One frame is one frame: no reassembly, nothing taken from other frames, no names.
SETTINGS = (
    "tcp.desegment_tcp_streams:FALSE",
    "tcp.relative_sequence_numbers:FALSE",
    "ip.defragment:FALSE",
    "ipv6.defragment:FALSE",
)


@dataclass(frozen=True, slots=True)
class _FileFacts:
    """What capinfos knows of a file."""

    file_type: str  # "pcap" | "pcapng"
    record_count: int
    byte_count: int
    interface_names: tuple[str, ...]
    sections: int
    complaint: str  # why reading ended before the file did; else empty


def decode_with_tshark(source: Source, options: Options) -> Decoded:
    """Return one capture as tshark sees it, in the tables of the native reader.

    All ordinary IP frames become ANCHORS, not a sample. The hashes of frames are consistent within
    this reader only. Raises DependencyError where tshark is not installed and CaptureError where
    the file is no pcap or pcapng file, or tshark gives nothing back for it.
    """
    facts = _file_facts(source)
    octets: dict[int, bytes] = {}
    found: list[Dissection] = []
    timeout = START_SECONDS + SECONDS_PER_RECORD * facts.record_count
    _run(source, timeout, lambda packet: octets.update({int(packet.number): _octets(packet)}), _RAW)
    _run(
        source,
        timeout,
        lambda packet: found.append(dissect(packet, octets.get(int(packet.number), b""), options.vxlan_ports)),
        _dissection_parameters(options.vxlan_ports),
    )
    frames = [one for one in found if one.is_packet]
    if not frames and facts.record_count:
        raise CaptureError(f"{source.name}: tshark dissected none of {facts.record_count} records")
    return _decoded(source, facts, frames)


_REPEATED = re.compile(r"^[01.][01. ]+ = |\(resolved\)| OUI|^(?:Source or Destination )?Address: ")  # of other fields


def dissected_frames(source: Source, numbers: Sequence[int], vxlan_ports: frozenset[int]) -> dict[int, str]:
    """Return some frames of a capture as Wireshark shows them, a line a field.

    In the frame's order; single bits, and what Wireshark hides or adds of its own, are left out.

    Raises DependencyError where tshark is not installed and CaptureError where it cannot read the file.
    """
    if not shutil.which("tshark"):
        raise DependencyError("tshark is not installed (Debian's package tshark)")
    if not source.file.is_file():
        raise CaptureError(f"{source.name} is no file that tshark can read")
    found: dict[int, str] = {}
    ports = [part for port in sorted(vxlan_ports) for part in ("-d", f"udp.port=={port},vxlan")]
    chosen = {
        "display_filter": " || ".join(f"frame.number == {number}" for number in numbers),
        "custom_parameters": [*(part for setting in SETTINGS for part in ("-o", setting)), *ports],
    }
    timeout = START_SECONDS + SECONDS_PER_RECORD * max(numbers)
    _run(source, timeout, lambda packet: found.update({int(packet.number): _layers(packet)}), chosen)
    return found


def _layers(packet: Any) -> str:
    """Return the layers of a packet with their fields."""
    lines = []
    for layer in packet.layers:
        every = [field for alike in layer._all_fields.values() for field in alike.all_fields]
        fields = [field for field in every if not field.hide and int(field.size or 0)]
        fields.sort(key=lambda field: (int(field.pos or 0), -int(field.size)))  # as they stand in the frame
        shown = [field.showname or "" for field in fields]
        kept = dict.fromkeys(text for text in shown if text and not _REPEATED.search(text))
        lines += [layer.layer_name.upper(), *(f"  {text}" for text in kept)]
    return "\n".join(lines)


# pyshark cannot read the JSON of a record without a time (pcapng simple packet block).
_RAW: Mapping[str, Any] = {
    "use_json": True,
    "include_raw": True,
    "display_filter": "frame.time_epoch",
    "custom_parameters": ["-j", "frame frame.number frame.len frame.time_epoch frame.protocols"],
}


def _dissection_parameters(vxlan_ports: frozenset[int]) -> dict[str, Any]:
    return {
        "custom_parameters": [
            *("-J", OURS),
            *(part for setting in SETTINGS for part in ("-o", setting)),
            *(part for port in sorted(vxlan_ports) for part in ("-d", f"udp.port=={port},vxlan")),
        ]
    }


def _file_facts(source: Source) -> _FileFacts:
    """Ask capinfos what the file is, before anything is dissected."""
    if not (shutil.which("tshark") and shutil.which("capinfos")):
        raise DependencyError("the tshark reader needs tshark and capinfos: install Debian's package tshark")
    if not source.file.is_file():
        raise CaptureError(f"{source.name}: the tshark reader needs a file, not a stream or folder")
    asked = subprocess.run(
        ["capinfos", "-tcsI", "-M", "--", str(source.file)],
        capture_output=True, stdin=subprocess.DEVNULL, timeout=START_SECONDS * 5, check=False,
    )  # fmt: skip
    answer, complaint = asked.stdout.decode(errors="replace"), asked.stderr.decode(errors="replace")
    count = re.search(r"^Number of packets: +(\d+)$", answer, re.MULTILINE)
    kind = re.search(r"^File type: +\w*(pcapng|pcap)$", answer, re.MULTILINE)  # nsecpcap, modpcap ...
    size = re.search(r"^File size: +(\d+)", answer, re.MULTILINE)
    if not count or not kind or not size:
        words = " ".join(complaint.split()) or answer.partition("\n")[0] or "capinfos says nothing"
        raise CaptureError(f"{source.name}: not a pcap or pcapng file that tshark can read: {words}")
    first_section = answer.split("\nSection 1:")[0]
    return _FileFacts(
        file_type=kind.group(1),
        record_count=int(count.group(1)),
        byte_count=int(size.group(1)),
        interface_names=tuple(
            (re.findall(r"^ +Name = (.*)$", part, re.MULTILINE) or [""])[0]
            for part in re.split(r"^Interface #\d+ info:$", first_section, flags=re.MULTILINE)[1:]
        ),
        sections=max(1, len(re.findall(r"^Section \d+:", answer, re.MULTILINE))),
        complaint=" ".join(complaint.split()) if "error occurred" in complaint else "",
    )


def _run(source: Source, timeout: float, visit: Callable[[Any], object], parameters: Mapping[str, Any]) -> None:
    """Give every packet of one run of tshark to `visit`; leave no process, task or warning behind."""
    import pyshark  # takes a second to import, which only this reader pays

    loop = asyncio.new_event_loop()
    try:
        capture = pyshark.FileCapture(str(source.file), keep_packets=False, eventloop=loop, **parameters)
        try:
            loop.run_until_complete(asyncio.wait_for(_read_all(capture, visit), timeout))
        except TimeoutError:
            raise CaptureError(f"{source.name}: tshark did not end within {timeout:.0f} s") from None
        except (pyshark.capture.capture.TSharkCrashException, ValueError, KeyError) as error:
            raise CaptureError(f"{source.name}: tshark's output cannot be read: {error}") from error
        finally:
            _end(capture, loop)
    finally:
        loop.close()


def _octets(packet: Any) -> bytes:
    """Return a frame's own octets; an empty or oddly long frame comes with none, or with words instead."""
    text = "".join(str(layer.value) for layer in packet.layers if layer.layer_name == "frame_raw")
    return bytes.fromhex(text) if re.fullmatch(r"(?:[0-9a-f]{2})*", text) else b""


async def _read_all(capture: Any, visit: Callable[[Any], object]) -> None:
    """Read to the end and wait for tshark; pyshark itself would kill it, or call any exit status a crash."""
    await capture.packets_from_tshark(visit, close_tshark=False)
    for process in capture._running_processes:
        await process.wait()


def _end(capture: Any, loop: asyncio.AbstractEventLoop) -> None:
    """End what pyshark started, and hide it from its __del__, which would wait on a closed loop."""
    for process in capture._running_processes:
        if process.returncode is None:
            process.kill()
            loop.run_until_complete(process.wait())
    capture._running_processes.clear()
    if tasks := asyncio.all_tasks(loop):
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
    loop.run_until_complete(asyncio.sleep(0))  # pipes report their end one turn later


def _decoded(source: Source, facts: _FileFacts, frames: Sequence[Dissection]) -> Decoded:
    skipped = Counter(reason for one in frames if (reason := _skip_reason(one)))
    missing = facts.record_count - len(frames)
    notes = []
    if facts.complaint:
        notes.append(Note("tshark", "cut-tail", facts.complaint))
    if missing > 0:
        skipped["lost"] += missing
        notes.append(Note("tshark", "records-lost", f"capinfos counts {facts.record_count}, tshark gave {len(frames)}"))
    times = [one.captured_ns for one in frames]
    capture = Capture(
        capture_id=source.capture_id,
        name=source.name,
        host=source.host,
        point=source.point,
        role=Role.UNKNOWN,
        file_type=facts.file_type,
        link_types=tuple(sorted({one.link_type for one in frames if one.link_type is not None})),
        packet_count=len(frames) + max(missing, 0),
        byte_count=facts.byte_count,
        decoded_count=len(frames) - sum(count for reason, count in skipped.items() if reason != "lost"),
        skipped=dict(sorted(skipped.items())),
        first_ns=min(times, default=None),
        last_ns=max(times, default=None),
        is_truncated=bool(facts.complaint),
        dropped_count=None,  # interface statistics are not in tshark's output
    )
    indexes = [_interface_index(one, facts) for one in frames]
    pairs = list(zip(frames, indexes, strict=True))
    return Decoded(
        capture,
        {
            "interfaces": _interfaces(source, facts, pairs),
            "packets": _rows(columns.PACKETS, source, pairs, _packet_row),
            "anchors": _rows(columns.ANCHORS, source, pairs, _anchor_row),
            "segments": _rows(columns.SEGMENTS, source, pairs, _segment_row),
            "anomalies": _anomalies(source, notes, frames),
        },
    )


def _skip_reason(one: Dissection) -> str:
    if one.trouble:
        return one.trouble
    return "" if one.link_type is not None else "link-type"


def _interface_index(one: Dissection, facts: _FileFacts) -> int:
    if one.cooked_index is not None:
        return one.cooked_index
    per_section = len(facts.interface_names) // facts.sections if facts.sections > 1 else 0
    return (one.interface or 0) + (one.section - 1) * per_section if facts.file_type == "pcapng" else 0


def _rows(
    table: Table,
    source: Source,
    pairs: Sequence[tuple[Dissection, int]],
    row: Callable[[Dissection], dict[str, Any] | None],
) -> Columns:
    """Return the rows that `row` makes, each with what all of these tables begin with."""
    data: dict[str, list[Any]] = {column.name: [] for column in table.columns}
    for one, index in pairs:
        values = row(one)
        if values is None:
            continue
        values |= {
            "frame_id": frame_id(source.capture_id, one.number),
            "host": source.host,
            "captured_ns": one.captured_ns,
            "interface_index": index,
            "direction": one.direction,
        }
        for name, cells in data.items():
            cells.append(values.get(name))
    return Columns(table, data)


def _packet_row(one: Dissection) -> dict[str, Any] | None:
    if one.message is None:
        return None
    whole = {"frame_key": frame_key(one), "wire_bytes": one.wire_bytes, "stop_reason": one.stop_reason}
    return one.layers | one.message | whole


def _anchor_row(one: Dissection) -> dict[str, Any] | None:
    if one.ip is None or not one.octets or not one.is_anchor:
        return None
    names = ("source_ip", "destination_ip", "ip_protocol")
    source_port, destination_port = one.ports or (None, None)
    return (
        one.layers
        | {name: one.ip[name] for name in names}
        | {
            "source_port": source_port,
            "destination_port": destination_port,
            "length_bytes": length_bytes(one),
            "sample_level": 0,
            "kept_level": 0,
            "is_request": one.is_request,
        }
        | anchor_keys(one)
        | (one.stream_place or {})
    )


def _segment_row(one: Dissection) -> dict[str, Any] | None:
    if one.segment is None or one.ip is None or one.ports is None:
        return None
    return one.segment | {
        "sender_ip": one.ip["source_ip"],
        "sender_port": one.ports[0],
        "receiver_ip": one.ip["destination_ip"],
        "receiver_port": one.ports[1],
    }


def _interfaces(source: Source, facts: _FileFacts, pairs: Sequence[tuple[Dissection, int]]) -> Columns:
    by_index: dict[int, list[Dissection]] = {}
    for one, index in pairs:
        by_index.setdefault(index, []).append(one)
    data: dict[str, list[Any]] = {column.name: [] for column in columns.INTERFACES.columns}
    for index, frames in sorted(by_index.items()):
        protocols = Counter(one.message["protocol"] for one in frames if one.message)
        names = dict(enumerate(facts.interface_names)) if facts.file_type == "pcapng" else {}
        row = {
            "capture_id": source.capture_id,
            "host": source.host,
            "point": source.point,
            "interface_index": index,
            "name": source.interface_names.get(index) or names.get(index) or None,
            "link_type": frames[0].link_type,
            "packet_count": len(frames),
            "byte_count": sum(one.wire_bytes for one in frames),
            "vxlan_count": sum("vni" in one.layers for one in frames),
            "arp_count": protocols["arp"] + protocols["rarp"],
            "nd_count": protocols["nd"],
            "bgp_count": protocols["bgp"],
            "first_ns": min(one.captured_ns for one in frames),
            "last_ns": max(one.captured_ns for one in frames),
        }
        for name, cells in data.items():
            cells.append(row.get(name))
    return Columns(columns.INTERFACES, data)


def _anomalies(source: Source, notes: Sequence[Note], frames: Sequence[Dissection]) -> Columns:
    stops = [Note(one.last, one.stop_reason, frame_number=one.number) for one in frames if one.trouble]
    rows = [*notes, *stops]
    frame_ids = [None if one.frame_number is None else frame_id(source.capture_id, one.frame_number) for one in rows]
    return Columns(
        columns.ANOMALIES,
        {
            "capture_id": [source.capture_id] * len(rows),
            "frame_id": frame_ids,
            "layer": [one.layer for one in rows],
            "name": [one.name for one in rows],
            "detail": [one.detail for one in rows],
            "count": [1] * len(rows),
            "offset_bytes": [one.offset_bytes for one in rows],
        },
    )

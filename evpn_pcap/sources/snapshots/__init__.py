"""Prints of daemons' and kernels' tables (FRR's vtysh, iproute2) become SNAPSHOTS: what a host held at a moment."""

from typing import Any

import pandas as pd

from evpn_pcap import columns
from evpn_pcap.model import Options
from evpn_pcap.sources.snapshots.files import PrintFile, find_files
from evpn_pcap.sources.snapshots.sections import Section, read_sections

NO_CAPTURE = -1  # anomalies of prints belong to no capture
GREATEST_BYTES = 64 * 1024 * 1024  # no daemon prints more; a larger file is something else
_OF_THE_PRINT = {"snapshot_id", "entry", "host", "name", "captured_ns", "form", "is_whole", "speaker_ip"}
_OF_AN_ENTRY = [column.name for column in columns.SNAPSHOTS.columns if column.name not in _OF_THE_PRINT]

Row = dict[str, Any]


def read_snapshots(options: Options) -> tuple[pd.DataFrame, pd.DataFrame, tuple[tuple[str, str], ...]]:
    """Return SNAPSHOTS, the ANOMALIES in the prints, and name and reason of each file that could not be read.

    Reads the files and folders that `options.snapshots` name. Several prints in one file are several
    snapshots; a prompt in the text tells the host unless a label does. Raises OptionError where an argument makes no
    sense.
    """
    rows: list[Row] = []
    anomalies: list[Row] = []
    failures: list[tuple[str, str]] = []
    snapshot_id = 0
    for one in find_files(options.snapshots) if options.snapshots else ():
        told = _sections(one)
        if isinstance(told, str):
            failures.append((one.name, told))
            continue
        for section in told:
            rows += _rows(snapshot_id, one, section)
            anomalies += [_unread(one, line) for line in section.print.unread]
            snapshot_id += 1
    names = [column.name for column in columns.SNAPSHOTS.columns]
    table = columns.SNAPSHOTS.build({name: [row.get(name) for row in rows] for name in names})
    names = [column.name for column in columns.ANOMALIES.columns]
    odd = columns.ANOMALIES.build({name: [row.get(name) for row in anomalies] for name in names})
    return table, odd, tuple(failures)


def _sections(one: PrintFile) -> list[Section] | str:
    """Return the prints in a file, or in words why there are none."""
    try:
        if one.file.stat().st_size > GREATEST_BYTES:
            return f"{one.name}: a print of routes or neighbours expected, but it is larger than 64 MiB"
        text = one.file.read_bytes().decode("utf-8", "backslashreplace")
    except OSError as error:
        return f"{one.name}: cannot be read: {error.strerror or error}"
    found = read_sections(text, one.name)
    if found or not one.is_named:
        return found
    return f"{one.name}: a print of FRR's vtysh, ip or bridge expected, but nothing in it looks like one"


def _rows(snapshot_id: int, one: PrintFile, section: Section) -> list[Row]:
    """Return a row an entry, or one without an entry."""
    printed = section.print
    common = {
        "snapshot_id": snapshot_id,
        "host": one.host if one.is_labelled or not section.host else section.host,
        "name": one.name,
        "captured_ns": one.captured_ns,
        "form": printed.form,
        "is_whole": printed.is_whole,
        "speaker_ip": printed.speaker_ip,
    }
    if not printed.entries:
        return [common | {"entry": -1}]
    return [
        common | {"entry": number} | {name: entry[name] for name in _OF_AN_ENTRY if name in entry}
        for number, entry in enumerate(printed.entries)
    ]


def _unread(one: PrintFile, line: str) -> Row:
    detail = f"{one.name}: {line.strip()[:120]}"
    return {"capture_id": NO_CAPTURE, "layer": "snapshot", "name": "snapshot.line", "detail": detail, "count": 1}

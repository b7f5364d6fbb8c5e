"""In-order octets of BGP connections become rows of UPDATES: EVPN routes and session events (RFC 4271; RFC 7432)."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from evpn_pcap import columns
from evpn_pcap.addresses import capture_of
from evpn_pcap.decode.bgp_attributes import EVPN, Fields
from evpn_pcap.decode.bgp_evpn import FIELDS, RAW, READ, decode_nlri
from evpn_pcap.decode.bgp_messages import (
    HEADER,
    KEEPALIVE,
    NOTIFICATION,
    OPEN,
    ROUTE_REFRESH,
    UPDATE,
    Update,
    read_update,
    split_messages,
)

SEQUENCE_COUNT = 1 << 32
IMET = 3  # route type whose VNI stands in the PMSI tunnel attribute (RFC 8365, 5.1.3)
DTYPES = {column.name: column.kind.dtype for column in columns.UPDATES.columns}
ATTRIBUTE_COLUMNS = (
    "next_hop", "route_targets", "router_mac", "mobility_sequence", "is_sticky", "is_default_gateway",
    "nd_flags", "encapsulation", "originator_ip",
)  # fmt: skip
# Counted once per capture: nothing is wrong with the frame. Everything else names its frame.
COUNTED = {
    RAW: "route types that are kept raw",
    "bgp.family.other": "UPDATE messages with routes of other families than L2VPN EVPN",
    "bgp.community.unknown": "extended communities that have no column",
}


class _Told(NamedTuple):
    """Rows of UPDATES to be that follow each other: one event, or the routes of a message with one action."""

    position: int  # row of STREAM_BYTES whose frame completed the message
    sequence: int
    action: str
    first_index: int = 0  # nlri_index of the first
    row_count: int = 1
    attributes: int = 0  # number of the set of attributes, 0 for none


class _Numbers(dict[bytes, int]):
    """Numbers things from 1, in order of first sight."""

    def __missing__(self, key: bytes) -> int:
        number = self[key] = len(self) + 1
        return number


class _Found:
    """Collects the rows and anomalies of one call; distinct NLRI and attributes are kept once."""

    def __init__(self, captures: list[int]) -> None:
        self.captures = captures  # of each row of STREAM_BYTES
        self.told: list[_Told] = []
        self.routes: list[int] = []  # for each row the number of its NLRI, 0 for none
        self.nlri = _Numbers()
        self.attributes: dict[int, int] = {}  # id() of a Fields in `fields` -> its number
        self.fields: list[Fields] = []
        self.notes: Counter[tuple[int, str, str]] = Counter()  # position, name, detail
        self.first: dict[tuple[int, str], int] = {}  # capture, name of COUNTED -> position that stands for all

    def add_message(self, position: int, sequence: int, kind: int, body: bytes) -> None:
        """Take one whole message."""
        MESSAGES[kind](self, position, sequence, body)

    def add_event(self, position: int, sequence: int, action: str) -> None:
        """Add a row that is no route."""
        self.told.append(_Told(position, sequence, action))
        self.routes.append(0)

    def add_routes(self, told: _Told, nlri: Sequence[bytes]) -> None:
        """Add the rows of a message's routes with one action."""
        self.told.append(told)
        self.routes.extend(map(self.nlri.__getitem__, nlri))

    def note(self, position: int, name: str, detail: str = "", count: int = 1) -> None:
        """Count an anomaly at a row of STREAM_BYTES."""
        if name in COUNTED:
            position = self.first.setdefault((self.captures[position], name), position)
        self.notes[position, name, detail] += count

    def number_of_fields(self, fields: Fields) -> int:
        """Return the number of a set of attributes, counted from 1."""
        number = self.attributes.get(id(fields))
        if number is None:
            self.fields.append(fields)  # held, so that the id stays its own
            number = self.attributes[id(fields)] = len(self.fields)
        return number


def _event(action: str) -> Callable[[_Found, int, int, bytes], None]:
    return lambda found, position, sequence, _body: found.add_event(position, sequence, action)


def _nothing(_found: _Found, _position: int, _sequence: int, _body: bytes) -> None:
    """A KEEPALIVE tells nothing about routes."""


def _refresh(found: _Found, position: int, sequence: int, body: bytes) -> None:
    """AFI 2, reserved or subtype 1, SAFI 1 (RFC 2918, 3): the peer asks for everything again."""
    if (int.from_bytes(body[:2]), body[3]) == EVPN:
        found.add_event(position, sequence, "refresh")


def _update(found: _Found, position: int, sequence: int, body: bytes) -> None:
    update = read_update(body)
    _note_update(found, position, update)
    gone, new = len(update.withdrawn), len(update.announced)
    if gone:
        found.add_routes(_Told(position, sequence, "withdraw", 0, gone), update.withdrawn)
    if update.fields:
        attributes = found.number_of_fields(update.fields)
        found.add_routes(_Told(position, sequence, "advertise", gone, new, attributes), update.announced)
    if update.is_end_of_rib:
        found.add_event(position, sequence, "end-of-rib")


def _note_update(found: _Found, position: int, update: Update) -> None:
    for name, detail in update.notes:
        found.note(position, name, detail)
    if update.has_other_family:
        found.note(position, "bgp.family.other")
    if update.fields and update.fields["unknown_count"]:
        found.note(position, "bgp.community.unknown", count=update.fields["unknown_count"])


MESSAGES: dict[int, Callable[[_Found, int, int, bytes], None]] = {
    OPEN: _event("open"),  # RFC 4271, 4.2
    UPDATE: _update,  # RFC 4271, 4.3
    NOTIFICATION: _event("notification"),  # RFC 4271, 4.5
    KEEPALIVE: _nothing,  # RFC 4271, 4.4
    ROUTE_REFRESH: _refresh,  # RFC 2918
}


def decode_updates(streams: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return every EVPN route and session event that BGP messages tell, and what was wrong with them.

    A message belongs to the frame that completed it. After a gap, or where the connection was up before
    the capture, the next marker is looked for. A withdrawn route precedes an announced one of the same
    message (RFC 4271, 3.1: both in one message are an advertisement). The VNI of a type-3 route is the
    label of its PMSI tunnel attribute. Malformed attributes and NLRI become anomalies (RFC 7606), and
    what can still be told apart in the message is kept.

    Reads STREAM_BYTES. Returns UPDATES and ANOMALIES.
    """
    found = _Found([capture_of(frame) for frame in streams["frame_id"].tolist()])
    sequences = streams["sequence"].to_numpy(dtype=np.int64)
    octets = streams["octets"].tolist()
    for start, stop, event in _runs(streams):
        first = start
        if event != "data":
            found.add_event(start, int(sequences[start]), event)
            first += 1
        _read_run(found, octets[first:stop], first, int(sequences[first]) if first < stop else 0, event)
    return _updates(streams, found), _anomalies(streams, found)


def _runs(streams: pd.DataFrame) -> Iterator[tuple[int, int, str]]:
    """Yield runs of octets without a gap: first and last row, and the event that the first row is."""
    is_event = (streams["event"] != "data").to_numpy(dtype=bool)
    is_new = np.diff(streams["stream_id"].to_numpy(), prepend=-1) != 0
    starts = np.flatnonzero(is_event | is_new)
    stops = np.append(starts, len(streams))[1:]
    return zip(starts.tolist(), stops.tolist(), streams["event"].iloc[starts], strict=True)


def _read_run(found: _Found, pieces: list[bytes], position: int, sequence: int, event: str) -> None:
    """Read the messages of octets that follow each other without a gap, the first in row `position`."""
    octets = b"".join(pieces)
    messages, skipped_bytes, left_bytes = split_messages(octets, is_aligned=event == "start")
    ends = np.cumsum([len(piece) for piece in pieces])
    positions = position + np.searchsorted(ends, [message.stop for message in messages])
    for message, completed_at in zip(messages, positions.tolist(), strict=True):
        body = octets[message.start + HEADER.size : message.stop]
        found.add_message(completed_at, (sequence + message.start) % SEQUENCE_COUNT, message.kind, body)
    if skipped_bytes:
        found.note(position, "bgp.message.skipped", f"{skipped_bytes} octets are no BGP message")
    if left_bytes:
        last = position + len(pieces) - 1
        found.note(last, "bgp.message.cut", f"{left_bytes} octets of a message, the rest is missing")


def _updates(streams: pd.DataFrame, found: _Found) -> pd.DataFrame:
    told = pd.DataFrame(found.told, columns=_Told._fields)
    rows = told.loc[told.index.repeat(told["row_count"].to_numpy(dtype=np.int64))].reset_index(names="told")
    rows["nlri_index"] = rows["first_index"] + rows.groupby("told").cumcount()
    at = streams.iloc[rows["position"].to_numpy(dtype=np.int64)].reset_index(drop=True)
    routes = _distinct_routes(found).take(np.array(found.routes, dtype=np.int64)).reset_index(drop=True)
    attributes = _distinct_attributes(found).take(rows["attributes"].to_numpy(dtype=np.int64)).reset_index(drop=True)
    _note_routes(found, rows["position"], routes["reason"])
    return columns.UPDATES.build(
        {
            **{name: at[name] for name in ("frame_id", "host", "captured_ns", "stream_id")},
            **{name: at[name] for name in ("sender_ip", "sender_port", "receiver_ip", "receiver_port")},
            **{name: rows[name] for name in ("sequence", "nlri_index", "action")},
            **{name: routes[name] for name in FIELDS},
            "vni": routes["vni"].where(routes["route_type"].ne(IMET).fillna(value=True), attributes["pmsi_vni"]),
            **{name: attributes[name] for name in ATTRIBUTE_COLUMNS},
            "is_decoded": routes["is_decoded"],
            "raw": routes["raw"],
        }
    )


def _distinct_routes(found: _Found) -> pd.DataFrame:
    """Return the columns of each distinct NLRI behind one row of missing values."""
    nlri = list(found.nlri)
    routes = decode_nlri(nlri)
    is_raw = routes["reason"] != READ
    routes["is_decoded"] = pd.array((~is_raw).to_numpy(dtype=bool), dtype="boolean")
    raw = [octets.hex() if kept else None for octets, kept in zip(nlri, is_raw, strict=True)]
    routes["raw"] = pd.Series(raw, dtype=DTYPES["raw"])
    return routes.reindex(range(-1, len(routes)))


def _distinct_attributes(found: _Found) -> pd.DataFrame:
    """Return the columns of each distinct set of attributes behind one row of missing values."""
    rows: list[dict[str, Any]] = [{}, *found.fields]
    dtypes = {name: DTYPES[name] for name in ATTRIBUTE_COLUMNS} | {"pmsi_vni": DTYPES["vni"]}
    return pd.DataFrame({name: pd.Series([row.get(name) for row in rows], dtype=kind) for name, kind in dtypes.items()})


def _note_routes(found: _Found, positions: pd.Series, reasons: pd.Series) -> None:
    """Note every route that was not read whole; a missing reason belongs to a row that is no route."""
    for row in np.flatnonzero(reasons.fillna(READ) != READ).tolist():
        found.note(positions.iloc[row], reasons.iloc[row])


def _anomalies(streams: pd.DataFrame, found: _Found) -> pd.DataFrame:
    """Return the notes: of COUNTED names one row a capture, else one a frame and name with its first detail."""
    positions = np.array([position for position, _, _ in found.notes], dtype=np.int64)
    notes = pd.DataFrame(
        {
            "frame_id": streams["frame_id"].to_numpy()[positions],
            "name": [name for _, name, _ in found.notes],
            "detail": [COUNTED.get(name, detail) for _, name, detail in found.notes],
            "count": list(found.notes.values()),
        }
    )
    notes["capture_id"] = np.array(found.captures, dtype=np.int64)[positions]
    notes["frame_id"] = notes["frame_id"].astype("Int64").mask(notes["name"].isin(list(COUNTED)))
    grouped = notes.groupby(["capture_id", "frame_id", "name"], dropna=False, as_index=False)
    table = grouped.agg(detail=("detail", "first"), count=("count", "sum"))
    return columns.ANOMALIES.build(
        {
            **{name: table[name] for name in ("capture_id", "frame_id", "name", "detail", "count")},
            "layer": ["bgp"] * len(table),
            "offset_bytes": [None] * len(table),
        }
    )

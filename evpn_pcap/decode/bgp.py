"""In-order octets of BGP connections become rows of UPDATES: EVPN routes and session events (RFC 4271; RFC 7432)."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from evpn_pcap.addresses import capture_of
from evpn_pcap.decode.bgp_errors import WORDS, Treatment
from evpn_pcap.decode.bgp_messages import (
    EVPN,
    HEADER,
    KEEPALIVE,
    NOTIFICATION,
    OPEN,
    ROUTE_REFRESH,
    UPDATE,
    Messages,
    Update,
    read_update,
    split_messages,
)
from evpn_pcap.decode.bgp_rows import OTHER_COMMUNITY, OTHER_FAMILY, Found, anomaly_rows, update_rows
from evpn_pcap.decode.bgp_sessions import read_notification, read_open, read_refresh
from evpn_pcap.model import FOREVER
from evpn_pcap.table import Columns, numbers, plain

SEQUENCE_COUNT = 1 << 32
ENDS = ["host", "sender_ip", "sender_port", "receiver_ip", "receiver_port"]
TURNED = ["host", "receiver_ip", "receiver_port", "sender_ip", "sender_port"]
EVPN_FAMILY = "/".join(map(str, EVPN))


class _Run(NamedTuple):
    """Octets without a gap, cut into messages."""

    start: int  # row of STREAM_BYTES
    stop: int  # the row behind its last
    event: str  # of row `start`: "data" where the stream goes on
    octets: bytes
    messages: Messages
    positions: np.ndarray  # of each message: the row whose frame completed it
    sequence: int  # of the first octet
    skipped_bytes: int
    left_bytes: int

    def body(self, place: int) -> bytes:
        """Return a message without its header."""
        return self.octets[int(self.messages.start[place]) + HEADER.size : int(self.messages.stop[place])]


class _Place(NamedTuple):
    """Where a message was found, and what was negotiated before it."""

    position: int
    sequence: int
    is_add_path: bool | None  # None: the OPEN messages were not both seen


def _open(found: Found, place: _Place, body: bytes) -> None:
    fields, troubles = read_open(body)
    found.add_event(place.position, place.sequence, "open", fields)
    for trouble in troubles:
        found.note(place.position, trouble.name, trouble.told())


def _notification(found: Found, place: _Place, body: bytes) -> None:
    found.add_event(place.position, place.sequence, "notification", read_notification(body))


def _keepalive(found: Found, place: _Place, _body: bytes) -> None:
    found.add_event(place.position, place.sequence, "keepalive")


def _refresh(found: Found, place: _Place, body: bytes) -> None:
    family, fields = read_refresh(body)
    if family == EVPN:
        found.add_event(place.position, place.sequence, "refresh", fields)


def _update(found: Found, place: _Place, body: bytes) -> None:
    known = found.shapes.find(body, place.is_add_path)
    if known is None:
        _whole_update(found, place, body)
        return
    shape, routes = known
    told = (place.position, place.sequence, shape.action, 0, len(routes.nlri), shape.attributes)
    found.add_routes(told, routes.nlri, routes.path_ids)
    if shape.unknown_count:
        found.note(place.position, OTHER_COMMUNITY, count=shape.unknown_count)


def _whole_update(found: Found, place: _Place, body: bytes) -> None:
    update = read_update(body, place.is_add_path)
    found.shapes.learn(body, update)
    _note_update(found, place.position, update)
    is_refused = update.treatment == Treatment.RESET
    treated = {"treatment": WORDS[update.treatment]}
    gone, new = len(update.withdrawn.nlri), len(update.announced.nlri)
    if gone:
        action, attributes = ("refused", found.number_of_fields(treated)) if is_refused else ("withdraw", 0)
        told = (place.position, place.sequence, action, 0, gone, attributes)
        found.add_routes(told, update.withdrawn.nlri, update.withdrawn.path_ids)
    if update.fields:
        action, fields = "advertise", update.fields
        if update.treatment != Treatment.NONE:
            action = {Treatment.WITHDRAW: "withdraw", Treatment.RESET: "refused"}.get(update.treatment, action)
            fields = fields | treated
        told = (place.position, place.sequence, action, gone, new, found.number_of_fields(fields))
        found.add_routes(told, update.announced.nlri, update.announced.path_ids)
    if update.is_end_of_rib and not is_refused:
        found.add_event(place.position, place.sequence, "end-of-rib")


def _note_update(found: Found, position: int, update: Update) -> None:
    for trouble in update.troubles:
        found.note(position, trouble.name, trouble.told())
    if update.has_other_family:
        found.note(position, OTHER_FAMILY)
    if update.fields and update.fields["unknown_count"]:
        found.note(position, OTHER_COMMUNITY, count=update.fields["unknown_count"])


MESSAGES: dict[int, tuple[str, str, Callable[[Found, _Place, bytes], None]]] = {
    OPEN: ("OPEN", "RFC 4271, 4.2", _open),
    UPDATE: ("UPDATE", "RFC 4271, 4.3", _update),
    NOTIFICATION: ("NOTIFICATION", "RFC 4271, 4.5", _notification),
    KEEPALIVE: ("KEEPALIVE", "RFC 4271, 4.4", _keepalive),
    ROUTE_REFRESH: ("ROUTE-REFRESH", "RFC 2918; RFC 7313", _refresh),
}


def decode_updates(streams: Columns) -> tuple[Columns, Columns]:
    """Return every EVPN route and session event that BGP messages tell, and what was wrong with them.

    A message belongs to the frame that completed it. After a gap, or where the connection was up before
    the capture, the next marker is looked for. A withdrawn route precedes an announced one of the same
    message (RFC 4271, 3.1: both in one message are an advertisement). The VNI of a type-3 route is the
    label of its PMSI tunnel attribute. Malformed messages become anomalies with their octets and are
    treated as RFC 7606 asks: announced routes count as withdrawn, or all of the message is refused;
    `treatment` says so, and the attributes that could be read stay in the row.
    Path identifiers are read where both OPEN messages agreed on them, else where nothing else fits.

    Reads STREAM_BYTES. Returns UPDATES and ANOMALIES.
    """
    found = Found(capture_of(numbers(streams.data["frame_id"])).tolist())
    runs = _runs(streams)
    agreed = _add_paths(streams, runs)
    stream_ids = plain(streams.data["stream_id"])
    sequences = plain(streams.data["sequence"])
    for run in runs:
        if run.event != "data":
            found.turn = found.turn_count
            found.add_event(run.start, sequences[run.start], run.event)
            found.turn_count += 1
        _read_run(found, run, agreed.get(stream_ids[run.start]))
    return update_rows(streams, found), anomaly_rows(streams, found)


def _runs(streams: Columns) -> list[_Run]:
    """Return the runs of octets without a gap, each cut into messages."""
    events = plain(streams.data["event"])
    is_event = np.array([one != "data" for one in events], bool)
    is_new = np.diff(numbers(streams.data["stream_id"]), prepend=-1) != 0
    starts = np.flatnonzero(is_event | is_new)
    stops = np.append(starts, len(streams))[1:]
    sequences = plain(streams.data["sequence"])
    octets = plain(streams.data["octets"])
    runs = []
    for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
        event = events[start]
        first = start if event == "data" else start + 1
        sequence = sequences[first] if first < stop else 0
        pieces = octets[first:stop]
        joined = b"".join(pieces)
        messages, skipped_bytes, left_bytes = split_messages(joined, is_aligned=event == "start")
        ends = np.cumsum(np.fromiter(map(len, pieces), np.int64, len(pieces)))
        positions = first + np.searchsorted(ends, messages.stop)
        runs.append(_Run(start, stop, event, joined, messages, positions, sequence, skipped_bytes, left_bytes))
    return runs


def _add_paths(streams: Columns, runs: list[_Run]) -> dict[int, bool]:
    """Return, by stream, whether EVPN routes have path identifiers: its sender sends, its receiver takes them.

    Only streams of which both OPEN messages were seen. The receiver's OPEN is the nearest in time that
    went the other way between the same ends at the same host.
    """
    opens = [
        (run.positions[place], read_open(run.body(place))[0].get("add_path", "").split())
        for run in runs
        for place in np.flatnonzero(run.messages.kind == OPEN).tolist()
    ]
    said = streams.take(np.array([position for position, _ in opens], np.int64)).data
    ends, turned = (list(zip(*(plain(said[name]) for name in names), strict=True)) for names in (ENDS, TURNED))
    at_ns, stream_ids = plain(said["captured_ns"]), plain(said["stream_id"])
    there: dict[tuple[object, ...], list[int]] = {}
    for number, key in enumerate(turned):
        there.setdefault(key, []).append(number)
    nearest: dict[int, tuple[int, bool]] = {}
    for number, key in enumerate(ends):
        for other in there.get(key, ()):
            apart_ns = abs(at_ns[number] - at_ns[other])
            if apart_ns < nearest.get(stream_ids[number], (FOREVER, False))[0]:
                is_agreed = _may(opens[number][1], "send") and _may(opens[other][1], "receive")
                nearest[stream_ids[number]] = apart_ns, is_agreed
    return {stream: is_agreed for stream, (_, is_agreed) in nearest.items()}


def _may(modes: list[str], mode: str) -> bool:
    return f"{EVPN_FAMILY}:{mode}" in modes or f"{EVPN_FAMILY}:both" in modes


def _read_run(found: Found, run: _Run, is_add_path: bool | None) -> None:
    """Take every message of a run, and what was wrong between them."""
    sequences = (run.sequence + run.messages.start) % SEQUENCE_COUNT
    is_left = np.ones(len(sequences), bool)
    for alike in () if is_add_path else found.shapes.find_alike(run.octets, run.messages):  # the usual case
        found.add_alike(alike, run.positions[alike.place], sequences[alike.place])
        is_left[alike.place] = False
    for place in np.flatnonzero(is_left).tolist():
        found.turn = found.turn_count + place
        where = _Place(int(run.positions[place]), int(sequences[place]), is_add_path)
        MESSAGES[int(run.messages.kind[place])][2](found, where, run.body(place))
    found.turn_count += len(sequences)
    first = min(run.start + (run.event != "data"), run.stop - 1)
    if run.skipped_bytes:
        found.note(first, "bgp.message.skipped", f"{run.skipped_bytes} octets are no BGP message")
    if run.left_bytes:
        found.note(run.stop - 1, "bgp.message.cut", f"{run.left_bytes} octets of a message, the rest is missing")

"""What BGP messages told becomes rows of UPDATES and ANOMALIES; each NLRI and set of attributes is read once."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from evpn_pcap import columns
from evpn_pcap.decode.bgp_attributes import Fields
from evpn_pcap.decode.bgp_evpn import FIELDS, OTHER_TYPES, RAW, READ, decode_nlri
from evpn_pcap.decode.bgp_shapes import Alike, Shapes
from evpn_pcap.model import FOREVER
from evpn_pcap.table import Columns, Maybe, Words, as_stored, filled, numbers, plain, taken

IMET = 3  # route type whose VNI stands in the PMSI tunnel attribute (RFC 8365, 5.1.3)
MPLS = 10  # encapsulation whose labels have 20 bits (RFC 8365, 5.1.1 and 5.1.3)
LABELS = {"mpls_label": "vni", "mpls_label_2": "l3_vni"}
OTHER_FAMILY, OTHER_COMMUNITY = "bgp.family.other", "bgp.community.unknown"
# Counted once per capture: nothing is wrong with the frame. Everything else names its frame.
COUNTED = {
    RAW: "route types that are kept raw",
    OTHER_FAMILY: "UPDATE messages with routes of other families than L2VPN EVPN",
    OTHER_COMMUNITY: "extended communities that have no column",
}
DTYPES = {column.name: column.kind.dtype for column in columns.UPDATES.columns}
ENDS = ("sender_ip", "sender_port", "receiver_ip", "receiver_port")
OF_PLACE = ("frame_id", "host", "captured_ns", "stream_id", *ENDS)
MISSING = -1
OF_MESSAGE = ("sequence", "nlri_index", "action")
MADE = (*OF_PLACE, *OF_MESSAGE, *FIELDS, *LABELS, "path_id", "is_decoded")
ATTRIBUTE_COLUMNS = [name for name in DTYPES if name not in MADE]  # whatever else a message tells


# Rows of UPDATES to be that follow each other, one event or the routes of a message with one action: the row of
# STREAM_BYTES whose frame completed the message, sequence, action, nlri_index of the first, how many rows, and the
# number of the set of attributes, 0 for none.
Told = tuple[int, int, str, int, int, int]
TOLD = ("turn", "position", "sequence", "action", "first_index", "row_count", "attributes")  # action: its number
Stored = Words | Maybe


class Found:
    """Collects what one call finds; distinct NLRI and attributes are kept once."""

    def __init__(self, captures: list[int]) -> None:
        self.captures = captures  # of each row of STREAM_BYTES
        self.turn = 0  # of what is told now among all that is told
        self.turn_count = 0
        self.told: list[tuple[int, ...]] = []  # elements of TOLD
        self.routes: list[bytes | None] = []  # for each row of `told` its NLRI
        self.alike: list[np.ndarray] = []  # the same of many messages at once: for each element of TOLD a row
        self.alike_routes: list[bytes] = []
        self.actions: dict[str, int] = {}
        self.path_ids: dict[int, int] = {}  # of the rows of `told` that have one
        self.attributes: dict[int, int] = {}  # id() of a Fields in `fields` -> its number
        self.fields: list[Fields] = []
        self.shapes = Shapes(self.number_of_fields)
        self.notes: Counter[tuple[int, str, str]] = Counter()  # position, name, detail
        self.first: dict[tuple[int, str], int] = {}  # capture, name of COUNTED -> position that stands for all

    def add_event(self, position: int, sequence: int, action: str, fields: Fields | None = None) -> None:
        """Add a row that is no route."""
        self._tell((position, sequence, action, 0, 1, self.number_of_fields(fields) if fields else 0))
        self.routes.append(None)

    def add_routes(self, told: Told, nlri: Sequence[bytes], path_ids: Sequence[int] | None) -> None:
        """Add the rows of a message's routes with one action."""
        if path_ids:
            self.path_ids |= dict(enumerate(path_ids, len(self.routes)))
        self._tell(told)
        self.routes.extend(nlri)

    def add_alike(self, alike: Alike, position: np.ndarray, sequence: np.ndarray) -> None:
        """Add the rows of messages of one shape, whose turns are counted from the next on."""
        shape = alike.shape
        same = (self._number_of_action(shape.action), 0, 1, shape.attributes)
        held = np.broadcast_to(np.array(same)[:, None], (len(same), len(position)))
        self.alike.append(np.vstack([self.turn_count + alike.place, position, sequence, held]))
        self.alike_routes += alike.nlri
        if shape.unknown_count:
            for one in position.tolist():
                self.note(one, OTHER_COMMUNITY, count=shape.unknown_count)

    def _tell(self, told: Told) -> None:
        position, sequence, action, *others = told
        self.told.append((self.turn, position, sequence, self._number_of_action(action), *others))

    def _number_of_action(self, action: str) -> int:
        return self.actions.setdefault(action, len(self.actions))

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


def update_rows(streams: Columns, found: Found) -> Columns:
    """Return UPDATES, and note every route that could not be read whole."""
    told, index, row = _in_turn(found)
    position = told["position"][index]
    at = {name: taken(streams.data[name], position) for name in OF_PLACE}
    nlri = [*found.routes, *found.alike_routes]
    routes, is_route, is_read = _routes(found, nlri, row, position)
    attributes = _attributes(found.fields, told["attributes"][index])
    action = Words(told["action"][index], tuple(found.actions))
    is_refused = action.codes == found.actions.get("refused", MISSING)
    first = np.cumsum(told["row_count"]) - told["row_count"]
    path_id = [found.path_ids.get(one) for one in row.tolist()] if found.path_ids else []
    unread = {one: nlri[row[one]] for one in np.flatnonzero(is_refused | (is_route & ~is_read)).tolist()}
    return Columns(
        columns.UPDATES,
        {
            **at,
            "sequence": told["sequence"][index],
            "nlri_index": told["first_index"][index] + row - first[index],
            "action": action,
            **{name: routes[name] for name in FIELDS},
            **{name: attributes[name] for name in ATTRIBUTE_COLUMNS},
            **_labels(routes, attributes),
            "path_id": as_stored(path_id, "UInt32") if path_id else _nowhere("UInt32", len(index)),
            "is_decoded": Maybe(is_read & ~is_refused, ~is_route & ~is_refused),
            "raw": _with_raw(attributes["raw"], unread),
        },
    )


def _in_turn(found: Found) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """Return the elements of TOLD, and for each row to be, all in turn: which of them, which of the rows collected."""
    told = np.concatenate([np.array(found.told, np.int64).reshape(-1, len(TOLD)).T, *found.alike], axis=1)
    values = dict(zip(TOLD, told, strict=True))
    index = np.repeat(np.arange(told.shape[1]), values["row_count"])
    row = np.argsort(values["turn"][index], kind="stable")
    return values, index[row], row


def _labels(routes: dict[str, Stored], attributes: dict[str, Stored]) -> dict[str, Maybe]:
    """Return labels as VNIs of 24 bits, or where the encapsulation says MPLS as labels of 20 bits."""
    is_mpls = numbers(attributes["encapsulation"]) == MPLS
    is_imet = numbers(routes["route_type"]) == IMET
    found: dict[str, Maybe] = {}
    for name, vni in LABELS.items():
        told, is_missing = numbers(routes[vni]), _missing(routes[vni])
        if vni == "vni":
            told = np.where(is_imet, numbers(attributes["pmsi_vni"]), told)
            is_missing = np.where(is_imet, _missing(attributes["pmsi_vni"]), is_missing)
        found[vni] = Maybe(told.astype(np.uint32), is_missing | is_mpls)
        found[name] = Maybe((told // 16).astype(np.uint32), is_missing | ~is_mpls)
    return found


def _missing(values: Stored) -> np.ndarray:
    return values.is_missing if isinstance(values, Maybe) else values.codes < 0


def _with_raw(told: Stored, unread: dict[int, bytes | None]) -> Stored | list[str | None]:
    """Return the column with the octets of the NLRI that are kept raw as hexadecimal, where it says nothing."""
    if not unread:
        return told
    texts: list[str | None] = plain(told)
    for row, nlri in unread.items():
        if texts[row] is None and nlri is not None:
            texts[row] = nlri.hex()
    return texts


def _routes(
    found: Found, nlri: Sequence[bytes | None], row: np.ndarray, position: np.ndarray
) -> tuple[dict[str, Stored], np.ndarray, np.ndarray]:
    """Return the columns of each row's NLRI, which rows have one, and which were read whole; equal ones are read once.

    Notes those that were not.
    """
    distinct = [one for one in dict.fromkeys(nlri) if one is not None]
    known: dict[bytes | None, int] = dict(zip(distinct, range(len(distinct)), strict=True))
    known[None] = MISSING
    place = np.fromiter(map(known.__getitem__, nlri), np.int64, len(nlri))[row]
    routes, reason = decode_nlri(distinct)
    is_odd = np.append(reason != READ, [False])[place]
    types = numbers(routes["route_type"])
    for one in np.flatnonzero(is_odd).tolist():
        found.note(int(position[one]), reason[place[one]], _kept_raw(int(types[place[one]])))
    return {name: filled(values, place) for name, values in routes.items()}, place >= 0, (place >= 0) & ~is_odd


def _attributes(sets: Sequence[Fields], places: np.ndarray) -> dict[str, Stored]:
    """Return the columns of each row's set of attributes; 0 stands for none. Most columns are missing throughout."""
    dtypes = {name: DTYPES[name] for name in ATTRIBUTE_COLUMNS} | {"pmsi_vni": DTYPES["vni"]}
    told = {name for one in sets for name, value in one.items() if value is not None}
    missing = {dtype: _nowhere(dtype, len(places)) for dtype in {*dtypes.values()}}
    rows: list[dict[str, Any]] = [{}, *sets]
    known = {name: as_stored([row.get(name) for row in rows], dtypes[name]) for name in dtypes if name in told}
    return {name: filled(known[name], places) if name in told else missing[dtypes[name]] for name in dtypes}


def _nowhere(dtype: str, count: int) -> Stored:
    """Return a column that is missing in every row."""
    return filled(as_stored([], dtype), np.full(count, MISSING))


def _kept_raw(code: int) -> str:
    name, _ = OTHER_TYPES.get(code, ("", ""))
    return f"type {code} {name}".rstrip()


def anomaly_rows(streams: Columns, found: Found) -> Columns:
    """Return ANOMALIES: of COUNTED names one row a capture, else one a frame and name with its first detail."""
    frames = numbers(streams.data["frame_id"])
    table: dict[tuple[int, int, str], tuple[str, int]] = {}  # FOREVER: no frame
    for (position, name, told), count in found.notes.items():
        is_counted = name in COUNTED
        key = found.captures[position], FOREVER if is_counted else int(frames[position]), name
        detail, before = table.get(key, (_counted(found, position, name) if is_counted else told, 0))
        table[key] = detail, before + count
    keys = sorted(table)
    return Columns(
        columns.ANOMALIES,
        {
            "capture_id": np.array([capture for capture, _, _ in keys], np.int64),
            "frame_id": [None if frame == FOREVER else frame for _, frame, _ in keys],
            "layer": ["bgp"] * len(keys),
            "name": [name for _, _, name in keys],
            "detail": [table[key][0] for key in keys],
            "count": np.array([table[key][1] for key in keys], np.int64),
            "offset_bytes": [None] * len(keys),
        },
    )


def _counted(found: Found, position: int, name: str) -> str:
    """Return what a counted name stands for; the types of routes that are kept raw by their names."""
    types = sorted({told for place, other, told in found.notes if (place, other) == (position, name)} - {""})
    return f"{COUNTED[name]}: {', '.join(types)}" if types else COUNTED[name]

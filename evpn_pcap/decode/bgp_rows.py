"""What BGP messages told becomes rows of UPDATES and ANOMALIES; each NLRI and set of attributes is read once."""

from collections import Counter
from collections.abc import Sequence
from operator import itemgetter
from typing import Any

import numpy as np
import pandas as pd

from evpn_pcap import columns
from evpn_pcap.decode.bgp_attributes import Fields
from evpn_pcap.decode.bgp_evpn import FIELDS, OTHER_TYPES, RAW, READ, decode_nlri
from evpn_pcap.decode.bgp_shapes import Shapes

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
OF_MESSAGE = ("sequence", "nlri_index", "action")
MADE = (*OF_PLACE, *OF_MESSAGE, *FIELDS, *LABELS, "path_id", "is_decoded")
ATTRIBUTE_COLUMNS = [name for name in DTYPES if name not in MADE]  # whatever else a message tells


# Rows of UPDATES to be that follow each other, one event or the routes of a message with one action: the row of
# STREAM_BYTES whose frame completed the message, sequence, action, nlri_index of the first, how many rows, and the
# number of the set of attributes, 0 for none. A plain tuple, because there is one for each message.
Told = tuple[int, int, str, int, int, int]
TOLD = ("position", "sequence", "action", "first_index", "row_count", "attributes")


class Found:
    """Collects what one call finds; distinct NLRI and attributes are kept once."""

    def __init__(self, captures: list[int]) -> None:
        self.captures = captures  # of each row of STREAM_BYTES
        self.told: list[Told] = []
        self.routes: list[bytes | None] = []  # for each row its NLRI
        self.path_ids: dict[int, int] = {}  # of the rows that have one
        self.attributes: dict[int, int] = {}  # id() of a Fields in `fields` -> its number
        self.fields: list[Fields] = []
        self.shapes = Shapes(self.number_of_fields)
        self.notes: Counter[tuple[int, str, str]] = Counter()  # position, name, detail
        self.first: dict[tuple[int, str], int] = {}  # capture, name of COUNTED -> position that stands for all

    def add_event(self, position: int, sequence: int, action: str, fields: Fields | None = None) -> None:
        """Add a row that is no route."""
        self.told.append((position, sequence, action, 0, 1, self.number_of_fields(fields) if fields else 0))
        self.routes.append(None)

    def add_routes(self, told: Told, nlri: Sequence[bytes], path_ids: Sequence[int] | None) -> None:
        """Add the rows of a message's routes with one action."""
        if path_ids:
            self.path_ids |= dict(enumerate(path_ids, len(self.routes)))
        self.told.append(told)
        self.routes.extend(nlri)

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


def update_rows(streams: pd.DataFrame, found: Found) -> pd.DataFrame:
    """Return UPDATES, and note every route that could not be read whole."""
    told = _told(found.told)
    counts = told["row_count"].to_numpy()
    rows = told.loc[told.index.repeat(counts)].reset_index(drop=True)
    rows["nlri_index"] = rows["first_index"] + np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    at = streams[list(OF_PLACE)].iloc[rows["position"].to_numpy()].reset_index(drop=True)
    routes = _routes(found.routes)
    attributes = _attributes(found.fields, rows["attributes"].to_numpy())
    _note_routes(found, rows["position"], routes)
    is_refused = rows["action"] == "refused"
    vni = routes["vni"].where(routes["route_type"].ne(IMET).fillna(value=True), attributes["pmsi_vni"])
    return columns.UPDATES.build(
        {
            **{name: at[name] for name in OF_PLACE},
            **{name: rows[name] for name in OF_MESSAGE},
            **{name: routes[name] for name in FIELDS},
            **{name: attributes[name] for name in ATTRIBUTE_COLUMNS},
            **_labels(routes.assign(vni=vni), attributes["encapsulation"]),
            "path_id": pd.Series(found.path_ids, dtype="UInt32").reindex(range(len(rows))),
            "is_decoded": routes["is_decoded"].mask(is_refused, other=False),
            "raw": attributes["raw"].fillna(_raw(found, is_refused | ~routes["is_decoded"].fillna(value=True))),
        }
    )


def _told(told: list[Told]) -> pd.DataFrame:
    cells = {
        name: np.fromiter(map(itemgetter(at), told), object if name == "action" else np.int64, len(told))
        for at, name in enumerate(TOLD)
    }
    return pd.DataFrame(cells, copy=False)


def _labels(routes: pd.DataFrame, encapsulation: pd.Series) -> dict[str, pd.Series]:
    """Return labels as VNIs of 24 bits, or where the encapsulation says MPLS as labels of 20 bits."""
    is_mpls = encapsulation.eq(MPLS).fillna(value=False).astype(bool)
    labels = {name: (routes[vni] // 16).where(is_mpls) for name, vni in LABELS.items()}
    return labels | {vni: routes[vni].mask(is_mpls) for vni in LABELS.values()}


def _raw(found: Found, is_kept: pd.Series) -> pd.Series:
    """Return the octets of the NLRI that are kept raw as hexadecimal, by row."""
    kept = np.flatnonzero(is_kept.to_numpy(dtype=bool)).tolist()
    told = {row: nlri.hex() for row in kept if (nlri := found.routes[row]) is not None}
    return pd.Series(told, dtype="str").reindex(range(len(is_kept)))


def _routes(nlri: Sequence[bytes | None]) -> pd.DataFrame:
    """Return the columns of each row's NLRI, missing values where it has none; equal ones are read once."""
    held = np.empty(len(nlri), object)
    held[:] = nlri
    codes, distinct = pd.factorize(held)
    routes = decode_nlri(distinct.tolist())
    routes["is_decoded"] = pd.array((routes["reason"] == READ).to_numpy(dtype=bool), dtype="boolean")
    return routes.reindex(codes).reset_index(drop=True)


def _attributes(sets: Sequence[Fields], numbers: np.ndarray) -> pd.DataFrame:
    """Return the columns of each row's set of attributes; 0 stands for none.

    Most columns are missing throughout: those are made once a dtype.
    """
    dtypes = {name: DTYPES[name] for name in ATTRIBUTE_COLUMNS} | {"pmsi_vni": DTYPES["vni"]}
    nowhere = np.full(len(numbers), -1)
    missing = {dtype: pd.Series([], dtype=dtype).array.take(nowhere, allow_fill=True) for dtype in {*dtypes.values()}}
    told = {name for one in sets for name, value in one.items() if value is not None}
    rows: list[dict[str, Any]] = [{}, *sets]
    known = {name: pd.Series([row.get(name) for row in rows], dtype=dtypes[name]) for name in dtypes if name in told}
    cells = {name: known[name].array.take(numbers) if name in told else missing[dtypes[name]] for name in dtypes}
    return pd.DataFrame(cells, copy=False)


def _note_routes(found: Found, positions: pd.Series, routes: pd.DataFrame) -> None:
    """Note every route that was not read whole; a missing reason belongs to a row that is no route."""
    for row in np.flatnonzero(routes["reason"].fillna(READ) != READ).tolist():
        found.note(positions.iloc[row], routes["reason"].iloc[row], _kept_raw(routes["route_type"].iloc[row]))


def _kept_raw(code: int) -> str:
    name, _ = OTHER_TYPES.get(code, ("", ""))
    return f"type {code} {name}".rstrip()


def anomaly_rows(streams: pd.DataFrame, found: Found) -> pd.DataFrame:
    """Return ANOMALIES: of COUNTED names one row a capture, else one a frame and name with its first detail."""
    positions = np.array([position for position, _, _ in found.notes], dtype=np.int64)
    details = [_counted(found, position, name) if name in COUNTED else told for position, name, told in found.notes]
    notes = pd.DataFrame(
        {
            "frame_id": streams["frame_id"].to_numpy()[positions],
            "name": [name for _, name, _ in found.notes],
            "detail": details,
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


def _counted(found: Found, position: int, name: str) -> str:
    """Return what a counted name stands for; the types of routes that are kept raw by their names."""
    types = sorted({told for place, other, told in found.notes if (place, other) == (position, name)} - {""})
    return f"{COUNTED[name]}: {', '.join(types)}" if types else COUNTED[name]

"""What BGP messages told becomes rows of UPDATES and ANOMALIES; each NLRI and set of attributes is read once."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from evpn_pcap import columns
from evpn_pcap.decode.bgp_attributes import Fields
from evpn_pcap.decode.bgp_evpn import FIELDS, OTHER_TYPES, RAW, READ, decode_nlri

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
OF_MESSAGE = ("sequence", "nlri_index", "action")
MADE = ("frame_id", "host", "captured_ns", "stream_id", *ENDS, *OF_MESSAGE, *FIELDS, *LABELS, "path_id", "is_decoded")
ATTRIBUTE_COLUMNS = [name for name in DTYPES if name not in MADE]  # whatever else a message tells


class Told(NamedTuple):
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


class Found:
    """Collects what one call finds; distinct NLRI and attributes are kept once."""

    def __init__(self, captures: list[int]) -> None:
        self.captures = captures  # of each row of STREAM_BYTES
        self.told: list[Told] = []
        self.routes: list[int] = []  # for each row the number of its NLRI, 0 for none
        self.path_ids: dict[int, int] = {}  # of the rows that have one
        self.nlri = _Numbers()
        self.attributes: dict[int, int] = {}  # id() of a Fields in `fields` -> its number
        self.fields: list[Fields] = []
        self.notes: Counter[tuple[int, str, str]] = Counter()  # position, name, detail
        self.first: dict[tuple[int, str], int] = {}  # capture, name of COUNTED -> position that stands for all

    def add_event(self, position: int, sequence: int, action: str, fields: Fields | None = None) -> None:
        """Add a row that is no route."""
        self.told.append(Told(position, sequence, action, attributes=self.number_of_fields(fields) if fields else 0))
        self.routes.append(0)

    def add_routes(self, told: Told, nlri: Sequence[bytes], path_ids: Sequence[int] | None) -> None:
        """Add the rows of a message's routes with one action."""
        if path_ids:
            self.path_ids |= dict(enumerate(path_ids, len(self.routes)))
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


def update_rows(streams: pd.DataFrame, found: Found) -> pd.DataFrame:
    """Return UPDATES, and note every route that could not be read whole."""
    told = pd.DataFrame(found.told, columns=Told._fields)
    rows = told.loc[told.index.repeat(told["row_count"].to_numpy(dtype=np.int64))].reset_index(names="told")
    rows["nlri_index"] = rows["first_index"] + rows.groupby("told").cumcount()
    at = streams.iloc[rows["position"].to_numpy(dtype=np.int64)].reset_index(drop=True)
    routes = _distinct_routes(found).take(np.array(found.routes, dtype=np.int64)).reset_index(drop=True)
    attributes = _distinct_attributes(found).take(rows["attributes"].to_numpy(dtype=np.int64)).reset_index(drop=True)
    _note_routes(found, rows["position"], routes)
    is_refused = rows["action"] == "refused"
    vni = routes["vni"].where(routes["route_type"].ne(IMET).fillna(value=True), attributes["pmsi_vni"])
    return columns.UPDATES.build(
        {
            **{name: at[name] for name in ("frame_id", "host", "captured_ns", "stream_id", *ENDS)},
            **{name: rows[name] for name in OF_MESSAGE},
            **{name: routes[name] for name in FIELDS},
            **{name: attributes[name] for name in ATTRIBUTE_COLUMNS},
            **_labels(routes.assign(vni=vni), attributes["encapsulation"]),
            "path_id": pd.Series(found.path_ids, dtype="UInt32").reindex(range(len(rows))),
            "is_decoded": routes["is_decoded"].mask(is_refused, other=False),
            "raw": attributes["raw"].fillna(routes["hex"].where(is_refused | ~routes["is_decoded"].fillna(value=True))),
        }
    )


def _labels(routes: pd.DataFrame, encapsulation: pd.Series) -> dict[str, pd.Series]:
    """Return labels as VNIs of 24 bits, or where the encapsulation says MPLS as labels of 20 bits."""
    is_mpls = encapsulation.eq(MPLS).fillna(value=False).astype(bool)
    labels = {name: (routes[vni] // 16).where(is_mpls) for name, vni in LABELS.items()}
    return labels | {vni: routes[vni].mask(is_mpls) for vni in LABELS.values()}


def _distinct_routes(found: Found) -> pd.DataFrame:
    """Return the columns of each distinct NLRI behind one row of missing values."""
    nlri = list(found.nlri)
    routes = decode_nlri(nlri)
    routes["is_decoded"] = pd.array((routes["reason"] == READ).to_numpy(dtype=bool), dtype="boolean")
    routes["hex"] = pd.Series([octets.hex() for octets in nlri], dtype="str")
    return routes.reindex(range(-1, len(routes)))


def _distinct_attributes(found: Found) -> pd.DataFrame:
    """Return the columns of each distinct set of attributes behind one row of missing values."""
    rows: list[dict[str, Any]] = [{}, *found.fields]
    dtypes = {name: DTYPES[name] for name in ATTRIBUTE_COLUMNS} | {"pmsi_vni": DTYPES["vni"]}
    return pd.DataFrame({name: pd.Series([row.get(name) for row in rows], dtype=kind) for name, kind in dtypes.items()})


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

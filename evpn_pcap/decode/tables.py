"""Columns of one batch after another into the tables of `columns/`.

Until the capture's end every column is a plain array, with MISSING for what is missing, words as
elements of a tuple and IP addresses as codes: memory grows by some hundred octets a row.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from evpn_pcap.addresses import frame_id
from evpn_pcap.columns.kinds import IP, TEXT
from evpn_pcap.decode import cooked, ethernet, vxlan
from evpn_pcap.decode.interned import Addresses
from evpn_pcap.decode.layout import COOKED, ETHERNET, MISSING, Layout
from evpn_pcap.table import Column, Columns, Maybe, Table, Values, Words

DIRECTIONS = ("incoming", "outgoing")
PROTOCOLS = ("arp", "rarp", "nd", "mld", "bgp")

Vocabularies = Mapping[str, Sequence[str]]  # column -> what its numbers stand for


def context(layout: Layout, record: np.ndarray, capture_id: int, addresses: Addresses) -> dict[str, np.ndarray]:
    """Return what the tables say of a frame whatever it carries: who, when, where, and the layers around it."""
    underlay_at = layout.underlay_at[record]
    outer_source, outer_destination = addresses.of_header(layout.octets, underlay_at, underlay_at != MISSING)
    source_mac, destination_mac, is_multicast = _link(layout, record)
    return {
        **frame(layout, record, capture_id),
        "vlan_id": layout.vlan_id[record],
        "outer_source_ip": outer_source,
        "outer_destination_ip": outer_destination,
        "vni": vxlan.vni(layout, record),
        "inner_vlan_id": layout.inner_vlan_id[record],
        "source_mac": source_mac,
        "destination_mac": destination_mac,
        "is_multicast": is_multicast,
    }


def frame(layout: Layout, record: np.ndarray, capture_id: int) -> dict[str, np.ndarray]:
    """Return who saw a frame, when and which way."""
    batch = layout.batch
    return {
        "frame_id": frame_id(capture_id, batch.first_frame_number) + record,
        "captured_ns": batch.captured_ns[record],
        "interface_index": layout.interface_index[record],
        "direction": _direction(layout, record),
    }


def source_mac(layout: Layout, record: np.ndarray) -> np.ndarray:
    """Return the source MAC of the innermost frame, else MISSING."""
    return _link(layout, record)[0]


def _link(layout: Layout, record: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return source and destination MAC and whether sent to a group, from the innermost link-layer header."""
    form = layout.link[record]
    is_ethernet = form == ETHERNET
    sent_from, sent_to = ethernet.addresses(layout, record)
    group = sent_to >> 40 & 1
    if not is_ethernet.all():
        is_cooked = form >= COOKED
        sent_from[~is_ethernet] = MISSING
        sent_from[is_cooked] = cooked.source_mac(layout, record[is_cooked])
        sent_to[~is_ethernet] = MISSING
        group[~is_ethernet] = MISSING
        group[is_cooked] = cooked.is_group(cooked.packet_type(layout, record[is_cooked]))
    return sent_from, sent_to, group.astype(np.int8)


def _direction(layout: Layout, record: np.ndarray) -> np.ndarray:
    """Return the element of DIRECTIONS: by the cooked header, else as the file says."""
    direction: np.ndarray = layout.batch.direction[record] - np.int8(1)
    kind = cooked.packet_type(layout, record)
    direction[(kind >= 0) & (kind < cooked.OUTGOING)] = DIRECTIONS.index("incoming")
    direction[kind == cooked.OUTGOING] = DIRECTIONS.index("outgoing")
    return direction


class Chunks:
    """The columns of one table, batch after batch."""

    def __init__(self, table: Table, constant: Mapping[str, str]) -> None:
        self._table = table
        self._constant = constant
        self._batches: list[Mapping[str, np.ndarray]] = []

    def add(self, batch: Mapping[str, np.ndarray]) -> None:
        """Take the columns of one batch; one that is left out is missing in all its rows."""
        self._batches.append(batch)

    def take(self, later: "Chunks", changes: Mapping[str, Callable[[np.ndarray], np.ndarray]]) -> None:
        """Take the batches of another, with those of its columns changed that say otherwise what they mean."""
        for batch in later._batches:
            self._batches.append(
                {name: changes[name](values) if name in changes else values for name, values in batch.items()}
            )

    def joined(self, name: str) -> np.ndarray:
        """Return one column of all batches, MISSING where a batch does not have it."""
        parts = [batch[name] if name in batch else _missing(batch) for batch in self._batches]
        return np.concatenate(parts) if parts else np.zeros(0, np.int64)

    def build(
        self,
        addresses: Addresses,
        words: Vocabularies,
        keep: np.ndarray | None = None,
        late: Mapping[str, np.ndarray] | None = None,
    ) -> Columns:
        """Return the table, of the rows to keep, in order of frames. `words`: what elements of a column stand for.

        `late` are columns that are known only now, one element for each row taken.
        """
        late = late or {}
        order = np.argsort(self.joined("frame_id"), kind="stable")
        order = order if keep is None else order[keep[order]]
        varying = [column for column in self._table.columns if column.name not in self._constant]
        found = {one.name: late[one.name] if one.name in late else self.joined(one.name) for one in varying}
        built = {one.name: _as_column(one, found[one.name][order], addresses, words) for one in varying}
        same = {name: Words(np.zeros(len(order), np.int8), (text,)) for name, text in self._constant.items()}
        return Columns(self._table, built | same)


def _missing(batch: Mapping[str, np.ndarray]) -> np.ndarray:
    return np.full(len(batch["frame_id"]), MISSING, np.int8)


def _as_column(column: Column, values: np.ndarray, addresses: Addresses, words: Vocabularies) -> Values:
    """Return values as the column is declared."""
    dtype = column.kind.dtype
    if column.kind is IP:
        return addresses.text(values)
    if column.name in words:
        return Words(values, words[column.name])
    if dtype == "boolean":
        return Maybe(values == 1, values == MISSING)
    if dtype.startswith(("UInt", "Int")):
        return Maybe(values.astype(dtype.lower()), values == MISSING)
    if column.kind is TEXT:
        return [value if isinstance(value, str) else None for value in values.tolist()]
    return values

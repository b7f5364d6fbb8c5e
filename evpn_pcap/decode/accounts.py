"""Every record of a capture counted: by interface, as decoded or by the reason why not, with its oddities."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from evpn_pcap import columns
from evpn_pcap.addresses import frame_id
from evpn_pcap.decode.layout import MISSING, Layout
from evpn_pcap.model import Capture, FileEnd, Interface, Source
from evpn_pcap.table import Columns, Values

NOTED_ALWAYS = ("vxlan.no-vni-flag",)
NOTED_MOST = 1000  # oddities of one name in one capture that get a row of their own
COOKED2_LINK_TYPE = 276
COUNTS = ("packet_count", "byte_count", "vxlan_count", "arp_count", "nd_count", "bgp_count")
_NEVER = np.iinfo(np.int64)


class Accounts:
    """The running counts of one capture."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._skipped: Counter[str] = Counter()
        self._noted: Counter[str] = Counter()  # those of _skipped that have rows of their own
        self._rows: list[tuple[int | None, str, str, str, int, int | None]] = []
        self._interfaces: dict[tuple[int, int], dict[str, int]] = {}
        self._link_types: dict[int, None] = {}

    def add(self, layout: Layout) -> None:
        """Count the records of one batch."""
        self._count_reasons(layout)
        batch = layout.batch
        # A cooked file's own interface, and the one that its headers name.
        pair = batch.interface_index.astype(np.int64) << 32 | layout.interface_index.astype(np.int64)
        pairs, first, index = _distinct(pair)
        carried = {
            "packet_count": np.ones(len(pair), np.int64),
            "byte_count": batch.wire_bytes,
            "vxlan_count": layout.vxlan_at != MISSING,
            "arp_count": _marks(layout, ("arp", "rarp")),
            "nd_count": _marks(layout, ("nd",)),
            "bgp_count": _marks(layout, ("bgp",)),
        }
        counts = {name: _summed(index, values, len(pairs)) for name, values in carried.items()}
        earliest, latest = np.full(len(pairs), _NEVER.max), np.full(len(pairs), _NEVER.min)
        np.minimum.at(earliest, index, batch.captured_ns)
        np.maximum.at(latest, index, batch.captured_ns)
        for place, key in enumerate(pairs.tolist()):
            link_type = int(batch.link_type[first[place]])
            self._link_types.setdefault(link_type)
            seen = self._interfaces.setdefault((key >> 32, key & 0xFFFFFFFF), _nothing_seen(link_type))
            for name in COUNTS:
                seen[name] += int(counts[name][place])
            seen["first_ns"] = min(seen["first_ns"], int(earliest[place]))
            seen["last_ns"] = max(seen["last_ns"], int(latest[place]))

    def _count_reasons(self, layout: Layout) -> None:
        """Count why records were left out; those that carry ARP, ND, MLD or BGP, or odd VXLAN, are noted singly."""
        if not layout.reason.any():
            return
        counted = np.bincount(layout.reason, minlength=len(layout.reasons))
        names = list(layout.reasons)
        for code in np.flatnonzero(counted[1:]) + 1:
            self._skipped[names[code]] += int(counted[code])
        odd = np.isin(layout.reason, [layout.reasons[name] for name in NOTED_ALWAYS if name in layout.reasons])
        found = (_marks(layout, ("arp", "rarp", "nd", "mld", "bgp")) & (layout.reason != 0)) | odd
        for record in np.flatnonzero(found).tolist():
            name = names[layout.reason[record]]
            if self._noted[name] < NOTED_MOST:
                self._noted[name] += 1
                frame = frame_id(self._source.capture_id, layout.batch.first_frame_number + record)
                captured, wire = int(layout.batch.captured_bytes[record]), int(layout.batch.wire_bytes[record])
                detail = f"{captured} of {wire} octets captured"
                self._rows.append((frame, name.partition(".")[0], name, detail, 1, None))

    @property
    def packet_count(self) -> int:
        """Records counted so far."""
        return sum(one["packet_count"] for one in self._interfaces.values())

    def take(self, later: "Accounts") -> None:
        """Take the counts of the capture's next part, whose frames are numbered from its own first."""
        before = self.packet_count
        self._skipped.update(later._skipped)
        for frame, layer, name, detail, count, offset in later._rows:
            if frame is not None and self._noted[name] < NOTED_MOST:
                self._noted[name] += 1
                self._rows.append((frame + before, layer, name, detail, count, offset))
        for key, seen in later._interfaces.items():
            self._interfaces[key] = _together(self._interfaces[key], seen) if key in self._interfaces else seen
        self._link_types |= later._link_types

    def capture(self, end: FileEnd) -> Capture:
        """Return the capture as a whole. Its role is told by the vantage points, later."""
        seen = self._interfaces.values()
        count = self.packet_count
        dropped = [one.dropped_count for one in end.interfaces if one.dropped_count is not None]
        return Capture(
            capture_id=self._source.capture_id,
            name=self._source.name,
            host=self._source.host,
            point=self._source.point,
            role="unknown",
            file_type=end.file_type,
            link_types=tuple(self._link_types) or tuple(dict.fromkeys(one.link_type for one in end.interfaces)),
            packet_count=count,
            byte_count=end.byte_count,
            decoded_count=count - self._skipped.total(),
            skipped=dict(sorted(self._skipped.items())),
            first_ns=min((one["first_ns"] for one in seen), default=None),
            last_ns=max((one["last_ns"] for one in seen), default=None),
            is_truncated=end.is_truncated,
            dropped_count=sum(dropped) if dropped else None,
            comments=end.comments,
        )

    def interfaces(self, end: FileEnd) -> Columns:
        """Return INTERFACES: those that records came in by, and those that the file only describes."""
        described = {one.interface_index: one for one in end.interfaces}
        for one in end.interfaces:
            if one.link_type != COOKED2_LINK_TYPE:
                self._interfaces.setdefault((one.interface_index, one.interface_index), _nothing_seen(one.link_type))
        merged: dict[int, dict[str, Any]] = {}
        for (own, shown), seen in sorted(self._interfaces.items()):
            row = self._row(shown, seen, described.get(own))
            merged[shown] = row if shown not in merged else _together(merged[shown], row)
        rows = [merged[shown] for shown in sorted(merged)]
        names = [column.name for column in columns.INTERFACES.columns]
        return Columns(columns.INTERFACES, {name: [row[name] for row in rows] for name in names})

    def _row(self, shown: int, seen: Mapping[str, int], described: Interface | None) -> dict[str, Any]:
        """Return one row of INTERFACES; an interface of a cooked capture has no name in the file.

        What a cooked capture lost may have been any of its interfaces': each row tells the whole number.
        """
        is_cooked = seen["link_type"] == COOKED2_LINK_TYPE
        first = [seen["first_ns"]] if seen["packet_count"] else []
        last = [seen["last_ns"]] if seen["packet_count"] else []
        if described and described.started_ns is not None:
            first.append(described.started_ns)
        if described and described.ended_ns is not None:
            last.append(described.ended_ns)
        own_name = described.name if described and not is_cooked else ""
        return {
            "capture_id": self._source.capture_id,
            "host": self._source.host,
            "point": self._source.point,
            "interface_index": shown,
            "name": own_name or self._source.interface_names.get(shown, "") or None,
            "link_type": seen["link_type"],
            "first_ns": min(first, default=None),
            "last_ns": max(last, default=None),
            "dropped_count": described.dropped_count if described else None,
            **{name: seen[name] for name in COUNTS},
        }

    def anomalies(self, end: FileEnd) -> Columns:
        """Return ANOMALIES: the file's notes, odd frames one by one, and the rest of each reason as a count."""
        rows = [
            (
                None if note.frame_number is None else frame_id(self._source.capture_id, note.frame_number),
                note.layer, note.name, note.detail, 1, note.offset_bytes,
            )
            for note in end.notes
        ]  # fmt: skip
        rows += self._rows
        for name, count in sorted(self._skipped.items()):
            if rest := count - self._noted[name]:
                rows.append((None, name.partition(".")[0], name, "records left out for this reason", rest, None))
        names = ("frame_id", "layer", "name", "detail", "count", "offset_bytes")
        told: dict[str, Values] = {name: [row[place] for row in rows] for place, name in enumerate(names)}
        return Columns(columns.ANOMALIES, {"capture_id": [self._source.capture_id] * len(rows)} | told)


def _nothing_seen(link_type: int) -> dict[str, int]:
    return dict.fromkeys(COUNTS, 0) | {"link_type": link_type, "first_ns": _NEVER.max, "last_ns": _NEVER.min}


def _together(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Return two interfaces of the same index (numbers of the file and of the kernel may meet) as one row."""
    joined = dict(one)
    for name in COUNTS:
        joined[name] = one[name] + other[name]
    for name, choose in (("first_ns", min), ("last_ns", max)):
        joined[name] = choose((row[name] for row in (one, other) if row[name] is not None), default=None)
    return joined


def _distinct(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the distinct values, where each is first met, and for each element which of them it is."""
    if (values == values[:1]).all():
        return values[:1], np.zeros(min(1, len(values)), np.int64), np.zeros(len(values), np.int64)
    return np.unique(values, return_index=True, return_inverse=True)


def _summed(index: np.ndarray, values: np.ndarray, size: int) -> np.ndarray:
    """Return exact integer sums by group."""
    sums = np.zeros(size, np.int64)
    if size == 1:
        sums[0] = values.sum()
    else:
        np.add.at(sums, index, values.astype(np.int64))
    return sums


def _marks(layout: Layout, protocols: tuple[str, ...]) -> np.ndarray:
    """Return which records reached one of these last layers."""
    marks = np.zeros(len(layout.reason), bool)
    for protocol in protocols:
        for rows in layout.leaves.get(protocol, []):
            marks[rows.record] = True
    return marks

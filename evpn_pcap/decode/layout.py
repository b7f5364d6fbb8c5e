"""Where the layers of a batch's records lie: what the decoders read, write and hand on.

A decoder gets `Rows`, the records that have reached its layer, and yields what comes next: the
name of a dispatch table, one number a row to look up there, and the rows moved on. What a later
layer or a table needs to find again is noted in the `Layout`, one element a record of the batch.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from evpn_pcap.decode.octets import Octets
from evpn_pcap.model import Batch

MISSING = -1  # inside decode/ only: the tables have nullable columns

NO_LINK, ETHERNET, COOKED, COOKED2 = range(4)  # forms of a link-layer header


@dataclass(frozen=True, slots=True)
class Rows:
    """Records that stand at the same layer. Octets of the layer are at .. stop (captured) or end (sent)."""

    record: np.ndarray  # element of the batch
    at: np.ndarray  # first octet of this layer
    stop: np.ndarray  # first octet behind what was captured of it
    end: np.ndarray  # first octet behind what was on the wire
    depth: int = 0  # tags and encapsulations passed
    network: int = 0  # version of the innermost IP header passed: 4, 6 or none

    def __len__(self) -> int:
        return len(self.record)

    def where(self, mask: np.ndarray) -> "Rows":
        """Return the rows of a mask."""
        if mask.all():
            return self
        index = np.flatnonzero(mask)
        return replace(self, record=self.record[index], at=self.at[index], stop=self.stop[index], end=self.end[index])

    def with_those_of(self, others: "Sequence[Rows]") -> "Rows":
        """Return these and other rows at the same layer behind the same sort of IP header."""
        every = (self, *others)
        return replace(
            self,
            record=np.concatenate([rows.record for rows in every]),
            at=np.concatenate([rows.at for rows in every]),
            stop=np.concatenate([rows.stop for rows in every]),
            end=np.concatenate([rows.end for rows in every]),
        )

    def behind(self, octets: "int | np.ndarray") -> "Rows":
        """Return the rows moved on behind a header of so many octets."""
        return replace(self, at=self.at + octets)

    def within(self, length: np.ndarray) -> "Rows":
        """Return the rows cut to a length, counted from `at`, that a length field claims."""
        bound = self.at + length
        return replace(self, stop=np.minimum(self.stop, bound), end=np.minimum(self.end, bound))


Next = Iterable[tuple[str, np.ndarray, Rows]]  # dispatch table, number to look up, rows behind the header


@dataclass(slots=True)
class Layout:
    """What was found in one batch: arrays with one element a record, and the rows that reached a last layer."""

    batch: Batch
    reasons: dict[str, int]  # every reason met in the capture, and its number; 0 means decoded
    octets: Octets = field(init=False)
    reason: np.ndarray = field(init=False)  # number of the reason why not decoded
    interface_index: np.ndarray = field(init=False)
    link: np.ndarray = field(init=False)  # form of the innermost link-layer header
    link_at: np.ndarray = field(init=False)
    vlan_id: np.ndarray = field(init=False)
    inner_vlan_id: np.ndarray = field(init=False)
    network_at: np.ndarray = field(init=False)  # innermost IP header
    ip_protocol: np.ndarray = field(init=False)  # of its payload, behind extension headers
    underlay_at: np.ndarray = field(init=False)  # IP header around the innermost VXLAN
    vxlan_at: np.ndarray = field(init=False)
    leaves: dict[str, list[Rows]] = field(default_factory=dict)  # protocol -> rows that become rows of a table

    def __post_init__(self) -> None:
        count = len(self.batch.start)
        self.octets = Octets(self.batch.octets)
        self.reason = np.zeros(count, np.uint32)
        self.interface_index = self.batch.interface_index
        self.link = np.zeros(count, np.uint8)
        self.link_at = self.batch.start.copy()
        self.vlan_id = np.full(count, MISSING, np.int32)
        self.inner_vlan_id = np.full(count, MISSING, np.int32)
        self.network_at = np.full(count, MISSING, np.int64)
        self.ip_protocol = np.zeros(count, np.uint8)
        self.underlay_at = np.full(count, MISSING, np.int64)
        self.vxlan_at = np.full(count, MISSING, np.int64)

    def leave_out(self, record: np.ndarray, name: str) -> None:
        """Note why records are not decoded further; the first reason of a record stays."""
        if not len(record):
            return
        fresh = record[self.reason[record] == 0]
        self.reason[fresh] = self.reasons.setdefault(name, len(self.reasons))

    def sound(self, rows: Rows, checks: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return which rows pass every check; the others are left out under the name of the first that fails."""
        passed = np.ones(len(rows), bool)
        for name, holds in checks.items():
            if not holds.all():
                self.leave_out(rows.record[~holds & passed], name)
                passed &= holds
        return passed

    def reaching(self, rows: Rows, octets: "int | np.ndarray", layer: str) -> np.ndarray:
        """Return which rows have so many octets of their layer; the others are left out.

        `LAYER.truncated`: the capture's snapshot length cut it. `LAYER.too-short`: it was sent so.
        """
        needed = rows.at + octets
        fits = needed <= rows.stop
        if fits.all():
            return fits
        return self.sound(rows, {f"{layer}.too-short": needed <= rows.end, f"{layer}.truncated": fits})

    def having(self, rows: Rows, octets: "int | np.ndarray", layer: str) -> Rows:
        """Return the rows that have so many octets of their layer, as `reaching`."""
        return rows.where(self.reaching(rows, octets, layer))

    def keeping(self, rows: Rows, valid: np.ndarray, name: str) -> Rows:
        """Return the rows of a mask; the others are left out for the reason named."""
        return rows.where(self.sound(rows, {name: valid}))

    def found(self, protocol: str, rows: Rows) -> None:
        """Note rows that become rows of a table."""
        if len(rows):
            self.leaves.setdefault(protocol, []).append(rows)

"""What was laid out in a batch into rows of PACKETS, ANCHORS and SEGMENTS, gathered over one capture."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from evpn_pcap import columns
from evpn_pcap.columns.kinds import IP
from evpn_pcap.decode import arp, icmpv6, ordinary, tcp, vxlan
from evpn_pcap.decode.accounts import Accounts
from evpn_pcap.decode.interned import Addresses
from evpn_pcap.decode.keys import frame_key, sample_key
from evpn_pcap.decode.layout import Layout, Rows
from evpn_pcap.decode.sampling import LEVELS, SECOND_NS, Sampler, are_joinable, joined, level
from evpn_pcap.decode.tables import DIRECTIONS, PROTOCOLS, Chunks, context, frame, source_mac
from evpn_pcap.model import Decoded, FileEnd, Options, Source

IP_ETHER_TYPES = {4: 0x0800, 6: 0x86DD}
COLUMNS: Mapping[str, Callable[[Layout, Rows, Addresses], dict[str, np.ndarray]]] = {
    "arp": arp.columns,
    "rarp": arp.columns,
    "nd": icmpv6.columns,
    "mld": icmpv6.listener_columns,
    "bgp": tcp.columns,
}
IP_COLUMNS = [
    one.name for table in (columns.PACKETS, columns.ANCHORS, columns.SEGMENTS) for one in table.columns
    if one.kind is IP
]  # fmt: skip


class Emitted:
    """The rows and counts of one capture so far."""

    def __init__(self, source: Source, options: Options) -> None:
        self.reasons = {"": 0}
        self._capture_id = source.capture_id
        self._accounts = Accounts(source)
        self._addresses = Addresses()
        self._sampler = Sampler(options.anchors_per_second_count)
        self._packets = Chunks(columns.PACKETS, {"host": source.host})
        self._anchors = Chunks(columns.ANCHORS, {"host": source.host})
        self._segments = Chunks(columns.SEGMENTS, {"host": source.host})

    def add(self, layout: Layout) -> None:
        """Take the rows of one batch and count its records."""
        for protocol in PROTOCOLS:
            for rows in layout.leaves.get(protocol, []):
                self._packets.add(self._packet_rows(layout, rows, protocol))
        for rows in layout.leaves.get("bgp", []):
            whole = rows.where(layout.reason[rows.record] == 0)
            self._segments.add(self._frame(layout, whole) | tcp.segments(layout, whole, self._addresses))
            self._add_anchors(layout, whole, *_sampled(layout, whole), always=True)
        self._sample(layout)
        self._accounts.add(layout)

    def _packet_rows(self, layout: Layout, rows: Rows, protocol: str) -> dict[str, np.ndarray]:
        """Return the columns of PACKETS of one group of rows of one protocol."""
        known = COLUMNS[protocol](layout, rows, self._addresses)
        return (
            context(layout, rows.record, self._capture_id, self._addresses)
            | vxlan.columns(layout, rows.record)
            | known
            | {
                "protocol": np.full(len(rows), PROTOCOLS.index(protocol), np.int8),
                "frame_key": _frame_key(layout, rows, protocol),
                "wire_bytes": layout.batch.wire_bytes[rows.record],
                "stop_reason": layout.reason[rows.record],
            }
        )

    def _frame(self, layout: Layout, rows: Rows) -> dict[str, np.ndarray]:
        return frame(layout, rows.record, self._capture_id)

    def _sample(self, layout: Layout) -> None:
        """Choose among the ordinary packets of a batch, if any are wanted; count all before choosing any."""
        if not self._sampler.wanted_count:
            return
        for network in (4, 6):
            groups = [rows for rows in layout.leaves.get("ordinary", []) if rows.network == network]
            if not groups:
                continue
            rows = groups[0].with_those_of(groups[1:])
            second, rarity = _sampled(layout, rows)
            self._sampler.count(second, rarity)
            kept = np.flatnonzero(self._sampler.keeps(second, rarity))
            part = replace(rows, record=rows.record[kept], at=rows.at[kept], stop=rows.stop[kept], end=rows.end[kept])
            self._add_anchors(layout, part, second[kept], rarity[kept], always=False)

    def _add_anchors(self, layout: Layout, rows: Rows, second: np.ndarray, rarity: np.ndarray, always: bool) -> None:
        if not len(rows):
            return
        self._anchors.add(
            context(layout, rows.record, self._capture_id, self._addresses)
            | ordinary.columns(layout, rows, self._addresses)
            | {"second": second, "sample_level": np.full(len(rows), LEVELS, np.uint8) if always else rarity}
        )

    @property
    def packet_count(self) -> int:
        """Records taken so far."""
        return self._accounts.packet_count

    def take(self, parts: "Sequence[Emitted]") -> bool:
        """Take all parts of the capture, each with frames numbered from its own first; nothing was taken before.

        Returns False, and takes nothing, where they do not tell which frames one reading samples.
        """
        samplers = [one._sampler for one in parts]
        if not are_joinable(samplers):
            return False
        for one in parts:
            before = self.packet_count
            numbers = np.array([self.reasons.setdefault(name, len(self.reasons)) for name in one.reasons], np.uint32)
            changes: dict[str, Callable[[np.ndarray], np.ndarray]] = {
                **dict.fromkeys(IP_COLUMNS, self._addresses.take(one._addresses)),
                "frame_id": partial(np.add, before),
                "stop_reason": partial(np.take, numbers),
            }
            self._packets.take(one._packets, changes)
            self._anchors.take(one._anchors, changes)
            self._segments.take(one._segments, changes)
            self._accounts.take(one._accounts)
        second, rarity = self._anchors.joined("second"), self._anchors.joined("sample_level")
        is_chosen = rarity < LEVELS  # the others are kept always
        self._sampler = joined(samplers, second[is_chosen], rarity[is_chosen])
        return True

    def decoded(self, end: FileEnd) -> Decoded:
        """Return everything as columns, now that the capture has been read to its end."""
        words = {"direction": DIRECTIONS, "protocol": PROTOCOLS, "stop_reason": list(self.reasons)}
        second = self._anchors.joined("second")
        sampled = self._sampler.keeps(second, self._anchors.joined("sample_level"))
        kept_level = {"kept_level": self._sampler.least(second)}
        return Decoded(
            self._accounts.capture(end),
            {
                "interfaces": self._accounts.interfaces(end),
                "packets": self._packets.build(self._addresses, words),
                "anchors": self._anchors.build(self._addresses, words, sampled, kept_level),
                "segments": self._segments.build(self._addresses, words),
                "anomalies": self._accounts.anomalies(end),
            },
        )


def _sampled(layout: Layout, rows: Rows) -> tuple[np.ndarray, np.ndarray]:
    """Return the second that each IP packet was captured in, and how rare its sample key is."""
    key = sample_key(layout.octets, ordinary.packets(layout, rows))
    return layout.batch.captured_ns[rows.record] // SECOND_NS, level(key)


def _frame_key(layout: Layout, rows: Rows, protocol: str) -> np.ndarray:
    """Return the frame_key of rows of PACKETS."""
    is_arp = protocol in arp.ETHER_TYPES
    packets = arp.packets(layout, rows) if is_arp else ordinary.packets(layout, rows)
    ether_type = arp.ETHER_TYPES[protocol] if is_arp else IP_ETHER_TYPES[rows.network]
    return frame_key(layout.octets, packets, ether_type, source_mac(layout, rows.record))

"""Octets of capture records into PACKETS, ANCHORS and SEGMENTS: layer by layer, in columns.

Which decoder comes next is looked up in dicts, by the number that the header before names.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping

import numpy as np

from evpn_pcap.decode import arp, cooked, ethernet, icmpv6, ipv4, ipv6, loopback, ordinary, tcp, udp, vxlan
from evpn_pcap.decode.emitted import Emitted
from evpn_pcap.decode.joined import Part, join_parts
from evpn_pcap.decode.layout import Layout, Next, Rows
from evpn_pcap.model import Batch, Decoded, FileEnd, Options, Source

__all__ = ["Part", "decode", "decode_part", "join_parts"]

DEPTH_MOST = 8  # tags and encapsulations of one frame that are passed

Decoder = Callable[[Layout, Rows], Next]
Dispatch = Mapping[str, Mapping[int | None, Decoder]]  # table -> number -> decoder; None: any other number


def decode(batches: Iterable[Batch | FileEnd], source: Source, options: Options) -> Decoded:
    """Return what one capture shows: ARP, ND and BGP frames, a sample of the others, counts of everything.

    `batches` are a source's, ending with a FileEnd. `options`: vxlan_ports, anchors_per_second_count.
    Memory grows with the rows of the result, not with the capture. Damage inside a record is counted
    (Capture.skipped) and told in ANOMALIES, never raised; what `batches` raises passes through.
    """
    part = decode_part(batches, source, options)
    return part.emitted.decoded(part.end)


def decode_part(batches: Iterable[Batch | FileEnd], source: Source, options: Options) -> Part:
    """Return what a part of a capture file shows, for `join_parts`; batches and options as for `decode`."""
    dispatch, emitted = _dispatch(options), Emitted(source, options)
    for batch in batches:
        if isinstance(batch, FileEnd):
            return Part(source, emitted, batch)
        emitted.add(_lay_out(batch, dispatch, emitted.reasons))
    raise ValueError(f"{source.name}: the batches of a capture end with a FileEnd")


def _dispatch(options: Options) -> Dispatch:
    return {
        "link_type": {  # tcpdump.org/linktypes.html
            0: loopback.decode,
            1: ethernet.decode,
            12: loopback.decode_raw,
            101: loopback.decode_raw,
            108: loopback.decode,
            113: cooked.decode,
            228: loopback.decode_raw,
            229: loopback.decode_raw,
            276: cooked.decode2,
            None: _unsupported,
        },
        "frame": {None: ethernet.decode},
        "ether_type": {  # IEEE 802 numbers (IANA)
            0x0800: ipv4.decode,
            0x0806: arp.decode,
            0x8035: arp.decode_reverse,
            0x8100: ethernet.decode_tag,  # 802.1Q
            0x86DD: ipv6.decode,
            0x88A8: ethernet.decode_tag,  # 802.1ad
            0x9100: ethernet.decode_tag,  # QinQ before 802.1ad
            None: _known_no_further,
        },
        "ip_protocol": {  # IANA protocol numbers
            1: ordinary.decode_icmp,
            6: tcp.decode,
            17: udp.decode,
            58: icmpv6.decode,
            None: ordinary.decode,
        },
        "udp_port": {**dict.fromkeys(sorted(options.vxlan_ports), vxlan.decode), None: ordinary.decode},
    }


def _lay_out(batch: Batch, dispatch: Dispatch, reasons: dict[str, int]) -> Layout:
    """Return where the layers of a batch's records are, as far down as there is a decoder."""
    layout = Layout(batch, reasons)
    stop = batch.start + batch.captured_bytes
    end = np.maximum(batch.start + batch.wire_bytes, stop)
    every = Rows(np.arange(len(batch.start)), batch.start, stop, end)
    waiting: list[tuple[str, np.ndarray, Rows]] = [("link_type", batch.link_type, every)]
    while waiting:
        table, numbers, rows = waiting.pop()
        if rows.depth > DEPTH_MOST:
            layout.leave_out(rows.record, "encapsulation.too-deep")
            continue
        for decoder, part in _looked_up(dispatch[table], numbers, rows):
            waiting.extend(decoder(layout, part))
    return layout


def _looked_up(table: Mapping[int | None, Decoder], numbers: np.ndarray, rows: Rows) -> Iterator[tuple[Decoder, Rows]]:
    """Split rows by the decoder that their number names."""
    for number, decoder in table.items():
        if not len(rows):
            return
        hit = np.ones(len(rows), bool) if number is None else numbers == number
        if hit.all():
            yield decoder, rows
            return
        if hit.any():
            yield decoder, rows.where(hit)
            numbers, rows = numbers[~hit], rows.where(~hit)


def _known_no_further(layout: Layout, rows: Rows) -> Next:  # noqa: ARG001 -- a Decoder: what it carries is not ours to read
    return ()


def _unsupported(layout: Layout, rows: Rows) -> Next:
    """Leave out records of link types that have no decoder, each type under its own name."""
    link_type = layout.batch.link_type[rows.record]
    for one in np.unique(link_type).tolist():
        layout.leave_out(rows.record[link_type == one], f"link-type.{one}")
    return ()

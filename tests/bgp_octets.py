"""BGP messages written with struct from the RFCs, and tables of segments made without the package's readers."""

import subprocess
from collections.abc import Iterable
from ipaddress import ip_address
from pathlib import Path
from struct import pack

import pandas as pd

from evpn_pcap import columns, streams
from evpn_pcap.addresses import frame_id
from evpn_pcap.decode import bgp
from evpn_pcap.table import Columns, Table, plain

OPEN, UPDATE, NOTIFICATION, KEEPALIVE, REFRESH = 1, 2, 3, 4, 5
EVPN = pack(">HB", 25, 70)
ALICE, BOB = "192.168.16.1", "192.168.16.4"
MAC_1, MAC_2 = bytes.fromhex("bc2411000001"), bytes.fromhex("bc2411000002")


def join_streams(segments: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return STREAM_BYTES and ANOMALIES of SEGMENTS as frames."""
    told, anomalies = streams.join_streams(_columns(columns.SEGMENTS, segments))
    return told.frame(), anomalies.frame()


def decode_updates(told: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return UPDATES and ANOMALIES of STREAM_BYTES as frames."""
    updates, anomalies = bgp.decode_updates(_columns(columns.STREAM_BYTES, told))
    return updates.frame(), anomalies.frame()


def _columns(table: Table, rows: pd.DataFrame) -> Columns:
    return Columns(table, {one.name: plain(rows[one.name]) for one in table.columns})


def message(kind: int, body: bytes = b"") -> bytes:
    """RFC 4271, 4.1."""
    return b"\xff" * 16 + pack(">HB", 19 + len(body), kind) + body


def update(*attributes: bytes, withdrawn: bytes = b"", nlri: bytes = b"") -> bytes:
    """RFC 4271, 4.3."""
    joined = b"".join(attributes)
    return message(UPDATE, pack(">H", len(withdrawn)) + withdrawn + pack(">H", len(joined)) + joined + nlri)


def attribute(code: int, value: bytes, flags: int) -> bytes:
    """RFC 4271, 4.3; 0x10 is the extended length bit."""
    return pack(">BBH" if flags & 0x10 else ">BBB", flags, code, len(value)) + value


def reach(*nlri: bytes, next_hop: str = ALICE, flags: int = 0x90) -> bytes:
    """RFC 4760, 3."""
    hop = ip_address(next_hop).packed
    return attribute(14, EVPN + pack(">B", len(hop)) + hop + b"\x00" + b"".join(nlri), flags)


def unreach(*nlri: bytes) -> bytes:
    """RFC 4760, 4."""
    return attribute(15, EVPN + b"".join(nlri), 0x90)


def communities(*values: str) -> bytes:
    """RFC 4360, 2: eight octets each, given as hex."""
    return attribute(16, b"".join(map(bytes.fromhex, values)), 0xC0)


def nlri(route_type: int, body: bytes) -> bytes:
    """RFC 7432, 7."""
    return pack(">BB", route_type, len(body)) + body


def rd(speaker: str, number: int) -> bytes:
    """RFC 4364, 4.2, type 1."""
    return pack(">H4sH", 1, ip_address(speaker).packed, number)


def label(number: int) -> bytes:
    """RFC 8365, 5.1.3: a VNI fills the three octets."""
    return number.to_bytes(3, "big")


def mac_ip(mac: bytes, ip: str = "", *labels: int, speaker: str = ALICE, esi: bytes = bytes(10), tag: int = 0) -> bytes:
    """RFC 7432, 7.2."""
    address = ip_address(ip).packed if ip else b""
    head = rd(speaker, 2) + esi + pack(">IB6sB", tag, 48, mac, 8 * len(address))
    return nlri(2, head + address + b"".join(map(label, labels or (5001,))))


def imet(speaker: str = ALICE) -> bytes:
    """RFC 7432, 7.3."""
    address = ip_address(speaker).packed
    return nlri(3, rd(speaker, 2) + pack(">IB", 0, 8 * len(address)) + address)


END_OF_RIB = update(attribute(15, EVPN, 0x80))  # RFC 4724, 2


def connection_table(table: Table, rows: list[dict[str, object]]) -> pd.DataFrame:
    """Return a table whose rows default to one connection from ALICE to BOB seen at host h."""
    known = {
        "frame_id": 0, "host": "h", "captured_ns": 0, "stream_id": 0, "interface_index": 0, "direction": None,
        "sender_ip": ALICE, "sender_port": 40000, "receiver_ip": BOB, "receiver_port": 179,
        "sequence": 0, "flags": 0x10, "event": "data",
    }  # fmt: skip
    names = [column.name for column in table.columns]
    return table.build({name: [row.get(name, known.get(name)) for row in rows] for name in names})


def segments(*rows: dict[str, object]) -> pd.DataFrame:
    """Return SEGMENTS: frame numbers from 1 and a microsecond apart, unless the row says otherwise."""
    filled = []
    for number, row in enumerate(rows, 1):
        payload = row.get("payload", b"")
        assert isinstance(payload, bytes)
        defaults = {"frame_id": frame_id(0, number), "captured_ns": 1000 * number, "payload_bytes": len(payload)}
        filled.append({**defaults, **row, "payload": payload})
    return connection_table(columns.SEGMENTS, filled)


def stream(*pieces: bytes, event: str = "start", first_sequence: int = 999) -> pd.DataFrame:
    """Return STREAM_BYTES of one direction: frame 0 is the event, then a frame for each piece."""
    rows: list[dict[str, object]] = [{"event": event, "octets": b"", "sequence": first_sequence}]
    sequence = first_sequence + 1
    for number, octets in enumerate(pieces, 1):
        row = {"frame_id": number, "captured_ns": 1000 * number, "sequence": sequence % 2**32, "octets": octets}
        rows.append(row)
        sequence += len(octets)
    return connection_table(columns.STREAM_BYTES, rows)


FIELDS = ("frame.number", "frame.time_epoch", "ip.src", "tcp.srcport", "ip.dst", "tcp.dstport", "tcp.seq_raw",
          "tcp.flags", "tcp.payload", "tcp.len")  # fmt: skip


def tshark_segments(files: Iterable[Path]) -> pd.DataFrame:
    """Return SEGMENTS of the IPv4 port 179 frames that tshark finds in captures named HOST-POINT.pcap."""
    rows = []
    for capture_id, file in enumerate(files):
        asked = [part for field in FIELDS for part in ("-e", field)]
        command = ["tshark", "-n", "-r", str(file), "-Y", "ip && tcp.port == 179 && !vxlan", "-T", "fields", *asked]
        found = subprocess.run(command, capture_output=True, text=True, check=True)
        for line in found.stdout.splitlines():
            number, time, source, sport, destination, dport, sequence, flags, payload, size = line.split("\t")
            seconds, fraction = time.split(".")
            rows.append(
                {
                    "frame_id": frame_id(capture_id, int(number)),
                    "host": file.stem.split("-")[0],
                    "captured_ns": int(seconds) * 10**9 + int(fraction.ljust(9, "0")),
                    "sender_ip": source,
                    "sender_port": int(sport),
                    "receiver_ip": destination,
                    "receiver_port": int(dport),
                    "sequence": int(sequence),
                    "flags": int(flags, 16) & 0xFF,
                    "payload": bytes.fromhex(payload),
                    "payload_bytes": int(size),
                }
            )
    return connection_table(columns.SEGMENTS, rows)

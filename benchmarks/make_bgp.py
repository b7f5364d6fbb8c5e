"""Write a large capture of BGP sessions: EVPN routes, one UPDATE each as FRR sends them, and retransmissions.

One session carries MAC and MAC/IP routes of both families, each with route targets, encapsulation and router's MAC;
two or three messages a segment, every tenth segment sent twice, every hundredth late. Checksums are zero.

    python benchmarks/make_bgp.py --routes 100000 bgp.pcap
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from struct import pack

FIRST_S = 1_760_000_000
SENDER, RECEIVER = bytes([192, 168, 16, 1]), bytes([192, 168, 16, 4])
HEAD = bytes.fromhex("400101005002000040050400000064c01018030c0000000000080002fde90000138906039af0700b1f81")
REPEATED, LATE = 10, 100  # every so many segments


def message(kind: int, body: bytes) -> bytes:
    """RFC 4271, 4.1."""
    return b"\xff" * 16 + pack(">HB", 19 + len(body), kind) + body


def route(number: int) -> bytes:
    """Return the type-2 route of a host: MAC only, with IPv4, with IPv6 in turns (RFC 7432, 7.2)."""
    host = number // 3
    address = (b"", pack(">BBH", 10, host >> 16, host & 0xFFFF), b"\xfd" + bytes(11) + pack(">I", host))[number % 3]
    labels = b"\x00\x13\x89" + (b"\x01\x86\xa1" if number % 3 else b"")
    rd = pack(">H4sH", 1, SENDER, 2)
    body = rd + bytes(14) + b"\x30" + pack(">HI", 0xBC24, host) + bytes([8 * len(address)]) + address + labels
    return bytes([2, len(body)]) + body


def update(number: int) -> bytes:
    """Return the UPDATE that announces a route (RFC 4271, 4.3; RFC 4760, 3)."""
    reach = pack(">HBB4sB", 25, 70, 4, SENDER, 0) + route(number)
    attributes = pack(">BBH", 0x90, 14, len(reach)) + reach + HEAD
    return message(2, pack(">HH", 0, len(attributes)) + attributes)


def segments(routes: int) -> Iterator[tuple[int, bytes]]:
    """Yield offset in the stream and octets of each segment, those sent again and those out of order too."""
    offset, late = 0, None
    for count, first in enumerate(range(0, routes, 2)):
        octets = b"".join(map(update, range(first, min(first + 2, routes))))
        if count % LATE == 7:
            late = (offset, octets)
        else:
            yield offset, octets
            if late:
                yield late
                late = None
            if count % REPEATED == 3:
                yield offset, octets
        offset += len(octets)
    if late:
        yield late


def frame(number: int, sequence: int, flags: int, payload: bytes) -> bytes:
    """Return a pcap record: Ethernet, IPv4, TCP, payload, ten microseconds after the one before."""
    tcp = pack(">HHIIBBHHH", 40000, 179, sequence % 2**32, 1, 0x50, flags, 65535, 0, 0)
    ip = pack(">BBHHHBBH", 0x45, 0, 40 + len(payload), number & 0xFFFF, 0x4000, 64, 6, 0) + SENDER + RECEIVER
    octets = bytes.fromhex("bc2411100004bc24111000010800") + ip + tcp + payload
    microseconds = number * 10
    seconds = FIRST_S + microseconds // 1_000_000
    return pack("<IIII", seconds, microseconds % 1_000_000, len(octets), len(octets)) + octets


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--routes", type=int, default=100_000)
    chosen = parser.parse_args()
    with chosen.file.open("wb") as out:
        out.write(pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        out.write(frame(0, 999, 2, b""))
        for number, (offset, octets) in enumerate(segments(chosen.routes), 1):
            out.write(frame(number, 1000 + offset, 0x18, octets))


if __name__ == "__main__":
    main()

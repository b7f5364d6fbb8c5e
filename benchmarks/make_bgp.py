"""Write a large capture of BGP sessions: EVPN routes, one UPDATE each as FRR sends them, and retransmissions.

One session carries MAC and MAC/IP routes of both families as a reflector passes them on in symmetric routing: two
route targets, encapsulation, router's MAC, originator and cluster list. Two messages a segment, every tenth segment
sent twice, every hundredth late, every second one acknowledged (tshark is slow with TCP that nobody acknowledges, and
the comparison would be unfair). Checksums are zero.

    python benchmarks/make_bgp.py --routes 100000 bgp.pcap
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from struct import pack

FIRST_S = 1_760_000_000
SENDER, RECEIVER = bytes([192, 168, 16, 1]), bytes([192, 168, 16, 4])
ATTRIBUTES = (  # ORIGIN, AS_PATH, LOCAL_PREF, ORIGINATOR_ID, CLUSTER_LIST, EXTENDED_COMMUNITIES
    *("40010100", "50020000", "40050400000064", "800904c0a81001", "800a04c0a81064"),
    *("c01020", "030c000000000008", "0002fde900001389", "0002fde9000186a1", "06039af0700b1f81"),
)
SYN, ACK, SYN_ACK, PUSH = 0x02, 0x10, 0x12, 0x18
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
    attributes = pack(">BBH", 0x90, 14, len(reach)) + reach + bytes.fromhex("".join(ATTRIBUTES))
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


def frame(number: int, sequence: int, acknowledged: int, flags: int, payload: bytes = b"") -> bytes:
    """Return a pcap record: Ethernet, IPv4, TCP, payload, ten microseconds after the one before.

    What carries nothing but an acknowledgement goes the other way.
    """
    is_back = flags in (ACK, SYN_ACK)
    ends, ports = ((RECEIVER, SENDER), (179, 40000)) if is_back else ((SENDER, RECEIVER), (40000, 179))
    tcp = pack(">HHIIBBHHH", *ports, sequence % 2**32, acknowledged % 2**32, 0x50, flags, 65535, 0, 0)
    ip = pack(">BBHHHBBH", 0x45, 0, 40 + len(payload), number & 0xFFFF, 0x4000, 64, 6, 0) + b"".join(ends)
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
        out.write(frame(0, 999, 0, SYN))
        out.write(frame(1, 8999, 1000, SYN_ACK))
        furthest = 0
        for number, (offset, octets) in enumerate(segments(chosen.routes), 1):
            out.write(frame(2 * number, 1000 + offset, 9000, PUSH, octets))
            furthest = max(furthest, offset + len(octets))
            if not number % 2:
                out.write(frame(2 * number + 1, 9000, 1000 + furthest, ACK))


if __name__ == "__main__":
    main()

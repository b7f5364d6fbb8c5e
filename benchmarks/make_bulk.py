"""Write a large capture of a hypervisor's underlay: bulk traffic in VXLAN, few resolutions, a BGP session.

97% TCP, UDP and ICMP in three VNIs, 2% ARP and 1% ND (the same, in VXLAN), some BGP between VTEPs;
snapshot length 256, about 230 octets a record. TCP is two-way with consistent sequence numbers: one-way
TCP that is never acknowledged makes tshark ten times slower, and the comparison unfair. Addresses,
ports and identifiers vary as on a busy host. Checksums are zero, as offload may leave them.

    python benchmarks/make_bulk.py --packets 1000000 /tmp/bulk.pcap
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

SNAPLEN = 256
RECORD_HEADER = 16
FLOWS = 600
VNIS = (10010, 10020, 10030)
FIRST_S = 1_760_000_000
OUTER = 50  # Ethernet, IPv4, UDP, VXLAN
NETWORK = RECORD_HEADER + OUTER + 14  # inner IP header or ARP message
TRANSPORT = NETWORK + 20
TCP, UDP, ICMP, ARP, ND, BGP = range(6)
SHARES = (0.80, 0.12, 0.0496, 0.02, 0.01, 0.0004)
CHUNK = 50_000


def put(rows: np.ndarray, at: int, width: int, values: "np.ndarray | int") -> None:
    """Write numbers of a width in network order at one place of every row."""
    numbers = np.broadcast_to(np.asarray(values, np.int64), len(rows))
    for place in range(width):
        rows[:, at + place] = numbers >> 8 * (width - 1 - place) & 0xFF


def put_octets(rows: np.ndarray, at: int, octets: str) -> None:
    """Write the same octets, given as hex, into every row."""
    values = np.frombuffer(bytes.fromhex(octets), np.uint8)
    rows[:, at : at + len(values)] = values


def rank_within(group: np.ndarray) -> np.ndarray:
    """Return for each element how many equal ones stand before it."""
    order = np.argsort(group, kind="stable")
    sizes = np.bincount(group)
    starts = np.cumsum(sizes) - sizes
    ranks = np.empty(len(group), np.int64)
    ranks[order] = np.arange(len(group)) - starts[group[order]]
    return ranks


def put_underlay(rows: np.ndarray, away: np.ndarray, flow: np.ndarray, inner: np.ndarray) -> None:
    """Write Ethernet, IPv4, UDP and VXLAN around inner frames of given lengths."""
    put_octets(rows, 16, "bc2411100002bc24111000010800450000000000400040110000")
    put(rows, 32, 2, inner + 36)
    put(rows, 42, 4, 0xC0A81001 + 1 - away)
    put(rows, 46, 4, 0xC0A81001 + away)
    put(rows, 50, 2, 49152 + flow % 16384)
    put(rows, 52, 2, 4789)
    put(rows, 54, 2, inner + 16)
    put_octets(rows, 58, "08000000")
    put(rows, 62, 3, np.array(VNIS)[flow % 3])


def put_ip(
    rows: np.ndarray, away: np.ndarray, flow: np.ndarray, count: np.ndarray, protocol: int, size: np.ndarray
) -> None:
    """Write the inner Ethernet and IPv4 headers between two stations of a flow."""
    near, far = 0x0A000000 + flow, 0x0A010000 + flow
    put(rows, RECORD_HEADER + OUTER, 6, np.where(away, 0xBC2400010000, 0xBC2400000000) + flow)
    put(rows, RECORD_HEADER + OUTER + 6, 6, np.where(away, 0xBC2400000000, 0xBC2400010000) + flow)
    put_octets(rows, NETWORK - 2, "08004500")
    put(rows, NETWORK + 2, 2, size)
    put(rows, NETWORK + 4, 2, count)
    put_octets(rows, NETWORK + 6, "400040")
    put(rows, NETWORK + 9, 1, protocol)
    put(rows, NETWORK + 12, 4, np.where(away, near, far))
    put(rows, NETWORK + 16, 4, np.where(away, far, near))


def put_tcp(rows: np.ndarray, away: np.ndarray, flow: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Write segments: 1400 octets one way, 64 back, each acknowledging the other; return frame lengths."""
    size = np.where(away, 1440, 104)
    put_ip(rows, away, flow, count, 6, size)
    put(rows, TRANSPORT, 2, np.where(away, 40000 + flow, 443))
    put(rows, TRANSPORT + 2, 2, np.where(away, 443, 40000 + flow))
    put(rows, TRANSPORT + 4, 4, np.where(away, count // 2 * 1400, count // 2 * 64) + 1)
    put(rows, TRANSPORT + 8, 4, np.where(away, count // 2 * 64, (count // 2 + 1) * 1400) + 1)
    put_octets(rows, TRANSPORT + 12, "5018ffff")
    return size + 14


def put_udp(rows: np.ndarray, away: np.ndarray, flow: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Write datagrams of 160 octets; return frame lengths."""
    size = np.full(len(rows), 188)
    put_ip(rows, away, flow, count, 17, size)
    put(rows, TRANSPORT, 2, 20000 + flow)
    put(rows, TRANSPORT + 2, 2, 20000 + flow)
    put(rows, TRANSPORT + 4, 2, 168)
    put(rows, TRANSPORT + 12, 4, count)
    return size + 14


def put_icmp(rows: np.ndarray, away: np.ndarray, flow: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Write echo requests and replies of 56 octets; return frame lengths."""
    size = np.full(len(rows), 84)
    put_ip(rows, away, flow, count, 1, size)
    put(rows, TRANSPORT, 1, np.where(away, 8, 0))
    put(rows, TRANSPORT + 4, 2, flow)
    put(rows, TRANSPORT + 6, 2, count // 2)
    return size + 14


def put_arp(rows: np.ndarray, away: np.ndarray, flow: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Write requests and replies; return frame lengths."""
    near, far = 0xBC2400000000 + flow, 0xBC2400010000 + flow
    put(rows, RECORD_HEADER + OUTER, 6, np.where(away, 0xFFFFFFFFFFFF, near))
    put(rows, RECORD_HEADER + OUTER + 6, 6, np.where(away, near, far))
    put_octets(rows, NETWORK - 2, "0806000108000604")
    put(rows, NETWORK + 6, 2, np.where(away, 1, 2))
    put(rows, NETWORK + 8, 6, np.where(away, near, far))
    put(rows, NETWORK + 14, 4, np.where(away, 0x0A000000, 0x0A010000) + flow)
    put(rows, NETWORK + 18, 6, np.where(away, 0, near))
    put(rows, NETWORK + 24, 4, np.where(away, 0x0A010000, 0x0A000000) + (flow + count // 2) % FLOWS)
    return np.full(len(rows), 42)


def put_nd(rows: np.ndarray, away: np.ndarray, flow: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Write solicitations and advertisements with one option; return frame lengths."""
    near, far = 0xBC2400000000 + flow, 0xBC2400010000 + (flow + count // 2) % FLOWS
    put(rows, RECORD_HEADER + OUTER, 6, np.where(away, 0x3333FF000000 + far % (1 << 24), near))
    put(rows, RECORD_HEADER + OUTER + 6, 6, np.where(away, near, far))
    put_octets(rows, NETWORK - 2, "86dd6000000000203aff")
    for at, side in ((8, away), (24, ~away)):
        put(rows, NETWORK + at, 2, 0xFE80)
        put(rows, NETWORK + at + 8, 8, np.where(side, near, far))
    put(rows, NETWORK + 40, 1, np.where(away, 135, 136))
    put(rows, NETWORK + 44, 1, np.where(away, 0, 0x60))
    put(rows, NETWORK + 48, 2, 0xFE80)
    put(rows, NETWORK + 56, 8, far)
    put(rows, NETWORK + 64, 1, np.where(away, 1, 2))
    put(rows, NETWORK + 65, 1, 1)
    put(rows, NETWORK + 66, 6, np.where(away, near, far))
    return np.full(len(rows), 86)


PUT = {TCP: put_tcp, UDP: put_udp, ICMP: put_icmp, ARP: put_arp, ND: put_nd}


def put_bgp(rows: np.ndarray, away: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Write KEEPALIVEs between the two VTEPs, without VXLAN; return frame lengths."""
    put_octets(rows, 16, "bc2411100002bc241110000108004500003b00004000ff060000")
    put(rows, 42, 4, 0xC0A81001 + 1 - away)
    put(rows, 46, 4, 0xC0A81001 + away)
    put(rows, 50, 2, np.where(away, 50000, 179))
    put(rows, 52, 2, np.where(away, 179, 50000))
    put(rows, 54, 4, count // 2 * 19 + 1)
    put(rows, 58, 4, (count // 2 + away) * 19 + 1)
    put_octets(rows, 62, "5018ffff00000000" + "ff" * 16 + "001304")
    return np.full(len(rows), 73)


def records(kind: np.ndarray, flow: np.ndarray, count: np.ndarray, times_ns: np.ndarray) -> bytes:
    """Return pcap records of the packets described, with nanosecond times."""
    rows = np.zeros((len(kind), RECORD_HEADER + SNAPLEN + OUTER), np.uint8)
    wire = np.zeros(len(kind), np.int64)
    away = count % 2 == 0
    for one, fill in PUT.items():
        mine = np.flatnonzero(kind == one)
        part = rows[mine]
        inner = fill(part, away[mine], flow[mine], count[mine])
        put_underlay(part, away[mine], flow[mine], inner)
        rows[mine], wire[mine] = part, inner + OUTER
    mine = np.flatnonzero(kind == BGP)
    part = rows[mine]
    wire[mine] = put_bgp(part, away[mine], count[mine])
    rows[mine] = part
    captured = np.minimum(wire, SNAPLEN)
    seconds, nanoseconds = np.divmod(times_ns, 1_000_000_000)
    rows[:, :RECORD_HEADER] = np.stack([seconds, nanoseconds, captured, wire], axis=1).astype("<u4").view(np.uint8)
    return rows[np.arange(rows.shape[1]) < (RECORD_HEADER + captured)[:, None]].tobytes()


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the capture that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path)
    parser.add_argument("--packets", type=int, default=1_000_000)
    parser.add_argument("--rate", type=int, default=50_000, help="packets a second")
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args(arguments)
    random = np.random.default_rng(chosen.seed)
    kind = random.choice(len(SHARES), chosen.packets, p=SHARES)
    flow = np.where(kind == BGP, 0, random.integers(0, FLOWS, chosen.packets))
    count = rank_within(kind * FLOWS + flow)
    times_ns = FIRST_S * 1_000_000_000 + np.arange(chosen.packets) * 1_000_000_000 // chosen.rate
    with chosen.output.open("wb") as file:
        file.write(np.array([0xA1B23C4D, 2 | 4 << 16, 0, 0, SNAPLEN, 1], "<u4").tobytes())
        for first in range(0, chosen.packets, CHUNK):
            part = slice(first, first + CHUNK)
            file.write(records(kind[part], flow[part], count[part], times_ns[part]))


if __name__ == "__main__":
    main()

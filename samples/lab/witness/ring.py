"""ARP, ND and RARP frames of one interface, with the kernel's stamps, through a packet ring (packet(7), TPACKET_V2).

A ring and not recvmsg with SO_TIMESTAMPNS: a socket that asks for receive stamps switches them on for the whole
machine, and then tcpdump's stamps at tap and bridge are no longer its own.
"""

import ctypes
import mmap
import selectors
import socket
import struct
import subprocess
import threading
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

SOL_PACKET, PACKET_STATISTICS, PACKET_RX_RING, PACKET_VERSION, TPACKET_V2 = 263, 6, 5, 10, 1
SO_ATTACH_FILTER = 26
PACKET_OUTGOING = 4
IS_READY, IS_LOST_BEFORE = 0x1, 0x4
SLOT_BYTES, SLOT_COUNT, BLOCK_BYTES = 256, 2048, 65536  # a slot holds 170 octets and more of a frame: an NS in VXLAN
HEADER = struct.Struct("IIIHHIIHH")  # tpacket2_hdr without its padding
LINK = struct.Struct("HHiHBB")  # the head of sockaddr_ll
STATUS = struct.Struct("I")
LINK_AT = 32  # TPACKET_ALIGN(sizeof(tpacket2_hdr))
WAIT_S = 0.2
RESOLUTION = "arp or rarp or (icmp6 and ip6[40] >= 133 and ip6[40] <= 137)"
REPORT = "(ip6[6] = 0 and ip6[40] = 58 and (ip6[48] = 131 or ip6[48] = 132 or ip6[48] = 143))"  # MLD teaches a MAC
INNER = "(udp dst port {port} and (udp[28:2] = 0x0806 or udp[28:2] = 0x8035 or (udp[28:2] = 0x86dd and udp[36] = 58)))"
INNER6 = (  # libpcap reads no UDP payload over IPv6: the same, counted from the IPv6 header
    "(ip6 and ip6[6] = 17 and ip6[42:2] = {port} and"
    " (ip6[68:2] = 0x0806 or ip6[68:2] = 0x8035 or (ip6[68:2] = 0x86dd and ip6[76] = 58)))"
)


class Seen(NamedTuple):
    """One frame as one interface saw it."""

    time_ns: int
    host: str
    interface: str
    is_outgoing: bool
    octets: bytes  # without a VLAN tag that the kernel keeps beside the frame


@cache
def _filter(port: int) -> bytes:
    """Return the classic BPF program (compiled by tcpdump) that lets pass what a truth is made of."""
    words = " or ".join((RESOLUTION, REPORT, INNER.format(port=port), INNER6.format(port=port)))
    line = ["tcpdump", "-y", "EN10MB", "-ddd", words]
    printed = subprocess.run(line, capture_output=True, text=True, check=True).stdout
    return b"".join(struct.pack("HBBI", *map(int, row.split())) for row in printed.splitlines()[1:])


class Ring:
    """The ring of one interface: read() returns what came since the last time."""

    def __init__(self, opened: socket.socket, host: str, interface: str, vxlan_port: int) -> None:
        self.socket, self.host, self.interface = opened, host, interface
        program = ctypes.create_string_buffer(_filter(vxlan_port))
        count = len(_filter(vxlan_port)) // 8
        fprog = struct.pack("HxxxxxxP", count, ctypes.addressof(program))
        opened.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, fprog)
        opened.setsockopt(SOL_PACKET, PACKET_VERSION, struct.pack("i", TPACKET_V2))
        total = SLOT_BYTES * SLOT_COUNT
        request = struct.pack("IIII", BLOCK_BYTES, total // BLOCK_BYTES, SLOT_BYTES, SLOT_COUNT)
        opened.setsockopt(SOL_PACKET, PACKET_RX_RING, request)
        self._memory = mmap.mmap(opened.fileno(), total)
        self._slot = 0

    def read(self) -> list[Seen]:
        """Return the frames that are ready, in the kernel's order."""
        found: list[Seen] = []
        while True:
            at = self._slot * SLOT_BYTES
            status, _, kept, start, _, seconds, nanoseconds, _, _ = HEADER.unpack_from(self._memory, at)
            if not status & IS_READY:
                return found
            kind = LINK.unpack_from(self._memory, at + LINK_AT)[4]
            octets = self._memory[at + start : at + start + kept]
            time_ns = seconds * 1_000_000_000 + nanoseconds
            found.append(Seen(time_ns, self.host, self.interface, kind == PACKET_OUTGOING, octets))
            STATUS.pack_into(self._memory, at, 0)
            self._slot = (self._slot + 1) % SLOT_COUNT

    def lost(self) -> int:
        """Return how many frames found no room since the last call."""
        return int(struct.unpack("II", self.socket.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))[1])

    def close(self) -> None:
        """Give the memory and the socket back."""
        self._memory.close()
        self.socket.close()


class Rings:
    """All rings of a lab, emptied by one thread into `seen`."""

    def __init__(self, open_socket: Callable[[str, str], socket.socket], vxlan_port: int) -> None:
        self.seen: list[Seen] = []
        self.lost: dict[str, int] = {}
        self._open, self._port = open_socket, vxlan_port
        self._rings: dict[tuple[str, str], Ring] = {}
        self._lock = threading.Lock()
        self._selector = selectors.DefaultSelector()
        self._is_over = False
        self._thread = threading.Thread(target=self._read_all, daemon=True)
        self._thread.start()

    def add(self, host: str, interface: str) -> None:
        """Begin to watch an interface."""
        self.drop(host, interface)
        ring = Ring(self._open(host, interface), host, interface, self._port)
        with self._lock:
            self._rings[host, interface] = ring
            self._selector.register(ring.socket, selectors.EVENT_READ, ring)

    def drop(self, host: str, interface: str) -> None:
        """Read an interface to its end and let it go; one that is not watched is none."""
        with self._lock:
            if ring := self._rings.pop((host, interface), None):
                self._selector.unregister(ring.socket)
                self._finish(ring)

    def close(self) -> None:
        """Read everything to its end; `seen` is then in order of time."""
        self._is_over = True
        self._thread.join()
        for host, interface in list(self._rings):
            self.drop(host, interface)
        self._selector.close()
        self.seen.sort(key=lambda one: one.time_ns)

    def _finish(self, ring: Ring) -> None:
        self.seen += ring.read()
        if lost := ring.lost():
            name = f"{ring.host}:{ring.interface}"
            self.lost[name] = self.lost.get(name, 0) + lost
        ring.close()

    def _read_all(self) -> None:
        while not self._is_over:
            ready = self._selector.select(WAIT_S)
            with self._lock:
                for key, _ in ready:
                    if key.data.socket.fileno() >= 0:  # not dropped meanwhile
                        self.seen += key.data.read()

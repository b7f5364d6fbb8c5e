"""Counts of ARP and ND frames at every interface, kept by nftables and read over netlink: a witness that sees no octet.

The rule set: a table `lab` of the netdev family with one named counter a kind of frame, direction and interface.
Read by NFT_MSG_GETOBJ (linux/netfilter/nf_tables.h), one exchange a host: `nft list counters` takes 20 times as long.
"""

import socket
import struct
import time
from collections.abc import Callable
from typing import NamedTuple

NETLINK_NETFILTER, NFNL_SUBSYS_NFTABLES, NFT_MSG_GETOBJ, NFPROTO_NETDEV = 12, 10, 19, 5
NLM_F_REQUEST, NLM_F_DUMP, NLMSG_ERROR, NLMSG_DONE = 1, 0x300, 2, 3
NFTA_OBJ_NAME, NFTA_OBJ_DATA, NFTA_COUNTER_PACKETS, NLA_TYPE_MASK = 2, 4, 2, 0x3FFF
READ_BYTES = 1 << 16
TABLE = "lab"
BARE = {
    "arp_request": "arp operation request",
    "arp_reply": "arp operation reply",
    "ns": "icmpv6 type nd-neighbor-solicit",
    "na": "icmpv6 type nd-neighbor-advert",
}
# From the UDP header on, in bits: 8 octets of UDP, 8 of VXLAN, the inner Ethernet header, and what it carries.
INNER = {
    "vxlan_arp_request": "udp dport {port} @th,224,16 0x0806 @th,288,16 1",
    "vxlan_arp_reply": "udp dport {port} @th,224,16 0x0806 @th,288,16 2",
    "vxlan_ns": "udp dport {port} @th,224,16 0x86dd @th,288,8 58 @th,560,8 135",
    "vxlan_na": "udp dport {port} @th,224,16 0x86dd @th,288,8 58 @th,560,8 136",
}
HOOKS = {"in": "ingress", "out": "egress"}


class Counted(NamedTuple):
    """All counters of one host at one moment, which lies between two stamps."""

    begin_ns: int
    end_ns: int
    host: str
    counts: dict[str, int]  # "tap503i1:arp_request:in" -> frames since the interface appeared first


class Counters:
    """The counters of one host."""

    def __init__(
        self, host: str, run_nft: Callable[[str], None], open_netlink: Callable[[], socket.socket], port: int
    ) -> None:
        self.host, self._nft, self._port = host, run_nft, port
        self._nft(f"add table netdev {TABLE}")
        self._socket = open_netlink()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self._known: set[str] = set()

    def add(self, interface: str, *, is_uplink: bool) -> None:
        """Begin to count at an interface; one that comes back counts on."""
        rules = {name: rule.format(port=self._port) for name, rule in (INNER if is_uplink else BARE).items()}
        lines = []
        for direction, hook in HOOKS.items():
            chain = f"{interface}_{direction}"
            if interface in self._known:  # the kernel takes a chain of a device that went; older ones keep it
                lines += [f"add chain netdev {TABLE} {chain}", f"delete chain netdev {TABLE} {chain}"]
            how = f'{{ type filter hook {hook} device "{interface}" priority 0; }}'
            lines += [f"add chain netdev {TABLE} {chain} {how}"]
            for name, rule in rules.items():
                counter = f"{interface}__{name}__{direction}"
                lines += [f"add counter netdev {TABLE} {counter}"]
                lines += [f"add rule netdev {TABLE} {chain} {rule} counter name {counter}"]
        self._known.add(interface)
        self._nft("\n".join(lines))

    def read(self) -> Counted:
        """Return what was counted so far."""
        begin_ns = time.time_ns()
        kind = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETOBJ
        table = TABLE.encode() + b"\0"
        attribute = struct.pack("HH", 4 + len(table), 1) + table.ljust(-len(table) % 4 + len(table), b"\0")
        body = struct.pack("!BBH", NFPROTO_NETDEV, 0, 0) + attribute
        self._socket.send(struct.pack("IHHII", 16 + len(body), kind, NLM_F_REQUEST | NLM_F_DUMP, 1, 0) + body)
        counts: dict[str, int] = {}
        while True:
            for message_kind, payload in _messages(self._socket.recv(READ_BYTES)):
                if message_kind == NLMSG_DONE:
                    return Counted(begin_ns, time.time_ns(), self.host, counts)
                if message_kind == NLMSG_ERROR:
                    raise OSError(-struct.unpack_from("i", payload)[0], "nf_tables", self.host)
                counts |= _counter(payload)

    def close(self) -> None:
        """Close the netlink socket; the rules go with the namespace."""
        self._socket.close()


def _messages(data: bytes) -> list[tuple[int, bytes]]:
    found = []
    while len(data) >= 16:
        length, kind = struct.unpack_from("IH", data)
        found.append((kind, data[16:length]))
        data = data[(length + 3) & ~3 :]
    return found


def _counter(payload: bytes) -> dict[str, int]:
    facts = _attributes(payload[4:])
    data = _attributes(facts[NFTA_OBJ_DATA])
    name = facts[NFTA_OBJ_NAME].rstrip(b"\0").decode().replace("__", ":")
    return {name: int.from_bytes(data[NFTA_COUNTER_PACKETS])}


def _attributes(data: bytes) -> dict[int, bytes]:
    found = {}
    while len(data) >= 4:
        length, kind = struct.unpack_from("HH", data)
        found[kind & NLA_TYPE_MASK] = data[4:length]
        data = data[(length + 3) & ~3 :]
    return found

"""Routes become BGP messages: OPEN, KEEPALIVE, UPDATE (RFC 4271) with EVPN routes 2, 3 and 5 (RFC 7432, RFC 9136).

The order and flags of the attributes are those that FRR sends.
"""

from collections.abc import Sequence
from struct import pack

from evpn_pcap.synth.frames import ip_octets, mac_octets

PORT = 179
AFI_L2VPN, SAFI_EVPN = 25, 70
OPEN, UPDATE, NOTIFICATION, KEEPALIVE = 1, 2, 3, 4
WELL_KNOWN, OPTIONAL, TRANSITIVE, LONG = 0x40, 0x80, 0xC0, 0x10  # attribute flags


def message(kind: int, body: bytes = b"") -> bytes:
    """Return a BGP message with its marker, length and type."""
    return b"\xff" * 16 + pack("!HB", 19 + len(body), kind) + body


def open_message(
    asn: int, router_id: str, hold_s: int = 180, *, is_kept: bool | None = None, is_restarting: bool = False
) -> bytes:
    """Return an OPEN that offers EVPN, four-octet AS numbers and graceful restart (RFC 5492, 6793, 4724).

    `is_kept`: whether its forwarding of EVPN went on over a restart; None: graceful restart lists no family.
    """
    families = b"" if is_kept is None else pack("!HBB", AFI_L2VPN, SAFI_EVPN, 0x80 if is_kept else 0)
    head = 0x4078 | (0x8000 if is_restarting else 0)  # notification bit; 120 s
    capabilities = (
        pack("!BBHBB", 1, 4, AFI_L2VPN, 0, SAFI_EVPN)
        + pack("!BBI", 65, 4, asn)
        + pack("!BBH", 64, 2 + len(families), head)
        + families
    )
    optional = pack("!BB", 2, len(capabilities)) + capabilities
    short_asn = asn if asn <= 0xFFFF else 23456
    body = pack("!BHH", 4, short_asn, hold_s) + ip_octets(router_id) + pack("!B", len(optional)) + optional
    return message(OPEN, body)


def keepalive() -> bytes:
    """Return a KEEPALIVE."""
    return message(KEEPALIVE)


def route_distinguisher(ip: str, number: int) -> bytes:
    """Return a type 1 route distinguisher (RFC 4364, 4.2)."""
    return pack("!H", 1) + ip_octets(ip) + pack("!H", number)


def _label(vni: int) -> bytes:
    """Return a VNI in a label field, all 24 bits of it (RFC 8365, 5.1.3)."""
    return vni.to_bytes(3)


def mac_ip_route(
    rd: bytes, mac: str, ip: str | None = None, vnis: Sequence[int] = (0,), esi: bytes = bytes(10)
) -> bytes:
    """Return a type 2 route: MAC only, or MAC and IP; `vnis` is one label or, for symmetric IRB, two."""
    address = b"" if ip is None else ip_octets(ip)
    body = rd + esi + bytes(4) + b"\x30" + mac_octets(mac) + bytes([len(address) * 8]) + address
    body += b"".join(_label(vni) for vni in vnis)
    return bytes([2, len(body)]) + body


def multicast_route(rd: bytes, originator_ip: str) -> bytes:
    """Return a type 3 route (inclusive multicast Ethernet tag)."""
    address = ip_octets(originator_ip)
    body = rd + bytes(4) + bytes([len(address) * 8]) + address
    return bytes([3, len(body)]) + body


def prefix_route(rd: bytes, prefix: str, length: int, vni: int, gateway_ip: str = "0.0.0.0") -> bytes:
    """Return a type 5 route (RFC 9136, 3.1)."""
    body = rd + bytes(10) + bytes(4) + bytes([length]) + ip_octets(prefix) + ip_octets(gateway_ip) + _label(vni)
    return bytes([5, len(body)]) + body


def route_target(asn: int, number: int) -> bytes:
    """Return a two-octet AS route target (RFC 4360, 4)."""
    return pack("!BBHI", 0, 2, asn, number)


def encapsulation() -> bytes:
    """Return the encapsulation community for VXLAN (RFC 9012, 4.1)."""
    return pack("!BBIH", 3, 0x0C, 0, 8)


def mac_mobility(sequence: int, *, is_sticky: bool = False) -> bytes:
    """Return the MAC mobility community (RFC 7432, 7.7)."""
    return pack("!BBBBI", 6, 0, is_sticky, 0, sequence)


def router_mac(mac: str) -> bytes:
    """Return the router's MAC community (RFC 9135, 8.1)."""
    return pack("!BB", 6, 3) + mac_octets(mac)


def nd_flags(flags: int) -> bytes:
    """Return the ARP/ND community: R 0x01, O 0x02, I 0x08 (RFC 9047, 2)."""
    return pack("!BBB5x", 6, 8, flags)


def default_gateway() -> bytes:
    """Return the default gateway community (RFC 4360; RFC 7432, 7.8)."""
    return pack("!BBHI", 3, 0x0D, 0, 0)


def _attribute(flags: int, code: int, value: bytes) -> bytes:
    """Return one path attribute."""
    length = pack("!H", len(value)) if flags & LONG else pack("!B", len(value))
    return bytes([flags, code]) + length + value


def update(next_hop: str, routes: Sequence[bytes], communities: Sequence[bytes], vni: int | None = None) -> bytes:
    """Return an UPDATE that advertises routes over iBGP; with `vni` also the PMSI tunnel of type 3 (RFC 6514, 5)."""
    hop = ip_octets(next_hop)
    reach = pack("!HBB", AFI_L2VPN, SAFI_EVPN, len(hop)) + hop + b"\0" + b"".join(routes)
    attributes = (
        _attribute(OPTIONAL | LONG, 14, reach)
        + _attribute(WELL_KNOWN, 1, b"\0")
        + _attribute(WELL_KNOWN | LONG, 2, b"")
        + _attribute(WELL_KNOWN, 5, pack("!I", 100))
        + _attribute(TRANSITIVE, 16, b"".join(communities))
    )
    if vni is not None:
        attributes += _attribute(TRANSITIVE, 22, pack("!BB", 0, 6) + _label(vni) + hop)  # 6: ingress replication
    return message(UPDATE, pack("!HH", 0, len(attributes)) + attributes)


def withdraw(routes: Sequence[bytes]) -> bytes:
    """Return an UPDATE that withdraws routes; without routes it is End-of-RIB (RFC 4724, 2)."""
    flags = OPTIONAL | LONG if routes else OPTIONAL
    unreach = _attribute(flags, 15, pack("!HB", AFI_L2VPN, SAFI_EVPN) + b"".join(routes))
    return message(UPDATE, pack("!HH", 0, len(unreach)) + unreach)


def end_of_rib() -> bytes:
    """Return the End-of-RIB marker of the EVPN family."""
    return withdraw(())

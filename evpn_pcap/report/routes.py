"""ROUTES in force -> the table as `show bgp l2vpn evpn route` of FRR prints it, one table a receiver."""

from collections.abc import Callable
from ipaddress import ip_address
from typing import Any

from evpn_pcap.report.escape import visible

Row = dict[str, Any]  # one route in written form, as values.records returns it

_LEGEND = """\
Status codes: s suppressed, d damped, h history, * valid, > best, i - internal
Origin codes: i - IGP, e - EGP, ? - incomplete
EVPN type-1 prefix: [1]:[EthTag]:[ESI]:[IPlen]:[VTEP-IP]:[Frag-id]
EVPN type-2 prefix: [2]:[EthTag]:[MAClen]:[MAC]:[IPlen]:[IP]
EVPN type-3 prefix: [3]:[EthTag]:[IPlen]:[OrigIP]
EVPN type-4 prefix: [4]:[ESI]:[IPlen]:[OrigIP]
EVPN type-5 prefix: [5]:[EthTag]:[IPlen]:[IP]

   Network          Next Hop            Metric LocPrf Weight Path
                    Extended Community
"""
_INDENT = " " * 20
_OWN_WEIGHT = 32768
_ORIGINS = {"igp": "i", "egp": "e"}


def as_show(rows: list[Row]) -> str:
    """Return the routes by receiver and route distinguisher as FRR prints them: prefix, next hop, communities."""
    if not rows:
        return "no routes in force\n"
    receivers = sorted({row["receiver_ip"] or "" for row in rows})
    return "\n".join(
        _table(receiver, [row for row in rows if (row["receiver_ip"] or "") == receiver]) for receiver in receivers
    )


def _table(receiver: str, rows: list[Row]) -> str:
    """Return one receiver's table; which version of the table it is, the captures do not tell."""
    ordered = sorted(rows, key=lambda row: (_rd_key(row["rd"] or ""), _prefix_key(row), row["sender_ip"] or ""))
    lines = [f"BGP table version is ?, local router ID is {visible(receiver)}", _LEGEND.removesuffix("\n")]
    previous = None
    for row in ordered:
        if row["rd"] != previous:
            lines.append(f"Route Distinguisher: {visible(row['rd'] or '?')}")
            previous = row["rd"]
        lines += [f"*>{' ' if _is_own(row) else 'i'}{prefix_text(row)}", _path(row), f"{_INDENT}{_attributes(row)}"]
    prefixes = {(row["rd"], prefix_text(row)) for row in rows}
    return "\n".join([*lines, "", f"Displayed {len(prefixes)} prefixes ({len(rows)} paths)"]) + "\n"


def _is_own(row: Row) -> bool:
    """Return whether the receiver announced the route itself."""
    return bool(row["receiver_ip"] == row["sender_ip"])


def _path(row: Row) -> str:
    """Return next hop, metric, local preference, weight, AS path and origin in FRR's columns."""
    own = _is_own(row)
    metric = "" if row["med"] is None else str(row["med"])
    preference = "" if own or row["local_preference"] is None else str(row["local_preference"])
    weight = _OWN_WEIGHT if own else 0
    path = "" if own or not row["as_path"] else f"{row['as_path']} "
    origin = _ORIGINS.get(row["path_origin"], "?")
    columns = f"{_INDENT}{row['next_hop'] or '':<16}{metric:>10}{preference:>7}{weight:>7} {path}{origin}"
    return visible(columns)


def _prefix_key(row: Row) -> tuple[Any, ...]:
    """Return what sorts routes as FRR does: by type, tag, MAC, then no address, IPv4, IPv6, each by number."""
    ip = ip_address(row["ip"]) if row["ip"] else None
    address = (ip.version, int(ip)) if ip else (0, 0)
    return (row["route_type"] or 0, row["ethernet_tag"] or 0, row["mac"] or "", address, prefix_text(row))


def prefix_text(row: Row) -> str:
    """Return a route as FRR writes it: [2]:[0]:[48]:[bc:24:11:00:00:01]:[32]:[10.2.1.1]."""
    write = _PREFIXES.get(row["route_type"])
    return visible(write(row)) if write else f"[{row['route_type']}]"


def _mac_ip(row: Row) -> str:
    """Return the prefix of a MAC/IP route (RFC 7432, 7.2)."""
    ip = f":{_ip_part(row['ip'])}" if row["ip"] else ""
    return f"[2]:[{row['ethernet_tag'] or 0}]:[48]:[{row['mac']}]{ip}"


def _imet(row: Row) -> str:
    """Return the prefix of an inclusive multicast Ethernet tag route (RFC 7432, 7.3)."""
    return f"[3]:[{row['ethernet_tag'] or 0}]:{_ip_part(row['ip'])}"


def _ip_prefix(row: Row) -> str:
    """Return the prefix of an IP prefix route (RFC 9136, 3.1)."""
    network, _, length = (row["prefix"] or "").partition("/")
    return f"[5]:[{row['ethernet_tag'] or 0}]:[{length}]:[{network}]"


def _ip_part(ip: str | None) -> str:
    """Return an address with its length in bits."""
    return f"[{128 if ip and ':' in ip else 32}]:[{ip}]"


_PREFIXES: dict[int, Callable[[Row], str]] = {
    1: lambda row: f"[1]:[{row['ethernet_tag'] or 0}]:[{row['esi']}]",
    2: _mac_ip,
    3: _imet,
    4: lambda row: f"[4]:[{row['esi']}]:{_ip_part(row['ip'])}",
    5: _ip_prefix,
}


def _attributes(row: Row) -> str:
    """Return the extended communities in the order that FRR prints them: as sent, its own encapsulation first."""
    targets = [f"RT:{target}" for target in sorted(row["route_targets"] or [], key=_rd_key)]  # by number, as sent
    encapsulation = [f"ET:{row['encapsulation']}"] if row["encapsulation"] is not None else []
    told = encapsulation + targets if _is_own(row) else targets + encapsulation
    told += ["Default Gateway"] if row["is_default_gateway"] else []
    told += (
        [f"MM:{row['mobility_sequence']}{', sticky MAC' if row['is_sticky'] else ''}"]
        if row["mobility_sequence"] or row["is_sticky"]
        else []
    )
    told += [f"Rmac:{row['router_mac']}"] if row["router_mac"] else []
    told += [f"ND:{row['nd_flags']}"] if row["nd_flags"] else []
    return visible(" ".join(told))


def _rd_key(rd: str) -> tuple[tuple[int, str], ...]:
    """Return what sorts 192.168.16.4:2 before 192.168.16.10:2."""
    return tuple(
        (int(part), "") if part.isdigit() and part.isascii() else (0, part) for part in rd.replace(":", ".").split(".")
    )

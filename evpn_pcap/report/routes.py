"""ROUTES in force -> the table as `show bgp l2vpn evpn route` of FRR prints it, one table a receiver."""

from collections.abc import Callable
from typing import Any

from evpn_pcap.report.escape import visible

Row = dict[str, Any]  # one route in written form, as values.records returns it

_HEAD = """\
Route types: [1]:[ESI]:[EthTag] EAD, [2]:[EthTag]:[MAClen]:[MAC]:[IPlen]:[IP] MAC/IP,
             [3]:[EthTag]:[IPlen]:[OrigIP] IMET, [4]:[ESI]:[IPlen]:[OrigIP] ES,
             [5]:[EthTag]:[IPlen]:[IP] IP prefix
"""


def as_show(rows: list[Row]) -> str:
    """Return the routes by receiver and route distinguisher, each with its attributes below it."""
    if not rows:
        return "no routes in force\n"
    receivers = sorted({row["receiver_ip"] or "" for row in rows})
    return "\n".join(
        _table(receiver, [row for row in rows if (row["receiver_ip"] or "") == receiver]) for receiver in receivers
    )


def _table(receiver: str, rows: list[Row]) -> str:
    """Return one receiver's table."""
    ordered = sorted(
        rows,
        key=lambda row: (_rd_key(row["rd"] or ""), row["route_type"] or 0, prefix_text(row), row["sender_ip"] or ""),
    )
    lines = [f"BGP table of {visible(receiver)}", _HEAD]
    previous = None
    for row in ordered:
        if row["rd"] != previous:
            lines.append(f"Route Distinguisher: {visible(row['rd'] or '?')}")
            previous = row["rd"]
        lines += [
            f" *> {prefix_text(row)}",
            f"                    {row['next_hop'] or ''}",
            f"                    {_attributes(row)}",
        ]
    return "\n".join([*lines, "", f"Displayed {len(rows)} routes"]) + "\n"


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
    """Return the extended communities in the order that FRR prints them."""
    told = [f"RT:{target}" for target in row["route_targets"] or []]
    told += [f"ET:{row['encapsulation']}"] if row["encapsulation"] is not None else []
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

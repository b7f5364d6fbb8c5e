"""How FRR writes an EVPN route: prefix and extended communities (bgp_evpn.c, bgp_ecommunity.c) -> SNAPSHOTS columns."""

import re
from collections.abc import Callable
from typing import Any

from evpn_pcap.sources.snapshots.prints import Entry, ip_or_none, mac_or_none, number_or_none

_PART = re.compile(r"\[([^\]]*)\]")


def prefix_entry(text: str) -> Entry | None:
    """Return [2]:[0]:[48]:[bc:24:11:00:00:01]:[32]:[10.2.1.1] as columns; None where it is no prefix we know.

    Types 2, 3 and 5 are read whole, of the others the type alone.
    """
    parts = _PART.findall(text)
    if not parts or ":".join(f"[{part}]" for part in parts) != text or parts[0] not in "12345678":
        return None
    read = _PREFIXES.get((parts[0], len(parts)))
    if read is None:
        return {"route_type": int(parts[0])} if parts[0] not in "235" else None
    found: Entry = read(parts) | {"route_type": int(parts[0]), "ethernet_tag": number_or_none(parts[1], 32)}
    return None if None in found.values() else found


def _prefix(parts: list[str]) -> Entry:
    ip, length = ip_or_none(parts[3]), number_or_none(parts[2], 8)
    return {"prefix": f"{ip}/{length}" if ip is not None and length is not None else None}


_PREFIXES: dict[tuple[str, int], Callable[[list[str]], Entry]] = {
    ("2", 4): lambda parts: {"mac": mac_or_none(parts[3])},
    ("2", 6): lambda parts: {"mac": mac_or_none(parts[3]), "ip": ip_or_none(parts[5])},
    ("3", 4): lambda parts: {"ip": ip_or_none(parts[3])},
    ("5", 4): _prefix,
}


def community_entry(text: str) -> Entry:
    """Return `ET:8 RT:65001:5001 MM:1, sticky MAC Rmac:9a:f0:70:0b:1f:83` as columns; the unknown is passed over."""
    words = text.replace(",", " ").split()
    told: dict[str, list[str]] = {}
    for word in words:
        name, colon, value = word.partition(":")
        told.setdefault(name if colon else word, []).append(value)
    found: dict[str, Any] = {
        "route_targets": " ".join(sorted(told["RT"])) if "RT" in told else None,
        "encapsulation": number_or_none(told.get("ET", [""])[0], 16),
        "router_mac": mac_or_none(told.get("Rmac", [""])[0]),
        "mobility_sequence": number_or_none(told.get("MM", ["0"])[0], 32),
        "is_sticky": "sticky" in told,
        "is_default_gateway": "Default" in told,
    }
    return {name: value for name, value in found.items() if value is not None}

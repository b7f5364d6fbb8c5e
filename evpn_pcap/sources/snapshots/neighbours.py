"""`ip [-j] neigh` of iproute2 -> Print: the kernel's neighbour tables (ip/ipneigh.c)."""

import re
from typing import Any

from evpn_pcap.sources.snapshots.prints import (
    Entry,
    Form,
    Print,
    dicts_of,
    has_keys,
    ip_or_none,
    is_whole_command,
    mac_or_none,
)

NAME = "neighbours"
STATES = frozenset({"PERMANENT", "NOARP", "REACHABLE", "STALE", "NONE", "INCOMPLETE", "DELAY", "PROBE", "FAILED"})
_LINE = re.compile(r"\s*(?P<ip>[0-9a-fA-F:.]+) dev (?P<device>\S+)(?: lladdr (?P<mac>\S+))?(?P<flags>.*)")


def read_text(lines: list[str], command: str) -> Print:
    """Return one entry a line: `10.2.1.12 dev EVPN1 lladdr bc:24:11:00:00:02 extern_learn NOARP proto zebra`."""
    entries: list[Entry] = []
    unread: list[str] = []
    for line in lines:
        found = _LINE.fullmatch(line)
        ip = ip_or_none(found["ip"]) if found else None
        if found and ip is not None:
            words = found["flags"].split()
            state = next((word for word in words if word in STATES), None)
            flags = " ".join(word for word in words if word not in STATES) or None
            entry = {"ip": ip, "device": found["device"], "mac": mac_or_none(found["mac"])}
            entries.append(entry | {"state": state, "flags": flags})
        elif line.strip():
            unread.append(line)
    return Print(NAME, entries, is_whole_command(command) and not unread, unread=unread)


def read_json(value: Any) -> Print:
    """Return one entry an object."""
    rows = dicts_of(value)
    entries = [_entry(row) for row in rows if ip_or_none(row.get("dst")) is not None]
    return Print(NAME, entries, len(entries) == len(value))


def _entry(row: dict[str, Any]) -> Entry:
    states = row.get("state")
    state = next((one for one in states if one in STATES), None) if isinstance(states, list) else None
    flags: list[str] = [name for name in ("extern_learn", "router", "proxy", "managed") if name in row]
    flags += [f"proto {row['protocol']}"] if isinstance(row.get("protocol"), str) else []
    device = row.get("dev")
    return {
        "ip": ip_or_none(row.get("dst")),
        "device": device if isinstance(device, str) else None,
        "mac": mac_or_none(row.get("lladdr")),
        "state": state,
        "flags": " ".join(flags) or None,
    }


FORM = Form(
    NAME,
    command=re.compile(r"ip( -\S+)* n(eigh\w*)?\b"),
    line=re.compile(rf"\s*[0-9a-fA-F:.]+ dev \S+ .*\b({'|'.join(sorted(STATES))})\b"),
    file=re.compile(r"neigh"),
    is_json=lambda value: has_keys(value, "dst", "dev"),
    read_text=read_text,
    read_json=read_json,
)

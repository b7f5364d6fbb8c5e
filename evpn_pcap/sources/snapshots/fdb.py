"""`bridge [-j] fdb` of iproute2 -> Print: the forwarding databases of bridges and vxlan devices (bridge/fdb.c)."""

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
    number_or_none,
)

NAME = "fdb"
_LINE = re.compile(r"\s*(?P<mac>([0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}) dev (?P<device>\S+)(?P<rest>.*)")
_NAMED = ("dst", "vlan", "master", "port", "vni", "via", "src_vni", "nhid")
_STATES = ("permanent", "static", "stale")


def read_text(lines: list[str], command: str) -> Print:
    """Return one entry a line: `bc:24:11:00:00:02 dev vxlan_EVPN1 dst 192.168.16.4 self extern_learn`."""
    entries: list[Entry] = []
    unread: list[str] = []
    for line in lines:
        found = _LINE.fullmatch(line)
        if found:
            words = found["rest"].split()
            told = {name: words[at + 1] for at, name in enumerate(words[:-1]) if name in _NAMED}
            flags = [word for word in words if word not in {*told, *told.values(), *_STATES}]
            state = next((word for word in words if word in _STATES), None)
            entries.append(_entry(found["mac"], found["device"], told, flags, state))
        elif line.strip():
            unread.append(line)
    return Print(NAME, entries, is_whole_command(command) and not unread, unread=unread)


def read_json(value: Any) -> Print:
    """Return one entry an object."""
    rows = [row for row in dicts_of(value) if mac_or_none(row.get("mac")) is not None]
    entries = []
    for row in rows:
        flags = row.get("flags")
        words = [one for one in flags if isinstance(one, str)] if isinstance(flags, list) else []
        state = row.get("state")
        entries.append(_entry(row["mac"], row.get("ifname"), row, words, state if isinstance(state, str) else None))
    return Print(NAME, entries, len(entries) == len(value))


def _entry(mac: str, device: Any, told: dict[str, Any], flags: list[str], state: str | None) -> Entry:
    master = told.get("master")
    return {
        "mac": mac_or_none(mac),
        "device": device if isinstance(device, str) else None,
        "master": master if isinstance(master, str) else None,
        "vlan_id": number_or_none(told.get("vlan"), 12),
        "vtep_ip": ip_or_none(told.get("dst")),
        "vni": number_or_none(told.get("src_vni", told.get("vni")), 24),
        "flags": " ".join(flags) or None,
        "state": state or None,
    }


FORM = Form(
    NAME,
    command=re.compile(r"bridge( -\S+)* f(db)?\b"),
    line=re.compile(r"\s*([0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2} dev \S+"),
    file=re.compile(r"fdb"),
    is_json=lambda value: has_keys(value, "mac", "ifname"),
    read_text=read_text,
    read_json=read_json,
)

"""`bridge -d [-j] link` and `ip [-j] addr` of iproute2 -> Print: ports with neigh_suppress, devices with addresses."""

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

LINKS, ADDRESSES = "links", "addresses"
_HEAD = re.compile(r"\s*\d+: (?P<device>[^\s:@]+)(@(?P<lower>[^\s:]+))?: <(?P<flags>[A-Z0-9_,-]*)>(?P<rest>.*)")
_SUPPRESS = re.compile(r"\bneigh_suppress (?P<is_on>on|off)\b")
_MASTER = re.compile(r"\bmaster (?P<master>\S+)")
_STATE = re.compile(r"\bstate (?P<state>\S+)")
_LINK = re.compile(r"\s*link/\S+ (?P<mac>\S+)")
_ADDRESS = re.compile(r"\s*inet6? (?P<ip>[0-9a-fA-F:.]+)(/\d+)?\b")


def _head(found: re.Match[str]) -> Entry:
    master, state = _MASTER.search(found["rest"]), _STATE.search(found["rest"])
    return {
        "device": found["device"],
        "master": master["master"] if master else None,
        "state": state["state"] if state else None,
        "flags": found["flags"],
    }


def read_link_text(lines: list[str], command: str) -> Print:
    """Return one entry a port: its bridge, its state, and whether neigh_suppress is on (missing without -d)."""
    entries: list[Entry] = []
    for line in lines:
        if head := _HEAD.fullmatch(line):
            entries.append(_head(head))
        if entries and (found := _SUPPRESS.search(line)):
            entries[-1]["neigh_suppress"] = found["is_on"] == "on"
    return Print(LINKS, entries, is_whole_command(command))


def read_link_json(value: Any) -> Print:
    """Return one entry an object."""
    return Print(LINKS, [entry | _suppression(row) for entry, row in _devices(value)], is_whole=True)


def _suppression(row: dict[str, Any]) -> Entry:
    told = row.get("neigh_suppress")
    state = row.get("state")
    known = {"neigh_suppress": told} if isinstance(told, bool) else {}
    return known | {"state": state if isinstance(state, str) else None}


def read_address_text(lines: list[str], command: str) -> Print:
    """Return one entry an address, and one without address for a device that has none of its own."""
    entries: list[Entry] = []
    device: Entry = {}
    for line in lines:
        if head := _HEAD.fullmatch(line):
            device = _head(head)
            entries.append(device)
        elif device and (found := _LINK.match(line)):
            device["mac"] = mac_or_none(found["mac"])
        elif device and (found := _ADDRESS.match(line)) and ip_or_none(found["ip"]):
            entries.append(device | {"ip": ip_or_none(found["ip"])})
    return Print(ADDRESSES, entries, is_whole_command(command) and "show" not in command)


def read_address_json(value: Any) -> Print:
    """Return one entry an address, and one without address for each device."""
    entries: list[Entry] = []
    for device, row in _devices(value):
        known = device | {"mac": mac_or_none(row.get("address"))}
        told = [ip_or_none(one.get("local")) for one in dicts_of(row.get("addr_info"))]
        entries += [known, *(known | {"ip": ip} for ip in told if ip)]
    return Print(ADDRESSES, entries, is_whole=True)


def _devices(value: Any) -> list[tuple[Entry, dict[str, Any]]]:
    """Return device and master of each object."""
    found = []
    for row in dicts_of(value):
        device, master = row.get("ifname"), row.get("master")
        if isinstance(device, str):
            found.append(({"device": device, "master": master if isinstance(master, str) else None}, row))
    return found


LINK_FORM = Form(
    LINKS,
    command=re.compile(r"bridge( -\S+)* l(ink)?\b"),
    line=re.compile(
        r".*\bneigh_suppress (on|off)|\s*\d+: .*\bstate (disabled|listening|learning|forwarding|blocking)\b"
    ),
    file=re.compile(r"link"),
    is_json=lambda value: has_keys(value, "ifname", "neigh_suppress") or has_keys(value, "ifname", "priority", "cost"),
    read_text=read_link_text,
    read_json=read_link_json,
)
ADDRESS_FORM = Form(
    ADDRESSES,
    command=re.compile(r"ip( -\S+)* a(ddr\w*)?\b"),
    line=re.compile(r"\s*(link/\w+ |inet6? )"),
    file=re.compile(r"addr"),
    is_json=lambda value: has_keys(value, "ifname", "addr_info"),
    read_text=read_address_text,
    read_json=read_address_json,
)

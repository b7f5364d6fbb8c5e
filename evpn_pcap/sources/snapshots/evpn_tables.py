"""`show evpn arp-cache vni all [json]` and `show evpn mac vni all [json]` of FRR -> Print (zebra_vxlan.c)."""

import re
from collections.abc import Iterator
from typing import Any

from evpn_pcap.sources.snapshots.prints import (
    Entry,
    Form,
    Print,
    ip_or_none,
    is_whole_command,
    mac_or_none,
    number_or_none,
)

ARP_CACHE, MAC_TABLE = "arp-cache", "mac-table"
_VNI = re.compile(r"\s*VNI (?P<vni>\d+) #(?P<what>ARP|MACs) .* (?P<count>\d+)\s*")
_ROW = re.compile(r"\s*(?P<key>\S+)\s+(?P<type>local|remote|auto)\s+(?P<rest>.*)")
_SEQUENCES = re.compile(r"(?P<local>\d+)/(?P<remote>\d+)\s*$")


def _read_text(lines: list[str], command: str, form: str) -> Print:
    """Return the rows below each `VNI 5001 #ARP ... 2`; whole where there are as many as it says."""
    entries: list[Entry] = []
    unread: list[str] = []
    vni, expected = None, 0
    for line in lines:
        if found := _VNI.fullmatch(line):
            vni, expected = number_or_none(found["vni"], 24), expected + int(found["count"])
        elif found := _ROW.fullmatch(line):
            entry = _row(found, form)
            if entry is None or vni is None:
                unread.append(line)
            else:
                entries.append(entry | {"vni": vni})
    is_whole = vni is not None and len(entries) == expected and is_whole_command(command)
    return Print(form, entries, is_whole, unread=unread)


def _row(found: re.Match[str], form: str) -> Entry | None:
    """Return one row: its key is the address, or the MAC."""
    words = found["rest"].split()
    sequences = _SEQUENCES.search(found["rest"])
    macs = [mac for mac in map(mac_or_none, words) if mac is not None]
    if form == ARP_CACHE:
        key: Entry = {"ip": ip_or_none(found["key"]), "mac": macs[0] if macs else None}
        key |= {"state": next((word for word in words if word in ("active", "inactive")), None)}
    else:
        key = {"mac": mac_or_none(found["key"])}
    if (key["ip"] if form == ARP_CACHE else key["mac"]) is None:
        return None
    vtep = next((ip for ip in map(ip_or_none, words) if ip), None)
    is_local = found["type"] != "remote"
    device = words[0] if form == MAC_TABLE and is_local and words and not sequences_at(words[0]) else None
    sequence = int(sequences["local"] if is_local else sequences["remote"]) if sequences else None
    return key | {"is_local": is_local, "vtep_ip": vtep, "device": device, "mobility_sequence": _bounded(sequence)}


def sequences_at(word: str) -> bool:
    """Return whether a word is the sequence numbers, as 0/0."""
    return bool(_SEQUENCES.fullmatch(word))


def _bounded(sequence: int | None) -> int | None:
    return sequence if sequence is not None and sequence < 1 << 32 else None


def _vnis(value: Any, count: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield VNI and table of each VNI of the JSON of `vni all`."""
    for name, table in value.items() if isinstance(value, dict) else ():
        vni = number_or_none(name, 24)
        if vni is not None and isinstance(table, dict) and count in table:
            yield vni, table


def _json_entry(row: dict[str, Any]) -> Entry:
    is_local = row.get("type") != "remote"
    return {
        "is_local": is_local,
        "vtep_ip": ip_or_none(row.get("remoteVtep")),
        "mobility_sequence": number_or_none(row.get("localSequence" if is_local else "remoteSequence"), 32),
        "flags": "duplicate" if row.get("isDuplicate") is True else None,
    }


def _read_arp_json(value: Any) -> Print:
    """Return the addresses of every VNI."""
    entries: list[Entry] = []
    for vni, table in _vnis(value, "numArpNd"):
        for name, row in table.items():
            ip = ip_or_none(name)
            if ip is not None and isinstance(row, dict):
                state = row.get("state")
                entry = {"vni": vni, "ip": ip, "mac": mac_or_none(row.get("mac"))}
                entries.append(entry | _json_entry(row) | {"state": state if isinstance(state, str) else None})
    expected = sum(number_or_none(table["numArpNd"], 32) or 0 for _, table in _vnis(value, "numArpNd"))
    return Print(ARP_CACHE, entries, len(entries) == expected)


def _read_mac_json(value: Any) -> Print:
    """Return the MACs of every VNI."""
    entries: list[Entry] = []
    for vni, table in _vnis(value, "numMacs"):
        macs = table.get("macs")
        for name, row in macs.items() if isinstance(macs, dict) else ():
            mac = mac_or_none(name)
            if mac is not None and isinstance(row, dict):
                device = row.get("intf")
                entry = {"vni": vni, "mac": mac, "device": device if isinstance(device, str) else None}
                entries.append(entry | _json_entry(row))
    expected = sum(number_or_none(table["numMacs"], 32) or 0 for _, table in _vnis(value, "numMacs"))
    return Print(MAC_TABLE, entries, len(entries) == expected)


ARP_CACHE_FORM = Form(
    ARP_CACHE,
    command=re.compile(r"sh\w* evpn arp-cache"),
    line=re.compile(r"\s*VNI \d+ #ARP"),
    file=re.compile(r"arp-cache"),
    is_json=lambda value: any(_vnis(value, "numArpNd")),
    read_text=lambda lines, command: _read_text(lines, command, ARP_CACHE),
    read_json=_read_arp_json,
)
MAC_TABLE_FORM = Form(
    MAC_TABLE,
    command=re.compile(r"sh\w* evpn mac"),
    line=re.compile(r"\s*VNI \d+ #MACs"),
    file=re.compile(r"evpn-mac|mac-table|mac-vni"),
    is_json=lambda value: any(_vnis(value, "numMacs")),
    read_text=lambda lines, command: _read_text(lines, command, MAC_TABLE),
    read_json=_read_mac_json,
)

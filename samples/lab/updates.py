"""FRR's log becomes what each VTEP learned and told: MAC/IP announcements with their triggers, routes received."""

import re
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

STAMP = re.compile(r"(\d{4})/(\d\d)/(\d\d) (\d\d):(\d\d):(\d\d)\.(\d{6}) ")
MACIP = re.compile(
    r"(?P<verb>Send|Recv) MACIP (?P<action>Add|Del|ADD|DEL) .*?MAC (?P<mac>[0-9a-f:]{17})(?: IP (?P<ip>\S+))?"
)
VNI = re.compile(r"VNI (\d+)")
SEQUENCE = re.compile(r" seq (\d+)")
REMOTE = re.compile(r"VTEP (\S+)")
UPDATE = re.compile(r" send UPDATE RD \S+ (?P<route>\[2\]\S+)(?P<rest>.*)")


class Macip(NamedTuple):
    """One MAC or MAC/IP route as zebra and bgpd handed it over on one host."""

    time_ns: int
    host: str
    is_own: bool  # told to bgpd; else received from it
    action: str  # announce, withdraw
    mac: str
    ip: str
    vni: int
    sequence: int | None
    remote: str  # the VTEP it came from, "" for an own one


class Update(NamedTuple):
    """One MAC/IP route in an UPDATE as bgpd put it into words."""

    time_ns: int
    action: str
    route: str


def read_log(host: str, path: Path) -> tuple[list[Macip], list[Update]]:
    """Return what a host's FRR log says about type-2 routes, in order of time."""
    macips, updates = [], []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        stamp = STAMP.match(line)
        if stamp is None:
            continue
        time_ns = stamp_ns(stamp)
        if found := MACIP.search(line):
            macips.append(_macip(time_ns, host, line, found))
        elif found := UPDATE.search(line):
            action = "withdraw" if "unreachable" in found["rest"] else "announce"
            updates.append(Update(time_ns, action, found["route"]))
    return sorted(macips), sorted(updates)


def route_of(mac: str, ip: str) -> str:
    """Return a type-2 route as FRR writes it."""
    tail = f":[{128 if ':' in ip else 32}]:[{ip}]" if ip else ""
    return f"[2]:[0]:[48]:[{mac}]{tail}"


def held(macips: Iterable[Macip]) -> dict[tuple[str, int, str], list[tuple[int, int]]]:
    """Return when each address was held from BGP: (host, vni, ip) -> spans of time, open ones without end."""
    open_since: dict[tuple[str, int, str], int] = {}
    spans: dict[tuple[str, int, str], list[tuple[int, int]]] = defaultdict(list)
    for one in macips:
        key = one.host, one.vni, one.ip
        if one.is_own or not one.ip:
            continue
        if one.action == "announce":
            open_since.setdefault(key, one.time_ns)
        elif key in open_since:
            spans[key].append((open_since.pop(key), one.time_ns))
    for key, since_ns in open_since.items():
        spans[key].append((since_ns, 2**63 - 1))
    return spans


def stamp_ns(stamp: re.Match[str]) -> int:
    """Return the time of a line of FRR's log that STAMP matched."""
    year, month, day, hour, minute, second, micros = (int(part) for part in stamp.groups())
    whole = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    return int(whole.timestamp()) * 1_000_000_000 + micros * 1000


def _macip(time_ns: int, host: str, line: str, found: re.Match[str]) -> Macip:
    vni, sequence, remote = VNI.search(line), SEQUENCE.search(line), REMOTE.search(line)
    is_own = found["verb"] == "Send"
    return Macip(
        time_ns,
        host,
        is_own,
        "announce" if found["action"].lower() == "add" else "withdraw",
        found["mac"],
        "" if found["ip"] in (None, "(null)") else found["ip"],
        int(vni[1]) if vni else 0,
        int(sequence[1]) if sequence else None,
        "" if is_own or not remote else remote[1],
    )

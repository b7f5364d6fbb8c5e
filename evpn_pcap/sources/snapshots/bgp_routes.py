"""`show bgp l2vpn evpn route [type 2] [json]` and `show bgp evpn route` of FRR -> Print (bgp_evpn_vty.c, bgp_route.c).

The layout is not relied on: text that was pasted has lost its blanks.
"""

import re
from typing import Any

from evpn_pcap.sources.snapshots.prints import Entry, Form, Print, dicts_of, ip_or_none, is_whole_command
from evpn_pcap.sources.snapshots.route_texts import community_entry, prefix_entry

NAME = "routes"
_RD = re.compile(r"\s*Route Distinguisher: (?:ip |as2 |as4 )?(\S+)")
_ROUTER = re.compile(r"local router ID is ([0-9.]+)")
_PATH = re.compile(r"\s*(?P<status>[sdhrRSbq]?\*[>=\si]*)(?P<prefix>\[\d\]:\S+)?(?P<rest>.*)")
_SHOWN = re.compile(r"\s*Displayed (?P<shown>\d+)\s+(?:out of (?P<total>\d+) total )?prefixes")
_ONE_TYPE = re.compile(r"\btype\s+(?!2\b|macip\b)\S+")
LOCAL_WEIGHT = "32768"


def read_text(lines: list[str], command: str) -> Print:
    """Return the routes of a table as FRR prints it for people."""
    rd, speaker, shown = None, None, None
    paths: list[tuple[Entry, list[str]]] = []
    unread: list[str] = []
    prefix: Entry | None = None
    is_in_table = False
    for line in lines:
        if found := _ROUTER.search(line):
            speaker = ip_or_none(found[1])
        elif found := _RD.match(line):
            rd, is_in_table = found[1], True
        elif "No EVPN prefixes" in line:
            shown = 0
        elif found := _SHOWN.match(line):
            shown, is_in_table = int(found["shown"]), False
        elif is_in_table and (found := _PATH.fullmatch(line)):
            prefix = prefix_entry(found["prefix"]) if found["prefix"] else prefix
            if prefix is None:
                unread.append(line)
                paths.append(({}, []))
            else:
                paths.append((prefix | _status(found["status"]) | {"rd": rd}, [found["rest"]]))
        elif is_in_table and paths and line.strip():
            paths[-1][1].append(line)
    entries = [entry | _attributes(told) for entry, told in paths if entry]
    count = len({(one["rd"], *_key(one)) for one in entries})
    is_whole = shown == count and not _ONE_TYPE.search(command) and is_whole_command(command)
    return Print(NAME, entries, is_whole, speaker, unread)


def _key(entry: Entry) -> tuple[Any, ...]:
    return tuple(entry.get(name) for name in ("route_type", "ethernet_tag", "mac", "ip", "prefix"))


def _status(text: str) -> Entry:
    return {"is_best": ">" in text, "is_local": "i" not in text}


def _attributes(told: list[str]) -> Entry:
    """Return next hop and communities of the lines below a prefix."""
    words = " ".join(told).replace("(", " (").split()
    next_hop = next((ip for ip in map(ip_or_none, words) if ip), None)
    communities = community_entry(" ".join(told))
    return communities | {"next_hop": next_hop} | ({} if LOCAL_WEIGHT in words else {"is_local": False})


def is_json(value: Any) -> bool:
    """Return whether a JSON value is a table of routes: objects by route distinguisher."""
    return isinstance(value, dict) and (
        "numPrefix" in value or any(isinstance(one, dict) and "rd" in one for one in value.values())
    )


def read_json(value: Any) -> Print:
    """Return the routes of a table as FRR prints it in JSON."""
    entries: list[Entry] = []
    unread: list[str] = []
    tables = [one for one in value.values() if isinstance(one, dict) and isinstance(one.get("rd"), str)]
    for table in tables:
        for text, route in table.items():
            if not isinstance(route, dict):
                continue
            prefix = prefix_entry(text)
            if prefix is None:
                unread.append(text)
            else:
                entries += [prefix | {"rd": table["rd"]} | _path(path) for path in _paths(route)]
    count = len({(one["rd"], *_key(one)) for one in entries})
    return Print(NAME, entries, value.get("numPrefix") == count, ip_or_none(value.get("bgpLocalRouterId")), unread)


def _paths(route: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the paths of a route: a list, or a list of lists."""
    told = route.get("paths")
    lists = told if isinstance(told, list) else []
    return [path for one in lists for path in dicts_of(one if isinstance(one, list) else [one])]


def _path(path: dict[str, Any]) -> Entry:
    communities = path.get("extendedCommunity")
    text = communities.get("string") if isinstance(communities, dict) else None
    best = path.get("bestpath")
    hops = [ip_or_none(one.get("ip")) for one in dicts_of(path.get("nexthops"))]
    return community_entry(text if isinstance(text, str) else "") | {
        "is_best": best is True or (isinstance(best, dict) and best.get("overall") is True),
        "is_local": str(path.get("weight")) == LOCAL_WEIGHT,
        "next_hop": next((hop for hop in hops if hop), None),
        "peer_ip": ip_or_none(path.get("peerId")),
    }


FORM = Form(
    NAME,
    command=re.compile(r"sh\w* bgp (l2vpn )?evpn( route\b|$)"),
    line=re.compile(r"BGP table version|Route Distinguisher:|Displayed \d+\s+(out of|prefixes)|No EVPN prefixes"),
    file=re.compile(r"route"),
    is_json=is_json,
    read_text=read_text,
    read_json=read_json,
)

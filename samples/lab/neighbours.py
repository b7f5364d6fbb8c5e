"""What `ip monitor neigh` told becomes the neighbour tables of the VTEPs at any moment."""

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

LINE = re.compile(r"\[(?P<stamp>[^]]+)\] (?P<gone>Deleted )?(?P<ip>\S+) dev (?P<device>\S+) (?P<rest>.*)")


class Neighbours:
    """The neighbour entries of hosts over time, from the logs `<host>-neigh.log` of a folder."""

    def __init__(self, folder: Path, hosts: Iterable[str]) -> None:
        self._told: dict[tuple[str, str, str], list[tuple[int, str]]] = defaultdict(list)
        for host in hosts:
            for line in (folder / f"{host}-neigh.log").read_text(encoding="utf-8").splitlines():
                if found := LINE.match(line):
                    state = "" if found["gone"] else found["rest"].strip()
                    self._told[host, found["device"], found["ip"]].append((_ns(found["stamp"]), state))

    def at(self, host: str, device: str, ip: str, time_ns: int) -> str:
        """Return an entry as `ip neigh` prints it behind the device, "" where there is none."""
        told = self._told.get((host, device, ip), [])
        index = bisect_right(told, time_ns, key=lambda one: one[0]) - 1
        return told[index][1] if index >= 0 else ""

    def learned(self, host: str, ip: str, mac: str) -> list[int]:
        """Return when entries with this address and MAC were told of that the host learned itself, in order."""
        found = [
            at_ns
            for (name, _, address), told in self._told.items()
            if (name, address) == (host, ip)
            for at_ns, state in told
            if f"lladdr {mac}" in state and "extern_learn" not in state
        ]
        return sorted(found)


def _ns(stamp: str) -> int:
    whole, _, micros = stamp.partition(".")
    return int(datetime.fromisoformat(whole).replace(tzinfo=UTC).timestamp()) * 1_000_000_000 + int(micros) * 1000

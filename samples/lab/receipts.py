"""FRR's logs -> what each bgpd received of whom, and what it refused: witnesses beside the captures and the prints."""

import re
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol

from evpn_pcap.model import FOREVER
from samples.lab.updates import STAMP, UPDATE, stamp_ns

RECEIPT_NS = 1_000_000_000
RECEIVED = re.compile(
    r" (?P<sender>\S+?)(?:\(\S+\))? rcvd (?:UPDATE about )?RD (?P<rd>\S+) (?P<route>\[\d\]\S+)(?P<rest>.*)"
)
TABLE_END = re.compile(r"rcvd End-of-RIB for L2VPN EVPN from (?P<sender>\S+)")
DENIED = "-- DENIED due to:"
Receipt = tuple[int, bool]  # when, and was it refused


class Span(Protocol):
    """Something that lasts from one moment to another."""

    @property
    def begin_ns(self) -> int:
        """When it begins."""

    @property
    def end_ns(self) -> int:
        """When it ends."""


class Receipts:
    """When bgpd of any host logged that it had received a type-2 route: the UPDATE was on the wire by then."""

    def __init__(self, folder: Path) -> None:
        self._times: dict[tuple[str, str], list[int]] = defaultdict(list)
        for path in folder.glob("*-frr.log"):
            for time_ns, found in _received(path):
                if found["route"].startswith("[2]") and DENIED not in found["rest"]:
                    self._times[found["sender"], found["route"]].append(time_ns)
        for times in self._times.values():
            times.sort()

    def first(self, sender: str, route: str, since_ns: int) -> int:
        """Return when a sender's route was received first since it was formatted; since_ns where no log tells."""
        times = self._times.get((sender, route), [])
        near = times[bisect_left(times, since_ns) :][:1]
        return near[0] if near and near[0] <= since_ns + RECEIPT_NS else since_ns


def table_ends(folder: Path) -> dict[str, int]:
    """Return when any host's bgpd logged first that a speaker's first table had ended (End-of-RIB), by speaker."""
    found: dict[str, int] = {}
    for path in folder.glob("*-frr.log"):
        for sender, time_ns in first_table_ends(path).items():
            found[sender] = min(time_ns, found.get(sender, FOREVER))
    return found


def first_table_ends(log: Path) -> dict[str, int]:
    """Return when one host's bgpd logged first that each speaker's table had ended."""
    found: dict[str, int] = {}
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
        if (told := TABLE_END.search(line)) and (stamp := STAMP.match(line)):
            found.setdefault(told["sender"], stamp_ns(stamp))
    return found


def has_updates(log: Path, since_ns: int, until_ns: int) -> bool:
    """Return whether a host's bgpd logged that it sent or received a route between two moments."""
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
        stamp = STAMP.match(line)
        if stamp and since_ns <= stamp_ns(stamp) <= until_ns and (RECEIVED.search(line) or UPDATE.search(line)):
            return True
    return False


class Refusals:
    """What the bgpd of one host logged as refused ("DENIED due to: route-map") when it was told it last."""

    def __init__(self, log: Path) -> None:
        self._receipts: dict[tuple[str, str, str], list[Receipt]] = defaultdict(list)
        for time_ns, found in _received(log) if log.exists() else ():
            key = found["sender"], found["rd"], found["route"]
            self._receipts[key].append((time_ns, DENIED in found["rest"]))

    def is_refused(self, senders: Iterable[str], rd: str, route: str, span: Span) -> bool:
        """Return whether the host had refused a route of all its senders, when last told and all the span."""
        return all(self._is_denied(self._receipts.get((sender, rd, route), []), span) for sender in senders)

    def _is_denied(self, told: list[Receipt], span: Span) -> bool:
        first, last = (bisect_right(told, (at_ns, True)) for at_ns in (span.begin_ns, span.end_ns))
        return first > 0 and all(is_denied for _, is_denied in told[first - 1 : last])


def _received(log: Path) -> Iterator[tuple[int, re.Match[str]]]:
    """Yield when a bgpd logged that it had received a route, and what the line says of it."""
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
        if (found := RECEIVED.search(line)) and (stamp := STAMP.match(line)):
            yield stamp_ns(stamp), found

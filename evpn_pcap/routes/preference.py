"""ROUTES -> when another VTEP's route for the same address was preferred at a receiver (RFC 7432, 15.1 and 15.2)."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from ipaddress import ip_address
from itertools import groupby
from operator import itemgetter

import pandas as pd

ADDRESS = ["receiver_ip", "vni", "mac", "ip"]
NO_SEGMENT = "00:00:00:00:00:00:00:00:00:00"

Rank = tuple[bool, int, int]  # the smaller, the better


def outranked_times(routes: pd.DataFrame) -> pd.Series:
    """Return, per row of ROUTES, when another was preferred, as (from, until, from, until ...) in ns.

    Of several MAC/IP routes in force at a receiver for one VNI, MAC and IP, from different VTEPs, a
    sticky one goes before the others, then the one with the higher MAC mobility sequence, then
    that of the VTEP with the lower address. Routes of one Ethernet segment do not compete, nor do
    those that the receiver does not import, or while it refuses them.
    """
    held = routes["is_imported"].fillna(value=True).astype(bool)
    told = routes[(routes["route_type"] == 2) & held & routes["next_hop"].notna() & routes["mac"].notna()]
    rivals = told.groupby(ADDRESS, dropna=False)["next_hop"].transform("nunique") > 1
    found: dict[int, list[int]] = {}
    for _, rows in told[rivals].groupby(ADDRESS, dropna=False, sort=False):
        found |= _outranked(rows)
    return pd.Series([tuple(found.get(index, ())) for index in routes.index], index=routes.index, dtype="object")


def _outranked(rows: pd.DataFrame) -> dict[int, list[int]]:
    """Return, per row of one address at one receiver, when better ones were in force: what they cover of it."""
    spans = zip(
        _ranks(rows), rows["advertised_ns"].tolist(), rows["withdrawn_ns"].tolist(), rows.index.tolist(), strict=True
    )
    refused = rows["refused_ns"].to_dict()
    covered = _Union()
    found: dict[int, list[int]] = {}
    for _, same in groupby(sorted(spans), key=itemgetter(0)):
        equals = list(same)
        found |= {row: covered.within(since, until) for _, since, until, row in equals}
        for _, since, until, row in equals:
            for begin, end in _held(since, until, refused[row]):
                covered.add(begin, end)
    return found


def _held(since: int, until: int, refused: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    """Yield what is left of an interval where the receiver surely has the route; `refused` is in threes, in order."""
    for begin, end in zip(refused[::3], refused[2::3], strict=True):
        if since < begin:
            yield since, begin
        since = end
    if since < until:
        yield since, until


class _Union:
    """Spans of time, joined where they touch."""

    def __init__(self) -> None:
        self._begins: list[int] = []
        self._ends: list[int] = []

    def add(self, since: int, until: int) -> None:
        """Add the span from `since` to `until`."""
        first, last = bisect_left(self._ends, since), bisect_right(self._begins, until)
        joined = [since, until, *self._begins[first:last], *self._ends[first:last]]
        self._begins[first:last], self._ends[first:last] = [min(joined)], [max(joined)]

    def within(self, since: int, until: int) -> list[int]:
        """Return what is covered of a span, as [from, until, from, until ...]."""
        first, last = bisect_right(self._ends, since), bisect_left(self._begins, until)
        return [
            edge
            for begin, end in zip(self._begins[first:last], self._ends[first:last], strict=True)
            for edge in (max(begin, since), min(end, until))
        ]


def _ranks(rows: pd.DataFrame) -> list[Rank]:
    """Return what decides between routes for one address; those of one Ethernet segment are equals, as its best."""
    sticky = rows["is_sticky"].fillna(value=False).astype(bool).tolist()
    sequence = rows["mobility_sequence"].fillna(0).astype("int64").tolist()
    vteps = [int(ip_address(one)) for one in rows["next_hop"]]
    ranks = [(not one, -number, vtep) for one, number, vtep in zip(sticky, sequence, vteps, strict=True)]
    segments = rows["esi"].fillna(NO_SEGMENT).tolist()
    best: dict[str, Rank] = {}
    for segment, rank in zip(segments, ranks, strict=True):
        best[segment] = min(best.get(segment, rank), rank)
    return [rank if one == NO_SEGMENT else best[one] for one, rank in zip(segments, ranks, strict=True)]

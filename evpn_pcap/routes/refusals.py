"""SNAPSHOTS with agreement -> when a receiver did not have a route that it was told: a policy refuses it.

RFC 4271, 9.1. Packets show what a speaker is told (Adj-RIB-In); what its policies let in, only its own prints do.
"""

from bisect import bisect_right
from itertools import chain, pairwise
from typing import Any, NamedTuple

import pandas as pd

from evpn_pcap.model import FOREVER
from evpn_pcap.routes.agreement import INSTALL_NS, ROUTE

Row = dict[Any, Any]
Span = tuple[int, int, bool]  # from, until, is it sure that the route was refused


class _Print(NamedTuple):
    """What one print of a receiver's table says of a route: by no_later_ns it was so, and not before no_earlier_ns."""

    no_earlier_ns: int
    no_later_ns: int
    is_absent: bool


def refused_times(routes: pd.DataFrame, snapshots: pd.DataFrame) -> pd.Series:
    """Return, per row of ROUTES, when its receiver refused it, in threes: (in doubt since, surely since, until) in ns.

    A print of the whole table that lacks a route proves that moment, and what follows until the route is told anew,
    for then a policy decides anew (RFC 2918), or the next print shows it. What lies between such a print and the
    print before or after it, or the beginning or end, is in doubt. A print counts unless it lacks a route of the
    speaker's own, or shows one that it cannot have, or none of another's: then it may be of another time or host.
    """
    told = snapshots[snapshots["agreement"].isin(["agrees", "absent"])]
    found: dict[int, tuple[int, ...]] = {}
    if (told["agreement"] == "absent").any():
        told = told[(told["agreement"] == "agrees") | told["snapshot_id"].isin(_sound_prints(routes, snapshots))]
        slack_ns = told["margin_ns"] + INSTALL_NS
        told = told.assign(from_ns=told["time_ns"] - slack_ns, to_ns=told["time_ns"] + slack_ns)
        prints = {key: _prints(rows) for key, rows in told.groupby(["speaker_ip", *ROUTE], dropna=False)}
        refused = {_key(key): one for key, one in prints.items() if any(each.is_absent for each in one)}
        others = routes[routes["receiver_ip"] != routes["sender_ip"]]
        for index, row in zip(others.index.tolist(), others.to_dict("records"), strict=True):
            key = _key(row[name] for name in ("receiver_ip", *ROUTE))
            if key in refused:
                found[index] = _threes(row, refused[key])
    return pd.Series([found.get(index, ()) for index in routes.index], index=routes.index, dtype="object")


def _key(values: Any) -> tuple[object, ...]:
    """Return what names a route at a receiver, comparable where parts are missing."""
    return tuple(None if pd.isna(one) else one for one in values)


def _sound_prints(routes: pd.DataFrame, snapshots: pd.DataFrame) -> set[int]:
    """Return the prints that show what their speaker must have, and nothing that it cannot have."""
    own = routes.loc[routes["receiver_ip"] == routes["sender_ip"], ["receiver_ip", *ROUTE]].drop_duplicates()
    lacking = snapshots[snapshots["agreement"] == "absent"].merge(
        own, left_on=["speaker_ip", *ROUTE], right_on=["receiver_ip", *ROUTE], how="inner", validate="many_to_one"
    )
    wrong = snapshots.loc[snapshots["agreement"] == "contradicts", "snapshot_id"]
    is_own = snapshots["is_local"].fillna(value=False).astype(bool)
    right = snapshots.loc[(snapshots["agreement"] == "agrees") & ~is_own, "snapshot_id"]
    return set(right) - set(wrong) - set(lacking["snapshot_id"])


def _prints(rows: pd.DataFrame) -> list[_Print]:
    """Return what prints say of one route, in order of time, each once."""
    rows = rows.sort_values("time_ns", kind="stable").drop_duplicates("snapshot_id")
    is_absent = (rows["agreement"] == "absent").tolist()
    return [_Print(*one) for one in zip(rows["from_ns"].tolist(), rows["to_ns"].tolist(), is_absent, strict=True)]


def _threes(route: Row, prints: list[_Print]) -> tuple[int, ...]:
    """Return when a route that was told was refused, in threes within its interval."""
    since_ns, until_ns = route["advertised_ns"], route["withdrawn_ns"]
    told_ns = [since_ns - route["margin_ns"], *(one - route["margin_ns"] for one in route["refresh_ns"])]
    spans: list[Span] = []
    for before, after in pairwise([None, *prints, None]):
        spans += _between(before, after, told_ns)
    clipped = [(max(begin, since_ns), min(end, until_ns), is_sure) for begin, end, is_sure in spans]
    return tuple(chain.from_iterable(_joined([one for one in clipped if one[0] < one[1]])))


def _between(before: _Print | None, after: _Print | None, told_ns: list[int]) -> list[Span]:
    """Return what two prints in succession leave in doubt or prove; None stands for no print on that side."""
    if not (before and before.is_absent) and not (after and after.is_absent):
        return []
    end_ns = after.no_later_ns if after else FOREVER
    if before is None or not before.is_absent:
        return [(before.no_earlier_ns if before else 0, end_ns, False)]
    at = bisect_right(told_ns, before.no_earlier_ns)
    anew_ns = min(told_ns[at] if at < len(told_ns) else FOREVER, end_ns)
    if anew_ns == end_ns and after and not after.is_absent:  # let in without being told anew
        return [(before.no_later_ns, end_ns, False)]
    sure_ns = max(before.no_later_ns, anew_ns)
    return [(before.no_later_ns, sure_ns, True), (sure_ns, end_ns, False)]


def _joined(spans: list[Span]) -> list[tuple[int, int, int]]:
    """Return spans in order of time as (in doubt since, surely since, until); what follows at once is joined."""
    found: list[tuple[int, int, int]] = []
    for begin, end, is_sure in spans:
        since, sure, until = found[-1] if found else (begin, begin, begin)
        is_whole = sure == until  # nothing of it is sure yet
        if found and begin <= until and (is_sure or is_whole):
            found[-1] = (since, sure if is_sure and not is_whole else begin if is_sure else end, end)
        else:
            found.append((begin, begin if is_sure else end, end))
    return found

"""Sessions that were lost between speakers of graceful restart -> whose routes stay in force, and how long.

RFC 4724, 4.2, and RFC 8538, 3.1, as the receiving speaker must do; its forwarding goes on with routes that are stale.
"""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any, NamedTuple

import pandas as pd

from evpn_pcap.model import FOREVER, WithdrawReason
from evpn_pcap.routes.told import KEY, TOLD, View

CEASE, HARD_RESET = 6, 9  # RFC 8538, 3
S_NS = 1_000_000_000
Row = dict[Any, Any]
Pair = tuple[str, str]  # view_ip, peer_ip
SessionKey = tuple[int, int]  # connection, epoch


class Restarts(NamedTuple):
    """What changes tables, sessions that go on after a graceful restart as one; and what was stale meanwhile."""

    received: View
    closings: pd.DataFrame
    stale: pd.DataFrame  # view_ip, peer_ip, KEY, lost_ns, until_ns


@dataclass(slots=True)
class _Session:
    """One direction of a session: its sender's OPEN, whether it came up, its End-of-RIB, and what ended it."""

    key: SessionKey
    pair: Pair
    first_ns: int
    is_up: bool
    opened: Row | None
    table_end: Row | None
    ended: Row | None


def with_restarts(received: View, closings: pd.DataFrame) -> Restarts:
    """Return what changes the receivers' tables, where routes may outlive the session that carried them.

    A receiver keeps the routes of a peer that listed EVPN in its graceful restart capability, if it offered that
    capability itself, and no NOTIFICATION ended the session (unless both agreed on that too, and it is no hard
    reset). They are withdrawn when the restart time is over without a new session; when the new OPEN does not list
    EVPN, or says that forwarding was not kept; if not announced again, at End-of-RIB; or when the new session is
    lost before that. Of a session whose OPEN was not captured the next one of its sender counts.
    """
    received = received.assign(withdrawn_by="")
    if not received["is_forwarding_kept"].notna().any():
        return Restarts(received, closings, received.iloc[:0].assign(lost_ns=0, until_ns=0))
    told = received[received["is_toward"] & received["action"].isin(TOLD) & received["rd"].notna()]
    by_pair = _sessions(received)
    closed = {(row["connection"], row["epoch"]): row for row in closings.to_dict("records")}
    successors: dict[SessionKey, SessionKey] = {}
    ends, stale = [], []
    for one in (session for sessions in by_pair.values() for session in sessions):
        if one.ended is None or not _is_graceful(one, by_pair):
            continue
        held = _held(told, one)
        follower = _follower(one, by_pair[one.pair])
        if follower is None or follower.opened is None or follower.opened["is_forwarding_kept"] is not True:
            closed[one.key] |= (end := _end_without(one, follower, by_pair[one.pair]))
            until_ns = pd.Series(end["closed_ns"], index=held.index)
        else:
            successors[one.key] = follower.key
            again_ns, gone = _told_again(told, held, follower)
            ends.append(gone)
            until_ns = again_ns.fillna(gone["time_ns"].astype("Int64")).fillna(FOREVER)
        stale.append(held.assign(lost_ns=one.ended["time_ns"], until_ns=until_ns.astype("int64")))
    received = pd.concat([received, *ends], ignore_index=True).sort_values("time_ns", kind="stable")
    received, closings = _joined(received.reset_index(drop=True), closed, successors)
    return Restarts(received, closings, pd.concat(stale) if stale else received.iloc[:0].assign(lost_ns=0, until_ns=0))


def _sessions(received: View) -> dict[Pair, list[_Session]]:
    """Return the directions of sessions between every two speakers, by receiver and sender, in order of time."""
    closing = received[received["is_closing"]]
    ended = {(row["connection"], row["epoch"] - 1): row for row in closing.to_dict("records")}
    seen = received[received["is_toward"] & received["action"].isin(["open", "keepalive", "end-of-rib", *TOLD])]
    found: dict[Pair, list[_Session]] = defaultdict(list)
    for _, rows in seen.sort_values("time_ns", kind="stable").groupby(["connection", "epoch"]):
        opens, ends = (rows[rows["action"] == word].head(1).to_dict("records") for word in ("open", "end-of-rib"))
        number: SessionKey = (int(rows["connection"].iloc[0]), int(rows["epoch"].iloc[0]))
        pair = str(rows["view_ip"].iloc[0]), str(rows["peer_ip"].iloc[0])
        is_up, first_ns = bool((rows["action"] != "open").any()), int(rows["time_ns"].iloc[0])
        opened, table_end = opens[0] if opens else None, ends[0] if ends else None
        found[pair].append(_Session(number, pair, first_ns, is_up, opened, table_end, ended.get(number)))
    for sessions in found.values():
        sessions.sort(key=lambda one: one.first_ns)
    return found


def _is_graceful(one: _Session, by_pair: dict[Pair, list[_Session]]) -> bool:
    """Return whether the receiver keeps the routes of a session that ended."""
    theirs, ours = _offer(one, by_pair[one.pair]), _own_offer(one, by_pair.get((one.pair[1], one.pair[0]), []))
    if one.ended is None or pd.isna(theirs.get("is_forwarding_kept")) or pd.isna(ours.get("restart_time_s")):
        return False
    if one.ended["action"] != "notification":
        return True
    codes = [one.ended[name] for name in ("error_code", "error_subcode")]
    is_hard = any(pd.isna(code) for code in codes) or codes == [CEASE, HARD_RESET]
    return not is_hard and all(side["is_notification_graceful"] is True for side in (theirs, ours))


def _offer(one: _Session, sessions: list[_Session]) -> Row:
    """Return the OPEN of a session's sender, or else that of the next session."""
    opens = (each.opened for each in sessions if each.opened and each.first_ns >= one.first_ns)
    return next(opens, {})


def _own_offer(one: _Session, back: list[_Session]) -> Row:
    """Return the last OPEN that the receiver had sent when a session ended, or else its next one."""
    opens = [each.opened for each in back if each.opened]
    before = [each for each in opens if one.ended and each["time_ns"] <= one.ended["time_ns"]]
    return (before[-1:] or opens[:1] or [{}])[0]


def _follower(one: _Session, sessions: list[_Session]) -> _Session | None:
    """Return the session that the same speakers had up before the restart time was over, if any."""
    for other in sessions:
        is_later = other.first_ns > one.first_ns and other.is_up and other.opened is not None
        outlasts = other.ended is None or (one.ended is not None and other.ended["time_ns"] > one.ended["time_ns"])
        if is_later and outlasts and other.first_ns <= _over_ns(one, sessions):
            return other
    return None


def _over_ns(one: _Session, sessions: list[_Session]) -> int:
    """Return when the restart time of a session that ended is over."""
    return int((one.ended or {})["time_ns"]) + int(_offer(one, sessions)["restart_time_s"]) * S_NS


def _end_without(one: _Session, follower: _Session | None, sessions: list[_Session]) -> Row:
    """Return when the routes of a session are gone that no session goes on: the restart time, or the new OPEN."""
    if follower is None:
        return {"closed_ns": _over_ns(one, sessions)}
    ends = [each for each in (one.ended, follower.opened) if each is not None]
    later = max(ends, key=lambda each: int(each["time_ns"]))
    names = {"closed_ns": "time_ns", "closed_margin_ns": "margin_ns", "closed_frame": "frame_id"}
    return {name: later[source] for name, source in names.items()}


def _held(told: View, one: _Session) -> View:
    """Return the announcements of a session that were in force at its end."""
    mine = told[(told["connection"] == one.key[0]) & (told["epoch"] == one.key[1])]
    last = mine.drop_duplicates(KEY, keep="last")
    return last[last["action"] == "advertise"]


def _told_again(told: View, held: View, follower: _Session) -> tuple[pd.Series, View]:
    """Return when each stale route was told anew, and as withdrawals those that were not when the table had ended."""
    mine = told[(told["connection"] == follower.key[0]) & (told["epoch"] == follower.key[1])]
    first = mine.drop_duplicates(KEY)[[*KEY, "time_ns"]].rename(columns={"time_ns": "again_ns"})
    found = held[KEY].merge(first, on=KEY, how="left", validate="one_to_one").set_index(held.index)
    again_ns = found["again_ns"].astype("Int64")
    end, word = follower.table_end, WithdrawReason.STALE
    if end is None:
        end, word = follower.ended, WithdrawReason.SESSION_LOST
    if end is None:
        return again_ns, held.iloc[:0]
    is_gone = ~(again_ns <= end["time_ns"]).fillna(value=False).astype(bool)
    facts = {name: end[name] for name in ("time_ns", "margin_ns", "frame_id", "captured_ns", "host")}
    gone = held[is_gone].assign(**facts, action="withdraw", withdrawn_by=word)
    return again_ns.mask(is_gone), gone.assign(connection=follower.key[0], epoch=follower.key[1])


def _joined(
    received: View, closed: dict[SessionKey, Row], successors: dict[SessionKey, SessionKey]
) -> tuple[View, pd.DataFrame]:
    """Return messages and closings with sessions that follow each other gracefully under the first one's number."""
    roots = {key: key for key in successors}
    for key, follower in successors.items():  # a session comes before its follower
        roots[follower] = roots[key]
    renamed = [roots.get(key, key) for key in zip(received["connection"], received["epoch"], strict=True)]
    numbers = pd.DataFrame(renamed, columns=["connection", "epoch"], index=received.index)
    last = [row | dict(zip(("connection", "epoch"), roots.get(key, key), strict=True))
            for key, row in closed.items() if key not in successors]  # fmt: skip
    names = {"connection": "int64", "epoch": "int64", "closed_ns": "Int64", "closed_margin_ns": "Int64"}
    closings = pd.DataFrame(last, columns=[*names, "closed_frame"]).astype(names | {"closed_frame": "Int64"})
    return received.assign(connection=numbers["connection"], epoch=numbers["epoch"]), closings


def stale_times(intervals: pd.DataFrame, stale: pd.DataFrame) -> pd.Series:
    """Return, per interval, when it was in force although its session was lost, as (from, until, from, until ...)."""
    spans: dict[tuple[object, ...], list[tuple[int, int]]] = defaultdict(list)
    ends = ["view_ip", "peer_ip", *KEY]
    for row in stale[[*ends, "lost_ns", "until_ns"]].to_dict("records"):
        spans[_values(row, ends)].append((row["lost_ns"], row["until_ns"]))
    found = []
    for row in intervals[[*ends, "advertised_ns", "withdrawn_ns"]].to_dict("records") if spans else ():
        until_ns = FOREVER if pd.isna(row["withdrawn_ns"]) else row["withdrawn_ns"]
        mine = sorted(one for one in spans.get(_values(row, ends), ()) if row["advertised_ns"] <= one[0] < until_ns)
        found.append(tuple(edge for lost_ns, end_ns in mine for edge in (lost_ns, min(end_ns, until_ns))))
    return pd.Series(found if spans else [()] * len(intervals), index=intervals.index, dtype="object")


def _values(row: Row, names: list[str]) -> tuple[object, ...]:
    return tuple(None if pd.isna(row[name]) else row[name] for name in names)

"""UPDATES become ROUTES: when each EVPN route was in force at each speaker (RFC 4271, 3.1 and 8.2.2; RFC 7432, 7.2)."""

import numpy as np
import pandas as pd

from evpn_pcap import columns
from evpn_pcap.model import FOREVER

ENDS = ["sender_ip", "sender_port", "receiver_ip", "receiver_port"]
KEY = list(columns.ROUTE_KEY)
_UPDATE_COLUMNS = {column.name for column in columns.UPDATES.columns}
ROUTE_FIELDS = [column.name for column in columns.ROUTES.columns if column.name in _UPDATE_COLUMNS - set(ENDS)]
ATTRIBUTES = [name for name in ROUTE_FIELDS if name not in KEY]
TOLD = ["advertise", "withdraw"]
CLOSING = ["start", "notification", "reset", "end"]  # a new SYN says that what was before is gone
PER_HOST = ["gap", "preexisting"]  # true of one host's captures, not of the session
WITHDRAWN = -1  # in place of a number of attributes
NO_FRAME = -1  # nothing closed the interval

View = pd.DataFrame  # rows of UPDATES with the speaker whose table they change (view_ip) and the other (peer_ip)


def route_intervals(updates: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return when each route was in force at each receiver, and since when each table is known whole.

    An advertisement opens an interval; a withdrawal, or an advertisement of the same ROUTE_KEY with other
    attributes, closes it. A session that ends withdraws everything it carried, although no UPDATE says so:
    by NOTIFICATION, RST or FIN of either side, by a new SYN on its ports, or by a newer connection of the
    two speakers once that carries routes. The same advertisement again is a refresh.

    A message seen at several hosts counts once: best as the receiver's own host saw it, because a route is
    in force from when the receiver has it; else where the clock is known best. A speaker's own routes, told
    to whomever, are rows whose receiver is the sender, from its first copy on; routes that it only passes
    on (ORIGINATOR_ID, or received from another under the same key) are not.

    BGP does not repeat itself: a route learned before the capture began stays unseen until it is withdrawn
    or advertised anew. A withdrawal that closes nothing in a session whose start was not seen therefore
    yields an interval from the session's first sight, `is_preexisting`.

    Reads UPDATES with `time_ns` and `margin_ns`. Returns ROUTES and SESSIONS.
    """
    received = _received(updates)
    closings = _closings(received)
    own = _own(updates, received)
    intervals = pd.concat([_intervals(received, closings), _intervals(own, closings.iloc[:0])], ignore_index=True)
    return _routes(intervals), _sessions(updates, received, closings)


def routes_at(routes: pd.DataFrame, time_ns: int) -> pd.DataFrame:
    """Return the rows of ROUTES in force at a moment of the common clock (ns): from included, until excluded."""
    return routes[(routes["advertised_ns"] <= time_ns) & (routes["withdrawn_ns"] > time_ns)].reset_index(drop=True)


def _received(updates: pd.DataFrame) -> View:
    """Return what changes the receivers' tables, once each and in order, with the epoch it belongs to.

    What the receiver itself sends counts where it closes the session. `epoch` counts, within a
    connection, the events that closed it before; 0 is what was up before anything was seen.
    """
    toward = updates.assign(view_ip=updates["receiver_ip"], peer_ip=updates["sender_ip"], is_toward=True)
    closing = updates[updates["action"].isin(CLOSING)]
    away = closing.assign(view_ip=closing["sender_ip"], peer_ip=closing["receiver_ip"], is_toward=False)
    rows = _once(pd.concat([toward[toward["action"] != "gap"], away], ignore_index=True), updates)
    rows["peer_port"] = rows["sender_port"].where(rows["is_toward"], rows["receiver_port"])
    rows["view_port"] = rows["receiver_port"].where(rows["is_toward"], rows["sender_port"])
    ends = ["view_ip", "view_port", "peer_ip", "peer_port"]
    rows["connection"] = rows.groupby(ends, dropna=False, sort=False).ngroup()
    rows = pd.concat([rows, _takeovers(rows)], ignore_index=True).sort_values("time_ns", kind="stable")
    rows["is_closing"] = rows["action"].isin([*CLOSING, "takeover"])
    rows["epoch"] = rows.groupby("connection")["is_closing"].cumsum().astype("int64")
    epoch = [rows["connection"], rows["epoch"]]
    rows["is_preexisting"] = ~(rows["action"].eq("open") | (rows["epoch"] > 0)).groupby(epoch).transform("any")
    rows["first_ns"] = rows["time_ns"].groupby(epoch).transform("min")
    return rows.reset_index(drop=True)


def _once(rows: View, updates: pd.DataFrame) -> View:
    """Return each message once a view, as the view's own host or the best clock saw it, in order of time."""
    speakers = _speakers(updates)
    at_view = rows["host"].map(speakers).eq(rows["view_ip"])
    order = np.lexsort((rows["time_ns"], rows["margin_ns"], ~at_view, rows["margin_ns"] == FOREVER))
    identity = ["view_ip", *ENDS, "sequence", "nlri_index", "action"]
    return rows.iloc[order].drop_duplicates(identity).sort_index().sort_values("time_ns", kind="stable")


def _speakers(updates: pd.DataFrame) -> dict[str, str]:
    """Return, by host, its own speaker's address where that is clear: the one end that all its connections share."""
    pairs = updates[["host", "sender_ip", "receiver_ip"]].set_axis(["host", "ip", "peer_ip"], axis=1)
    turned = pairs.set_axis(["host", "peer_ip", "ip"], axis=1)
    ends = pd.concat([pairs, turned]).drop_duplicates()
    counts = ends.groupby(["host", "ip"]).size().reset_index(name="peer_count")
    pair_count = ends.groupby("host").size() // 2
    shared = counts[counts["peer_count"] == counts["host"].map(pair_count)].drop_duplicates("host", keep=False)
    return dict(zip(shared["host"], shared["ip"], strict=True))


def _takeovers(rows: View) -> View:
    """Return an event that closes a connection when a newer one of the same speakers carries its first routes.

    A collision loses the new connection before it carries any (RFC 4271, 6.8), and closes nothing here.
    """
    started = set(rows.loc[rows["action"] == "start", "connection"])
    carrying = rows[rows["action"].isin([*TOLD, "end-of-rib"])].drop_duplicates("connection")
    carrying = carrying.assign(closed=carrying.groupby(["view_ip", "peer_ip"])["connection"].shift())
    taking = carrying[carrying["closed"].notna() & carrying["connection"].isin(started)]
    return taking.assign(action="takeover", connection=taking["closed"].astype("int64")).drop(columns="closed")


def _closings(received: View) -> pd.DataFrame:
    """Return when each epoch of a connection was closed: by the event that begins the next one."""
    closing = received[received["is_closing"]]
    return pd.DataFrame(
        {
            "connection": closing["connection"],
            "epoch": closing["epoch"] - 1,
            "closed_ns": closing["time_ns"].astype("Int64"),  # a join that finds none must not make floats of times
            "closed_margin_ns": closing["margin_ns"].astype("Int64"),
            "closed_frame": closing["frame_id"].astype("Int64"),
        }
    )


def _own(updates: pd.DataFrame, received: View) -> View:
    """Return what speakers tell about routes of their own, as their own view; a session's end takes none away."""
    told = updates[updates["action"].isin(TOLD) & updates["originator_ip"].isna()]
    passed = received.loc[received["action"].isin(TOLD), ["view_ip", *KEY]].drop_duplicates()
    rows = _once(told.assign(view_ip=told["sender_ip"], peer_ip=told["sender_ip"], is_toward=True), updates)
    rows = rows.merge(passed, on=["view_ip", *KEY], how="left", validate="many_to_one", indicator="origin")
    rows = rows[rows["origin"] == "left_only"].sort_values("time_ns", kind="stable").drop(columns="origin")
    sessions = received.groupby("peer_ip").agg(is_preexisting=("is_preexisting", "all"), first_ns=("first_ns", "min"))
    rows = rows.merge(sessions, left_on="sender_ip", right_index=True, how="left", validate="many_to_one")
    return rows.assign(connection=0, epoch=0)


def _intervals(rows: View, closings: pd.DataFrame) -> pd.DataFrame:
    """Return the intervals in force that rows in order of time open and close, without route_id."""
    session = ["view_ip", "peer_ip", "connection", "epoch"]
    told = rows[rows["action"].isin(TOLD) & rows["rd"].notna()]
    route = told.groupby([*session, *KEY], dropna=False, sort=False).ngroup()
    content = told.groupby(ATTRIBUTES, dropna=False, sort=False).ngroup()
    told = told.assign(route=route, content=content.where(told["action"] == "advertise", WITHDRAWN))
    told = told.sort_values("route", kind="stable").reset_index(drop=True)
    is_first = told["route"].ne(told["route"].shift())
    is_new = is_first | told["content"].ne(told["content"].shift())
    told["run"] = is_new.cumsum()

    runs = told[is_new].merge(closings, on=["connection", "epoch"], how="left", validate="many_to_one")
    is_last = runs["route"].ne(runs["route"].shift(-1)).to_numpy()
    for name, source in (("closed_ns", "time_ns"), ("closed_margin_ns", "margin_ns"), ("closed_frame", "frame_id")):
        runs[name] = runs[name].where(is_last, runs[source].astype("Int64").shift(-1))
    runs["refresh_ns"] = runs["run"].map(_refreshes(told)).to_numpy()
    return _opened(runs, is_first[is_new].to_numpy())


def _refreshes(told: pd.DataFrame) -> dict[int, tuple[int, ...]]:
    """Return the times at which a run's advertisement was repeated; a copy to another peer repeats nothing."""
    told = told.assign(round=told.groupby(["run", "receiver_ip"]).cumcount())
    repeated = told[(told["round"] > 0) & (told["content"] != WITHDRAWN)]
    times = repeated.groupby(["run", "round"])["time_ns"].min().reset_index("run")
    found: dict[int, list[int]] = {}
    for run, time_ns in zip(times["run"].tolist(), times["time_ns"].tolist(), strict=True):
        found.setdefault(run, []).append(time_ns)
    return {run: tuple(moments) for run, moments in found.items()}


def _opened(runs: pd.DataFrame, is_first: np.ndarray) -> pd.DataFrame:
    """Return the runs that are intervals: advertisements, and withdrawals of what was there before the capture."""
    is_advertised = (runs["content"] != WITHDRAWN).to_numpy()
    is_preexisting = ~is_advertised & is_first & runs["is_preexisting"].to_numpy(dtype=bool)
    is_interval: np.ndarray = is_advertised | is_preexisting
    opened: pd.DataFrame = runs.assign(
        advertised_ns=runs["time_ns"].where(is_advertised, runs["first_ns"]),
        withdrawn_ns=runs["closed_ns"].where(is_advertised, runs["time_ns"]),
        withdraw_margin_ns=runs["closed_margin_ns"].where(is_advertised, runs["margin_ns"]),
        withdraw_frame=runs["closed_frame"].where(is_advertised),
        is_preexisting=is_preexisting,
        vni=runs["vni"].mask(is_preexisting & runs["vni"].eq(0).fillna(value=False)),  # label 0 of a withdrawal
        l3_vni=runs["l3_vni"].mask(is_preexisting & runs["l3_vni"].eq(0).fillna(value=False)),
    )
    return opened.loc[is_interval]


def _routes(intervals: pd.DataFrame) -> pd.DataFrame:
    rows = intervals.sort_values(["view_ip", *KEY, "peer_ip", "advertised_ns"], kind="stable").reset_index(drop=True)
    frames = zip(rows["frame_id"].tolist(), rows["withdraw_frame"].fillna(NO_FRAME).tolist(), strict=True)
    return columns.ROUTES.build(
        {
            "route_id": np.arange(len(rows)),
            "receiver_ip": rows["view_ip"],
            "sender_ip": rows["peer_ip"],
            **{name: rows[name] for name in ROUTE_FIELDS},
            "advertised_ns": rows["advertised_ns"],
            "withdrawn_ns": rows["withdrawn_ns"].fillna(FOREVER),
            "margin_ns": rows["margin_ns"],
            "withdraw_margin_ns": rows["withdraw_margin_ns"].fillna(0),
            "is_preexisting": rows["is_preexisting"],
            "refresh_ns": [moments if isinstance(moments, tuple) else () for moments in rows["refresh_ns"]],
            "frame_ids": [(first,) if last == NO_FRAME else (first, last) for first, last in frames],
        }
    )


def _sessions(updates: pd.DataFrame, received: View, closings: pd.DataFrame) -> pd.DataFrame:
    """Return the directions of sessions in which at least one message was seen."""
    messages = received[received["is_toward"] & ~received["action"].isin(["start", "reset", "end", "takeover"])]
    is_end_of_rib = messages["action"] == "end-of-rib"
    messages = messages.assign(complete_ns=messages["time_ns"].astype("Int64").where(is_end_of_rib))
    grouped = messages.groupby(["view_ip", "peer_ip", "connection", "epoch"], as_index=False)
    sessions = grouped.agg(
        first_ns=("time_ns", "min"), last_ns=("time_ns", "max"), margin_ns=("margin_ns", "max"),
        complete_ns=("complete_ns", "min"), is_preexisting=("is_preexisting", "first"),
    )  # fmt: skip
    sessions = sessions.merge(closings, on=["connection", "epoch"], how="left", validate="one_to_one")
    gaps = _gap_counts(updates)
    pairs = zip(sessions["peer_ip"], sessions["view_ip"], strict=True)
    complete_ns = sessions["complete_ns"].mask(sessions["is_preexisting"])
    table = columns.SESSIONS.build(
        {
            "sender_ip": sessions["peer_ip"],
            "receiver_ip": sessions["view_ip"],
            "first_ns": sessions["first_ns"],
            "complete_ns": complete_ns.fillna(FOREVER),
            "last_ns": sessions["closed_ns"].fillna(sessions["last_ns"]),
            "margin_ns": sessions["margin_ns"],
            "gap_count": [gaps.get(pair, 0) for pair in pairs],
        }
    )
    return table.sort_values(["sender_ip", "receiver_ip", "first_ns"], kind="stable").reset_index(drop=True)


def _gap_counts(updates: pd.DataFrame) -> dict[tuple[str, str], int]:
    """Return, by sender and receiver, the gaps at the host that missed least: what it saw, others need not have."""
    is_gap = updates["action"] == "gap"
    counts = is_gap.groupby([updates["sender_ip"], updates["receiver_ip"], updates["host"]]).sum()
    least = counts.groupby(level=["sender_ip", "receiver_ip"]).min()
    return dict(zip(least.index.to_flat_index(), least.tolist(), strict=True))

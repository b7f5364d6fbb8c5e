"""What changes the tables -> the intervals in which each route was in force at each speaker (RFC 4271, 3.1)."""

import numpy as np
import pandas as pd

from evpn_pcap import columns
from evpn_pcap.model import FOREVER, WithdrawReason
from evpn_pcap.routes.told import ENDS, KEY, NO_FRAME, TOLD, View

_UPDATE_COLUMNS = {column.name for column in columns.UPDATES.columns}
ROUTE_FIELDS = [column.name for column in columns.ROUTES.columns if column.name in _UPDATE_COLUMNS - set(ENDS)]
ATTRIBUTES = [name for name in ROUTE_FIELDS if name not in KEY]
WITHDRAWN = -1  # in place of a number of attributes
_TOLD_LATER: dict[str, object] = {
    "is_imported": None, "outranked_ns": (), "refused_ns": (), "trigger_frame_id": None, "trigger_delay_ns": None,
    "silence_ns": None,
}  # fmt: skip


def intervals_of(rows: View, closings: pd.DataFrame) -> pd.DataFrame:
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
    runs["closed_by"] = _closed_by(runs, is_last)
    runs["refresh_ns"] = runs["run"].map(_refreshes(told)).to_numpy()
    return _opened(runs, is_first[is_new].to_numpy())


def _closed_by(runs: pd.DataFrame, is_last: np.ndarray) -> np.ndarray:
    """Return what ended each run, as far as BGP itself says: the reason of a withdrawal it does not."""
    word = runs["withdrawn_by"].shift(-1, fill_value="")  # of stale routes; UPDATEs do not say why
    withdrawn = np.where(word != "", word, WithdrawReason.UNKNOWN)
    by_update = np.where(runs["content"].shift(-1) == WITHDRAWN, withdrawn, WithdrawReason.REPLACED)
    by_session = np.where(runs["closed_ns"].notna(), WithdrawReason.SESSION_LOST, "")
    found: np.ndarray = np.where(runs["content"] == WITHDRAWN, WithdrawReason.UNKNOWN, "")
    return np.where(found != "", found, np.where(is_last, by_session, by_update))


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
        is_preexisting=is_preexisting | (is_advertised & runs["is_before"].to_numpy(dtype=bool)),
        vni=runs["vni"].mask(is_preexisting & runs["vni"].eq(0).fillna(value=False)),  # label 0 of a withdrawal
        l3_vni=runs["l3_vni"].mask(is_preexisting & runs["l3_vni"].eq(0).fillna(value=False)),
    )
    return opened.loc[is_interval]


def built_routes(intervals: pd.DataFrame) -> pd.DataFrame:
    """Return ROUTES in order of receiver, key and time; what other tables must tell is still missing."""
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
            "stale_ns": rows["stale_ns"],
            "refresh_ns": [moments if isinstance(moments, tuple) else () for moments in rows["refresh_ns"]],
            "withdraw_reason": rows["closed_by"].where(rows["closed_by"] != ""),
            "frame_ids": [tuple(frame for frame in pair if frame != NO_FRAME) for pair in frames],
            **{name: [missing] * len(rows) for name, missing in _TOLD_LATER.items()},
        }
    )

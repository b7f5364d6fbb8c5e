"""UPDATES -> what changes each speaker's table, once each and in order, with its session (RFC 4271, 8.2.2)."""

import numpy as np
import pandas as pd

from evpn_pcap import columns
from evpn_pcap.model import FOREVER

ENDS = ["sender_ip", "sender_port", "receiver_ip", "receiver_port"]
KEY = list(columns.ROUTE_KEY)
TOLD = ["advertise", "withdraw"]
NO_FRAME = -1  # a route that prints show and no frame, or the end of an interval that nothing closed
CLOSING = ["start", "notification", "reset", "end"]  # a new SYN says that what was before is gone

View = pd.DataFrame  # rows of UPDATES with the speaker whose table they change (view_ip) and the other (peer_ip)


def received_messages(updates: pd.DataFrame) -> View:
    """Return what changes the receivers' tables, once each and in order, with the epoch it belongs to.

    What the receiver itself sends counts where it closes the session. `epoch` counts, within a
    connection, the events that closed it before; 0 is what was up before anything was seen.
    """
    toward = updates.assign(view_ip=updates["receiver_ip"], peer_ip=updates["sender_ip"], is_toward=True)
    closing = updates[updates["action"].isin(CLOSING)]
    away = closing.assign(view_ip=closing["sender_ip"], peer_ip=closing["receiver_ip"], is_toward=False)
    toward = toward[(toward["action"] != "gap") & ~toward["sender_ip"].eq(toward["receiver_ip"]).fillna(value=False)]
    rows = _once(pd.concat([_without_own(toward, updates), away], ignore_index=True), updates)
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


def _without_own(toward: View, updates: pd.DataFrame) -> View:
    """Return messages with those refused that a reflector sends back to the speaker whose routes they are.

    The speaker knows them by its own identifier (RFC 4456, 8). A withdrawal does not say whose it was: then the
    announcement of the same route does, or a route distinguisher made of the speaker's identifier.
    """
    opens = updates[updates["action"].eq("open") & updates["bgp_id_ip"].notna()]
    own_id = toward["view_ip"].map(opens.drop_duplicates("sender_ip").set_index("sender_ip")["bgp_id_ip"])
    own_id = own_id.astype("str").fillna(toward["view_ip"])
    is_told = toward["action"].isin(TOLD)
    comes_back = is_told & toward["originator_ip"].eq(own_id).fillna(value=False)
    keys = ["view_ip", *KEY]
    known = pd.MultiIndex.from_frame(toward.loc[comes_back, keys].astype("object").fillna(""))
    asked = pd.MultiIndex.from_frame(toward[keys].astype("object").fillna(""))
    own_rd = toward["rd"].str.replace(r":\d+$", "", regex=True) == own_id
    is_taken_back = toward["action"].eq("withdraw") & (asked.isin(known) | own_rd.fillna(value=False))
    return toward.assign(action=toward["action"].mask(comes_back | is_taken_back, "refused"))


def _once(rows: View, updates: pd.DataFrame) -> View:
    """Return each message once a view, as the view's own host or the best clock saw it, in order of time."""
    speakers = speakers_of(updates)
    at_view = rows["host"].map(speakers).eq(rows["view_ip"])
    order = np.lexsort((rows["time_ns"], rows["margin_ns"], ~at_view, rows["margin_ns"] == FOREVER))
    identity = ["view_ip", *ENDS, "sequence", "nlri_index", "action"]
    return rows.iloc[order].drop_duplicates(identity).sort_index().sort_values("time_ns", kind="stable")


def speakers_of(updates: pd.DataFrame) -> dict[str, str]:
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


def closings_of(received: View) -> pd.DataFrame:
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


def own_messages(updates: pd.DataFrame, received: View) -> View:
    """Return what speakers tell about routes of their own, as their own view; a session's end takes none away."""
    is_passed_on = updates["originator_ip"].notna() | updates["as_path"].map(_has_several, na_action="ignore").eq(True)
    told = updates[updates["action"].isin(TOLD) & ~is_passed_on]
    passed = received.loc[received["action"].isin(TOLD), ["view_ip", *KEY]].drop_duplicates()
    rows = _once(told.assign(view_ip=told["sender_ip"], peer_ip=told["sender_ip"], is_toward=True), updates)
    rows = rows.merge(passed, on=["view_ip", *KEY], how="left", validate="many_to_one", indicator="origin")
    rows = rows[rows["origin"] == "left_only"].sort_values("time_ns", kind="stable").drop(columns="origin")
    sessions = received.groupby("peer_ip").agg(is_preexisting=("is_preexisting", "all"), first_ns=("first_ns", "min"))
    rows = rows.merge(sessions, left_on="sender_ip", right_index=True, how="left", validate="many_to_one")
    return rows.assign(connection=0, epoch=0, withdrawn_by="")


def _has_several(as_path: str) -> bool:
    """Return whether an AS path names several systems: then the sender passes the route on (RFC 4271, 5.1.2)."""
    return len(set(as_path.split())) > 1

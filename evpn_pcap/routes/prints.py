"""SNAPSHOTS of routes -> what they tell beyond the UPDATEs, as messages: what was announced before the capture began.

A BGP speaker does not repeat itself (RFC 4271, 3), so what was there before the capture is seen in a print only.
"""

import pandas as pd

from evpn_pcap import columns
from evpn_pcap.routes.told import ENDS, KEY, NO_FRAME, speakers_of

ROUTES_FORM = "routes"
BEFORE_NS = 60_000_000_000  # a print this long before the first message of a session still tells what was up then
BGP_PORT = 179
_SAME = ["sender_ip", *KEY, "next_hop", "route_targets", "mobility_sequence"]


def with_speakers(snapshots: pd.DataFrame, updates: pd.DataFrame) -> pd.DataFrame:
    """Return SNAPSHOTS with the speaker_ip of each host where anything tells it.

    The one end that all sessions captured at the host share, else the next hop of the routes that its own
    prints mark as local, else the router ID.
    """
    local = snapshots[snapshots["is_local"].fillna(value=False).astype(bool) & snapshots["next_hop"].notna()]
    by_next_hop = local.groupby("host")["next_hop"].agg(lambda hops: str(hops.mode()[0]))
    by_router = snapshots.dropna(subset=["speaker_ip"]).groupby("host")["speaker_ip"].first()
    known: dict[object, str] = dict(by_router) | dict(by_next_hop) | dict(speakers_of(updates))
    return snapshots.assign(speaker_ip=snapshots["host"].map(known).astype("str"))


def printed_routes(snapshots: pd.DataFrame) -> pd.DataFrame:
    """Return the MAC/IP and inclusive multicast routes of prints in order of time, with their vni and esi_key.

    FRR prints no labels. The VNI is the one number that the route targets of a route distinguisher's
    MAC and multicast routes share (derived targets end in it: RFC 8365, 5.1.2.1).
    """
    told = snapshots[
        (snapshots["form"] == ROUTES_FORM) & snapshots["rd"].notna() & snapshots["route_type"].isin([2, 3])
    ]
    plain = told[(told["route_type"] == 3) | told["ip"].isna()]
    vnis = plain.groupby("rd")["route_targets"].agg(_shared_number).astype("UInt32")
    vni = told["vni"].fillna(told["rd"].map(vnis).astype("UInt32"))
    told = told.assign(vni=vni, esi_key=pd.array([None] * len(told), dtype="str"))
    return told.sort_values(["time_ns", "snapshot_id", "entry"], kind="stable")


def _shared_number(targets: pd.Series) -> int | None:
    """Return the number that all these route targets end in, if there is just one."""
    numbers = [{one.rpartition(":")[2] for one in text.split()} for text in targets.dropna()]
    shared = set.intersection(*numbers) if numbers else set()
    number = int(shared.pop()) if len(shared) == 1 else None
    return number if number is not None and number < 1 << 24 else None


def messages_of_prints(updates: pd.DataFrame, snapshots: pd.DataFrame) -> pd.DataFrame:
    """Return rows in the form of UPDATES that say what prints show and no UPDATE does; frame_id is NO_FRAME.

    Of a speaker whose sessions were captured: each route that the first print that shows it has, and no
    earlier UPDATE; it was announced before the session's first sight, in a session that was up before. Of a speaker
    without: the route from the middle between the last print without and the first with it, until the middle before
    the next print of the whole table without it; margins reach from one to the other.
    """
    routes = printed_routes(snapshots.dropna(subset=["speaker_ip"]))
    seen = set(updates["sender_ip"].dropna()) | set(updates["receiver_ip"].dropna())
    captured = routes["speaker_ip"].isin(seen)
    told = [_before_sessions(routes[captured], updates), _between_prints(routes[~captured], snapshots)]
    found = pd.concat(told, ignore_index=True)
    found = found.assign(frame_id=NO_FRAME, nlri_index=range(len(found)), is_decoded=True)
    empty = {column.name: 0 if column.kind.dtype.startswith("int") else None for column in columns.UPDATES.columns}
    whole = {name: found[name] if name in found else [none] * len(found) for name, none in empty.items()}
    whole["stream_id"] = found["stream_id"].fillna(0) if "stream_id" in found else [0] * len(found)
    clock = {name: found[name].astype("int64") for name in ("time_ns", "margin_ns")}
    return columns.UPDATES.build(whole).assign(**clock, is_before=found["is_before"].astype(bool))


def _before_sessions(routes: pd.DataFrame, updates: pd.DataFrame) -> pd.DataFrame:
    """Return what was announced before the first sight of sessions that were up before."""
    sessions = updates[updates["action"] != "gap"].sort_values("time_ns", kind="stable")
    opened = sessions[sessions["action"].isin(["start", "open"])].groupby(ENDS)["time_ns"].min().rename("opened_ns")
    first = sessions.drop_duplicates(["sender_ip", "receiver_ip"])[[*ENDS, "time_ns", "margin_ns", "host", "stream_id"]]
    first = first.rename(columns={"time_ns": "session_ns", "margin_ns": "session_margin_ns"})
    first = first.join(opened, on=ENDS)
    first = first[~(first["opened_ns"] <= first["session_ns"])]
    gaps = updates[updates["action"] == "gap"].groupby(["sender_ip", "receiver_ip"])["time_ns"].min().rename("gap_ns")
    first = first.join(gaps, on=["sender_ip", "receiver_ip"])

    own = routes[routes["is_local"].fillna(value=False).astype(bool)].assign(sender_ip=lambda t: t["speaker_ip"])
    own = own.merge(first, on="sender_ip", how="inner", suffixes=("_print", ""), validate="many_to_many")
    others = routes[~routes["is_local"].fillna(value=False).astype(bool)]
    others = others.assign(receiver_ip=others["speaker_ip"], sender_ip=_tellers(others, first))
    others = others.merge(
        first, on=["sender_ip", "receiver_ip"], how="inner", suffixes=("_print", ""), validate="many_to_one"
    )
    told = pd.concat([own, others], ignore_index=True).sort_values("time_ns", kind="stable")
    told = told.drop_duplicates(["sender_ip", "receiver_ip", *KEY])
    told = told[told["time_ns"] > told["session_ns"] - BEFORE_NS]
    earlier = updates[updates["action"].isin(["advertise", "withdraw"])]
    first_told = earlier.groupby(["sender_ip", "receiver_ip", *KEY], dropna=False)["time_ns"].min().rename("told_ns")
    told = told.merge(
        first_told.reset_index(), on=["sender_ip", "receiver_ip", *KEY], how="left", validate="one_to_one"
    )
    told = told[~(told["told_ns"] <= told["time_ns"] + told["margin_ns"])]
    is_whole = ~(told["gap_ns"] <= told["time_ns"])
    at_ns = told[["time_ns", "session_ns"]].min(axis=1).where(is_whole, told["time_ns"])
    told = told.assign(time_ns=at_ns, captured_ns=at_ns, margin_ns=told["session_margin_ns"], action="advertise")
    return _with_attributes(told.assign(is_before=True), updates)


def _tellers(routes: pd.DataFrame, sessions: pd.DataFrame) -> pd.Series:
    """Return who told each route: as printed, else the next hop if it has a session, else the only peer."""
    pairs = pd.MultiIndex.from_frame(sessions[["sender_ip", "receiver_ip"]])
    is_peer = pd.MultiIndex.from_frame(routes[["next_hop", "speaker_ip"]]).isin(pairs)
    peers = sessions.groupby("receiver_ip")["sender_ip"].agg(["nunique", "first"])
    only = routes["speaker_ip"].map(peers.loc[peers["nunique"] == 1, "first"]).astype("str")
    return routes["peer_ip"].fillna(routes["next_hop"].where(is_peer)).fillna(only).astype("str")


def _with_attributes(told: pd.DataFrame, updates: pd.DataFrame) -> pd.DataFrame:
    """Return rows with what prints do not show taken from the same route as it is announced later, if it is."""
    later = updates[updates["action"] == "advertise"].drop_duplicates(_SAME)
    names = [name for name in later.columns if name in told.columns and name not in (*_SAME, *ENDS)]
    shown = {"frame_id", "host", "captured_ns", "time_ns", "margin_ns", "stream_id", "action", "nlri_index"}
    kept = [name for name in names if name not in shown]
    extra = [name for name in later.columns if name not in told.columns and name not in shown]
    found = told.merge(
        later[[*_SAME, *kept, *extra]], on=_SAME, how="left", suffixes=("", "_later"), validate="many_to_one"
    )
    return found.assign(
        **{name: found[name].where(found[f"{name}_later"].isna(), found[f"{name}_later"]) for name in kept}
    )


def _between_prints(routes: pd.DataFrame, snapshots: pd.DataFrame) -> pd.DataFrame:
    """Return what a speaker without captured sessions had, as its prints show it one after another."""
    prints = snapshots[(snapshots["form"] == ROUTES_FORM) & snapshots["speaker_ip"].notna()]
    prints = prints.drop_duplicates("snapshot_id").sort_values(["time_ns", "snapshot_id"], kind="stable")
    found: list[dict[str, object]] = []
    for _, mine in routes.groupby(["speaker_ip", *KEY], dropna=False, sort=False):
        ids = set(mine["snapshot_id"])
        here = prints[(prints["speaker_ip"] == mine["speaker_ip"].iloc[0])]
        relevant = here[here["is_whole"].fillna(value=False).astype(bool) | here["snapshot_id"].isin(ids)]
        rows = mine.drop_duplicates("snapshot_id").set_index("snapshot_id")
        found += _changes(relevant, rows, ids)
    return pd.DataFrame(found) if found else routes.iloc[:0].assign(action="", is_before=False)


def _changes(prints: pd.DataFrame, rows: pd.DataFrame, ids: set[int]) -> list[dict[str, object]]:
    """Return the messages that one route's coming and going between prints stand for."""
    found: list[dict[str, object]] = []
    before: tuple[int, int] | None = None
    was_there: bool | None = None
    facts = zip(prints["snapshot_id"].tolist(), prints["time_ns"].tolist(), prints["margin_ns"].tolist(), strict=True)
    told: dict[int, dict[str, object]] = {number: dict(rows.loc[number]) for number in ids}
    route = told[next(iter(told))]
    for number, time_ns, margin_ns in facts:
        is_there = number in ids
        route = told[number] if is_there else route
        if is_there != (was_there or False):
            middle = time_ns if before is None else (before[0] + time_ns) // 2
            doubt = margin_ns if before is None else (time_ns - before[0]) // 2 + max(margin_ns, before[1])
            action = "advertise" if is_there else "withdraw"
            found.append(_message(route, action, middle, doubt) | {"is_before": before is None})
        before, was_there = (time_ns, margin_ns), is_there
    return found


def _message(route: dict[str, object], action: str, time_ns: int, margin_ns: int) -> dict[str, object]:
    """Return one route as a message: its own to itself, or as told by its peer or next hop."""
    speaker, is_own = route["speaker_ip"], route["is_local"] is True
    teller = route["peer_ip"] if isinstance(route["peer_ip"], str) else route["next_hop"]
    ends = {"sender_ip": speaker if is_own else teller, "receiver_ip": speaker}
    ports = {"sender_port": BGP_PORT, "receiver_port": BGP_PORT}
    return {
        **route,
        **ends,
        **ports,
        "action": action,
        "time_ns": time_ns,
        "captured_ns": time_ns,
        "margin_ns": margin_ns,
    }

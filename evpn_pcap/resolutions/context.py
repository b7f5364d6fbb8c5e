"""ROUTES around each row: was the target's MAC/IP route in force, and what did the exchange make a VTEP announce."""

import numpy as np
import pandas as pd

from evpn_pcap.addresses import capture_of
from evpn_pcap.model import FOREVER, Role, RouteEffect, RouteState
from evpn_pcap.order import AFTER, BEFORE, TOO_CLOSE, PairMargins, order, order_within
from evpn_pcap.resolutions.sighted import as_seen_at

EFFECT_NS = 1_000_000_000  # trigger to UPDATE takes about 50 ms (domain.md, section 8)
PRINT_NS = 60_000_000_000  # a print this long before still tells the table, if nothing tells of a change
WELL_BEFORE_NS = 2_000_000_000  # a route in force for longer had time to reach the kernel


def route_states(
    rows: pd.DataFrame, requests: pd.DataFrame, routes: pd.DataFrame, points: pd.DataFrame, margins: PairMargins
) -> pd.DataFrame:
    """Return, per row, `route_state` at the ingress VTEP when asked, and whether the route was in force `well_before`.

    "Not in force" needs a table known whole (`is_table_whole`). A route that the VTEP does not import, or surely
    refuses, has no effect there, and is not in force; where it is in doubt whether it does, the state is unknown.
    Where the host that saw the UPDATE saw the requests as well, its own clock tells which came first.
    """
    names = ["row_id", "ingress_vtep", "target_ip", "target_mac", "vni", "time_ns", "last_request_ns", "margin_ns"]
    asked = rows.reset_index()[[*names, "host", "request_count"]]
    is_imported = routes["is_imported"].fillna(value=True).astype(bool)
    told = routes[(routes["route_type"] == 2) & routes["ip"].notna() & is_imported]
    read = ["ip", "mac", "vni", "advertised_ns", "withdrawn_ns", "margin_ns", "withdraw_margin_ns", "refused_ns"]
    told = told[["receiver_ip", *read]].assign(**_hosts_of(told["frame_ids"], points))
    pairs = asked.merge(
        told,
        left_on=["ingress_vtep", "target_ip"],
        right_on=["receiver_ip", "ip"],
        how="inner",
        suffixes=("", "_route"),
        validate="many_to_many",
    )
    fits = ((pairs["vni"] == pairs["vni_route"]) | pairs["vni"].isna()).fillna(value=False)
    same_mac = ((pairs["mac"] == pairs["target_mac"]) | pairs["target_mac"].isna()).fillna(value=False)
    pairs = pairs[fits & same_mac & (pairs["margin_ns"] != FOREVER) & (pairs["margin_ns_route"] != FOREVER)]
    at_begin, at_end = (
        as_seen_at(pairs.assign(host_there=pairs[name]), requests) for name in ("begin_host", "end_host")
    )
    begun = _order(pairs["advertised_ns"], pairs["margin_ns_route"], at_begin, margins)
    end_ns = pairs["withdrawn_ns"].clip(upper=FOREVER // 2)
    ended = _order(end_ns, pairs["withdraw_margin_ns"], at_end, margins)
    early = _order(pairs["advertised_ns"] + WELL_BEFORE_NS, pairs["margin_ns_route"], at_begin, margins)
    is_sure, is_open = refusals(pairs)
    is_told = (begun == BEFORE) & (ended == AFTER)
    holds = is_told & ~is_sure & ~is_open
    close = ~is_told & (begun != AFTER) & (ended != BEFORE) & ((begun == TOO_CLOSE) | (ended == TOO_CLOSE))
    is_held = rows.index.isin(pairs.loc[holds, "row_id"])
    is_close = rows.index.isin(pairs.loc[close, "row_id"])
    is_doubtful = rows.index.isin(pairs.loc[is_told & is_open, "row_id"])
    state = np.select(
        [is_held, is_close, is_doubtful, rows["is_table_whole"]],
        [RouteState.IN_FORCE, RouteState.TOO_CLOSE, RouteState.UNKNOWN, RouteState.NOT_IN_FORCE],
        RouteState.UNKNOWN,
    )
    well_before = rows.index.isin(pairs.loc[holds & (early == BEFORE), "row_id"])
    return pd.DataFrame({"route_state": state, "well_before": well_before}, index=rows.index)


def _hosts_of(frame_ids: pd.Series, points: pd.DataFrame) -> dict[str, pd.Series]:
    """Return which host saw each route's first and its last UPDATE; missing for those that only prints tell of."""
    captures = points[["capture_ids", "host"]].explode("capture_ids").drop_duplicates("capture_ids")
    host = pd.Series(captures["host"].to_numpy(object), index=captures["capture_ids"].to_numpy(object))
    found = {}
    for name, position in (("begin_host", 0), ("end_host", -1)):
        frames = pd.Series([one[position] if one else -1 for one in frame_ids], index=frame_ids.index, dtype="int64")
        found[name] = capture_of(frames).map(host).where(frames >= 0).astype("str")
    return found


def _order(told_ns: pd.Series, told_margin_ns: pd.Series, asked: pd.DataFrame, margins: PairMargins) -> np.ndarray:
    """Return whether what a host was told came before the row's first request; `asked` as as_seen_at gives it."""
    request = asked["request_host"], asked["time_ns"], asked["margin_ns"]
    doubt_ns = margins.doubt(asked["host_there"], told_ns, told_margin_ns, *request)
    return order_within(told_ns, asked["time_ns"], doubt_ns)


def refusals(pairs: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return, per pair of a row and a route, whether the VTEP surely refused the route then, and whether it is open.

    Reads time_ns, margin_ns and refused_ns: since when that is in doubt, since when it is sure, until when, and so on.
    """
    asked = zip(pairs["time_ns"].tolist(), pairs["margin_ns"].tolist(), pairs["refused_ns"], strict=True)
    words = [_refusal(time_ns - margin_ns, time_ns + margin_ns, threes) for time_ns, margin_ns, threes in asked]
    return np.array([one == "sure" for one in words], bool), np.array([one == "open" for one in words], bool)


def _refusal(earliest_ns: int, latest_ns: int, threes: tuple[int, ...]) -> str:
    """Return whether a route was refused all the time between two moments ("sure"), perhaps ("open"), or not."""
    parts = list(zip(threes[::3], threes[1::3], threes[2::3], strict=True))
    if any(sure <= earliest_ns and latest_ns < until for _, sure, until in parts):
        return "sure"
    return "open" if any(since <= latest_ns and earliest_ns < until for since, _, until in parts) else ""


def are_tables_whole(rows: pd.DataFrame, sessions: pd.DataFrame, points: pd.DataFrame) -> np.ndarray:
    """Return whether everything that the ingress VTEP had told and been told by then is known.

    With each of its peers, the ingress VTEP's last session that had begun by then was seen from its start to
    End-of-RIB before the request, without a gap, and that VTEP's underlay was captured then. If that session was lost,
    nobody has told anything since.
    """
    asked = rows.reset_index()[["row_id", "ingress_vtep", "time_ns", "margin_ns", "last_request_ns"]]
    ends = pd.concat([sessions.assign(vtep_ip=sessions["receiver_ip"]), sessions.assign(vtep_ip=sessions["sender_ip"])])
    way = ["sender_ip", "receiver_ip"]
    ends = ends[["vtep_ip", *way, "first_ns", "gap_count", "complete_ns", "margin_ns"]].rename(
        columns={"margin_ns": "complete_margin_ns"}
    )
    known = asked.merge(ends, left_on="ingress_vtep", right_on="vtep_ip", how="inner", validate="many_to_many")
    begun = order(known["first_ns"], known["complete_margin_ns"], known["time_ns"], known["margin_ns"]) != AFTER
    known = known.assign(is_begun=begun).sort_values(["is_begun", "first_ns"], kind="stable")
    known = known.drop_duplicates(["row_id", *way], keep="last")  # the last that had begun, if any had
    complete_ns = known["complete_ns"].clip(upper=FOREVER // 2)
    before = order(complete_ns, known["complete_margin_ns"], known["time_ns"], known["margin_ns"]) == BEFORE
    whole = (known["gap_count"] == 0) & (known["complete_ns"] != FOREVER) & before
    all_whole = whole.groupby(known["row_id"]).all()
    listened = points[(points["role"] == Role.UNDERLAY) & points["vtep_ip"].notna()][
        ["vtep_ip", "first_time_ns", "last_time_ns"]
    ]
    heard = asked.merge(listened, left_on="ingress_vtep", right_on="vtep_ip", how="inner", validate="many_to_many")
    heard = heard[(heard["first_time_ns"] < heard["time_ns"]) & (heard["last_time_ns"] > heard["last_request_ns"])]
    return rows.index.isin(all_whole[all_whole].index) & rows.index.isin(heard["row_id"])


def are_tables_printed(rows: pd.DataFrame, snapshots: pd.DataFrame) -> pd.Series:
    """Return, in words, on which print of the ingress VTEP's table each row's route state rests; missing if on none.

    Where the VTEP's sessions were not captured: a print within a minute before the request, beyond the margins.
    """
    asked = rows[rows["ingress_vtep"].notna() & (rows["margin_ns"] != FOREVER)].reset_index()
    asked = asked.assign(at_ns=asked["time_ns"] - asked["margin_ns"])[["row_id", "ingress_vtep", "at_ns", "time_ns"]]
    prints = snapshots[(snapshots["form"] == "routes") & snapshots["is_whole"].fillna(value=False).astype(bool)]
    prints = prints[prints["agreement"].isna() & prints["speaker_ip"].notna() & (prints["margin_ns"] != FOREVER)]
    seen = snapshots.loc[snapshots["agreement"].notna(), "speaker_ip"].dropna().unique()
    prints = prints[~prints["speaker_ip"].isin(seen)].drop_duplicates("snapshot_id")
    prints = prints.assign(at_ns=prints["time_ns"] + prints["margin_ns"], print_ns=prints["time_ns"].astype("Int64"))
    found = pd.merge_asof(
        asked.sort_values("at_ns", kind="stable"),
        prints[["at_ns", "speaker_ip", "host", "print_ns"]].sort_values("at_ns", kind="stable"),
        on="at_ns",
        left_by="ingress_vtep",
        right_by="speaker_ip",
        tolerance=PRINT_NS,
    ).dropna(subset=["print_ns"])
    seconds = ((found["time_ns"] - found["print_ns"]) // 1_000_000_000).astype("str")
    text = (
        "the routes of "
        + found["host"]
        + " did not change in the "
        + seconds
        + " s between their print and the request"
    )
    return text.set_axis(found["row_id"]).reindex(rows.index).astype("str")


def route_effects(rows: pd.DataFrame, routes: pd.DataFrame, points: pd.DataFrame) -> np.ndarray:
    """Return, per row, what the exchange made a VTEP announce about the requester or the target.

    The first MAC/IP route of either address within a second after the request: new, with a higher
    mobility sequence, or the same anew. "None" needs the underlay of the ingress VTEP captured
    until then; without it nothing is known.
    """
    told = routes[(routes["route_type"] == 2) & routes["ip"].notna() & (routes["receiver_ip"] == routes["sender_ip"])]
    fresh = told[~told["is_preexisting"].astype(bool)].assign(
        at_ns=lambda t: t["advertised_ns"],
        effect=lambda t: np.where(t["mobility_sequence"].fillna(0) > 0, "moved", "advertised"),
    )
    anew = (
        told.explode("refresh_ns")
        .dropna(subset=["refresh_ns"])
        .assign(at_ns=lambda t: t["refresh_ns"].astype("int64"), effect="refreshed")
    )
    happened = pd.concat([fresh, anew], ignore_index=True)[["ip", "mac", "at_ns", "margin_ns", "effect"]]
    asked = rows.reset_index()
    requester = asked.assign(ip=asked["requester_ip"], mac=asked["requester_mac"])
    target = asked.assign(ip=asked["target_ip"], mac=asked["target_mac"])
    about = pd.concat([requester, target], ignore_index=True).dropna(subset=["ip", "mac"])
    pairs = about[["row_id", "ip", "mac", "time_ns", "margin_ns"]].merge(
        happened, on=["ip", "mac"], how="inner", suffixes=("", "_route"), validate="many_to_many"
    )
    after = order(pairs["time_ns"], pairs["margin_ns"], pairs["at_ns"], pairs["margin_ns_route"]) == BEFORE
    pairs = pairs[after & (pairs["at_ns"] - pairs["time_ns"] < EFFECT_NS)].sort_values(
        ["at_ns", "effect"], kind="stable"
    )
    first = pairs.drop_duplicates("row_id").set_index("row_id")["effect"].reindex(rows.index)
    listened = points[(points["role"] == Role.UNDERLAY) & points["vtep_ip"].notna()][["vtep_ip", "last_time_ns"]]
    heard = asked.merge(listened, left_on="ingress_vtep", right_on="vtep_ip", how="inner", validate="many_to_many")
    heard = heard[heard["last_time_ns"] > heard["last_request_ns"] + EFFECT_NS]
    is_heard = rows.index.isin(heard["row_id"]) & (len(routes) > 0)
    return first.fillna(
        pd.Series(np.where(is_heard, RouteEffect.NONE, RouteEffect.UNKNOWN), index=rows.index)
    ).to_numpy()

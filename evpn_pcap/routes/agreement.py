"""SNAPSHOTS against ROUTES: which routes of a print agree with the UPDATEs, and which contradict them."""

import pandas as pd

from evpn_pcap.model import FOREVER, Role
from evpn_pcap.routes.prints import printed_routes

ROUTE = ["route_type", "rd", "ethernet_tag", "mac", "ip"]  # what names a MAC/IP or an inclusive multicast route
MAC_IP, IMET = 2, 3
INSTALL_NS = 1_000_000_000  # from the frame to the daemon's table, on a busy machine


def with_agreement(
    snapshots: pd.DataFrame, routes: pd.DataFrame, sessions: pd.DataFrame, points: pd.DataFrame
) -> pd.DataFrame:
    """Return SNAPSHOTS with `agreement` of each printed route, and a row for each one that a whole print lacks.

    A printed route agrees where the UPDATEs have it in force within the print's margin and a second; it
    contradicts them where they had withdrawn it before, or where the session's whole table is known
    without it. It is absent where they have it in force all around the print of the whole table. Neither is said of a
    print that the captures of its host's underlay do not reach beyond. MAC/IP and inclusive multicast routes are
    compared. Reads POINTS with last_time_ns.
    """
    told = printed_routes(snapshots.dropna(subset=["speaker_ip"]))
    held = routes[(routes["margin_ns"] != FOREVER) & routes["route_type"].isin([MAC_IP, IMET])]
    held = held.assign(has_frames=held["frame_ids"].map(bool).astype(bool))
    seen = held[held["has_frames"]]
    told = told[told["margin_ns"] != FOREVER]
    told = told.assign(row=told.index, slack_ns=told["margin_ns"] + INSTALL_NS)
    pairs = told.merge(
        held.assign(speaker_ip=held["receiver_ip"]),
        on=["speaker_ip", *ROUTE], how="inner", suffixes=("", "_route"), validate="many_to_many",
    )  # fmt: skip
    begun = pairs["advertised_ns"] - pairs["margin_ns_route"] <= pairs["time_ns"] + pairs["slack_ns"]
    ended = pairs["withdrawn_ns"] < pairs["time_ns"] - pairs["slack_ns"] - pairs["withdraw_margin_ns"]
    is_held = told["row"].isin(pairs.loc[begun & ~ended, "row"])
    agrees = told["row"].isin(pairs.loc[begun & ~ended & pairs["has_frames"], "row"])
    was_there = told["row"].isin(pairs.loc[begun & ended, "row"])
    contradicts = ~is_held & (was_there | _is_known(told, sessions)) & _is_seen_after(told, points)
    word = pd.Series(pd.NA, index=told.index, dtype="object").mask(contradicts, "contradicts").mask(agrees, "agrees")
    found = snapshots.assign(agreement=word.reindex(snapshots.index).astype("str"))
    return pd.concat([found, _absent(snapshots, told, seen, points)], ignore_index=True)


def _is_seen_after(prints: pd.DataFrame, points: pd.DataFrame) -> pd.Series:
    """Return whether the host's underlay was captured past each print: else a change may have been missed."""
    until_ns = points[points["role"] == Role.UNDERLAY].groupby("host")["last_time_ns"].max().astype("Int64")
    return (prints["host"].map(until_ns).astype("Int64") > prints["time_ns"]).fillna(value=False).astype(bool)


def _is_known(told: pd.DataFrame, sessions: pd.DataFrame) -> pd.Series:
    """Return whether all that the speaker had been told by then is known from its sessions."""
    mine = told[["row", "speaker_ip", "time_ns", "slack_ns", "is_local"]].merge(
        sessions[["receiver_ip", "complete_ns", "last_ns", "gap_count"]],
        left_on="speaker_ip", right_on="receiver_ip", how="inner", validate="many_to_many",
    )  # fmt: skip
    is_whole = (mine["gap_count"] == 0) & (mine["complete_ns"] < mine["time_ns"] - mine["slack_ns"])
    is_whole &= ~mine["is_local"].fillna(value=False).astype(bool)
    known = is_whole.groupby(mine["row"]).all()
    return told["row"].isin(known[known].index)


def _absent(snapshots: pd.DataFrame, told: pd.DataFrame, seen: pd.DataFrame, points: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each route that is in force all around a print of the whole table and not in it.

    A table may be whole of MAC/IP routes only: that it lacks a multicast route counts where it shows another.
    """
    prints = snapshots[(snapshots["form"] == "routes") & snapshots["is_whole"].fillna(value=False).astype(bool)]
    prints = prints[prints["speaker_ip"].notna() & (prints["margin_ns"] != FOREVER)].drop_duplicates("snapshot_id")
    prints = prints[_is_seen_after(prints, points)]
    kept = ["snapshot_id", "host", "name", "captured_ns", "time_ns", "margin_ns", "form", "is_whole", "speaker_ip"]
    pairs = prints[kept].merge(
        seen.assign(speaker_ip=seen["receiver_ip"]),
        on="speaker_ip", how="inner", suffixes=("", "_route"), validate="many_to_many",
    )  # fmt: skip
    slack_ns = pairs["margin_ns"] + INSTALL_NS
    begun = pairs["advertised_ns"] + pairs["margin_ns_route"] < pairs["time_ns"] - slack_ns
    lasts = pairs["withdrawn_ns"] - pairs["withdraw_margin_ns"] > pairs["time_ns"] + slack_ns
    has_imet = pairs["snapshot_id"].isin(told.loc[told["route_type"] == IMET, "snapshot_id"])
    pairs = pairs[begun & lasts & (has_imet | (pairs["route_type"] == MAC_IP))]
    shown = told[["snapshot_id", *ROUTE]].drop_duplicates()
    found = pairs.merge(shown, on=["snapshot_id", *ROUTE], how="left", indicator=True, validate="many_to_one")
    found = found[found["_merge"] == "left_only"].assign(entry=-1, agreement="absent")
    return found[[name for name in snapshots.columns if name in found]]

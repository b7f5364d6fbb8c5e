"""Sessions seen -> since when the table that each direction fills is known whole (RFC 4724, 2: End-of-RIB)."""

import pandas as pd

from evpn_pcap import columns
from evpn_pcap.model import FOREVER
from evpn_pcap.routes.told import NO_FRAME, View

BEFORE_NS = 60_000_000_000  # a print this long before the first message still tells what was up then


def sessions_of(updates: pd.DataFrame, received: View, closings: pd.DataFrame, snapshots: pd.DataFrame) -> pd.DataFrame:
    """Return the directions of sessions in which at least one message was seen.

    Of a session that was up before, the table is known from its first message on where a print shows the
    whole table of either speaker: that, less what was told until then, is what was there.
    """
    messages = received[received["is_toward"] & ~received["action"].isin(["start", "reset", "end", "takeover"])]
    messages = messages[messages["frame_id"] != NO_FRAME]
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
    complete_ns = complete_ns.fillna(sessions["first_ns"].astype("Int64").where(_are_printed(sessions, snapshots)))
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


def _are_printed(sessions: pd.DataFrame, snapshots: pd.DataFrame) -> pd.Series:
    """Return whether a print of the whole table of an end was made while the session was up, or shortly before."""
    prints = snapshots[(snapshots["form"] == "routes") & snapshots["is_whole"].fillna(value=False).astype(bool)]
    prints = prints.dropna(subset=["speaker_ip"]).drop_duplicates("snapshot_id")[["speaker_ip", "time_ns"]]
    asked = sessions.assign(row=range(len(sessions)), until_ns=sessions["closed_ns"].fillna(FOREVER))
    pairs = pd.concat(
        [
            asked.assign(speaker_ip=asked[end]).merge(prints, on="speaker_ip", how="inner", validate="many_to_many")
            for end in ("peer_ip", "view_ip")
        ]
    )
    is_near = (pairs["time_ns"] > pairs["first_ns"] - BEFORE_NS) & (pairs["time_ns"] < pairs["until_ns"])
    return pd.Series(asked["row"].isin(pairs.loc[is_near, "row"]).to_numpy(), index=sessions.index)


def _gap_counts(updates: pd.DataFrame) -> dict[tuple[str, str], int]:
    """Return, by sender and receiver, the gaps at the host that missed least: what it saw, others need not have."""
    is_gap = updates["action"] == "gap"
    counts = is_gap.groupby([updates["sender_ip"], updates["receiver_ip"], updates["host"]]).sum()
    least = counts.groupby(level=["sender_ip", "receiver_ip"]).min()
    return dict(zip(least.index.to_flat_index(), least.tolist(), strict=True))

"""A route was withdrawn because its machine had been silent, and came back when it spoke again.

What it shows
    A MAC or MAC/IP route was withdrawn without a move; the machine's last frame, seen at any
    vantage point, was 240 s or more before; later the same VTEP advertised the route again.

Why it matters
    Bridges forget silent machines (300 s by default). Until the machine speaks again, requests for
    it are flooded, and unicast to it may be too.

What else looks like this
    The machine was shut down and started again, or its link was.

References
----------
    FRRouting issue 12574; IEEE 802.1Q, 8.8.3 (ageing time).

"""

import numpy as np
import pandas as pd

from evpn_pcap.model import FOREVER, Rule, Severity, Tables
from evpn_pcap.rules._found import gather

SILENCE_NS = 240_000_000_000
NEAR_NS = 5_000_000_000  # another VTEP advertising within this time makes it a move


def find(tables: Tables) -> pd.DataFrame:
    """Return one row per VNI and machine whose route aged out and came back."""
    routes = tables.routes
    own = routes[(routes["route_type"] == 2) & (routes["receiver_ip"] == routes["sender_ip"]) & routes["mac"].notna()]
    keys = ["vni", "sender_ip", "mac", "ip"]
    own = own.sort_values([*keys, "advertised_ns"], kind="stable")
    again_ns = own.groupby(keys, dropna=False)["advertised_ns"].shift(-1)
    aged = own.assign(again_ns=again_ns)[(own["withdrawn_ns"] != FOREVER) & again_ns.notna()]
    if aged.empty:
        return gather(aged)
    aged = aged.assign(last_frame_ns=_last_frames(aged, tables))
    silence_ns = aged["withdrawn_ns"] - aged["last_frame_ns"]
    aged = aged.assign(silence_s=silence_ns // 1_000_000_000)[(silence_ns >= SILENCE_NS) & ~_has_moved(aged, own)]
    found = aged.groupby(["vni", "mac"], sort=True).agg(
        silence_s=("silence_s", "max"),
        sender_ip=("sender_ip", "first"),
        ip=("ip", "first"),
        frame_ids=("frame_ids", "sum"),
        margin_ns=("withdraw_margin_ns", "max"),
    ).reset_index()  # fmt: skip
    rows = tables.resolutions
    is_about = [(rows["target_mac"] == mac) | (rows["requester_mac"] == mac) for mac in found["mac"]]
    about = pd.Series([tuple(rows.loc[one, "id"]) for one in is_about], index=found.index, dtype="object")
    whom = found["ip"].astype("object").fillna("a machine").astype("str")
    silence = found["silence_s"].astype("int64").astype("str") + " s of silence"
    return gather(
        found.assign(
            subject=found["mac"].astype("str"),
            detail=whom + " behind " + found["sender_ip"] + ", after " + silence,
            resolution_ids=about,
        )
    )


def _last_frames(aged: pd.DataFrame, tables: Tables) -> pd.Series:
    """Return the time of the last frame of each machine before its route was withdrawn; missing if none was seen."""
    read = ["source_mac", "time_ns"]
    heard = pd.concat([tables.events[read], tables.anchors[read]]).rename(columns={"source_mac": "mac"})
    heard = heard.sort_values("time_ns", kind="stable").assign(last_frame_ns=lambda h: h["time_ns"])
    asked = (
        aged[["mac"]]
        .assign(time_ns=aged["withdrawn_ns"], position=np.arange(len(aged)))
        .sort_values("time_ns", kind="stable")
    )
    found = pd.merge_asof(asked, heard, on="time_ns", by="mac")
    return found.sort_values("position")["last_frame_ns"].set_axis(aged.index)


def _has_moved(aged: pd.DataFrame, own: pd.DataFrame) -> pd.Series:
    """Return whether another VTEP advertised the MAC around the withdrawal."""
    others = own[["mac", "sender_ip", "advertised_ns", "withdrawn_ns"]]
    pairs = aged.reset_index()[["index", "mac", "sender_ip", "withdrawn_ns"]].merge(
        others, on="mac", how="inner", suffixes=("", "_other"), validate="many_to_many"
    )
    near = (pairs["advertised_ns"] < pairs["withdrawn_ns"] + NEAR_NS) & (
        pairs["withdrawn_ns_other"] > pairs["withdrawn_ns"] - NEAR_NS
    )
    moved = pairs.loc[near & (pairs["sender_ip"] != pairs["sender_ip_other"]), "index"]
    return pd.Series(aged.index.isin(moved), index=aged.index)


RULE = Rule(
    code="EVP005",
    name="silent-host-aged",
    severity=Severity.LOW,
    title="A silent machine's route aged out and came back",
    cause="The bridge's ageing time (300 s) passed without a frame from the machine.",
    advice="Let machines speak regularly (a periodic ping to the gateway), or raise the ageing time.",
    rivals="The machine or its link was shut down and started again.",
    would_decide="A capture on the machine's tap, or the hypervisor's log.",
    find=find,
)

"""A VTEP answers for a machine that is gone: what is then sent to it stays unanswered.

What it shows
    Requests were answered by the VTEP in the target's name after the target's last frame at any
    vantage point; the requester then sent to it, and nothing ever came back.

Why it matters
    The requester sees a resolved neighbour and a silent host, instead of an unreachable one:
    suppression hides the failure until the route is withdrawn.

What else looks like this
    The machine lives and drops what it was sent (then it still answers unicast probes), or it went
    where nobody captured.

References
----------
    RFC 9161; RFC 4861, section 7.3.

"""

import pandas as pd

from evpn_pcap.model import Aftermath, AnsweredBy, Kind, Rule, Severity, Tables
from evpn_pcap.order import AFTER, BEFORE, order
from evpn_pcap.rules._found import gather, tuples
from evpn_pcap.rules._frames import addresses_used, frames_of_own

SILENT_NS = 1_000_000_000  # before the request
WATCHED_NS = 3_000_000_000  # after it: captures must go on for so long


def find(tables: Tables) -> pd.DataFrame:
    """Return one row per VNI and address that was answered for after its machine had gone."""
    rows = tables.resolutions
    asked = rows[
        (rows["kind"] == Kind.RESOLUTION)
        & (rows["answered_by"] == AnsweredBy.PROXY)
        & (rows["aftermath"] == Aftermath.UNANSWERED)
    ]
    if asked.empty:
        return gather(asked)
    spoken = frames_of_own(tables)
    read = ["source_mac", "time_ns", "margin_ns", "frame_id", "host"]
    ends = spoken[read].drop_duplicates("source_mac", keep="last")
    last = asked.merge(
        ends, left_on="target_mac", right_on="source_mac", how="inner", suffixes=("", "_spoken"),
        validate="many_to_one",
    )  # fmt: skip
    silent_ns = last["time_ns"] - SILENT_NS
    last = last[order(last["time_ns_spoken"], last["margin_ns_spoken"], silent_ns, last["margin_ns"]) == BEFORE]
    last = last[_is_watched(last, spoken) & ~last["id"].isin(_taken_over(last, tables))]
    silence = ((last["time_ns"] - last["time_ns_spoken"]) // 1_000_000_000).astype("str")
    return gather(
        last.assign(
            subject=last["target_ip"],
            detail=last["target_ip"] + " was answered for " + silence + " s after its last frame",
            resolution_ids=tuples(last["id"]),
            frame_ids=tuples(last["frame_id"]) + last["frame_ids"],
            margin_ns=last[["margin_ns", "margin_ns_spoken"]].max(axis=1),
        )
    )


def _is_watched(last: pd.DataFrame, spoken: pd.DataFrame) -> pd.Series:
    """Return whether the host that heard the machine last still captured well after the request."""
    ends = spoken.groupby("host")["time_ns"].max()
    return ends.reindex(last["host"]).set_axis(last.index) > last["time_ns"] + WATCHED_NS


def _taken_over(last: pd.DataFrame, tables: Tables) -> pd.Series:
    """Return the rows whose address another MAC used after the machine's last frame: that is another diagnosis."""
    used = addresses_used(tables).drop(columns=["vni", "frame_id"])
    used = used[used["ip"].isin(last["target_ip"])].drop_duplicates(["ip", "source_mac"], keep="last")
    pairs = last[["id", "target_ip", "target_mac", "time_ns_spoken", "margin_ns_spoken"]].merge(
        used, left_on="target_ip", right_on="ip", how="inner", validate="many_to_many"
    )
    later = order(pairs["time_ns"], pairs["margin_ns"], pairs["time_ns_spoken"], pairs["margin_ns_spoken"]) == AFTER
    return pairs.loc[later & (pairs["source_mac"] != pairs["target_mac"]), "id"]


RULE = Rule(
    code="EVP008",
    name="dead-host-answered",
    severity=Severity.MEDIUM,
    title="A VTEP answers for a machine that is gone",
    cause="The neighbour entry or the MAC/IP route outlived the machine; the VTEP answers from it.",
    advice="Do not rely on ARP or ND as a keepalive across the fabric; lower the VTEP's neighbour ageing.",
    rivals="The machine lives but drops what it is sent; it went where nobody captured.",
    would_decide="A capture on the machine's own link.",
    find=find,
)

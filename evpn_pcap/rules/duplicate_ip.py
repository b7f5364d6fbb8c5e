"""Two machines use one IP address: two MACs are announced for it from two VTEPs, or both answer one request.

What it shows
    MAC/IP routes of one address with two MACs from two VTEPs, in force at the same time for more
    than 2 s or alternating; or two answers to one request that give different MACs.

Why it matters
    Traffic for the address goes to whichever machine was learned last; suppression keeps probes
    and duplicate address detection off the fabric, so neither machine notices.

What else looks like this
    A machine rebuilt elsewhere with a new MAC (then the first route is withdrawn and stays away),
    a virtual address that moves between routers, an anycast gateway.

References
----------
    RFC 9161, section 3.7; RFC 5227.

"""

import pandas as pd

from evpn_pcap.model import Rule, Severity, Tables
from evpn_pcap.rules._found import gather

OVERLAP_NS = 2_000_000_000


def find(tables: Tables) -> pd.DataFrame:
    """Return one row per VNI and address that two machines use."""
    claims = pd.concat([_by_routes(tables.routes), _by_answers(tables)], ignore_index=True)
    found = claims.groupby(["vni", "ip"], sort=True, dropna=False).agg(
        macs=("macs", lambda sets: frozenset().union(*sets)),
        frame_ids=("frame_ids", "sum"),
        margin_ns=("margin_ns", "max"),
    ).reset_index()  # fmt: skip
    rows = tables.resolutions
    about = [tuple(rows.loc[(rows["target_ip"] == ip) | (rows["requester_ip"] == ip), "id"]) for ip in found["ip"]]
    detail = found["ip"] + " is used by " + found["macs"].map(len).astype("str") + " MACs"
    about_each = pd.Series(about, index=found.index, dtype="object")
    return gather(found.assign(subject=found["ip"], detail=detail, resolution_ids=about_each))


def _by_routes(routes: pd.DataFrame) -> pd.DataFrame:
    """Return addresses announced with two MACs by two VTEPs for more than 2 s at once, or in turns."""
    is_gateway = routes["is_default_gateway"].fillna(value=False).astype(bool)
    told = routes[
        (routes["route_type"] == 2)
        & routes["ip"].notna()
        & (routes["receiver_ip"] == routes["sender_ip"])
        & ~is_gateway
    ]
    read = ["vni", "ip", "mac", "next_hop", "advertised_ns", "withdrawn_ns", "margin_ns", "frame_ids"]
    pairs = told[read].merge(
        told[read], on=["vni", "ip"], how="inner", suffixes=("", "_other"), validate="many_to_many"
    )
    pairs = pairs[(pairs["mac"] != pairs["mac_other"]) & (pairs["next_hop"] != pairs["next_hop_other"])]
    until = pairs[["withdrawn_ns", "withdrawn_ns_other"]].min(axis=1)
    since = pairs[["advertised_ns", "advertised_ns_other"]].max(axis=1)
    rounds = pairs.groupby(["vni", "ip", "mac"])["advertised_ns"].transform("nunique")
    both = pairs[(until - since > OVERLAP_NS) | (rounds > 1)]
    return _claims(
        both,
        both["mac"],
        both["mac_other"],
        [(*a, *b) for a, b in zip(both["frame_ids"], both["frame_ids_other"], strict=True)],
        both[["margin_ns", "margin_ns_other"]].max(axis=1),
    )


def _by_answers(tables: Tables) -> pd.DataFrame:
    """Return addresses for which one request got two answers with different MACs, within a second."""
    replies = tables.events[(tables.events["message"] == "reply") & tables.events["told_mac"].notna()]
    replies = replies.drop_duplicates("transmission_id")
    rows = tables.resolutions[["id", "vni", "target_ip", "requester_mac", "time_ns", "margin_ns"]]
    answers = rows.merge(
        replies, on=["target_ip", "requester_mac"], how="inner", suffixes=("", "_reply"), validate="many_to_many"
    )
    after_ns = answers["time_ns_reply"] - answers["time_ns"]
    answers = answers[(after_ns >= 0) & (after_ns < 1_000_000_000)]
    several = answers.groupby("id").agg(
        vni=("vni", "first"),
        ip=("target_ip", "first"),
        low=("told_mac", "min"),
        high=("told_mac", "max"),
        frame_ids=("frame_id", tuple),
        margin_ns=("margin_ns", "max"),
    )
    both = several[several["low"] != several["high"]]
    return _claims(both, both["low"], both["high"], list(both["frame_ids"]), both["margin_ns"])


def _claims(
    both: pd.DataFrame, one: pd.Series, other: pd.Series, frame_ids: list[tuple[int, ...]], margin_ns: pd.Series
) -> pd.DataFrame:
    """Return vni, ip, macs, frame_ids and margin_ns of each pair of MACs that claims one address."""
    macs = [frozenset(pair) for pair in zip(one, other, strict=True)]
    return pd.DataFrame(
        {
            "vni": both["vni"].reset_index(drop=True).astype("UInt32"),
            "ip": both["ip"].reset_index(drop=True).astype("str"),
            "macs": pd.Series(macs, dtype="object"),
            "frame_ids": pd.Series(frame_ids, dtype="object"),
            "margin_ns": margin_ns.reset_index(drop=True).astype("Int64"),
        }
    )


RULE = Rule(
    code="EVP006",
    name="duplicate-ip",
    severity=Severity.HIGH,
    title="Two machines use one IP address",
    cause="Two machines behind two VTEPs have the same address configured.",
    advice="Find both MACs in `show evpn arp-cache vni all`, and give one of the machines another address.",
    rivals="A machine rebuilt with a new MAC; a virtual router address that moves; an anycast gateway.",
    would_decide="Captures of both machines' links.",
    find=find,
)

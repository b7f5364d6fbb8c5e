"""Two machines use one IP address: two MACs are announced for it from two VTEPs, or both answer one request.

What it shows
    MAC/IP routes of one address with two MACs from two VTEPs, in force at the same time for more
    than 2 s or alternating; two answers to one request that give different MACs; or requests and
    announcements from one MAC, then another, then the first again.

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

from evpn_pcap.model import FOREVER, Rule, Severity, Tables
from evpn_pcap.order import AFTER, BEFORE, order
from evpn_pcap.rules._found import gather, tuples
from evpn_pcap.rules._frames import addresses_used
from evpn_pcap.rules._routes import own_mac_routes

OVERLAP_NS = 2_000_000_000
ANSWER_NS = 1_000_000_000
CLAIM = ["vni", "ip", "mac", "mac_other", "frame_ids", "margin_ns"]  # two MACs that one address has


def find(tables: Tables) -> pd.DataFrame:
    """Return one row per VNI and address that two machines use."""
    claims = pd.concat([_by_routes(tables.routes), _by_answers(tables), _by_use(tables)], ignore_index=True)
    if claims.empty:
        return gather(claims)
    macs = claims.melt(["vni", "ip"], ["mac", "mac_other"], value_name="each_mac").astype({"vni": "UInt32"})
    count = macs.groupby(["vni", "ip"], dropna=False)["each_mac"].nunique()
    found = claims.groupby(["vni", "ip"], sort=True, dropna=False).agg(
        frame_ids=("frame_ids", "sum"), margin_ns=("margin_ns", "max")
    ).reset_index()  # fmt: skip
    rows = tables.resolutions
    about = [tuple(rows.loc[(rows["target_ip"] == ip) | (rows["requester_ip"] == ip), "id"]) for ip in found["ip"]]
    return gather(
        found.assign(
            subject=found["ip"],
            detail=found["ip"] + " is used by " + count.astype("str").to_numpy() + " MACs",
            resolution_ids=pd.Series(about, index=found.index, dtype="object"),
        )
    )


def _by_routes(routes: pd.DataFrame) -> pd.DataFrame:
    """Return addresses announced with two MACs by two VTEPs for more than 2 s at once, or in turns."""
    told = own_mac_routes(routes)
    told = told[told["ip"].notna() & ~told["is_default_gateway"].fillna(value=False).astype(bool)]
    read = ["vni", "ip", "mac", "next_hop", "advertised_ns", "withdrawn_ns", "margin_ns", "frame_ids"]
    pairs = told[read].merge(
        told[read], on=["vni", "ip"], how="inner", suffixes=("", "_other"), validate="many_to_many"
    )
    pairs = pairs[(pairs["mac"] != pairs["mac_other"]) & (pairs["next_hop"] != pairs["next_hop_other"])]
    if pairs.empty:
        return pairs[CLAIM]
    until = pairs[["withdrawn_ns", "withdrawn_ns_other"]].min(axis=1)
    since = pairs[["advertised_ns", "advertised_ns_other"]].max(axis=1)
    rounds = pairs.groupby(["vni", "ip", "mac"])["advertised_ns"].transform("nunique")
    both = pairs[(until - since > OVERLAP_NS) | (rounds > 1)]
    margin_ns = both[["margin_ns", "margin_ns_other"]].max(axis=1)
    return both.assign(frame_ids=both["frame_ids"] + both["frame_ids_other"], margin_ns=margin_ns)[CLAIM]


def _by_answers(tables: Tables) -> pd.DataFrame:
    """Return addresses for which one request got two answers with different MACs, within a second."""
    replies = tables.events[(tables.events["message"] == "reply") & (tables.events["margin_ns"] != FOREVER)]
    replies = replies.drop_duplicates("transmission_id")
    rows = tables.resolutions[tables.resolutions["target_ip"].notna() & (tables.resolutions["margin_ns"] != FOREVER)]
    told = replies[["target_ip", "requester_mac", "told_mac", "time_ns", "margin_ns", "frame_id"]].dropna()
    told = told.assign(at_ns=told["time_ns"] + told["margin_ns"])  # no answer may seem earlier than its request
    asked = rows.assign(at_ns=rows["time_ns"] - rows["margin_ns"])
    keys = ["target_ip", "requester_mac"]
    answers = pd.merge_asof(
        told.sort_values("at_ns", kind="stable"),
        asked[["at_ns", *keys, "id", "vni"]].dropna().sort_values("at_ns", kind="stable"),
        on="at_ns", by=keys, tolerance=ANSWER_NS,
    ).dropna(subset=["id"])  # fmt: skip
    several = answers.groupby("id").agg(
        vni=("vni", "first"), ip=("target_ip", "first"), mac=("told_mac", "min"), mac_other=("told_mac", "max"),
        frame_ids=("frame_id", tuple), margin_ns=("margin_ns", "max"),
    )  # fmt: skip
    return several.loc[several["mac"] != several["mac_other"], CLAIM]


def _by_use(tables: Tables) -> pd.DataFrame:
    """Return addresses that one MAC used before and after another used them."""
    used = addresses_used(tables).rename(columns={"source_mac": "mac"})
    used = used[used.groupby(["vni", "ip"])["mac"].transform("nunique") > 1].sort_values("time_ns", kind="stable")
    users = used.groupby(["vni", "ip", "mac"])
    span = users.first().join(users.last().add_suffix("_last")).reset_index()
    pairs = span.merge(used, on=["vni", "ip"], how="inner", suffixes=("", "_other"), validate="many_to_many")
    pairs = pairs[pairs["mac"] != pairs["mac_other"]]
    begun = order(pairs["time_ns"], pairs["margin_ns"], pairs["time_ns_other"], pairs["margin_ns_other"])
    ended = order(pairs["time_ns_last"], pairs["margin_ns_last"], pairs["time_ns_other"], pairs["margin_ns_other"])
    both = pairs[(begun == BEFORE) & (ended == AFTER)].drop_duplicates(["vni", "ip", "mac", "mac_other"])
    return both.assign(frame_ids=tuples(both["frame_id"], both["frame_id_other"], both["frame_id_last"]))[CLAIM]


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

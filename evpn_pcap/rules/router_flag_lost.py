"""A VTEP answers for a neighbour with another router flag than the neighbour itself sets.

What it shows
    The owner's own advertisement and the proxied one tell the same MAC for the same address, but
    their R flags differ.

Why it matters
    A host that hears R=0 from its router removes it from its default routers (RFC 4861, 7.2.5);
    one that hears R=1 from a host may keep it as one.

What else looks like this
    The machine itself stopped or began to be a router between the two.

References
----------
    RFC 9047; RFC 4861, section 7.2.5; FRRouting issue 2665.

"""

import pandas as pd

from evpn_pcap.model import AnsweredBy, Role, Rule, Severity, Tables
from evpn_pcap.rules._found import gather, tuples

KEY = ["target_ip", "told_mac"]


def find(tables: Tables) -> pd.DataFrame:
    """Return one row per VNI and address that is proxied with another R flag than its owner's."""
    events = tables.events[(tables.events["protocol"] == "nd") & tables.events["has_router_flag"].notna()]
    rows = tables.resolutions
    answered = rows[rows["answered_by"] == AnsweredBy.PROXY]
    proof = answered[["id", "vni", "frame_ids"]].explode("frame_ids").rename(columns={"frame_ids": "frame_id"})
    proof = proof.astype({"frame_id": "int64"})
    replies = events[events["message"] == "reply"].drop(columns="vni")
    proxied = replies.merge(proof, on="frame_id", how="inner", validate="one_to_many").drop_duplicates("id")
    if proxied.empty:
        return gather(proxied)

    links = tables.points.loc[tables.points["role"].isin([Role.VM, Role.TAP]), ["point_id", "station_mac"]]
    station = events["point_id"].map(links.set_index("point_id")["station_mac"])
    at_home = (station == events["told_mac"]).fillna(value=False)
    own = events[at_home | (events["vni"].notna() & events["told_mac"].notna())]
    own = own[~own["transmission_id"].isin(proxied["transmission_id"])].drop_duplicates([*KEY, "has_router_flag"])
    pairs = proxied.merge(
        own[[*KEY, "has_router_flag", "frame_id"]], on=KEY, how="inner", suffixes=("", "_own"), validate="many_to_many"
    )
    steady = pairs.groupby("id")["has_router_flag_own"].transform("nunique") == 1
    lost = pairs[steady & (pairs["has_router_flag"] != pairs["has_router_flag_own"])]
    if lost.empty:
        return gather(lost)
    own_flag, flag = (lost[name].astype("int64").astype("str") for name in ("has_router_flag_own", "has_router_flag"))
    return gather(
        lost.assign(
            subject=lost["target_ip"],
            detail=lost["target_ip"] + " sets R=" + own_flag + ", the VTEP answers with R=" + flag,
            resolution_ids=tuples(lost["id"]),
            frame_ids=tuples(lost["frame_id_own"], lost["frame_id"]),
        )
    )


RULE = Rule(
    code="EVP020",
    name="router-flag-lost",
    severity=Severity.MEDIUM,
    title="A VTEP answers with another router flag than the neighbour's own",
    cause="The VTEP's neighbour entry lacks the router flag, or the route lacks the ARP/ND community (RFC 9047).",
    advice="Upgrade FRR so that the flag travels with the route; until then do not proxy for routers.",
    rivals="The machine stopped or began to be a router in between.",
    would_decide="`ip -6 neigh` of the VTEP (the word router), and the owner's own advertisement.",
    find=find,
)

"""One VTEP tells two router's MACs for one L3 VNI, or gives a MAC-only route what only a route with an address has.

What it shows
    Routes of one next hop and one L3 VNI, in force at the same time, carry different router's MACs;
    or a MAC-only route carries a second label or a router's MAC.

Why it matters
    Receivers keep one router's MAC for a next hop: whichever came last wins, and routed traffic
    sent to the other is dropped.

What else looks like this
    The VTEP's system MAC was changed, and its routes are being renewed one after the other.

References
----------
    RFC 9135, sections 5.1 and 8.1; FRRouting issue 22577.

"""

import pandas as pd

from evpn_pcap.model import Rule, Severity, Tables
from evpn_pcap.rules._found import gather, mac_words

OVERLAP_NS = 2_000_000_000


def find(tables: Tables) -> pd.DataFrame:
    """Return one row per next hop (and L3 VNI) with conflicting router's MACs, and per MAC-only route that has one."""
    routes = tables.routes
    told = routes[(routes["receiver_ip"] == routes["sender_ip"]) & routes["route_type"].isin([2, 5])]
    told = told[told["router_mac"].notna() | told["l3_vni"].notna()]
    if told.empty:
        return gather(told)
    with_mac = told[
        told["router_mac"].notna() & told["l3_vni"].notna() & ((told["route_type"] == 5) | told["ip"].notna())
    ]
    return gather(pd.concat([_conflicts(with_mac), _mac_only(told)], ignore_index=True))


def _conflicts(told: pd.DataFrame) -> pd.DataFrame:
    """Return evidence of two router's MACs of one next hop in force together for more than 2 s."""
    keys = ["next_hop", "l3_vni"]
    ends = told.groupby([*keys, "router_mac"]).agg(
        since_ns=("advertised_ns", "min"), until_ns=("withdrawn_ns", "max"), frame_ids=("frame_ids", "first"),
        margin_ns=("margin_ns", "max"), vni=("vni", "first"),
    ).reset_index()  # fmt: skip
    pairs = ends.merge(ends, on=keys, how="inner", suffixes=("", "_other"), validate="many_to_many")
    pairs = pairs[pairs["router_mac"] < pairs["router_mac_other"]]
    since = pairs[["since_ns", "since_ns_other"]].max(axis=1)
    both = pairs[pairs[["until_ns", "until_ns_other"]].min(axis=1) - since > OVERLAP_NS]
    macs = mac_words(both["router_mac"]) + " and " + mac_words(both["router_mac_other"])
    return both.assign(
        vni=both["l3_vni"],
        subject=both["next_hop"],
        detail=both["next_hop"] + " has " + macs + " for L3 VNI " + both["l3_vni"].astype("str"),
        frame_ids=both["frame_ids"] + both["frame_ids_other"],
        margin_ns=both[["margin_ns", "margin_ns_other"]].max(axis=1),
    )[["vni", "subject", "detail", "frame_ids", "margin_ns"]]


def _mac_only(told: pd.DataFrame) -> pd.DataFrame:
    """Return evidence of MAC-only routes with a second label or a router's MAC."""
    bare = told[(told["route_type"] == 2) & told["ip"].isna()]
    return bare.assign(
        subject=bare["next_hop"] + " " + mac_words(bare["mac"]),
        detail="the MAC-only route of " + mac_words(bare["mac"]) + " has a router's MAC or an L3 VNI",
    )[["vni", "subject", "detail", "frame_ids", "margin_ns"]]


RULE = Rule(
    code="EVP022",
    name="conflicting-rmac",
    severity=Severity.HIGH,
    title="Conflicting router's MACs",
    cause="The VTEP announces routes of one VRF with different router's MACs (its own, and an anycast one).",
    advice="Give the VRF's bridge device one MAC; check advertise-pip and the anycast MAC; upgrade FRR.",
    rivals="The system MAC was changed and routes are still being renewed.",
    would_decide="`show evpn vni L3VNI` (Router MAC) of that VTEP and of a receiver.",
    find=find,
)

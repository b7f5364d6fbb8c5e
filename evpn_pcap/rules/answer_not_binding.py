"""A VTEP answered for an address with a MAC that no route gives it.

What it shows
    A proxied answer with one MAC, while every route in force for the address at that VTEP, for two
    seconds at least, has another, and none with the MAC told was in force in that time.

Why it matters
    A proxy may answer only what it knows to be true. This answer comes from an entry that outlived its
    route, or was put in by hand, and sends the requester to the wrong machine.

What else looks like this
    A machine that just got a new MAC (then the routes change within seconds).

References
----------
    RFC 9161, section 3.3; RFC 7432, section 10.

"""

import pandas as pd

from evpn_pcap.addresses import mac_text
from evpn_pcap.model import AnsweredBy, Rule, Severity, Tables
from evpn_pcap.order import AFTER, BEFORE, order
from evpn_pcap.rules._found import gather, tuples

SETTLED_NS = 2_000_000_000
READ = [
    "vni",
    "receiver_ip",
    "ip",
    "mac",
    "advertised_ns",
    "withdrawn_ns",
    "margin_ns",
    "withdraw_margin_ns",
    "frame_ids",
]


def find(tables: Tables) -> pd.DataFrame:
    """Return one row per VNI and address that a VTEP answered for with a MAC of no route."""
    rows, routes = tables.resolutions, tables.routes
    answered = rows[(rows["answered_by"] == AnsweredBy.PROXY) & rows["target_mac"].notna()]
    told = routes.loc[(routes["route_type"] == 2) & routes["ip"].notna() & routes["mac"].notna(), READ]
    pairs = answered.merge(
        told, left_on=["vni", "ingress_vtep", "target_ip"], right_on=["vni", "receiver_ip", "ip"], how="inner",
        suffixes=("", "_route"), validate="many_to_many",
    )  # fmt: skip
    asked = pairs["time_ns"], pairs["margin_ns"]
    earlier = pairs["time_ns"] - SETTLED_NS, pairs["margin_ns"]
    begun = order(pairs["advertised_ns"], pairs["margin_ns_route"], *earlier) == BEFORE
    is_held = order(pairs["withdrawn_ns"], pairs["withdraw_margin_ns"], *asked) == AFTER
    was_held = order(pairs["withdrawn_ns"], pairs["withdraw_margin_ns"], *earlier) != BEFORE
    is_same = pairs["mac"] == pairs["target_mac"]
    bound = pairs.loc[
        is_same & was_held & (order(pairs["advertised_ns"], pairs["margin_ns_route"], *asked) != AFTER), "id"
    ]
    wrong = pairs[begun & is_held & ~is_same & ~pairs["id"].isin(bound)]
    if wrong.empty:
        return gather(wrong)
    macs = wrong["target_mac"].map(mac_text).astype("str"), wrong["mac"].map(mac_text).astype("str")
    return gather(
        wrong.assign(
            subject=wrong["ingress_vtep"] + " " + wrong["target_ip"],
            detail=wrong["ingress_vtep"]
            + " told "
            + macs[0]
            + " for "
            + wrong["target_ip"]
            + ", the route says "
            + macs[1],
            resolution_ids=tuples(wrong["id"]),
            frame_ids=wrong["frame_ids"] + wrong["frame_ids_route"],
            margin_ns=wrong[["margin_ns", "margin_ns_route"]].max(axis=1),
        )
    )


RULE = Rule(
    code="EVP117",
    name="answer-not-binding",
    severity=Severity.HIGH,
    title="A VTEP answered with a MAC that no route gives",
    cause="The VTEP's neighbour entry was not updated with the route, or was set by hand.",
    advice="Compare `ip neigh show ADDRESS` on that VTEP with `show bgp l2vpn evpn route type 2`; delete the entry.",
    rivals="A machine that was just given a new MAC.",
    would_decide="`ip neigh` and `show evpn arp-cache vni VNI` of the answering VTEP at that moment.",
    find=find,
)

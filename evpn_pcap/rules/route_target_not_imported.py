"""A VTEP announces its machines with a route target that others with the same VNI do not use: they ignore the routes.

What it shows
    Routes of one VNI that arrive at a VTEP which announces routes of the same VNI itself, but under
    no route target that they carry. Route targets are compared by their number, as FRR does where it
    derives them: autonomous systems may differ.

Why it matters
    The receiver drops the routes. It floods requests for these machines and, without a MAC route, sends
    their unicast to everybody.

What else looks like this
    Import and export lists that differ on purpose (a hub and its spokes).

References
----------
    RFC 7432, sections 7.10 and 7.10.1; RFC 8365, section 5.1.2.1.

"""

import pandas as pd

from evpn_pcap.model import Rule, Severity, Tables
from evpn_pcap.rules._found import gather

MAC_IP, MULTICAST = 2, 3


def find(tables: Tables) -> pd.DataFrame:
    """Return one row per VNI and VTEP whose routes others do not import."""
    routes = tables.routes
    is_refused = routes["is_imported"].eq(other=False).fillna(value=False).astype(bool)
    refused = routes[is_refused & routes["route_type"].isin([MAC_IP, MULTICAST])]
    if refused.empty:
        return gather(refused)
    own = routes.loc[routes["receiver_ip"] == routes["sender_ip"], ["vni", "receiver_ip"]].drop_duplicates()
    refused = refused.merge(own, on=["vni", "receiver_ip"], how="inner", validate="many_to_one")
    refused = refused[_is_odd_one(refused)]
    by_route = refused.groupby(["vni", "next_hop"])["receiver_ip"]
    receivers = by_route.transform(lambda ips: ", ".join(sorted(set(ips)))).astype("str")
    rows = refused.assign(
        subject=refused["next_hop"],
        detail="routes of " + refused["next_hop"] + " (" + refused["route_targets"] + ") at " + receivers,
    )
    return gather(rows.drop(columns="margin_ns"))


def _is_odd_one(refused: pd.DataFrame) -> pd.Series:
    """Return whether the announcing VTEP is refused by at least as many others as the one that refuses it.

    Two VTEPs that share no route target refuse each other; the one that most refuse is to be named.
    """
    counts = refused.groupby(["vni", "next_hop"])["receiver_ip"].nunique()
    ends = [pd.MultiIndex.from_frame(refused[["vni", name]]) for name in ("next_hop", "receiver_ip")]
    announcing, receiving = (counts.reindex(end).fillna(0).set_axis(refused.index) for end in ends)
    return announcing >= receiving


RULE = Rule(
    code="EVP110",
    name="route-target-not-imported",
    severity=Severity.HIGH,
    title="Routes carry a route target that nobody imports",
    cause="The route target of the VNI is configured differently on the VTEPs.",
    advice="Compare `show evpn vni VNI` on both (import and export), and set one route target for the VNI.",
    rivals="Import and export differ on purpose.",
    would_decide="`show bgp l2vpn evpn vni VNI` on the receiver: its import route targets.",
    find=find,
)

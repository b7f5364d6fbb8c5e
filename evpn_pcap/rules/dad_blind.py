"""A machine probed for an address that another one has, and nobody told it: the probe was kept off the fabric.

What it shows
    A probe or DAD solicitation was dropped at the ingress VTEP, unanswered, while a MAC/IP route
    for that address with another MAC was in force there.

Why it matters
    Duplicate address detection cannot work across the fabric: the machine will use the address too.

What else looks like this
    The route is stale and nobody has the address any more; the same machine with a second MAC.

References
----------
    RFC 9161, section 3.3; RFC 5227; RFC 4862, section 5.4; Linux br_arp_nd_proxy.c.

"""

import pandas as pd

from evpn_pcap.model import AnsweredBy, Kind, Outcome, Rule, Severity, Tables
from evpn_pcap.order import AFTER, BEFORE, order
from evpn_pcap.rules._found import gather, mac_words, tuples


def find(tables: Tables) -> pd.DataFrame:
    """Return one row per VNI and address that was probed in vain while another machine had it."""
    rows, routes = tables.resolutions, tables.routes
    probes = rows[
        (rows["kind"] == Kind.PROBE)
        & (rows["outcome"] == Outcome.SUPPRESSED)
        & (rows["answered_by"] == AnsweredBy.NONE)
    ]
    if probes.empty:
        return gather(probes)
    told = routes.loc[
        (routes["route_type"] == 2) & routes["ip"].notna(),
        [*("receiver_ip", "vni", "ip", "mac", "next_hop", "advertised_ns", "withdrawn_ns"),
         *("margin_ns", "withdraw_margin_ns", "frame_ids")],
    ]  # fmt: skip
    pairs = probes.merge(
        told, left_on=["ingress_vtep", "vni", "target_ip"], right_on=["receiver_ip", "vni", "ip"], how="inner",
        suffixes=("", "_route"), validate="many_to_many",
    )  # fmt: skip
    begun = order(pairs["advertised_ns"], pairs["margin_ns_route"], pairs["time_ns"], pairs["margin_ns"]) == BEFORE
    ended = order(pairs["withdrawn_ns"], pairs["withdraw_margin_ns"], pairs["time_ns"], pairs["margin_ns"]) == AFTER
    blind = pairs[begun & ended & (pairs["mac"] != pairs["requester_mac"])]
    owner = mac_words(blind["mac"]) + " behind " + blind["next_hop"]
    return gather(
        blind.assign(
            subject=blind["target_ip"],
            detail=mac_words(blind["requester_mac"]) + " probed for " + blind["target_ip"] + " of " + owner,
            resolution_ids=tuples(blind["id"]),
            frame_ids=blind["frame_ids"] + blind["frame_ids_route"],
            margin_ns=blind[["margin_ns", "margin_ns_route"]].max(axis=1),
        )
    )


RULE = Rule(
    code="EVP011",
    name="dad-blind",
    severity=Severity.MEDIUM,
    title="A probe for an address in use was dropped, and nobody answered",
    cause="Linux drops probes and DAD solicitations on suppressed ports without answering them.",
    advice="Watch for duplicate addresses otherwise (routes with two MACs), or let them cross (neigh_forward_grat on).",
    rivals="The route is stale; the same machine with a second MAC.",
    would_decide="A capture on the link of the address's owner.",
    find=find,
)

"""A VTEP answers with the override flag for an address whose route says that it must not be set.

What it shows
    A proxied neighbour advertisement with O=1, while the route of the address at that VTEP carries the
    ARP/ND community without O.

Why it matters
    O=0 is for addresses that several machines share (anycast) or that are proxied for: an answer must
    not push aside what the requester knows. With O=1 each answer does.

What else looks like this
    Nothing: both the community and the answer are in the captures.

References
----------
    RFC 9047; RFC 9161; RFC 4861, section 7.2.4.

"""

import pandas as pd

from evpn_pcap.model import AnsweredBy, Rule, Severity, Tables
from evpn_pcap.order import AFTER, BEFORE, order
from evpn_pcap.rules._found import gather, tuples

READ = [
    "vni",
    "receiver_ip",
    "ip",
    "nd_flags",
    "advertised_ns",
    "withdrawn_ns",
    "margin_ns",
    "withdraw_margin_ns",
    "frame_ids",
]


def find(tables: Tables) -> pd.DataFrame:
    """Return one row per VNI and VTEP that sets the override flag against the route."""
    rows, events, routes = tables.resolutions, tables.events, tables.routes
    proxied = rows[(rows["answered_by"] == AnsweredBy.PROXY) & (rows["protocol"] == "nd")]
    if proxied.empty:
        return gather(proxied)
    proof = proxied[["id", "frame_ids"]].explode("frame_ids").astype({"frame_ids": "int64"})
    overriding = events.loc[events["has_override_flag"].fillna(value=False).astype(bool), "frame_id"]
    proxied = proxied[proxied["id"].isin(proof.loc[proof["frame_ids"].isin(overriding), "id"])]
    told = routes.loc[routes["nd_flags"].notna() & ~routes["nd_flags"].str.contains("O").fillna(value=True), READ]
    if told.empty:
        return gather(told)
    pairs = proxied.merge(
        told, left_on=["vni", "ingress_vtep", "target_ip"], right_on=["vni", "receiver_ip", "ip"], how="inner",
        suffixes=("", "_route"), validate="many_to_many",
    )  # fmt: skip
    asked = pairs["time_ns"], pairs["margin_ns"]
    begun = order(pairs["advertised_ns"], pairs["margin_ns_route"], *asked) == BEFORE
    is_held = order(pairs["withdrawn_ns"], pairs["withdraw_margin_ns"], *asked) == AFTER
    wrong = pairs[begun & is_held]
    return gather(
        wrong.assign(
            subject=wrong["ingress_vtep"],
            detail=wrong["ingress_vtep"] + " answered for " + wrong["target_ip"] + " with O=1",
            resolution_ids=tuples(wrong["id"]),
            frame_ids=wrong["frame_ids"] + wrong["frame_ids_route"],
            margin_ns=wrong[["margin_ns", "margin_ns_route"]].max(axis=1),
        )
    )


RULE = Rule(
    code="EVP121",
    name="override-flag-set",
    severity=Severity.INFO,
    title="Proxied answers set the override flag although the route says otherwise",
    cause="Linux does this by design: its bridge answers every solicitation with O=1 and does not read the community.",
    advice="Do not rely on O=0 (anycast addresses, proxies) behind VTEPs that answer so.",
    rivals="None that these captures leave open.",
    would_decide="A capture of the owner's own advertisement, on its link.",
    find=find,
)

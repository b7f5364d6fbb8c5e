"""A VTEP answers with a MAC that the address no longer has: its owner has been using another one.

What it shows
    A proxied answer gives one MAC; more than 2 s before, the address was used or announced by
    another MAC, and the told one never used it again.

Why it matters
    Traffic goes to a machine that does not have the address: nothing comes back until the binding
    is renewed.

What else looks like this
    Two machines use the address in turn (duplicate-ip: then the told MAC uses it again).

References
----------
    RFC 9161; Linux bridge(8), neigh_forward_grat.

"""

import pandas as pd

from evpn_pcap.model import AnsweredBy, Rule, Severity, Tables
from evpn_pcap.order import AFTER, BEFORE, order
from evpn_pcap.rules._found import gather, mac_words, tuples
from evpn_pcap.rules._frames import addresses_used

SETTLED_NS = 2_000_000_000  # a fresh claim needs so long to reach every VTEP


def find(tables: Tables) -> pd.DataFrame:
    """Return one row per VNI and address that was answered for with a MAC it no longer had."""
    rows = tables.resolutions
    asked = rows[(rows["answered_by"] == AnsweredBy.PROXY) & rows["target_mac"].notna() & rows["vni"].notna()]
    claims = addresses_used(tables)
    told = asked[["target_ip", "target_mac"]].set_axis(["ip", "source_mac"], axis=1)
    macs = pd.concat([told, claims[["ip", "source_mac"]]]).groupby("ip")["source_mac"].nunique()
    doubtful = macs.index[macs > 1]  # one MAC for an address, everywhere: nothing to compare
    asked = asked.loc[asked["target_ip"].isin(doubtful)]
    if asked.empty:
        return gather(asked)
    claims = claims.loc[claims["ip"].isin(doubtful)]
    pairs = asked.merge(
        claims, left_on=["vni", "target_ip"], right_on=["vni", "ip"], how="inner", suffixes=("", "_claim"),
        validate="many_to_many",
    )  # fmt: skip
    settled_ns = pairs["time_ns_claim"] + SETTLED_NS
    before = order(settled_ns, pairs["margin_ns_claim"], pairs["time_ns"], pairs["margin_ns"]) == BEFORE
    latest = pairs[before].sort_values("time_ns_claim", kind="stable").drop_duplicates("id", keep="last")
    wrong = latest[latest["source_mac"] != latest["target_mac"]]
    if wrong.empty:
        return gather(wrong)
    wrong = wrong[~wrong["id"].isin(_claimed_again(wrong, claims))]
    answered, used = mac_words(wrong["target_mac"]), mac_words(wrong["source_mac"])
    return gather(
        wrong.assign(
            subject=wrong["target_ip"],
            detail=wrong["target_ip"] + " is answered as " + answered + ", used by " + used,
            resolution_ids=tuples(wrong["id"]),
            frame_ids=tuples(wrong["frame_id"]) + wrong["frame_ids"],
            margin_ns=wrong[["margin_ns", "margin_ns_claim"]].max(axis=1),
        )
    )


def _claimed_again(wrong: pd.DataFrame, claims: pd.DataFrame) -> pd.Series:
    """Return the rows whose told MAC used the address at or after the other one's claim: two machines have it."""
    pairs = wrong[["id", "vni", "target_ip", "target_mac", "time_ns_claim", "margin_ns_claim"]].merge(
        claims, left_on=["vni", "target_ip", "target_mac"], right_on=["vni", "ip", "source_mac"], how="inner",
        validate="many_to_many",
    )  # fmt: skip
    again = order(pairs["time_ns"], pairs["margin_ns"], pairs["time_ns_claim"], pairs["margin_ns_claim"])
    return pairs.loc[again == AFTER, "id"]


RULE = Rule(
    code="EVP009",
    name="wrong-mac-answered",
    severity=Severity.HIGH,
    title="A VTEP answers with a MAC that the address no longer has",
    cause="The VTEP's binding is stale: it did not learn from its owner's newer frames or announcement.",
    advice="Set arp_accept=1 on the bridge devices, or let announcements cross (neigh_forward_grat on).",
    rivals="Two machines use the address in turn.",
    would_decide="`ip neigh` of the answering VTEP, and captures of both machines' links.",
    find=find,
)

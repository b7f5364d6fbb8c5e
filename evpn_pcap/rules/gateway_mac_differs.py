"""The gateway's address has one MAC on one VTEP and another on the next.

What it shows
    Machines behind different VTEPs resolved the same gateway address and were told different MACs.

Why it matters
    A machine that moves keeps the old MAC in its neighbour table, and what it sends to the gateway
    is lost or takes a detour until the entry is renewed.

What else looks like this
    Two separate gateways use one address (then they are routers of their own: duplicate-ip), or
    the MAC was changed between the two exchanges.

References
----------
    RFC 7432, section 10.1; RFC 9135, section 4.1.

"""

import pandas as pd

from evpn_pcap.model import AnsweredBy, Rule, Severity, Tables
from evpn_pcap.rules._found import gather, mac_words


def find(tables: Tables) -> pd.DataFrame:
    """Return one row per VNI and gateway address that has different MACs at different VTEPs."""
    rows = tables.resolutions
    told = rows[(rows["answered_by"] == AnsweredBy.GATEWAY) & rows["target_mac"].notna() & rows["vni"].notna()]
    if told.empty:
        return gather(told)
    first = told.dropna(subset=["ingress_vtep"]).drop_duplicates(["vni", "target_ip", "ingress_vtep", "target_mac"])
    by_address = first.groupby(["vni", "target_ip"])
    differs = (by_address["target_mac"].transform("nunique") > 1) & (
        by_address["ingress_vtep"].transform("nunique") > 1
    )
    several = first[differs].assign(at=lambda f: mac_words(f["target_mac"]) + " at " + f["ingress_vtep"])
    if several.empty:
        return gather(several)
    found = several.groupby(["vni", "target_ip"]).agg(
        at=("at", ", ".join), resolution_ids=("id", tuple), frame_ids=("frame_ids", "sum")
    ).reset_index()  # fmt: skip
    return gather(found.assign(subject=found["target_ip"], detail=found["target_ip"] + " is " + found["at"]))


RULE = Rule(
    code="EVP019",
    name="gateway-mac-differs",
    severity=Severity.MEDIUM,
    title="The gateway has different MACs on different VTEPs",
    cause="The bridge devices carry one address with the MAC of each VTEP instead of an anycast MAC.",
    advice="Set the same MAC on the bridge device of every VTEP.",
    rivals="Two separate gateways with one address; the MAC was changed in between.",
    would_decide="`ip link show BRIDGE` of both VTEPs.",
    find=find,
)

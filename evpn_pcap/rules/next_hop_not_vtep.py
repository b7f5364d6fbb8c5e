"""A VTEP announces its machines with a next hop that is not the address its VXLAN packets come from.

What it shows
    Frames of announced machines arrive in VXLAN from the announcing VTEP's address, and the next hop
    of their routes is another one, which no VXLAN packet comes from or goes to.

Why it matters
    Everybody else sends to the next hop. If nothing listens there, replies are lost; if it is a
    router on the way, every packet takes a detour or is dropped.

What else looks like this
    A second VTEP that shares an anycast address (multihoming with a virtual VTEP): then packets go to
    the next hop, and this does not fire.

References
----------
    RFC 8365, section 5.1.3; RFC 7432.

"""

import pandas as pd

from evpn_pcap.model import Rule, Severity, Tables
from evpn_pcap.rules._announced import announced
from evpn_pcap.rules._encapsulated import encapsulated
from evpn_pcap.rules._found import gather


def find(tables: Tables) -> pd.DataFrame:
    """Return one row per VNI and VTEP whose routes name a next hop that its packets do not come from."""
    inside = encapsulated(tables)
    ends = {*inside["outer_source_ip"], *inside["outer_destination_ip"]}
    sent = inside.drop_duplicates(["vni", "source_mac", "outer_source_ip"])
    told = announced(tables.routes, 2)
    told = told[~told["next_hop"].isin(ends) & told["mac"].notna()]
    if told.empty:
        return gather(told)
    pairs = told.merge(
        sent, left_on=["vni", "mac"], right_on=["vni", "source_mac"], how="inner", suffixes=("", "_sent"),
        validate="many_to_many",
    )  # fmt: skip
    source = pairs["outer_source_ip"]
    is_its_own = (pairs["sender_ip"] == source) | (pairs["rd"].str.replace(r":\d+$", "", regex=True) == source)
    rows = pairs.assign(
        subject=source,
        detail=source + " announced its machines behind " + pairs["next_hop"],
        frame_ids=pairs["frame_ids"] + pairs["frame_ids_sent"],
    )
    return gather(rows[is_its_own].drop(columns="margin_ns"))


RULE = Rule(
    code="EVP106",
    name="next-hop-not-vtep",
    severity=Severity.HIGH,
    title="The next hop of routes is not the VTEP",
    cause="The next hop was set by configuration, or changed by a reflector or an eBGP peer on the way.",
    advice="Announce the VTEP's own address (`next-hop-unchanged` where routes pass eBGP peers).",
    rivals="A VTEP that sends from one address and receives at another.",
    would_decide="A capture at the VTEP's underlay: does anything arrive for the next hop?",
    find=find,
)

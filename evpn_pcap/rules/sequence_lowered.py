"""A VTEP announced a MAC anew with a lower mobility sequence than before: the older news wins everywhere.

What it shows
    A route that was in force was replaced by the same VTEP's announcement of the same MAC (and
    address) with a lower sequence, without a withdrawal between the two.

Why it matters
    Others compare sequences before anything else. Whoever still has a route with the higher number
    from elsewhere prefers that one, and sends to a place that the machine has left.

What else looks like this
    A VTEP that was restarted counts from 0 again: then its session ends first, which withdraws all.

References
----------
    RFC 7432, section 15; RFC 9721.

"""

import pandas as pd

from evpn_pcap.addresses import mac_text
from evpn_pcap.model import Rule, Severity, Tables
from evpn_pcap.rules._announced import announced
from evpn_pcap.rules._found import gather

KEY = ["receiver_ip", "sender_ip", "rd", "ethernet_tag", "vni", "mac", "ip"]


def find(tables: Tables) -> pd.DataFrame:
    """Return one row per VNI, MAC and VTEP whose sequence fell while its route was in force."""
    told = announced(tables.routes, 2).fillna({"mobility_sequence": 0}).astype({"mobility_sequence": "int64"})
    told = told.sort_values([*KEY, "advertised_ns"], kind="stable")
    earlier = told.groupby(KEY, dropna=False)[["mobility_sequence", "withdrawn_ns"]].shift(fill_value=0)
    is_replaced = earlier["withdrawn_ns"] == told["advertised_ns"]
    fell = told[is_replaced & (earlier["mobility_sequence"] > told["mobility_sequence"])]
    if fell.empty:
        return gather(fell)
    before = earlier.loc[fell.index, "mobility_sequence"].astype("str")
    mac = fell["mac"].map(mac_text).astype("str")
    fall = before + " to " + fell["mobility_sequence"].astype("str")
    rows = fell.assign(
        subject=mac + " " + fell["next_hop"],
        detail=mac + " at " + fell["next_hop"] + " fell from " + fall,
    )
    return gather(rows.drop(columns="margin_ns"))  # both announcements were made by one VTEP, in order


RULE = Rule(
    code="EVP102",
    name="sequence-lowered",
    severity=Severity.HIGH,
    title="A mobility sequence fell while the route was in force",
    cause="The VTEP forgot how often the machine had moved and announced it with a lower number.",
    advice="Withdraw the MAC at every VTEP that announces it (clear it there), and let it be learned again.",
    rivals="The VTEP was restarted without its session being seen to end.",
    would_decide="The VTEP's log, and `show bgp l2vpn evpn route type 2` on a third VTEP.",
    find=find,
)

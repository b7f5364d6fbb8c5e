"""A MAC that one VTEP announces as sticky, never to move, was announced by another VTEP.

What it shows
    While a route with the sticky flag was in force, and for a second before, another VTEP announced
    the same MAC in the same VNI.

Why it matters
    Sticky MACs are configured: gateways, firewalls, servers that stay where they are. One that turns
    up elsewhere is a mistake or an attack, and a VTEP that follows it takes the real one's traffic.

What else looks like this
    An anycast gateway (default gateway community), a machine on one Ethernet segment at two VTEPs:
    both are left out.

References
----------
    RFC 7432, section 15.

"""

import pandas as pd

from evpn_pcap.addresses import mac_text
from evpn_pcap.model import Rule, Severity, Tables
from evpn_pcap.rules._announced import announced, taken_over
from evpn_pcap.rules._found import gather


def find(tables: Tables) -> pd.DataFrame:
    """Return one row per VNI and sticky MAC that another VTEP announced."""
    pairs = taken_over(announced(tables.routes, 2))
    if pairs.empty:
        return gather(pairs)
    mac = pairs["mac"].map(mac_text).astype("str")
    rows = pairs.assign(
        subject=mac,
        detail=mac + " of " + pairs["next_hop_before"] + " was announced by " + pairs["next_hop"],
        frame_ids=pairs["both_frame_ids"],
        margin_ns=pairs["both_margin_ns"],
    )
    return gather(rows[rows["is_sticky_before"].fillna(value=False).astype(bool)])


RULE = Rule(
    code="EVP103",
    name="sticky-moved",
    severity=Severity.HIGH,
    title="A sticky MAC was announced by another VTEP",
    cause="A machine with that MAC, or one that pretends to have it, was plugged in behind the other VTEP.",
    advice="Find the port at the other VTEP with `bridge fdb show | grep MAC`, and shut it until it is explained.",
    rivals="The static MAC was configured at two VTEPs, or was moved on purpose and not removed at its old place.",
    would_decide="`show evpn mac vni VNI mac MAC` on both VTEPs.",
    find=find,
)

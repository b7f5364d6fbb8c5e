"""Routes of a VTEP do not say that its tunnels are VXLAN, although they are.

What it shows
    Routes without the encapsulation community, or with another value than 8, from a next hop that
    sends VXLAN in the same VNI, or that says VXLAN in others of its routes.

Why it matters
    Without the community a route means MPLS. A receiver that keeps to the letter does not use it for
    VXLAN, and reads the VNI as an MPLS label.

What else looks like this
    A route reflector or policy that strips extended communities from some routes.

References
----------
    RFC 8365, section 5.1.3; RFC 9012.

"""

import pandas as pd

from evpn_pcap.model import Rule, Severity, Tables
from evpn_pcap.rules._announced import announced
from evpn_pcap.rules._encapsulated import encapsulated
from evpn_pcap.rules._found import gather

VXLAN = 8  # tunnel type
WITH_LABEL = (2, 3, 5)  # route types that a tunnel follows from


def find(tables: Tables) -> pd.DataFrame:
    """Return one row per VNI and next hop with routes that do not say VXLAN."""
    told = announced(tables.routes, *WITH_LABEL)
    says_vxlan = (told["encapsulation"] == VXLAN).fillna(value=False).astype(bool)
    vteps = {*encapsulated(tables)["outer_source_ip"], *told.loc[says_vxlan, "next_hop"]}
    rows = told[~says_vxlan & told["next_hop"].isin(vteps)]
    said = "encapsulation " + rows["encapsulation"].astype("str")
    rows = rows.assign(
        subject=rows["next_hop"],
        detail=rows["next_hop"] + " announced " + said.where(rows["encapsulation"].notna(), "none"),
    )
    return gather(rows.drop(columns="margin_ns"))


RULE = Rule(
    code="EVP104",
    name="encapsulation-missing",
    severity=Severity.MEDIUM,
    title="Routes of a VXLAN VTEP do not say VXLAN",
    cause="The VTEP does not send the encapsulation community, or a policy on the way removes it.",
    advice="Let the VTEP send extended communities (`send-community extended`), and see that nobody strips them.",
    rivals="A receiver configured to take VXLAN for granted is not harmed.",
    would_decide="A capture of the session at the VTEP itself: what it sends, before any reflector.",
    find=find,
)

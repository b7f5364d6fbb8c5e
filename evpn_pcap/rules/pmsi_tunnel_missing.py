"""A VTEP announces that it wants flooded frames of a VNI, and not how they are to be sent.

What it shows
    A type 3 route without the PMSI tunnel attribute.

Why it matters
    The attribute says how frames reach the VTEP (ingress replication, a multicast group) and holds the
    VNI. Receivers leave such a VTEP off their flood lists: it hears no broadcast of the others.

What else looks like this
    A reflector that does not know the attribute and does not pass it on.

References
----------
    RFC 7432, section 11; RFC 6514, section 5; RFC 8365.

"""

import pandas as pd

from evpn_pcap.model import Rule, Severity, Tables
from evpn_pcap.rules._announced import announced
from evpn_pcap.rules._found import gather


def find(tables: Tables) -> pd.DataFrame:
    """Return one row per VTEP and route distinguisher whose type 3 route names no tunnel."""
    told = announced(tables.routes, 3)
    bare = told[told["pmsi_tunnel_type"].isna()]
    rows = bare.assign(
        subject=bare["next_hop"] + " " + bare["rd"],
        detail=bare["next_hop"] + " announced route distinguisher " + bare["rd"] + " without a tunnel",
    )
    return gather(rows.drop(columns="margin_ns"))


RULE = Rule(
    code="EVP108",
    name="pmsi-tunnel-missing",
    severity=Severity.HIGH,
    title="A type 3 route does not say how to flood",
    cause="The VTEP has no flooding configured for the VNI, or a reflector dropped the attribute.",
    advice="Configure ingress replication (or the multicast group) for the VNI on that VTEP.",
    rivals="A reflector that does not know the attribute.",
    would_decide="A capture of the session at the VTEP itself.",
    find=find,
)

"""A VTEP answered a unicast request itself and kept it: the machine that was asked never heard it.

What it shows
    A unicast ARP request or neighbour solicitation, which did not leave its VTEP, and an answer that
    the VTEP gave in the target's name.

Why it matters
    Machines ask their neighbours by unicast whether they are still there. An answer of the VTEP says
    yes for a machine that may be gone, and the neighbour entry never fails.

What else looks like this
    Nothing: the answer was first seen on the requester's own link.

References
----------
    RFC 9161, section 3.4; RFC 1122; RFC 4861, section 7.3.

"""

import pandas as pd

from evpn_pcap.model import AnsweredBy, Kind, Outcome, Rule, Severity, Tables
from evpn_pcap.rules._found import gather, tuples


def find(tables: Tables) -> pd.DataFrame:
    """Return one row per VNI and VTEP that answers unicast requests and keeps them."""
    rows = tables.resolutions
    kept = rows[
        (rows["kind"] == Kind.REFRESH)
        & (rows["outcome"] == Outcome.SUPPRESSED)
        & (rows["answered_by"] == AnsweredBy.PROXY)
        & rows["ingress_vtep"].notna()
    ]
    return gather(
        kept.assign(
            subject=kept["ingress_vtep"],
            detail=kept["ingress_vtep"] + " answered for " + kept["target_ip"],
            resolution_ids=tuples(kept["id"]),
        )
    )


RULE = Rule(
    code="EVP119",
    name="unicast-answered",
    severity=Severity.MEDIUM,
    title="Unicast requests are answered by the VTEP and not forwarded",
    cause="The VTEP's proxy does not tell unicast requests from broadcast ones.",
    advice="Update the VTEP: unicast requests have to reach the machine itself.",
    rivals="None that these captures leave open.",
    would_decide="A capture on the link of the machine that was asked.",
    find=find,
)

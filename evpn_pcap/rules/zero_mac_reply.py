"""Somebody tells 00:00:00:00:00:00 as the MAC of an address.

What it shows
    An answer or an announcement that gives the zero MAC for an address.

Why it matters
    Hosts drop it or, worse, store it: the address is then unreachable for whoever asked.

What else looks like this
    Nothing: the zero MAC is nobody's.

References
----------
    RFC 826; cilium issue 44453.

"""

import pandas as pd

from evpn_pcap.model import Rule, Severity, Tables
from evpn_pcap.rules._found import gather, mac_words, tuples
from evpn_pcap.rules._frames import segment_vni


def find(tables: Tables) -> pd.DataFrame:
    """Return one row per VNI and address that somebody told the zero MAC for."""
    events = tables.events.assign(vni=segment_vni(tables.events))
    told = events[(events["told_mac"] == 0).fillna(value=False) & events["target_ip"].notna()]
    told = told.drop_duplicates("transmission_id")
    rows = tables.resolutions
    about = [
        tuple(rows.loc[(rows["target_ip"] == ip) & (rows["target_mac"] == 0).fillna(value=False), "id"])
        for ip in told["target_ip"]
    ]
    asker = mac_words(told["requester_mac"]).fillna("everybody")
    return gather(
        told.assign(
            subject=told["target_ip"],
            detail=told["target_ip"] + " is-at 00:00:00:00:00:00, told to " + asker,
            resolution_ids=pd.Series(about, index=told.index, dtype="object"),
            frame_ids=tuples(told["frame_id"]),
        )
    )


RULE = Rule(
    code="EVP026",
    name="zero-mac-reply",
    severity=Severity.HIGH,
    title="An answer tells the zero MAC",
    cause="The answering program has no MAC for its interface yet (an L2 announcer, a proxy with an empty entry).",
    advice="Upgrade or restart the program that answers; look which link the answer comes from.",
    rivals="None known.",
    would_decide="Captures on the links between the answerer and the requester.",
    find=find,
)

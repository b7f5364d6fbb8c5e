"""Unicast frames for one MAC are flooded to several VTEPs: none of them has told that it has the MAC.

What it shows
    Three or more frames to one MAC, each sent by a VTEP to two or more VTEPs at once.

Why it matters
    All traffic for the machine is copied to every VTEP; the cost is its whole bandwidth times
    their number.

What else looks like this
    The MAC's route was just withdrawn or is about to come (then it is a few frames).

References
----------
    RFC 7432; RFC 8365.

"""

import pandas as pd

from evpn_pcap.model import FOREVER, Rule, Severity, Tables
from evpn_pcap.rules._found import gather, mac_words

SAME_NS = 20_000_000
FRAMES_COUNT = 3
SHOWN_COUNT = 10
PACKET = ["vni", "outer_source_ip", "destination_mac", "anchor_key"]


def find(tables: Tables) -> pd.DataFrame:
    """Return one row per VNI, sending VTEP and MAC whose frames are flooded."""
    anchors = tables.anchors
    is_bum = anchors["is_multicast"].fillna(value=True).astype(bool)
    copies = anchors[anchors["vni"].notna() & ~is_bum & (anchors["margin_ns"] != FOREVER)]
    copies = copies.drop_duplicates([*PACKET, "outer_destination_ip"]).sort_values([*PACKET, "time_ns"], kind="stable")
    by_packet = copies.groupby(PACKET)
    is_near = by_packet["time_ns"].transform("max") - by_packet["time_ns"].transform("min") < SAME_NS
    flooded = copies[is_near & (by_packet["outer_destination_ip"].transform("nunique") > 1)]
    if flooded.empty:
        return gather(flooded)
    found = flooded.groupby(["vni", "outer_source_ip", "destination_mac"]).agg(
        count=("anchor_key", "nunique"), vteps=("outer_destination_ip", "nunique"), margin_ns=("margin_ns", "max"),
        frame_ids=("frame_id", lambda ids: tuple(ids[:SHOWN_COUNT])),
    ).reset_index()  # fmt: skip
    found = found[found["count"] >= FRAMES_COUNT]
    mac, sender = mac_words(found["destination_mac"]), found["outer_source_ip"]
    count, vteps = found["count"].astype("str"), found["vteps"].astype("str")
    return gather(
        found.assign(
            subject=sender + " " + mac,
            detail=count + " frames to " + mac + " went from " + sender + " to " + vteps + " VTEPs each",
        )
    )


RULE = Rule(
    code="EVP025",
    name="unknown-unicast",
    severity=Severity.MEDIUM,
    title="Unicast frames are flooded",
    cause="The sending VTEP has no MAC route for the destination: it was never announced, or not imported.",
    advice="See that the machine's VTEP announces its MAC (`show evpn mac vni all`), and that the route is imported.",
    rivals="The route was just withdrawn, or is about to come.",
    would_decide="A capture of BGP at the sending VTEP that begins before the session is up.",
    find=find,
)

"""The newest route of a machine has a lower mobility sequence than the old one: its traffic stays with the old VTEP.

What it shows
    A VTEP advertised a MAC with a lower sequence number than another's route that was in force,
    and frames for the MAC were still sent to that other VTEP.

Why it matters
    Receivers prefer the higher number, so nobody follows the machine to where it is.

What else looks like this
    Two machines use one MAC; the machine was moved back before its new VTEP had seen the old route.

References
----------
    RFC 7432, section 15; FRRouting issue 10468.

"""

import pandas as pd

from evpn_pcap.model import Rule, Severity, Tables
from evpn_pcap.order import AFTER, BEFORE, order
from evpn_pcap.rules._found import gather, mac_words
from evpn_pcap.rules._frames import frames_seen
from evpn_pcap.rules._routes import moves

SETTLED_NS = 1_000_000_000
SHOWN_COUNT = 10


def find(tables: Tables) -> pd.DataFrame:
    """Return one row per VNI and MAC whose data goes to the VTEP with the higher, older sequence."""
    moved = moves(tables.routes)
    lower = moved["mobility_sequence"].fillna(0) < moved["mobility_sequence_before"].fillna(0)
    settled_ns, margin_ns = moved["advertised_ns"] + SETTLED_NS, moved["move_margin_ns"]
    still = order(moved["withdrawn_ns_before"], moved["withdraw_margin_ns_before"], settled_ns, margin_ns) == AFTER
    regressed = moved[lower & still].drop_duplicates(["vni", "mac", "advertised_ns"])
    if regressed.empty:
        return gather(regressed)
    sent = frames_seen(tables)
    sent = sent[sent["vni"].notna() & ~sent["is_multicast"]]
    read = ["vni", "destination_mac", "outer_destination_ip", "time_ns", "margin_ns", "frame_id"]
    pairs = regressed.merge(
        sent[read], left_on=["vni", "mac", "next_hop_before"],
        right_on=["vni", "destination_mac", "outer_destination_ip"], how="inner", suffixes=("", "_sent"),
        validate="many_to_many",
    )  # fmt: skip
    settled_ns = pairs["advertised_ns"] + SETTLED_NS
    later = order(settled_ns, pairs["margin_ns"], pairs["time_ns"], pairs["margin_ns_sent"]) == BEFORE
    before_end = pairs["time_ns"] < pairs["withdrawn_ns_before"]
    found = pairs[later & before_end].groupby(["vni", "mac"]).agg(
        next_hop=("next_hop", "first"), old=("next_hop_before", "first"), sequence=("mobility_sequence", "first"),
        old_sequence=("mobility_sequence_before", "first"), route_frames=("frame_ids", "first"),
        old_frames=("frame_ids_before", "first"), frames=("frame_id", lambda ids: tuple(ids[:SHOWN_COUNT])),
        margin_ns=("move_margin_ns", "max"),
    ).reset_index()  # fmt: skip
    mac, new, old = (
        mac_words(found["mac"]), found["sequence"].astype("str"), found["old_sequence"].astype("str"),
    )  # fmt: skip
    told = mac + " has sequence " + new + " at " + found["next_hop"] + ", " + old + " at " + found["old"]
    return gather(
        found.assign(
            subject=mac,
            detail=told + ", which gets its frames",
            frame_ids=found["old_frames"] + found["route_frames"] + found["frames"],
        )
    )


RULE = Rule(
    code="EVP014",
    name="sequence-regress",
    severity=Severity.HIGH,
    title="The newest route has a lower mobility sequence, and traffic goes to the old VTEP",
    cause="The new VTEP did not know the number that the fabric had reached, or lost it (restart).",
    advice="Clear the MAC on the old VTEP (`clear evpn mac`), so that it withdraws; upgrade the new one.",
    rivals="Two machines use one MAC.",
    would_decide="`show evpn mac vni VNI mac MAC` of both VTEPs.",
    find=find,
)

"""Duplicate detection froze an address: after five quick moves its routes stand still while its frames go on elsewhere.

What it shows
    Five or more moves of a MAC within 180 s, then no UPDATE about it; its unicast frames come from
    behind another VTEP than its last route says, more than 5 s later. The VTEP that detects the fifth
    move does not announce it: then four are announced, and the frames show the fifth.

Why it matters
    The fabric sends everything for the machine to one place, for ever or until the freeze ends,
    wherever it really is.

What else looks like this
    The sessions of that VTEP went down at that moment (then all its routes stand still).

References
----------
    RFC 7432, section 15.1; FRRouting dup-addr-detection.

"""

import pandas as pd

from evpn_pcap.model import Rule, Severity, Tables
from evpn_pcap.order import BEFORE, order
from evpn_pcap.rules._found import gather, mac_words
from evpn_pcap.rules._frames import frames_seen
from evpn_pcap.rules._routes import FLAPS_COUNT, FLAPS_NS, flapping, moves, own_mac_routes

SILENT_NS = 5_000_000_000
SHOWN_COUNT = 10


def find(tables: Tables) -> pd.DataFrame:
    """Return one row per VNI and MAC whose routes froze while it was sending from behind another VTEP."""
    moved = moves(tables.routes)
    nearly = flapping(moved, FLAPS_COUNT - 1)
    if nearly.empty:
        return gather(nearly)
    told = own_mac_routes(tables.routes).merge(nearly, on=["vni", "mac"], how="inner", validate="many_to_one")
    last = told.sort_values("advertised_ns", kind="stable").drop_duplicates(["vni", "mac"], keep="last")
    sent = frames_seen(tables)
    sent = sent[sent["vni"].notna() & ~sent["is_multicast"]]
    pairs = last[["vni", "mac", "next_hop", "advertised_ns", "begun_ns", "margin_ns", "frame_ids"]].merge(
        sent, left_on=["vni", "mac"], right_on=["vni", "source_mac"], how="inner", suffixes=("", "_sent"),
        validate="many_to_many",
    )  # fmt: skip
    quiet_ns = pairs["advertised_ns"] + SILENT_NS
    later = order(quiet_ns, pairs["margin_ns"], pairs["time_ns"], pairs["margin_ns_sent"]) == BEFORE
    elsewhere = pairs[later & (pairs["outer_source_ip"] != pairs["next_hop"])]
    if elsewhere.empty:
        return gather(elsewhere)
    shown = elsewhere.groupby(["vni", "mac"]).head(SHOWN_COUNT)
    found = shown.groupby(["vni", "mac"]).agg(
        route_frames=("frame_ids", "first"), frames=("frame_id", tuple), next_hop=("next_hop", "first"),
        outer=("outer_source_ip", "first"), margin_ns=("margin_ns_sent", "max"),
        begun_ns=("begun_ns", "first"), seen_ns=("time_ns", "first"),
    ).reset_index()  # fmt: skip
    counts = moved.groupby(["vni", "mac", "ip"], dropna=False).size().groupby(["vni", "mac"]).max()
    told_count = found.join(counts.rename("told_count"), on=["vni", "mac"])["told_count"]
    fast = pd.MultiIndex.from_frame(flapping(moved)[["vni", "mac"]])
    is_fifth = ~pd.MultiIndex.from_frame(found[["vni", "mac"]]).isin(fast)
    found = found[~is_fifth | (found["seen_ns"] - found["begun_ns"] <= FLAPS_NS)]
    count = (told_count + is_fifth).reindex(found.index).astype("str")
    mac = mac_words(found["mac"])
    where = ", stands at " + found["next_hop"] + " and sends from behind " + found["outer"]
    return gather(
        found.assign(
            subject=mac,
            detail=mac + " moved " + count + " times" + where,
            frame_ids=found["route_frames"] + found["frames"],
        )
    )


RULE = Rule(
    code="EVP013",
    name="dad-freeze",
    severity=Severity.HIGH,
    title="Duplicate detection froze an address",
    cause="The address moved five times within 180 s; the VTEP no longer follows it.",
    advice="Find why it moves (a loop, two machines with one MAC), mend that, then `clear evpn dup-addr`.",
    rivals="The VTEP's BGP sessions went down at that moment.",
    would_decide="`show evpn mac vni all duplicate` of the VTEPs.",
    find=find,
)

"""A broadcast comes back to where it came from: another VTEP floods again what was flooded to it.

What it shows
    One frame to everybody crossed from one VTEP to another, and within 5 ms came back from there.

Why it matters
    The senders' bridge learns the machine behind the other VTEP (its MAC moves), and with a second
    such VTEP the frame circles for ever.

What else looks like this
    A machine behind the other VTEP bridges the VNI to itself (a loop below the fabric).

References
----------
    RFC 7432; RFC 8365; FRRouting issue 15400.

"""

import pandas as pd

from evpn_pcap.model import Rule, Severity, Tables
from evpn_pcap.rules._found import gather, mac_words, tuples
from evpn_pcap.rules._frames import gateway_macs

RETURN_NS = 5_000_000
KEY = ["frame_key", "vni", "host"]


def find(tables: Tables) -> pd.DataFrame:
    """Return one row per VNI and pair of VTEPs of which one returns the other's floods."""
    events = tables.events
    is_flood = events["vni"].notna() & events["is_multicast"].fillna(value=False).astype(bool)
    copies = events[is_flood & (events["message"] != "mld")]  # VTEPs with one anycast MAC all send the same reports
    read = [*KEY, "outer_source_ip", "outer_destination_ip", "source_mac", "captured_ns", "frame_id"]
    both = copies[read].merge(
        copies[read], left_on=[*KEY, "outer_source_ip", "outer_destination_ip"],
        right_on=[*KEY, "outer_destination_ip", "outer_source_ip"], how="inner", suffixes=("", "_back"),
        validate="many_to_many",
    )  # fmt: skip
    after_ns = both["captured_ns_back"] - both["captured_ns"]
    back = both[(after_ns > 0) & (after_ns < RETURN_NS)]
    if back.empty:
        return gather(back)
    back = back.drop_duplicates(["frame_key", "vni", "outer_source_ip", "outer_source_ip_back"])
    back = back[~back["source_mac"].isin(gateway_macs(tables) | _several_homes(copies))]
    sender, other = back["outer_source_ip"], back["outer_source_ip_back"]
    return gather(
        back.assign(
            subject=sender + " " + other,
            detail=other + " returned a flood of " + mac_words(back["source_mac"]) + " to " + sender,
            frame_ids=tuples(back["frame_id"], back["frame_id_back"]),
        )
    )


def _several_homes(copies: pd.DataFrame) -> set[int]:
    """Return the MACs that send frames of their own from behind several VTEPs: anycast gateways, machines that moved.

    A frame that only one VTEP sent is its own; what a VTEP returns, another one sent as well.
    """
    senders = copies.groupby(["source_mac", "frame_key"])["outer_source_ip"].agg(["nunique", "first"]).reset_index()
    homes = senders[senders["nunique"] == 1].groupby("source_mac")["first"].nunique()
    return {int(mac) for mac in homes.index[homes > 1]}


RULE = Rule(
    code="EVP024",
    name="bum-echo",
    severity=Severity.HIGH,
    title="A broadcast comes back over the fabric",
    cause="Split horizon is broken: the VXLAN port sends what it received, or an Ethernet segment's filter is missing.",
    advice="Look for a second VXLAN port in the bridge and for hairpin mode; check the segment's filters.",
    rivals="A loop below the fabric behind the other VTEP.",
    would_decide="Captures on the taps behind the other VTEP: if the frame is there incoming, the loop is below it.",
    find=find,
)

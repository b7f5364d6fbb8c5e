"""A machine moved, and its new VTEP announced it without a higher mobility sequence: the others keep the old place.

What it shows
    A VTEP announced a MAC while another VTEP's route for the same MAC had been in force for a second
    and stayed so, and its sequence was not higher than the other's.

Why it matters
    The sequence decides which of two routes is the newer. Without a higher one, VTEPs choose by
    address, and may send to the place that the machine has left.

What else looks like this
    A multihomed machine (one non-zero Ethernet segment in both routes), an anycast gateway (default
    gateway community): both are left out. Two machines with one MAC.

References
----------
    RFC 7432, section 15; RFC 9721.

"""

import pandas as pd

from evpn_pcap.addresses import mac_text
from evpn_pcap.model import Rule, Severity, Tables
from evpn_pcap.rules._announced import announced, taken_over
from evpn_pcap.rules._found import gather


def find(tables: Tables) -> pd.DataFrame:
    """Return one row per VNI and MAC that was announced anew without a higher sequence."""
    pairs = taken_over(announced(tables.routes, 2))
    if pairs.empty:
        return gather(pairs)
    sequence = pairs["mobility_sequence"].fillna(0)
    before = pairs["mobility_sequence_before"].fillna(0)
    mac = pairs["mac"].map(mac_text).astype("str")
    told = pairs["next_hop"] + " announced it with " + sequence.astype("str")
    held = pairs["next_hop_before"] + " had it with " + before.astype("str")
    rows = pairs.assign(
        subject=mac,
        detail=mac + ": " + told + " while " + held,
        frame_ids=pairs["both_frame_ids"],
        margin_ns=pairs["both_margin_ns"],
    )
    return gather(rows[sequence <= before])


RULE = Rule(
    code="EVP101",
    name="sequence-not-incremented",
    severity=Severity.HIGH,
    title="A MAC was announced from a second VTEP without a higher mobility sequence",
    cause="The new VTEP does not count moves: it announces the machine as if it had never been elsewhere.",
    advice="Update the new VTEP's software; until then, clear the MAC at the old one after a move.",
    rivals="Two machines with one MAC, of which none has moved; a static MAC configured at two places.",
    would_decide="`show evpn mac vni VNI mac MAC` on both VTEPs, and a capture of the machine's link at either.",
    find=find,
)

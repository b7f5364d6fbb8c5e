"""Two VTEPs of one Ethernet segment announce a machine with rising mobility sequences, as if it moved between them.

What it shows
    A MAC's routes of two VTEPs carry the same non-zero ESI, and each has a higher sequence number
    than the other's before.

Why it matters
    A multihomed machine is behind both at once: that is no move. The numbers climb, receivers
    change their minds each time, and duplicate detection may freeze the address.

What else looks like this
    Two segments were given the same ESI by mistake (then the machine may really move).

References
----------
    RFC 7432, section 15; RFC 9721.

"""

import pandas as pd

from evpn_pcap.model import Rule, Severity, Tables
from evpn_pcap.rules._found import gather, mac_words
from evpn_pcap.rules._routes import moves


def find(tables: Tables) -> pd.DataFrame:
    """Return one row per VNI and MAC whose sequence climbs between VTEPs of one segment."""
    moved = moves(tables.routes)
    is_segment = moved["esi"].notna() & (moved["esi"].str.strip("0:") != "")
    is_higher = moved["mobility_sequence"].fillna(0) > moved["mobility_sequence_before"].fillna(0)
    false = moved[is_segment & (moved["esi"] == moved["esi_before"]) & is_higher]
    if false.empty:
        return gather(false)
    found = false.groupby(["vni", "mac", "esi"]).agg(
        vteps=("next_hop", set), before=("next_hop_before", set),
        top=("mobility_sequence", "max"), frame_ids=("frame_ids", "sum"), frames_before=("frame_ids_before", "sum"),
        margin_ns=("move_margin_ns", "max"),
    ).reset_index()  # fmt: skip
    mac = mac_words(found["mac"])
    vteps = [" and ".join(sorted(one | other)) for one, other in zip(found["vteps"], found["before"], strict=True)]
    where = pd.Series(vteps, index=found.index, dtype="str") + ", segment " + found["esi"]
    return gather(
        found.assign(
            subject=mac,
            detail=mac + " at " + where + ", up to sequence " + found["top"].astype("str"),
            frame_ids=found["frames_before"] + found["frame_ids"],
        )
    )


RULE = Rule(
    code="EVP021",
    name="same-es-moves",
    severity=Severity.MEDIUM,
    title="The mobility sequence climbs between two VTEPs of one Ethernet segment",
    cause="A VTEP takes the machine's appearance at its segment peer for a move.",
    advice="Upgrade the VTEPs; see that both have the segment configured alike (ESI, type 4 and type 1 routes).",
    rivals="Two segments have the same ESI by mistake.",
    would_decide="`show evpn es` of both VTEPs.",
    find=find,
)

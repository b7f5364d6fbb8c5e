"""After a move the new VTEP took its own fresh route back when the old one withdrew, and announced it again later.

What it shows
    New, old, new: the new VTEP advertised the machine, the old one withdrew its route, within 5 s
    the new one withdrew as well, and then advertised the same again. No third route took over.

Why it matters
    The old VTEP's withdrawal deleted the entry that the new one had just made: in between the
    machine cannot be reached.

What else looks like this
    The machine really left again at once, or its link flapped when it was plugged in.

References
----------
    RFC 7432, section 15; FRRouting issues 21472 and 21473.

"""

import pandas as pd

from evpn_pcap.model import FOREVER, Rule, Severity, Tables
from evpn_pcap.order import AFTER, BEFORE, order
from evpn_pcap.rules._found import gather, mac_words
from evpn_pcap.rules._routes import ROUTE, moves, own_mac_routes

QUICK_NS = 5_000_000_000  # from the old VTEP's withdrawal to the new one's
AGAIN_NS = 30_000_000_000  # from then to the second advertisement


def find(tables: Tables) -> pd.DataFrame:
    """Return one row per VNI and MAC whose new VTEP lost its fresh route to the old one's withdrawal."""
    told = own_mac_routes(tables.routes)
    moved = moves(tables.routes)
    moved = moved[(moved["withdrawn_ns"] != FOREVER) & (moved["withdrawn_ns_before"] != FOREVER)]
    old_ns, old_margin_ns = moved["withdrawn_ns_before"], moved["withdraw_margin_ns_before"]
    both = order(old_ns, old_margin_ns, moved["advertised_ns"], moved["margin_ns"]) == AFTER
    lost = order(old_ns, old_margin_ns, moved["withdrawn_ns"], moved["withdraw_margin_ns"]) == BEFORE
    moved = moved[both & lost & (moved["withdrawn_ns"] - old_ns < QUICK_NS)]
    if moved.empty:
        return gather(moved)
    read = [*ROUTE, "next_hop", "advertised_ns", "frame_ids"]
    pairs = moved.merge(told[read], on=ROUTE, how="inner", suffixes=("", "_later"), validate="many_to_many")
    later = pairs[pairs["advertised_ns_later"] > pairs["advertised_ns"]]
    first = later.sort_values("advertised_ns_later", kind="stable").drop_duplicates([*ROUTE, "advertised_ns"])
    gap_ns = first["advertised_ns_later"] - first["withdrawn_ns"]
    is_same = first["next_hop_later"] == first["next_hop"]
    race = first[is_same & (gap_ns > 0) & (gap_ns < AGAIN_NS)].assign(gap_ms=gap_ns // 1_000_000)
    found = race.groupby(["vni", "mac"]).agg(
        next_hop=("next_hop", "first"), old=("next_hop_before", "first"), gap_ms=("gap_ms", "max"),
        old_frames=("frame_ids_before", "sum"), frames=("frame_ids", "sum"), later=("frame_ids_later", "sum"),
        margin_ns=("move_margin_ns", "max"),
    ).reset_index()  # fmt: skip
    mac = mac_words(found["mac"])
    gone = " had no route for " + found["gap_ms"].astype("str") + " ms after " + found["old"] + " withdrew its own"
    return gather(
        found.assign(
            subject=mac,
            detail=found["next_hop"] + ", new VTEP of " + mac + "," + gone,
            frame_ids=found["old_frames"] + found["frames"] + found["later"],
        )
    )


RULE = Rule(
    code="EVP016",
    name="withdraw-race",
    severity=Severity.HIGH,
    title="The old VTEP's withdrawal deleted the new VTEP's fresh entry",
    cause="The new VTEP acts on the withdrawal of a route that it no longer uses, and deletes its own local entry.",
    advice="Upgrade FRR; until then let the orchestration check and repeat its entries some seconds after a migration.",
    rivals="The machine left again at once, or its link flapped when it was plugged in.",
    would_decide="`bridge monitor fdb` and zebra's log on the new VTEP during the migration.",
    find=find,
)

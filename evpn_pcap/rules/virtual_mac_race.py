"""Two VTEPs fight over a virtual router's MAC: each announces it with a higher sequence than the other.

What it shows
    A VRRP MAC (00:00:5e:00:01:xx, 00:00:5e:00:02:xx) moved three times or more within 60 s, each
    time with a higher mobility sequence.

Why it matters
    Remote VTEPs follow whoever wrote last; when it ends they may have the wrong one, and traffic
    for the virtual router goes to a backup.

What else looks like this
    Two real fail-overs within a minute.

References
----------
    RFC 9568, section 7.3; RFC 7432, section 15; FRRouting issue 9327.

"""

import pandas as pd

from evpn_pcap.model import Rule, Severity, Tables
from evpn_pcap.rules._found import gather, mac_words
from evpn_pcap.rules._routes import ROUTE, moves

VRRP_PREFIXES = (0x00005E0001, 0x00005E0002)  # the upper 40 bits
RACE_COUNT, RACE_NS = 3, 60_000_000_000


def find(tables: Tables) -> pd.DataFrame:
    """Return one row per VNI and virtual MAC that VTEPs fight over."""
    moved = moves(tables.routes)
    is_virtual = (moved["mac"] // 256).isin(VRRP_PREFIXES)
    is_higher = moved["mobility_sequence"].fillna(0) > moved["mobility_sequence_before"].fillna(0)
    race = moved[is_virtual & is_higher]
    if race.empty:
        return gather(race)
    at_ns = race["advertised_ns"].astype("Int64")
    third_ns = at_ns.groupby([race[name] for name in ROUTE], dropna=False).shift(RACE_COUNT - 1)
    fast = race[(at_ns - third_ns <= RACE_NS).fillna(value=False).astype(bool)]
    race = race.merge(fast[ROUTE].drop_duplicates(), on=ROUTE, how="inner", validate="many_to_one")
    found = race.groupby(["vni", "mac"]).agg(
        vteps=("next_hop", lambda hops: " and ".join(sorted(set(hops)))), top=("mobility_sequence", "max"),
        frame_ids=("frame_ids", "sum"), margin_ns=("move_margin_ns", "max"),
    ).reset_index()  # fmt: skip
    mac = mac_words(found["mac"])
    detail = mac + " of " + found["vteps"] + ", up to sequence " + found["top"].astype("str")
    return gather(found.assign(subject=mac, detail=detail))


RULE = Rule(
    code="EVP015",
    name="virtual-mac-race",
    severity=Severity.MEDIUM,
    title="VTEPs fight over a virtual router's MAC",
    cause="Both routers of a VRRP group send from the virtual MAC, or VTEPs answer each other's announcements.",
    advice="See that only one router is master; raise VRRP's timers above BGP's convergence.",
    rivals="Two real fail-overs within a minute.",
    would_decide="A capture of VRRP advertisements behind both VTEPs.",
    find=find,
)

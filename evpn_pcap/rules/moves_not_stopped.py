"""A machine moved far more often than any does, and the VTEPs went on to follow it.

What it shows
    Eleven moves or more of one MAC between VTEPs within 180 s: more than twice the five at which
    duplicate detection should stop it, for each of two VTEPs may count its own.

Why it matters
    Nothing that moves so often is one machine: it is two with one MAC, or a loop. Each move makes every
    VTEP in the fabric change its tables, and traffic goes to either place.

What else looks like this
    A virtual router's MAC that two routers claim in turn, and a machine on one Ethernet segment at two
    VTEPs: both are left out. Duplicate detection with other limits than the usual.

References
----------
    RFC 7432, section 15.1; RFC 9161, section 3.7.

"""

import pandas as pd

from evpn_pcap.addresses import mac_text
from evpn_pcap.model import Rule, Severity, Tables
from evpn_pcap.rules._announced import NO_SEGMENT, announced
from evpn_pcap.rules._found import gather

WITHIN_NS = 180_000_000_000
LIMIT_COUNT = 11
VIRTUAL_ROUTER = (0x00005E000100, 0x00005E0002FF)  # RFC 9568, section 7.3
KEY = ["vni", "mac", "ip"]


def find(tables: Tables) -> pd.DataFrame:
    """Return one row per VNI and MAC that moved eleven times or more within 180 s."""
    told = announced(tables.routes, 2)
    told = told[told["mac"].notna() & ~told["mac"].between(*VIRTUAL_ROUTER) & told["esi"].eq(NO_SEGMENT)]
    told = told.assign(ip=told["ip"].astype("object").fillna("")).sort_values([*KEY, "advertised_ns"], kind="stable")
    before = told.groupby(KEY)["next_hop"].shift()
    moved = told[before.notna() & (before != told["next_hop"])]
    first_ns = moved.groupby(KEY)["advertised_ns"].shift(LIMIT_COUNT - 1, fill_value=-WITHIN_NS)
    over = moved[moved["advertised_ns"] - first_ns <= WITHIN_NS]
    if over.empty:
        return gather(over)
    keys = over[["vni", "mac"]].drop_duplicates()
    rows = moved.merge(keys, on=["vni", "mac"], how="inner", validate="many_to_one")
    mac = rows["mac"].map(mac_text).astype("str")
    count = rows.groupby(KEY)["advertised_ns"].transform("size").groupby([rows["vni"], rows["mac"]]).transform("max")
    rows = rows.assign(subject=mac, detail=mac + " moved " + count.astype("str") + " times")
    return gather(rows.sort_values("advertised_ns")).assign(
        detail=lambda found: found["detail"].str.replace(TIMES, "", regex=True)
    )


TIMES = r" \(\d+ times\)$"  # gather counts pieces of evidence, MAC and MAC/IP routes apart

RULE = Rule(
    code="EVP123",
    name="moves-not-stopped",
    severity=Severity.MEDIUM,
    title="A MAC went on moving beyond what duplicate detection allows",
    cause="Duplicate detection is off, or only warns (FRR's default without `dup-addr-detection freeze`).",
    advice="Find the two machines with one MAC, or the loop; then `dup-addr-detection freeze` limits the harm.",
    rivals="Duplicate detection is on with other limits.",
    would_decide="`show evpn mac vni VNI duplicate` on the VTEPs; captures of both links.",
    find=find,
)

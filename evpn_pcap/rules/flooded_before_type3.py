"""A VTEP got flooded frames of a VNI before, or without, announcing that it wants them.

What it shows
    Copies of broadcast or multicast frames went to a VTEP whose type 3 route for the VNI the sender
    did not have, although the sender's BGP table was known whole for more than a second.

Why it matters
    Flood lists follow from type 3 routes. A copy without one comes from a list made by hand, which
    nobody withdraws: copies go on to VTEPs that left, and new ones are forgotten.

What else looks like this
    Static flood entries on purpose, for a VTEP that speaks no BGP.

References
----------
    RFC 7432, section 11.

"""

from ipaddress import ip_address

import pandas as pd

from evpn_pcap.model import FOREVER, Rule, Severity, Tables
from evpn_pcap.order import BEFORE, order
from evpn_pcap.rules._announced import KNOWN_NS
from evpn_pcap.rules._encapsulated import encapsulated
from evpn_pcap.rules._found import gather


def find(tables: Tables) -> pd.DataFrame:
    """Return one row per VNI and pair of VTEPs with copies that no type 3 route asked for."""
    inside = encapsulated(tables)
    groups = [ip for ip in inside["outer_destination_ip"].unique() if ip_address(ip).is_multicast]
    is_copy = inside["is_multicast"].fillna(value=False).astype(bool)
    copies = inside[is_copy & ~inside["outer_destination_ip"].isin(groups)]
    if copies.empty:
        return gather(copies)
    whole_ns = copies["outer_source_ip"].map(_whole_since(tables.sessions)).fillna(FOREVER - KNOWN_NS).astype("int64")
    is_whole = order(whole_ns + KNOWN_NS, 0, copies["time_ns"], copies["margin_ns"]) == BEFORE
    asked, unclear = _asked(tables.routes)
    pairs = copies[is_whole & ~copies["outer_destination_ip"].isin(unclear)].merge(
        asked, left_on=["vni", "outer_destination_ip"], right_on=["vni", "vtep_ip"], how="left", validate="many_to_one"
    )
    asked_ns = pairs["asked_ns"].fillna(FOREVER).astype("int64")
    ends = pairs["outer_source_ip"], pairs["outer_destination_ip"]
    rows = pairs.assign(subject=ends[0] + " " + ends[1], detail=ends[0] + " flooded to " + ends[1])
    return gather(rows[order(pairs["time_ns"], pairs["margin_ns"], asked_ns, 0) == BEFORE])


def _asked(routes: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Return since when a VTEP's type 3 route of a VNI was in anybody's table, and VTEPs whose VNI is not known.

    A reflector tells for others; a route that is known by its withdrawal only does not say its VNI.
    """
    told = routes[routes["route_type"] == 3]
    ends = [told[["vni", name, "advertised_ns"]].rename(columns={name: "vtep_ip"}) for name in ("next_hop", "ip")]
    both = pd.concat(ends, ignore_index=True)
    unclear = both.loc[both["vni"].isna(), "vtep_ip"].dropna().unique().tolist()
    first = both.groupby(["vni", "vtep_ip"], as_index=False).agg(asked_ns=("advertised_ns", "min"))
    return first.astype({"asked_ns": "Int64"}), unclear


def _whole_since(sessions: pd.DataFrame) -> pd.Series:
    """Return, by receiver, since when all its tables are known whole; FOREVER where one never was."""
    return sessions.groupby("receiver_ip")["complete_ns"].max().astype("Int64")


RULE = Rule(
    code="EVP109",
    name="flooded-before-type3",
    severity=Severity.MEDIUM,
    title="Frames were flooded to a VTEP that had not announced the VNI",
    cause="The sender's flood list was made by hand (`bridge fdb append 00:00:00:00:00:00 ... dst VTEP`).",
    advice="Let type 3 routes make the list; remove entries that are permanent and not from BGP.",
    rivals="A VTEP without BGP that is meant to get copies.",
    would_decide="`bridge fdb show dev VXLAN` on the sender: which entries are permanent.",
    find=find,
)

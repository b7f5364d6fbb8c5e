"""A VTEP's broadcasts reach only some VTEPs of the VNI: the others are missing in its flood list.

What it shows
    Three or more flooded frames in a row, seen leaving one VTEP, with copies to some VTEPs and none
    to another that had routes of this VNI in force for seconds.

Why it matters
    Machines behind the missing VTEP cannot be found by whoever has no route for them.

What else looks like this
    The capture at the sender lost frames (then other copies are missing too, at random).

References
----------
    RFC 7432, section 11; RFC 8365.

"""

import pandas as pd

from evpn_pcap.model import FOREVER, Role, Rule, Severity, Tables
from evpn_pcap.order import AFTER, BEFORE, order
from evpn_pcap.rules._found import gather

SETTLED_NS = 5_000_000_000  # a VTEP's routes must have been in force for so long
FLOODS_COUNT = 3
SHOWN_COUNT = 6
PAIR = ["vni", "outer_source_ip", "member"]


def find(tables: Tables) -> pd.DataFrame:
    """Return one row per VNI, flooding VTEP and VTEP that it never floods to."""
    floods = _floods(tables)
    if floods.empty:
        return gather(floods)
    members = _members(tables.routes)
    pairs = floods.merge(members, on="vni", how="inner", suffixes=("", "_member"), validate="many_to_many")
    since_ns = pairs["since_ns"] + SETTLED_NS
    is_member = (order(since_ns, pairs["margin_ns_member"], pairs["time_ns"], pairs["margin_ns"]) == BEFORE) & (
        order(pairs["until_ns"], pairs["margin_ns_member"], pairs["time_ns"], pairs["margin_ns"]) == AFTER
    )
    pairs = pairs[is_member & (pairs["member"] != pairs["outer_source_ip"])]
    is_reached = [member in reached for member, reached in zip(pairs["member"], pairs["reached"], strict=True)]
    pairs = pairs.assign(is_reached=pd.Series(is_reached, index=pairs.index, dtype=bool)).sort_values(
        [*PAIR, "time_ns"], kind="stable"
    )
    stretch = pairs.groupby(PAIR)["is_reached"].cumsum()  # misses between two floods that arrived
    missed = pairs.assign(stretch=stretch)[~pairs["is_reached"]]
    if missed.empty:
        return gather(missed)
    found = missed.groupby([*PAIR, "stretch"]).agg(
        count=("frame_id", "size"), margin_ns=("margin_ns", "max"),
        frame_ids=("frame_id", lambda ids: tuple(ids[:SHOWN_COUNT])), route_frames=("route_frames", "first"),
    ).reset_index()  # fmt: skip
    found = found[found["count"] >= FLOODS_COUNT]
    sender, member = found["outer_source_ip"], found["member"]
    return gather(
        found.assign(
            subject=sender + " " + member,
            detail=found["count"].astype("str") + " floods in a row of " + sender + " did not go to " + member,
            frame_ids=found["frame_ids"] + found["route_frames"],
        )
    )


def _floods(tables: Tables) -> pd.DataFrame:
    """Return one row per flooded frame seen leaving its VTEP: when, and the VTEPs that it was sent to (`reached`).

    Frames to a multicast group reach whoever joined it, and say nothing here.
    """
    points = tables.points[(tables.points["role"] == Role.UNDERLAY) & (tables.points["dropped_count"].fillna(0) == 0)]
    at = tables.events["point_id"].map(points.set_index("point_id")["vtep_ip"])
    copies = tables.events[tables.events["vni"].notna() & (at == tables.events["outer_source_ip"]).fillna(value=False)]
    copies = copies[copies["is_multicast"].fillna(value=False).astype(bool)]
    copies = copies[~copies["outer_destination_ip"].str.match(r"(22[4-9]|23\d)\.|ff")]
    return copies.groupby(["vni", "outer_source_ip", "transmission_id"]).agg(
        time_ns=("time_ns", "min"), margin_ns=("margin_ns", "max"), frame_id=("frame_id", "first"),
        reached=("outer_destination_ip", frozenset),
    ).reset_index()  # fmt: skip


def _members(routes: pd.DataFrame) -> pd.DataFrame:
    """Return, per VNI, the VTEPs that told routes of it, and from when until when without a break at either end."""
    told = routes[routes["route_type"].isin([2, 3]) & (routes["receiver_ip"] == routes["sender_ip"])]
    told = told[told["vni"].notna() & (told["margin_ns"] != FOREVER)]
    return told.groupby(["vni", "next_hop"]).agg(
        since_ns=("advertised_ns", "min"), until_ns=("withdrawn_ns", "max"), margin_ns_member=("margin_ns", "max"),
        route_frames=("frame_ids", "first"),
    ).reset_index().rename(columns={"next_hop": "member"})  # fmt: skip


RULE = Rule(
    code="EVP023",
    name="partial-flood",
    severity=Severity.HIGH,
    title="A VTEP's floods miss another VTEP of the VNI",
    cause="The missing VTEP sent no type 3 route, or the sender did not import it or put it in its flood list.",
    advice="Compare `show evpn vni VNI` (remote VTEPs) and `bridge fdb show dev VXLAN` (00:00:...) on the sender.",
    rivals="The capture at the sender lost frames.",
    would_decide="A capture on the underlay of the VTEP that is missing.",
    find=find,
)

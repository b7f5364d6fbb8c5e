"""One request got two answers that tell the same MAC: the VTEP answered, and so did the target or another leaf.

What it shows
    At the requester's own link, more answers than requests within 100 ms, telling one MAC for one
    address (of an NS, often one with the override flag and one without).

Why it matters
    Suppression and forwarding both happen: nothing is saved, and where the two answers ever differ
    the requester's neighbour entry flips.

What else looks like this
    A duplicated frame on the link (then every kind of frame is doubled), or two machines with one
    address (then the MACs differ: duplicate-ip).

References
----------
    RFC 9161; Linux br_arp_nd_proxy.c before 6.16.

"""

import pandas as pd

from evpn_pcap.model import Role, Rule, Severity, Tables
from evpn_pcap.rules._found import gather
from evpn_pcap.rules._frames import segment_vni

NEAR_NS = 100_000_000
KEY = ["point_id", "requester_mac", "target_ip"]


def find(tables: Tables) -> pd.DataFrame:
    """Return one row per VNI, requester and address whose requests got two answers each."""
    links = tables.points.loc[tables.points["role"].isin([Role.VM, Role.TAP]), ["point_id", "station_mac", "role"]]
    events = tables.events.assign(vni=segment_vni(tables.events))
    here = events.merge(
        links.dropna(), left_on=["point_id", "requester_mac"], right_on=["point_id", "station_mac"], how="inner",
        validate="many_to_one",
    )  # fmt: skip
    here = here[here["message"].isin(["request", "reply"])]
    if here.empty:
        return gather(here)
    here = here[here["kind"] != "announcement"].sort_values([*KEY, "captured_ns"], kind="stable")
    apart_ns = here.groupby(KEY)["captured_ns"].diff().fillna(NEAR_NS + 1)
    here = here.assign(bunch=(apart_ns > NEAR_NS).cumsum(), is_reply=here["message"] == "reply")
    here = here[here.groupby("bunch")["is_reply"].transform("sum") > 1]
    if here.empty:
        return gather(here)
    bunches = here.groupby("bunch").agg(
        vni=("vni", "first"), role=("role", "first"), requester_mac=("requester_mac", "first"),
        requester_ip=("requester_ip", "first"), target_ip=("target_ip", "first"), replies=("is_reply", "sum"),
        total=("is_reply", "size"), told=("told_mac", "nunique"), has_o=("has_override_flag", "max"),
        lacks_o=("has_override_flag", "min"), frame_ids=("frame_id", tuple), time_ns=("captured_ns", "min"),
    )  # fmt: skip
    requests = bunches["total"] - bunches["replies"]
    double = bunches[(requests > 0) & (bunches["replies"] > requests) & (bunches["told"] == 1)]
    if double.empty:
        return gather(double)
    return gather(_one_link_each(double))


def _one_link_each(double: pd.DataFrame) -> pd.DataFrame:
    """Return the evidence of one link where both ends of it were captured: the VM's rather than its tap's."""
    best = double.groupby(["requester_mac", "target_ip"])["role"].transform("max")  # "vm" > "tap"
    rows = double[double["role"] == best]
    differs = rows["has_o"].fillna(value=False).astype(bool) & ~rows["lacks_o"].fillna(value=True).astype(bool)
    flags = pd.Series(", one of them without the override flag", index=rows.index).where(differs, "")
    who = rows["requester_ip"].fillna("a prober").astype("str")
    return rows.assign(
        subject=who + " " + rows["target_ip"],
        detail=rows["replies"].astype("str") + " answers to " + who + " for " + rows["target_ip"] + flags,
    )


RULE = Rule(
    code="EVP010",
    name="double-reply",
    severity=Severity.MEDIUM,
    title="One request was answered twice",
    cause="An older kernel answers unicast requests and forwards them too, or a second leaf answers for its machine.",
    advice="Upgrade the VTEP's kernel (6.16 or later), and set neigh_suppress on the VXLAN port only.",
    rivals="The link duplicates frames; two machines use the address.",
    would_decide="Captures on the target's link and on the underlay of both VTEPs.",
    find=find,
)

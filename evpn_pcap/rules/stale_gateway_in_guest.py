"""A machine moved, and goes on sending to the MAC that the gateway has on its old VTEP.

What it shows
    The machine was told the gateway's MAC behind one VTEP; later three or more of its frames for
    that MAC come from behind another VTEP, where the gateway's address has another MAC.

Why it matters
    What it sends to the gateway is lost or takes a detour over the old VTEP, until its neighbour
    entry is renewed.

What else looks like this
    The frames cross on purpose: the old VTEP's gateway is still reachable as a remote MAC.

References
----------
    RFC 9135, section 4.1; RFC 7432, section 10.1.

"""

import pandas as pd

from evpn_pcap.model import AnsweredBy, Rule, Severity, Tables
from evpn_pcap.order import BEFORE, order
from evpn_pcap.rules._found import gather, mac_words, tuples
from evpn_pcap.rules._frames import frames_seen

FRAMES_COUNT = 3
SHOWN_COUNT = 10


def find(tables: Tables) -> pd.DataFrame:
    """Return one row per VNI and machine that kept the gateway MAC of its old VTEP."""
    rows = tables.resolutions
    told = rows[(rows["answered_by"] == AnsweredBy.GATEWAY) & rows["target_mac"].notna()]
    told = told.drop_duplicates(["requester_mac", "ingress_vtep", "target_ip", "target_mac"])
    if told.empty:
        return gather(told)
    read = ["id", "requester_mac", "ingress_vtep", "target_ip", "target_mac", "time_ns", "margin_ns", "frame_ids"]
    sent = frames_seen(tables)
    sent = sent[sent["vni"].notna() & ~sent["is_multicast"]].rename(columns={"outer_source_ip": "next_hop"})
    pairs = told[read].merge(
        sent, left_on=["requester_mac", "target_mac"], right_on=["source_mac", "destination_mac"], how="inner",
        suffixes=("", "_sent"), validate="many_to_many",
    )  # fmt: skip
    later = order(pairs["time_ns"], pairs["margin_ns"], pairs["time_ns_sent"], pairs["margin_ns_sent"]) == BEFORE
    away = pairs[later & (pairs["next_hop"] != pairs["ingress_vtep"])]
    here = _gateways_here(tables).rename(columns={"mac": "mac_here"})
    stale = away.merge(here, on=["next_hop", "target_ip"], how="inner", validate="many_to_many")
    stale = stale[stale["mac_here"] != stale["target_mac"]].drop_duplicates("frame_id")
    if stale.empty:
        return gather(stale)
    found = stale.groupby(["vni", "requester_mac", "target_mac", "mac_here", "next_hop"]).agg(
        count=("packet", "nunique"), resolution_id=("id", "first"), told_frames=("frame_ids", "first"),
        frames=("frame_id", lambda ids: tuple(ids[:SHOWN_COUNT])), margin_ns=("margin_ns_sent", "max"),
    ).reset_index()  # fmt: skip
    found = found[found["count"] >= FRAMES_COUNT].drop_duplicates(["vni", "requester_mac"])
    mac, old, new = (mac_words(found[name]) for name in ("requester_mac", "target_mac", "mac_here"))
    count = found["count"].astype("str")
    return gather(
        found.assign(
            subject=mac,
            detail=mac
            + " sent "
            + count
            + " frames to "
            + old
            + ", the gateway at "
            + found["next_hop"]
            + " is "
            + new,
            resolution_ids=tuples(found["resolution_id"]),
            frame_ids=found["told_frames"] + found["frames"],
        )
    )


def _gateways_here(tables: Tables) -> pd.DataFrame:
    """Return next_hop (a VTEP), target_ip and mac: the gateway's MAC as that VTEP answers or announces it itself."""
    rows, events = tables.resolutions, tables.events
    gateways = rows[rows["answered_by"] == AnsweredBy.GATEWAY]
    answered = gateways[["ingress_vtep", "target_ip", "target_mac"]].set_axis(["next_hop", "target_ip", "mac"], axis=1)
    at = events["point_id"].map(tables.points.set_index("point_id")["vtep_ip"])
    is_local = (events["message"] == "announcement") & events["vni"].isna() & at.notna()
    announced = events.assign(next_hop=at)[is_local & events["target_ip"].isin(gateways["target_ip"])]
    crossed = events.loc[events["vni"].notna(), "transmission_id"]
    announced = announced[~announced["transmission_id"].isin(crossed)]
    announced = announced[["next_hop", "target_ip", "told_mac"]].set_axis(["next_hop", "target_ip", "mac"], axis=1)
    return pd.concat([answered, announced]).dropna().drop_duplicates()


RULE = Rule(
    code="EVP027",
    name="stale-gateway-in-guest",
    severity=Severity.MEDIUM,
    title="A moved machine still sends to its old VTEP's gateway MAC",
    cause="The gateway's MAC differs between the VTEPs, and the machine's neighbour entry is still the old one.",
    advice="Use one anycast MAC on all VTEPs; until then let the new VTEP announce its gateway after a move.",
    rivals="The old VTEP's gateway is still reachable as a remote MAC.",
    would_decide="`ip neigh` inside the machine.",
    find=find,
)

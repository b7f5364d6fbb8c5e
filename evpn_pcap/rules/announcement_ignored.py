"""A moved machine announced its address, but the new VTEP advertised only its MAC until it spoke to the gateway.

What it shows
    After a move the new VTEP advertised the MAC route at once; the machine announced its address
    (gratuitous ARP, unsolicited NA); the MAC/IP route followed more than 5 s later.

Why it matters
    In between, requests for the address are flooded, or answered from the old VTEP's stale route.

What else looks like this
    The announcement was lost on the way to the VTEP, or the VTEP was busy.

References
----------
    RFC 9161, section 3.6; openperouter issue 203; Linux ip-sysctl, arp_accept, accept_untracked_na.

"""

import pandas as pd

from evpn_pcap.model import Rule, Severity, Tables
from evpn_pcap.order import BEFORE, order
from evpn_pcap.rules._found import gather
from evpn_pcap.rules._routes import moves, own_mac_routes

LATE_NS = 5_000_000_000
NEAR_NS = 120_000_000_000  # a MAC/IP route later than this has another cause


def find(tables: Tables) -> pd.DataFrame:
    """Return one row per VNI and address that its new VTEP advertised late although it was announced."""
    moved = moves(tables.routes)
    moved = moved[moved["ip"].isna()]
    told = own_mac_routes(tables.routes)
    with_ip = told[told["ip"].notna()]
    keys = ["vni", "mac", "next_hop"]
    read = [*keys, "ip", "advertised_ns", "margin_ns", "frame_ids"]
    late = moved[[*keys, "advertised_ns", "frame_ids", "next_hop_before"]].merge(
        with_ip[read], on=keys, how="inner", suffixes=("_mac", ""), validate="many_to_many"
    )
    late = late.sort_values("advertised_ns").drop_duplicates([*keys, "ip", "advertised_ns_mac"])
    delay_ns = late["advertised_ns"] - late["advertised_ns_mac"]
    late = late.assign(delay_ns=delay_ns)[(delay_ns > LATE_NS) & (delay_ns < NEAR_NS)]
    old = with_ip[["vni", "mac", "ip", "next_hop"]].drop_duplicates().rename(columns={"next_hop": "next_hop_before"})
    late = late.merge(old, on=["vni", "mac", "ip", "next_hop_before"], how="inner", validate="many_to_one")
    heard = _heard(late, tables.events)
    delay = (heard["delay_ns"] // 1_000_000_000).astype("int64").astype("str")
    return gather(
        heard.assign(
            subject=heard["ip"],
            detail=heard["ip"] + " is advertised by " + heard["next_hop"] + " " + delay + " s after its MAC",
            frame_ids=heard["frame_ids_mac"] + heard["announced_frames"] + heard["frame_ids"],
            margin_ns=heard[["margin_ns", "margin_ns_told"]].max(axis=1),
        )
    )


def _heard(late: pd.DataFrame, events: pd.DataFrame) -> pd.DataFrame:
    """Return the late routes whose address was announced well before, with the frames of the announcement."""
    told = events.loc[
        events["message"] == "announcement", ["source_mac", "target_ip", "time_ns", "margin_ns", "frame_id"]
    ]
    told = told.rename(columns={"source_mac": "mac", "target_ip": "ip", "margin_ns": "margin_ns_told"})
    pairs = late.merge(told.dropna(), on=["mac", "ip"], how="inner", validate="many_to_many")
    early = order(pairs["time_ns"] + LATE_NS, pairs["margin_ns_told"], pairs["advertised_ns"], pairs["margin_ns"])
    after_move = pairs["time_ns"] > pairs["advertised_ns_mac"] - LATE_NS
    pairs = pairs[(early == BEFORE) & after_move]
    frames = pairs.groupby(["vni", "mac", "ip", "advertised_ns"])["frame_id"].agg(tuple).rename("announced_frames")
    first = pairs.drop_duplicates(["vni", "mac", "ip", "advertised_ns"])
    return first.join(frames, on=["vni", "mac", "ip", "advertised_ns"])


RULE = Rule(
    code="EVP007",
    name="announcement-ignored",
    severity=Severity.MEDIUM,
    title="The new VTEP did not learn from the machine's announcement",
    cause="arp_accept=0 or accept_untracked_na=0 on the bridge device: announcements create no neighbour entry.",
    advice="Set arp_accept=1 and accept_untracked_na=2 on the VTEP's bridge devices.",
    rivals="The announcement did not reach the VTEP; the VTEP was busy.",
    would_decide="A capture on the new VTEP's bridge device, and its `sysctl net.ipv4.conf.BRIDGE.arp_accept`.",
    find=find,
)

"""A moved machine announced its address, but the new VTEP advertised only its MAC until it spoke to the gateway.

What it shows
    After a move the new VTEP advertised the MAC route at once; the machine announced its address
    (gratuitous ARP, unsolicited NA); the MAC/IP route, which the old VTEP had, followed more than
    5 s later, or not at all.

Why it matters
    In between, requests for the address are flooded, or answered from the old VTEP's stale route.

What else looks like this
    The announcement was lost on the way to the VTEP, or the VTEP was busy.

References
----------
    RFC 9161, section 3.6; openperouter issue 203; Linux ip-sysctl, arp_accept, accept_untracked_na.

"""

import pandas as pd

from evpn_pcap.model import FOREVER, Rule, Severity, Tables
from evpn_pcap.order import BEFORE, order
from evpn_pcap.rules._found import gather, tuples
from evpn_pcap.rules._routes import moves, own_mac_routes

LATE_NS = 5_000_000_000
NEAR_NS = 3_000_000_000  # from the new MAC route to the announcement, either way
KNOWN_NS = 10_000_000_000  # the old VTEP had the address until so long before the new MAC route
CASE = ["vni", "mac", "ip", "next_hop", "advertised_ns"]


def find(tables: Tables) -> pd.DataFrame:
    """Return one row per VNI and address that was announced and yet advertised late or not at all."""
    moved = moves(tables.routes)
    if moved.empty:
        return gather(moved)
    told = own_mac_routes(tables.routes)
    with_ip = told[told["ip"].notna()]
    cases = _known_before(moved[moved["ip"].isna()], with_ip)
    heard = _announced(cases, tables.events)
    if heard.empty:
        return gather(heard)
    here = heard[CASE].merge(
        with_ip[["vni", "mac", "ip", "next_hop", "advertised_ns", "withdrawn_ns", "frame_ids"]],
        on=["vni", "mac", "ip", "next_hop"], how="inner", suffixes=("", "_ip"), validate="many_to_many",
    )  # fmt: skip
    here = here[here["withdrawn_ns"] > here["advertised_ns"]].sort_values("advertised_ns_ip", kind="stable")
    first = here.drop_duplicates(CASE).set_index(CASE)[["advertised_ns_ip", "frame_ids"]]
    late = heard.join(first.rename(columns={"frame_ids": "late_frames"}), on=CASE)
    whole = _whole_until(tables)
    until_ns = late["withdrawn_ns"].clip(upper=late["next_hop"].map(whole).fillna(0).astype("int64"))
    until_ns = late["advertised_ns_ip"].astype("Int64").fillna(until_ns).astype("int64")
    wait_ns = until_ns - late[["advertised_ns", "time_ns"]].max(axis=1)
    late = late.assign(wait_ns=wait_ns)[wait_ns > LATE_NS]
    seconds = (late["wait_ns"] // 1_000_000_000).astype("str")
    how = (" was advertised " + seconds + " s later").where(
        late["late_frames"].notna(), " not within " + seconds + " s"
    )
    late_frames = late["late_frames"].map(lambda one: one if isinstance(one, tuple) else ())
    return gather(
        late.assign(
            subject=late["ip"],
            detail=late["next_hop"] + " advertised the MAC of " + late["ip"] + " at once, the address" + how,
            frame_ids=late["frame_ids"] + tuples(late["frame_id"]) + late_frames,
            margin_ns=late[["margin_ns", "margin_ns_told"]].max(axis=1),
        )
    )


def _known_before(moved: pd.DataFrame, with_ip: pd.DataFrame) -> pd.DataFrame:
    """Return the new MAC routes with each address (`ip`) that another VTEP had for the MAC until then."""
    old = with_ip[["vni", "mac", "ip", "next_hop", "advertised_ns", "withdrawn_ns"]]
    pairs = moved.drop(columns="ip").merge(
        old, on=["vni", "mac"], how="inner", suffixes=("", "_old"), validate="many_to_many"
    )
    is_other = (pairs["next_hop_old"] != pairs["next_hop"]) & (pairs["advertised_ns_old"] < pairs["advertised_ns"])
    return pairs[is_other & (pairs["withdrawn_ns_old"] > pairs["advertised_ns"] - KNOWN_NS)].drop_duplicates(CASE)


def _announced(cases: pd.DataFrame, events: pd.DataFrame) -> pd.DataFrame:
    """Return the cases whose address was announced around the new MAC route, with time and frame of that."""
    read = ["source_mac", "target_ip", "time_ns", "margin_ns", "frame_id"]
    told = events.loc[events["message"] == "announcement", read].dropna()
    told = told[told["margin_ns"] != FOREVER].rename(columns={"source_mac": "mac", "target_ip": "ip"})
    pairs = cases.merge(told, on=["mac", "ip"], how="inner", suffixes=("", "_told"), validate="many_to_many")
    near = (pairs["time_ns"] - pairs["advertised_ns"]).abs() < NEAR_NS
    in_force = order(pairs["time_ns"], pairs["margin_ns_told"], pairs["withdrawn_ns"], pairs["withdraw_margin_ns"])
    return pairs[near & (in_force == BEFORE)].sort_values("time_ns", kind="stable").drop_duplicates(CASE)


def _whole_until(tables: Tables) -> dict[str, int]:
    """Return, for each VTEP of which all UPDATEs to somebody are known, until when its BGP frames were seen."""
    sessions = tables.sessions
    whole = sessions[(sessions["complete_ns"] != FOREVER) & (sessions["gap_count"] == 0)]
    seen = tables.anchors.groupby("source_ip")["time_ns"].max()
    return {str(ip): int(at_ns) for ip, at_ns in seen.items() if ip in set(whole["sender_ip"])}


RULE = Rule(
    code="EVP007",
    name="announcement-ignored",
    severity=Severity.MEDIUM,
    title="The new VTEP did not learn from the machine's announcement",
    cause="Announcements create no neighbour entry (arp_accept=0, accept_untracked_na=0), nor replace the remote one.",
    advice="Set arp_accept=1 and accept_untracked_na=2 on the bridge devices; prime moved machines with a ping.",
    rivals="The announcement did not reach the VTEP; the VTEP was busy.",
    would_decide="A capture on the new VTEP's bridge device, and its `sysctl net.ipv4.conf.BRIDGE.arp_accept`.",
    find=find,
)

"""ROUTES -> routes as their VTEPs announced them, and pairs of them for one machine from two VTEPs."""

import pandas as pd

from evpn_pcap.order import BEFORE, order
from evpn_pcap.rules._once import once

NO_SEGMENT = "00:00:00:00:00:00:00:00:00:00"
KNOWN_NS = 1_000_000_000  # so long after an announcement every VTEP has it


@once
def announced(routes: pd.DataFrame, *route_types: int) -> pd.DataFrame:
    """Return the routes of these types in their senders' own view whose announcement was seen.

    A route known only by its withdrawal, or from a print, has not all attributes to judge, and is left out.
    """
    is_own = (routes["receiver_ip"] == routes["sender_ip"]) & routes["frame_ids"].map(bool).astype(bool)
    return routes[is_own & ~routes["is_preexisting"].astype(bool) & routes["route_type"].isin(route_types)]


@once
def taken_over(told: pd.DataFrame) -> pd.DataFrame:
    """Return each MAC route with every one that another VTEP held for the same MAC and address when it came.

    The columns of what was there before end in `_before`. It had been in force for a second, and was
    not yet withdrawn. Left out are gateways' MACs, which all VTEPs announce, and machines on one
    Ethernet segment at both VTEPs.
    """
    is_gateway = told["is_default_gateway"].fillna(value=False).astype(bool)
    told = told[~is_gateway].assign(ip=told["ip"].astype("object").fillna(""))
    before = told.rename(columns={name: f"{name}_before" for name in told.columns if name not in ("vni", "mac", "ip")})
    pairs = told.merge(before, on=["vni", "mac", "ip"], how="inner", validate="many_to_many")
    moments = pairs["advertised_ns"], pairs["margin_ns"]
    was_known = order(pairs["advertised_ns_before"] + KNOWN_NS, pairs["margin_ns_before"], *moments) == BEFORE
    is_held = order(*moments, pairs["withdrawn_ns_before"], pairs["withdraw_margin_ns_before"]) == BEFORE
    is_same_segment = (pairs["esi"] == pairs["esi_before"]) & pairs["esi"].ne(NO_SEGMENT)
    pairs = pairs[was_known & is_held & (pairs["next_hop"] != pairs["next_hop_before"]) & ~is_same_segment]
    return pairs.sort_values("advertised_ns", kind="stable").assign(
        both_frame_ids=pairs["frame_ids_before"] + pairs["frame_ids"],
        both_margin_ns=pairs[["margin_ns", "margin_ns_before", "withdraw_margin_ns_before"]].max(axis=1),
    )

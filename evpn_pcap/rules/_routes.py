"""ROUTES -> what several rules read of them: a VTEP's own MAC routes, and how MACs moved between VTEPs."""

import pandas as pd

from evpn_pcap.order import BEFORE, order
from evpn_pcap.rules._once import once

READ = [
    *("vni", "mac", "ip", "next_hop", "sender_ip", "esi", "mobility_sequence", "is_default_gateway", "frame_ids"),
    *("advertised_ns", "margin_ns", "withdrawn_ns", "withdraw_margin_ns", "withdraw_reason"),
]
ROUTE = ["vni", "mac", "ip"]
FLAPS_COUNT, FLAPS_NS = 5, 180_000_000_000  # FRR's duplicate detection: 5 moves within 180 s (RFC 7432, 15.1)


@once
def own_mac_routes(routes: pd.DataFrame) -> pd.DataFrame:
    """Return READ of the MAC and MAC/IP routes as the VTEP that tells them sees them: once each, by route and time."""
    is_own = (routes["route_type"] == 2) & (routes["receiver_ip"] == routes["sender_ip"]) & routes["mac"].notna()
    return routes.loc[is_own, READ].sort_values([*ROUTE, "advertised_ns"], kind="stable")


@once
def moves(routes: pd.DataFrame) -> pd.DataFrame:
    """Return own MAC routes that follow another VTEP's route of the same address, with that one's columns as *_before.

    Where the clocks cannot tell which of the two came first, it is no move.
    """
    told = own_mac_routes(routes)
    whole = [name for name, dtype in told.dtypes.items() if str(dtype) == "int64"]  # not the nullable Int64
    before = told.astype(dict.fromkeys(whole, "Int64")).groupby(ROUTE, dropna=False)[list(told.columns)].shift(1)
    pairs = told.join(before.add_suffix("_before"))
    pairs = pairs[pairs["next_hop_before"].notna() & (pairs["next_hop"] != pairs["next_hop_before"])]
    pairs = pairs.astype(dict.fromkeys([f"{name}_before" for name in whole], "int64"))
    begun = order(pairs["advertised_ns_before"], pairs["margin_ns_before"], pairs["advertised_ns"], pairs["margin_ns"])
    both_ns = pairs[["margin_ns", "margin_ns_before"]].max(axis=1)
    return pairs.assign(move_margin_ns=both_ns)[begun == BEFORE]


def flapping(moved: pd.DataFrame, count: int = FLAPS_COUNT) -> pd.DataFrame:
    """Return vni and mac of the machines that moved `count` times or more within 180 s; reads what `moves` returns.

    `begun_ns`: the first of the last so many moves.
    """
    at_ns = moved["advertised_ns"].astype("Int64")
    begun_ns = at_ns.groupby([moved[name] for name in ROUTE], dropna=False).shift(count - 1)
    is_fast = (at_ns - begun_ns <= FLAPS_NS).fillna(value=False).astype(bool)
    fast = moved[["vni", "mac"]].assign(begun_ns=begun_ns)[is_fast]
    return fast.groupby(["vni", "mac"])["begun_ns"].max().reset_index()

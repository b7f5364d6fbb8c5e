"""What lies behind each reason, and where it is open: which reasons remain and what would decide, in words."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from evpn_pcap.model import FOREVER, AnsweredBy, Kind, Outcome, RouteState, WithdrawReason
from evpn_pcap.order import AFTER, BEFORE, order
from evpn_pcap.resolutions.context import refusals

Pair = dict[Any, Any]  # a row and a route of its target, as plain values
PRINT_NS = 1_000_000_000  # a larger margin is that of prints
LATER_NS = 1_000_000_000  # what an exchange makes a VTEP announce, it announces within this time


def reason_details(rows: pd.DataFrame, routes: pd.DataFrame) -> np.ndarray:
    """Return, in words, what lies behind each row's reason; None where nothing more is known.

    Reads rows with reason, route_state and what kernels' prints tell (`kernel_facts`), and ROUTES.
    """
    story = _stories(rows, routes)
    host = rows["printed_by"].fillna("the ingress VTEP").astype("str")
    held = rows["route_state"] == RouteState.IN_FORCE
    is_off = rows["suppression"] == "off"
    found = np.select(
        [
            (rows["reason"] == "suppression-off") & is_off,
            (rows["reason"] == "suppression-off") & held,
            (rows["reason"] == "no-neighbour") & held,
            rows["reason"] == "no-neighbour",
            rows["reason"] == "neighbour-invalid",
            rows["reason"] == "no-fdb",
            (rows["reason"] == "proxied") & held,
            (rows["reason"] == "proxied") & (rows["route_state"] == RouteState.NOT_IN_FORCE),
            (rows["reason"] == "gateway") & (story["learned"] != ""),
        ],
        [
            "neigh_suppress is off on the VXLAN port of " + host,
            "the MAC/IP route had been in force " + story["held"],
            "the MAC/IP route is in force, and the kernel of " + host + " has no entry: frozen, or not installed anew",
            story["why"],
            "the entry on " + host + " is " + rows["neighbour"].fillna("").astype("str"),
            "the MAC of the neighbour entry is not in the FDB of " + host,
            "by the MAC/IP route in force " + story["held"],
            "without a route: the VTEP learned the address from a frame",
            "the VTEP then announced " + story["learned"],
        ],
        "",
    ).astype(object)  # fmt: skip
    found[(found == "") | pd.isna(found)] = None
    return found


def reason_candidates(rows: pd.DataFrame) -> np.ndarray:
    """Return which reasons remain where the evidence leaves it open, and what would decide; None where it does not."""
    is_open = rows["reason"].isna() & (rows["outcome"] != Outcome.UNDECIDED)
    asks = rows["kind"] == Kind.RESOLUTION
    flooded = is_open & asks & (rows["outcome"] == Outcome.FLOODED)
    vtep = rows["ingress_vtep"].fillna("the ingress VTEP").astype("str")
    prints = "`ip neigh`, `bridge fdb` and `bridge -d link` of " + vtep + " at that moment"
    found = np.select(
        [
            flooded & (rows["route_state"] == RouteState.IN_FORCE),
            flooded & (rows["route_state"] == RouteState.TOO_CLOSE),
            flooded & (rows["suppression"] == "on"),
            flooded,
            is_open & asks & (rows["answered_by"] == AnsweredBy.UNKNOWN),
            is_open & asks,
        ],
        [
            "no-neighbour (the route had just come), neighbour-invalid, no-fdb or suppression-off; "
            + prints + " would decide",
            "no-neighbour (the route came or went about then), neighbour-invalid, no-fdb or suppression-off; "
            + prints + " would decide",
            "no-neighbour, neighbour-invalid or no-fdb; " + prints + " would decide",
            "no-svi, no-neighbour, neighbour-invalid, no-fdb or suppression-off; BGP of " + vtep
            + " from the start of its sessions, or `show bgp l2vpn evpn route`, and " + prints + " would decide",
            "proxied or local-target; a capture of the target's own link would decide",
            "dropped, or nobody answered; a capture of " + vtep + "'s access ports would decide",
        ],
        "",
    ).astype(object)  # fmt: skip
    found[found == ""] = None
    return found


def _stories(rows: pd.DataFrame, routes: pd.DataFrame) -> pd.DataFrame:
    """Return, per row, what ROUTES tell of the target's address at the ingress VTEP, in words: why, held, learned."""
    asked = rows.reset_index()[["row_id", "ingress_vtep", "target_ip", "vni", "time_ns", "margin_ns"]]
    told = routes[(routes["route_type"] == 2) & (routes["margin_ns"] != FOREVER)]
    read = ["ip", "mac", "vni", "advertised_ns", "withdrawn_ns", "margin_ns", "withdraw_margin_ns", "is_imported"]
    read += ["next_hop", "sender_ip", "withdraw_reason", "silence_ns", "route_targets", "is_preexisting", "refused_ns"]
    read += ["stale_ns"]
    pairs = asked[asked["margin_ns"] != FOREVER].merge(
        told[["receiver_ip", *read]], left_on=["ingress_vtep", "target_ip"], right_on=["receiver_ip", "ip"],
        how="inner", suffixes=("", "_route"), validate="many_to_many",
    )  # fmt: skip
    pairs = pairs[(pairs["vni"] == pairs["vni_route"]).fillna(value=True) | pairs["vni"].isna()]
    begun = order(pairs["advertised_ns"], pairs["margin_ns_route"], pairs["time_ns"], pairs["margin_ns"])
    end_ns = pairs["withdrawn_ns"].clip(upper=FOREVER // 2)
    ended = order(end_ns, pairs["withdraw_margin_ns"], pairs["time_ns"], pairs["margin_ns"])
    pairs = pairs.assign(is_before=begun == BEFORE, is_after=begun == AFTER, is_over=ended == BEFORE, end_ns=end_ns)
    is_sure, is_open = refusals(pairs)
    lasts = pairs["is_before"] & (ended == AFTER) & ~is_open
    lasting = pairs.assign(is_refused=is_sure)[lasts]
    lasting = lasting.sort_values("advertised_ns", kind="stable").drop_duplicates(["row_id", "is_refused"], keep="last")
    held, refused = lasting[~lasting["is_refused"]], lasting[lasting["is_refused"]]
    past = pairs[pairs["is_over"]].sort_values("end_ns").drop_duplicates("row_id", keep="last")
    later = pairs[pairs["is_after"]].sort_values("advertised_ns").drop_duplicates("row_id")
    words = [
        _each(held[~held["is_imported"].fillna(value=True).astype(bool)], _not_imported),
        _each(refused, _refused),
        _each(past, _withdrawn),
        _each(later, _not_yet),
    ]
    why = pd.concat(words) if any(len(one) for one in words) else pd.Series(dtype="object")
    why = why[~why.index.duplicated()].reindex(rows.index)
    return pd.DataFrame(
        {
            "why": why.fillna(_never(rows, told)).astype("str"),
            "held": _each(held, _since).reindex(rows.index).fillna("").astype("str"),
            "learned": _each(_learned(asked, rows, routes), _announced).reindex(rows.index).fillna("").astype("str"),
        },
        index=rows.index,
    )


def _each(pairs: pd.DataFrame, tell: Callable[[Pair], str]) -> pd.Series:
    """Return the words for each pair, index row_id."""
    return pd.Series([tell(row) for row in pairs.to_dict("records")], index=pairs["row_id"], dtype="object")


def _learned(asked: pd.DataFrame, rows: pd.DataFrame, routes: pd.DataFrame) -> pd.DataFrame:
    """Return what the ingress VTEP announced of the requester within a second after the request."""
    own = routes[(routes["receiver_ip"] == routes["sender_ip"]) & (routes["route_type"] == 2) & routes["ip"].notna()]
    own = own[~own["is_preexisting"].astype(bool)][["receiver_ip", "mac", "ip", "advertised_ns", "route_targets"]]
    requester = asked.assign(mac=rows["requester_mac"].to_numpy(), ip=rows["requester_ip"].to_numpy())
    pairs = requester.merge(
        own, left_on=["ingress_vtep", "mac", "ip"], right_on=["receiver_ip", "mac", "ip"], how="inner",
        validate="many_to_many",
    )  # fmt: skip
    after_ns = pairs["advertised_ns"] - pairs["time_ns"]
    pairs = pairs[(after_ns >= 0) & (after_ns < LATER_NS)].assign(after_ns=after_ns)
    return pairs.sort_values("after_ns").drop_duplicates("row_id")


def _never(rows: pd.DataFrame, told: pd.DataFrame) -> pd.Series:
    """Return the words for an address that no route seen has: is at least its MAC announced?"""
    alone = told[told["ip"].isna()]
    known = pd.MultiIndex.from_frame(alone[["receiver_ip", "mac"]])
    has_mac = pd.MultiIndex.from_frame(
        rows[["ingress_vtep", "target_mac"]].set_axis(["receiver_ip", "mac"], axis=1)
    ).isin(known)
    only = "never advertised: its VTEP announces the MAC alone, so it has not learned the address"
    return pd.Series(np.where(has_mac, only, "never advertised"), index=rows.index)


def _not_imported(row: Pair) -> str:
    return f"not importable: none of its route targets ({row['route_targets']}) is the VTEP's own"


def _refused(row: Pair) -> str:
    return f"not importable: {row['sender_ip']} told it, and the VTEP's own prints lack it: a policy refuses it there"


def _withdrawn(row: Pair) -> str:
    apart = (int(row["time_ns"]) - int(row["end_ns"])) / 1e9
    reason = str(row["withdraw_reason"])
    if reason == WithdrawReason.AGED:
        is_heard = pd.notna(row["silence_ns"])  # it may have been silent since before the capture
        silence: str = f", after {int(row['silence_ns']) / 1e9:.0f} s of silence" if is_heard else ""
        return f"aged: withdrawn {apart:.1f} s before" + silence
    is_told = reason in set(WithdrawReason) - {WithdrawReason.UNKNOWN}
    return f"withdrawn {apart:.1f} s before" + (f" ({reason})" if is_told else "")


def _not_yet(row: Pair) -> str:
    apart = (int(row["advertised_ns"]) - int(row["time_ns"])) / 1e9
    return f"not advertised yet: {row['next_hop']} announces it {apart:.3f} s later"


def _since(row: Pair) -> str:
    """Return since when a route was in force, and whether only graceful restart kept it."""
    spans = zip(row["stale_ns"][::2], row["stale_ns"][1::2], strict=True)
    lost = next((lost_ns for lost_ns, until_ns in spans if lost_ns <= row["time_ns"] < until_ns), None)
    stale = "" if lost is None else f", stale since its session was lost {(row['time_ns'] - lost) / 1e9:.1f} s before"
    return _span(row) + stale


def _span(row: Pair) -> str:
    if row["is_preexisting"]:
        return "since before the capture"
    span_ns, doubt_ns = int(row["time_ns"]) - int(row["advertised_ns"]), int(row["margin_ns_route"])
    if doubt_ns > PRINT_NS:  # it came between two prints
        low, high = (span_ns - doubt_ns) // PRINT_NS, (span_ns + doubt_ns) // PRINT_NS
        return f"for {low} to {high} s: learned between two prints, as an exchange with the gateway makes it"
    return f"for {span_ns / 1e9:.1f} s"


def _announced(row: Pair) -> str:
    return f"{row['ip']}, {int(str(row['after_ns'])) / 1e6:.0f} ms after the request: the exchange taught it"

"""Why: the reason of an outcome in the Linux bridge's order (domain.md, section 4), and what is missing for one."""

import numpy as np
import pandas as pd

from evpn_pcap.model import FOREVER, AnsweredBy, Kind, Outcome, RouteState

NOBODY = "none"  # no such entry in a kernel's table
INVALID = ("INCOMPLETE", "FAILED")
ASK = "name it with --gateway, or capture BGP"


def reasons(rows: pd.DataFrame) -> np.ndarray:
    """Return the reason of each row as far as the evidence goes; None where it does not.

    Prints of the kernel's tables go before what the routes suggest; where a route is in force, they count only
    if the prints on both sides of the request say the same.
    """
    flooded = rows["outcome"] == Outcome.FLOODED
    suppressed = rows["outcome"] == Outcome.SUPPRESSED
    asks = rows["kind"] == Kind.RESOLUTION
    printed = flooded & asks & (rows["is_confirmed"] | (rows["route_state"] != RouteState.IN_FORCE))
    valid = rows["neighbour"].notna() & ~rows["neighbour"].isin([NOBODY, *INVALID])
    found = np.select(
        [
            flooded & (rows["kind"] == Kind.REFRESH),
            suppressed & (rows["kind"] == Kind.PROBE) & (rows["answered_by"] == AnsweredBy.NONE),
            suppressed & (rows["kind"] == Kind.ANNOUNCEMENT),
            rows["outcome"] == Outcome.LEARNED,
            flooded & asks & (rows["suppression"] == "off"),
            printed & (rows["neighbour"] == NOBODY),
            printed & rows["neighbour"].isin(INVALID),
            printed & valid & (rows["fdb"] == NOBODY),
            flooded & asks & rows["well_before"] & (rows["suppression"] != "on"),
            flooded & asks & (rows["route_state"] == RouteState.NOT_IN_FORCE),
            suppressed & (rows["answered_by"] == AnsweredBy.PROXY),
            suppressed & (rows["answered_by"] == AnsweredBy.TARGET),
        ],
        [
            "unicast-forwarded", "probe-dropped", "announcement-dropped", "gateway", "suppression-off", "no-neighbour",
            "neighbour-invalid", "no-fdb", "suppression-off", "no-neighbour",
            "proxied", "local-target",
        ],
        "",
    ).astype(object)  # fmt: skip
    found[found == ""] = None
    return found


def undecided_reasons(rows: pd.DataFrame, witnesses: pd.DataFrame) -> np.ndarray:
    """Return, for each undecided row, which vantage point, moment or fact is missing; None for the others."""
    by_row = witnesses.groupby("row_id")
    has_aligned = rows.index.isin(by_row["is_aligned"].any().pipe(lambda found: found[found].index))
    has_any = rows.index.isin(witnesses["row_id"])
    covered = rows.index.isin(witnesses.loc[witnesses["covers"], "row_id"])
    there = by_row["host_there"].agg(lambda hosts: ", ".join(sorted(set(hosts)))).reindex(rows.index).fillna("")
    ingress = rows["ingress_vtep"].fillna("")
    vtep = ("the ingress VTEP " + ingress).where(ingress != "", "the ingress VTEP")
    found = np.select(
        [
            rows["outcome"] != Outcome.UNDECIDED,
            rows["is_kept"] & rows["answer_id"].isna() & (rows["is_gateway"] | rows["is_used"]),
            rows["is_kept"] & rows["answer_id"].isna() & ~rows["is_visible"],
            rows["is_kept"],
            rows.index.isin(witnesses.loc[witnesses["covers"] & witnesses["is_cut"], "row_id"]),
            covered,
            has_aligned,
            has_any & (rows["margin_ns"] == FOREVER),
            has_any,
        ],
        [
            "",
            "no answer was seen that is surely this request's, and the address is used: who answered is not known",
            "no capture of the requester's link shows the second after the request: who answered is not known",
            "whether " + rows["target_ip"].fillna("the target") + " is the VTEP's own address is not known: " + ASK,
            "the captures of " + there + " cut frames short (snapshot length), or report lost packets",
            "the captures of " + there + " report lost packets",
            "the captures of " + there + " do not cover the moment",
            "the clock of " + rows["host"] + " cannot be compared with " + there + ": no packets seen both ways",
            "the clocks of " + there + " cannot be compared: no packets seen both ways",
        ],
        "no capture that a copy would have passed: the underlay of " + vtep + " would decide",
    ).astype(object)  # fmt: skip
    found[found == ""] = None
    return found


def likely_outcomes(rows: pd.DataFrame, anchors: pd.DataFrame) -> np.ndarray:
    """Return the more likely outcome of each undecided row: a hint from the route, else from timing.

    An answer that came in less than half the least round trip between the two addresses was hardly
    the target's; one that took the whole round trip or more may have been.
    """
    fastest = _least_round_trips(anchors)
    asked = rows.reset_index()[["row_id", "host", "requester_ip", "target_ip"]]
    least = asked.merge(fastest, on=["host", "requester_ip", "target_ip"], how="left", validate="many_to_one")
    round_trip_ns = least["round_trip_ns"].set_axis(rows.index)
    latency = rows["latency_ns"].astype("Float64")
    undecided = (rows["outcome"] == Outcome.UNDECIDED) & (rows["kind"] == Kind.RESOLUTION)
    found = np.select(
        [
            ~undecided,
            rows["route_state"] == RouteState.IN_FORCE,
            rows["route_state"] == RouteState.NOT_IN_FORCE,
            (latency * 2 < round_trip_ns).fillna(value=False).to_numpy(dtype=bool),
            (latency >= round_trip_ns).fillna(value=False).to_numpy(dtype=bool),
        ],
        ["", Outcome.SUPPRESSED, Outcome.FLOODED, Outcome.SUPPRESSED, Outcome.FLOODED],
        "",
    ).astype(object)
    found[found == ""] = None
    return found


def _least_round_trips(anchors: pd.DataFrame) -> pd.DataFrame:
    """Return, per host and pair of addresses, the least time from an ICMP echo request to the next reply."""
    echoes = anchors[anchors["is_request"].notna()].sort_values(["captured_ns", "frame_id"], kind="stable")
    asks = echoes["is_request"].astype(bool)
    request = echoes[asks].rename(columns={"source_ip": "requester_ip", "destination_ip": "target_ip"})
    reply = echoes[~asks].rename(columns={"destination_ip": "requester_ip", "source_ip": "target_ip"})
    keys = ["host", "requester_ip", "target_ip"]
    matched = pd.merge_asof(
        reply[["captured_ns", *keys]],
        request.assign(asked_ns=request["captured_ns"])[["captured_ns", "asked_ns", *keys]],
        on="captured_ns",
        by=keys,
        tolerance=1_000_000_000,
    )
    matched = matched.assign(round_trip_ns=(matched["captured_ns"] - matched["asked_ns"]).astype("Float64"))
    return matched.dropna(subset=["asked_ns"]).groupby(keys)["round_trip_ns"].min().reset_index()

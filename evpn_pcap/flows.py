"""ANCHORS on the common clock become FLOWS: which inner flows two hosts saw, and how long their frames took.

A frame is the same frame by its key (RFC 5475, hash-based selection). Which host is nearer to the source is taken
from who owns the ends (the VTEP of the outer header, RFC 7348; the machine on a link), or from times that are further
apart than both margins; where neither tells, there is no delay.
"""

import numpy as np
import pandas as pd

from evpn_pcap import columns
from evpn_pcap.addresses import capture_of
from evpn_pcap.model import FOREVER
from evpn_pcap.order import AFTER, BEFORE, order

ONE_TRANSMISSION_NS = 20_000_000  # all sightings of one transmission at one host lie closer than this
LAST = 4  # the far end of a path; 0 is its origin, 1 and 3 are the VTEPs beside the ends
FIVE = ["ip_protocol", "source_ip", "destination_ip", "source_port", "destination_port"]


def find_flows(anchors: pd.DataFrame, points: pd.DataFrame) -> pd.DataFrame:
    """Return FLOWS: for each inner flow and two hosts that both saw it, matched frames and one-way delays.

    A delay runs from the first sighting at one host to the first at the other. Its margin is that
    of both clocks where they are least certain during the flow. Frames transmitted several times
    at one host are counted there, but not matched. Reads ANCHORS with time_ns and margin_ns, and
    POINTS (capture_ids, interface_index, is_hypervisor, vtep_ip, station_mac).
    """
    frames = _frames(_located(anchors, points))
    if frames.empty:
        return columns.FLOWS.empty()
    seen_count = frames.groupby(["flow", "host"]).size()
    pairs = _pairs(frames[frames["is_sent_once"]])
    flows = _summed(pairs)
    identity = frames.drop_duplicates("flow").set_index("flow")[["vni", *FIVE]]
    flows = flows.join(identity, on="flow").sort_values(["flow", "from_host", "to_host"], kind="stable")
    counts = {
        side: seen_count.reindex(pd.MultiIndex.from_frame(flows[["flow", f"{side}_host"]])).to_numpy()
        for side in ("from", "to")
    }
    flows = flows.assign(from_packet_count=counts["from"], to_packet_count=counts["to"])
    return columns.FLOWS.build({column.name: flows[column.name] for column in columns.FLOWS.columns})


def _located(anchors: pd.DataFrame, points: pd.DataFrame) -> pd.DataFrame:
    """Return the anchors with how far along a frame's path the host stands, at least and at most, where ends tell it.

    The machine on a link, and a VTEP that talks itself, are the path's ends; a VTEP that
    encapsulates, and the hypervisor's end of a link, stand one step inside. Elsewhere: the whole path.
    """
    place = points[["capture_ids", "interface_index", "is_hypervisor", "vtep_ip", "station_mac"]].explode("capture_ids")
    place = place.rename(columns={"capture_ids": "capture"}).astype({"capture": "int64"})
    located = anchors.assign(capture=capture_of(anchors["frame_id"].to_numpy())).merge(
        place, on=["capture", "interface_index"], how="left", validate="many_to_one"
    )
    is_inside = located["outer_source_ip"].notna().to_numpy()
    is_hypervisor = _true(located["is_hypervisor"])
    depth = {}
    for end in ("source", "destination"):
        is_tunnel_end = is_inside & _true(located[f"outer_{end}_ip"] == located["vtep_ip"])
        is_talker = ~is_inside & _true(located[f"{end}_ip"] == located["vtep_ip"])
        is_link_end = ~is_inside & _true(located[f"{end}_mac"] == located["station_mac"])
        depth[end] = np.select([is_tunnel_end, is_talker, is_link_end & is_hypervisor, is_link_end], [1, 0, 1, 0], -1)
    is_source_side, is_end_side = depth["source"] >= 0, depth["destination"] >= 0
    nearest = np.select(
        [is_source_side & ~is_end_side, is_end_side & ~is_source_side],
        [depth["source"], LAST - depth["destination"]],
        -1,
    )
    return located.assign(depth_min=np.where(nearest < 0, 0, nearest), depth_max=np.where(nearest < 0, LAST, nearest))


def _true(claims: pd.Series) -> np.ndarray:
    """Return where a claim is true, and not missing."""
    return claims.astype("boolean").fillna(value=False).to_numpy(bool)


def _frames(sightings: pd.DataFrame) -> pd.DataFrame:
    """Return one row per host and frame: number of its flow, first time, margin, and how far along its path."""
    by_key = sightings.groupby(["host", "anchor_key"], sort=False)
    frames = by_key.agg(
        time_ns=("time_ns", "min"),
        last_ns=("time_ns", "max"),
        margin_ns=("margin_ns", "max"),
        depth_min=("depth_min", "max"),
        depth_max=("depth_max", "min"),
        is_multicast=("is_multicast", "first"),
        vni=("vni", "first"),
        **{name: (name, "first") for name in FIVE},
    ).reset_index()
    frames = frames.assign(
        vni=frames.groupby("anchor_key")["vni"].transform("first"),
        is_sent_once=frames["last_ns"] - frames["time_ns"] <= ONE_TRANSMISSION_NS,
    )
    vnis = frames.groupby(FIVE, dropna=False)["vni"]
    only = vnis.transform("first").where(vnis.transform("nunique") == 1)
    frames = frames.assign(vni=frames["vni"].fillna(only))
    return frames.assign(flow=frames.groupby(["vni", *FIVE], dropna=False).ngroup())


def _pairs(frames: pd.DataFrame) -> pd.DataFrame:
    """Return one row per frame and two hosts (a before b by name) that saw it."""
    frames = frames.sort_values(["anchor_key", "host"], kind="stable")
    key = frames["anchor_key"].to_numpy()
    taken = ["host", "time_ns", "margin_ns", "depth_min", "depth_max"]
    parts = []
    for step in range(1, frames["host"].nunique()):
        same = np.flatnonzero(key[:-step] == key[step:])
        one = frames.iloc[same][["flow", "is_multicast", *taken]].reset_index(drop=True)
        other = frames.iloc[same + step][taken].reset_index(drop=True)
        parts.append(_side_by_side(one, other))
    if not parts:
        return _pairs_of_nothing(frames, taken)
    return pd.concat(parts, ignore_index=True)


def _pairs_of_nothing(frames: pd.DataFrame, taken: list[str]) -> pd.DataFrame:
    one = frames.iloc[:0][["flow", "is_multicast", *taken]]
    return _side_by_side(one, frames.iloc[:0][taken])


def _side_by_side(one: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of two frames of one index beside each other, _a and _b."""
    return one.merge(
        other, left_index=True, right_index=True, how="inner", validate="one_to_one", suffixes=("_a", "_b")
    )


def _summed(pairs: pd.DataFrame) -> pd.DataFrame:
    """Return one row per flow and two hosts: direction, matched frames, delays and their margin."""
    verdict = order(pairs["time_ns_a"], pairs["margin_ns_a"], pairs["time_ns_b"], pairs["margin_ns_b"])
    is_single = ~pairs["is_multicast"].fillna(value=True).astype(bool)  # of copies, either may come first
    is_sound = (pairs["depth_min_a"] <= pairs["depth_max_a"]) & (pairs["depth_min_b"] <= pairs["depth_max_b"])
    told = pairs.assign(
        a_owns=is_sound & (pairs["depth_max_a"] < pairs["depth_min_b"]),
        b_owns=is_sound & (pairs["depth_max_b"] < pairs["depth_min_a"]),
        a_leads=is_single & (verdict == BEFORE),
        b_leads=is_single & (verdict == AFTER),
        delay_ns=pairs["time_ns_b"] - pairs["time_ns_a"],
        doubt_ns=np.where(
            (pairs["margin_ns_a"] == FOREVER) | (pairs["margin_ns_b"] == FOREVER),
            FOREVER,
            pairs["margin_ns_a"].to_numpy() + pairs["margin_ns_b"].to_numpy(),
        ),
    )
    summed = (
        told.groupby(["flow", "host_a", "host_b"])
        .agg(
            matched_packet_count=("delay_ns", "size"),
            least_ns=("delay_ns", "min"),
            median_ns=("delay_ns", "median"),
            most_ns=("delay_ns", "max"),
            doubt_ns=("doubt_ns", "max"),
            a_owns=("a_owns", "any"),
            b_owns=("b_owns", "any"),
            a_leads=("a_leads", "any"),
            b_leads=("b_leads", "any"),
        )
        .reset_index()
    )
    return _directed(summed)


def _directed(summed: pd.DataFrame) -> pd.DataFrame:
    """Return the rows with hosts in the order of the path where ownership or time tells it, and delays that way."""
    by_owner = summed["a_owns"].astype(int) - summed["b_owns"].astype(int)
    by_time = summed["a_leads"].astype(int) - summed["b_leads"].astype(int)
    is_both = (summed["a_leads"] & summed["b_leads"]) | (summed["a_owns"] & summed["b_owns"])
    is_conflict = is_both | ((by_owner != 0) & (by_time != 0) & (by_owner != by_time))
    sign = np.where(is_conflict, 0, np.where(by_owner != 0, by_owner, by_time))
    is_measured = (sign != 0) & (summed["doubt_ns"] != FOREVER)

    def measured(values: pd.Series) -> pd.Series:
        return values.round().astype("Int64").where(is_measured)

    is_back = sign < 0
    return pd.DataFrame(
        {
            "flow": summed["flow"],
            "from_host": summed["host_b"].where(is_back, summed["host_a"]),
            "to_host": summed["host_a"].where(is_back, summed["host_b"]),
            "matched_packet_count": summed["matched_packet_count"],
            "delay_min_ns": measured(summed["least_ns"].where(~is_back, -summed["most_ns"])),
            "delay_median_ns": measured(summed["median_ns"].where(~is_back, -summed["median_ns"])),
            "delay_max_ns": measured(summed["most_ns"].where(~is_back, -summed["least_ns"])),
            "delay_margin_ns": measured(summed["doubt_ns"]),
            "is_direction_known": sign != 0,
        }
    )

"""ANCHORS become the places that a flow's frames pass: the points of a host that stamp a frame at one moment.

A tap, the bridge above it and `tcpdump -i any` stamp one frame once, together: they are one place of its
path, called by the point that says most. What is seen inside VXLAN and outside it are always two. So a
path reads as an engineer draws it: vm1, pve1's tap, pve1's underlay, pve4's underlay, pve4's tap, vm2.
"""

import numpy as np
import pandas as pd

from evpn_pcap.model import Role
from evpn_pcap.points import at_points

ONE_TRANSMISSION_NS = 20_000_000  # all sightings of one transmission at one point lie closer than this
TOGETHER_NS = 1_000  # stamps this close are one stamp, cut to microseconds in one file and not in the other
LAST = 4  # the far end of a path; 0 is its origin, 1 and 3 are the VTEPs beside the ends
FIVE = ["ip_protocol", "source_ip", "destination_ip", "source_port", "destination_port"]
# A place is called by the end of a link rather than by a device that shows the same again.
NAMED_FIRST = (Role.VM, Role.TAP, Role.UNDERLAY, Role.ACCESS, Role.VXLAN, Role.BRIDGE, Role.UNKNOWN, Role.ANY)
OF_POINTS = ["point_id", "point", "role", "is_hypervisor", "vtep_ip", "station_mac"]
COVERAGE = ["first_time_ns", "last_time_ns", "point_margin_ns", "dropped_count"]


def with_places(anchors: pd.DataFrame, points: pd.DataFrame) -> pd.DataFrame:
    """Return the sightings of frames with flow, place and transmission, each a number.

    `place` is one place of one flow; `transmission` is the same for all sightings of a frame sent once. A
    key that one point shows again after more than 20 ms was sent again: `sent_count` is how often.
    Reads ANCHORS with time_ns, and POINTS.
    """
    sightings = _with_flows(_located(anchors, points))
    sightings = sightings.assign(
        spot=sightings.groupby(["flow", "point_id", "is_inside"], sort=True, dropna=False).ngroup()
    )
    sightings = _with_transmissions(sightings)
    return sightings.assign(place=_places(sightings).reindex(sightings["spot"]).to_numpy())


def one_a_place(sightings: pd.DataFrame) -> pd.DataFrame:
    """Return one row per place and transmission: its earliest sighting there, in order of place and time."""
    ordered = sightings.sort_values(["place", "time_ns", "frame_id"], kind="stable")
    most = ordered.groupby(["place", "transmission"], sort=False)["sent_count"].max()
    return ordered.drop_duplicates(["place", "transmission"]).assign(sent_count=most.to_numpy()).reset_index(drop=True)


def describe(sightings: pd.DataFrame, points: pd.DataFrame) -> pd.DataFrame:
    """Return one row per place: host, point (its name), depth_min and depth_max, coverage, and what it kept.

    Coverage is that of all its points together, on the common clock; `dropped_count` what their
    capturing programs lost.
    """
    by_place = sightings.groupby("place")
    told = by_place.agg(
        flow=("flow", "first"),
        host=("host", "first"),
        is_inside=("is_inside", "first"),
        vtep_ip=("vtep_ip", "first"),
        depth_min=("depth_min", "max"),
        depth_max=("depth_max", "min"),
        longest_bytes=("length_bytes", "max"),
        most_kept_level=("kept_level", "max"),
    )
    shown = sightings.groupby(["place", "point_id"]).size().rename("shown_count").reset_index()
    shown = shown.merge(points[[*OF_POINTS[:3], *COVERAGE]], on="point_id", how="left", validate="many_to_one")
    rank = shown["role"].map({role: rank for rank, role in enumerate(NAMED_FIRST)})
    named = shown.assign(rank=rank, is_number=shown["point"].str.contains("#", regex=False))  # of `any`: any#2
    named = named.sort_values(["place", "rank", "is_number", "point"], kind="stable").drop_duplicates("place")
    covered = shown.groupby("place").agg(
        first_time_ns=("first_time_ns", "min"),
        last_time_ns=("last_time_ns", "max"),
        point_margin_ns=("point_margin_ns", "max"),
        dropped_count=("dropped_count", "sum"),
    )
    return told.join(named.set_index("place")["point"]).join(covered)


def _located(anchors: pd.DataFrame, points: pd.DataFrame) -> pd.DataFrame:
    """Return the anchors with point_id, is_inside, and how far along a frame's path the host stands, if ends tell it.

    The machine on a link, and a VTEP that talks itself, are the path's ends; a VTEP that
    encapsulates, and the hypervisor's end of a link, stand one step inside. Elsewhere: the whole path.
    """
    located = at_points(anchors, points, OF_POINTS, how="inner")
    is_inside = located["outer_source_ip"].notna().to_numpy()
    is_hypervisor = true(located["is_hypervisor"])
    depth = {}
    for end in ("source", "destination"):
        is_tunnel_end = is_inside & true(located[f"outer_{end}_ip"] == located["vtep_ip"])
        is_talker = ~is_inside & true(located[f"{end}_ip"] == located["vtep_ip"])
        is_link_end = ~is_inside & true(located[f"{end}_mac"] == located["station_mac"])
        depth[end] = np.select([is_tunnel_end, is_talker, is_link_end & is_hypervisor, is_link_end], [1, 0, 1, 0], -1)
    is_source_side, is_end_side = depth["source"] >= 0, depth["destination"] >= 0
    nearest = np.select(
        [is_source_side & ~is_end_side, is_end_side & ~is_source_side],
        [depth["source"], LAST - depth["destination"]],
        -1,
    )
    return located.assign(
        is_inside=is_inside,
        depth_min=np.where(nearest < 0, 0, nearest),
        depth_max=np.where(nearest < 0, LAST, nearest),
    )


def true(claims: pd.Series) -> np.ndarray:
    """Return where a claim is true, and not missing."""
    return claims.astype("boolean").fillna(value=False).to_numpy(bool)


def _with_flows(sightings: pd.DataFrame) -> pd.DataFrame:
    """Return the sightings with the number of their flow; the VNI is taken from whoever saw it."""
    seen = sightings.assign(key=pd.factorize(sightings["anchor_key"])[0])
    least = seen.groupby("key")["vni"].min()
    seen = seen.assign(vni=least.reindex(seen["key"]).array)
    five = seen.groupby(FIVE, dropna=False, sort=False).ngroup()
    vnis = seen.groupby(five)["vni"].agg(["min", "nunique"])
    only = vnis["min"].where(vnis["nunique"] == 1).reindex(five).array
    seen = seen.assign(vni=seen["vni"].fillna(pd.Series(only, index=seen.index)))
    return seen.assign(flow=seen.groupby(["vni", *FIVE], dropna=False).ngroup())


def _with_transmissions(sightings: pd.DataFrame) -> pd.DataFrame:
    """Return the sightings, in order of spot, key and time, with transmission and sent_count."""
    ordered = sightings.sort_values(["spot", "key", "captured_ns", "frame_id"], kind="stable").reset_index(drop=True)
    spot, key, at_ns = (ordered[name].to_numpy() for name in ("spot", "key", "captured_ns"))
    is_other = np.ones(len(ordered), bool)
    is_other[1:] = (spot[1:] != spot[:-1]) | (key[1:] != key[:-1])
    is_again = ~is_other
    is_again[1:] &= at_ns[1:] - at_ns[:-1] > ONE_TRANSMISSION_NS
    again_count = np.cumsum(is_again)
    starts = np.flatnonzero(is_other)
    group = np.cumsum(is_other) - 1
    occurrence = again_count - again_count[starts][group]
    sent_count = np.maximum.reduceat(occurrence, starts) + 1 if len(starts) else occurrence
    numbered = ordered.assign(sent_count=sent_count[group], transmission=key)
    if not is_again.any():
        return numbered
    return numbered.assign(transmission=numbered.assign(again=occurrence).groupby(["key", "again"]).ngroup())


def _places(sightings: pd.DataFrame) -> pd.Series:
    """Return the number of the place of each spot (a point of a flow, inside or outside VXLAN).

    Spots of one host are in order of how long after the host's first stamp they stamp a frame, in the
    middle; those with the same stamps as the one before are one place with it.
    """
    first_ns = sightings.groupby(["host", "transmission"])["captured_ns"].transform("min")
    late = sightings.assign(late_ns=sightings["captured_ns"] - first_ns).groupby("spot")
    spots = late.agg(
        flow=("flow", "first"), host=("host", "first"), is_inside=("is_inside", "first"), late_ns=("late_ns", "median")
    ).sort_values(["flow", "host", "is_inside", "late_ns"], kind="stable")
    side = spots.groupby(["flow", "host", "is_inside"], sort=False).ngroup().to_numpy()
    late_ns = spots["late_ns"].to_numpy()
    is_new = np.ones(len(spots), bool)
    is_new[1:] = (side[1:] != side[:-1]) | (late_ns[1:] - late_ns[:-1] > TOGETHER_NS)
    return pd.Series(np.cumsum(is_new) - 1, index=spots.index)

"""Did a copy of a request go beyond the ingress VTEP? What proves it, and what would have shown it.

Presence proves. Absence proves only at a vantage point that would have seen a copy: it covers the
moment, lost nothing, has shown such frames, and is on the path (domain.md, section 3).
"""

import numpy as np
import pandas as pd

from evpn_pcap.model import FOREVER, Kind, Role
from evpn_pcap.order import AFTER, BEFORE, PairMargins, order_within
from evpn_pcap.resolutions.answers import SILENCE_NS
from evpn_pcap.resolutions.placement import Placement, vtep_of
from evpn_pcap.resolutions.sighted import as_seen_at

TRAVEL_NS = 10_000_000  # a copy arrives within this time, or it is not this request's
ASK_BACK_NS = 100_000_000  # later its neighbour table may have been emptied


def sightings_with_places(sightings: pd.DataFrame, points: pd.DataFrame, placement: Placement) -> pd.DataFrame:
    """Return sightings with what is known of the point that each was made at (`at_` columns)."""
    with_underlay = points.loc[points["role"] == Role.UNDERLAY, "host"].unique()
    known = points[["point_id", "role", "is_hypervisor", "vtep_ip", "station_mac"]]
    known = known.assign(has_underlay=points["host"].isin(with_underlay))
    known = known.rename(columns={name: f"at_{name}" for name in known.columns if name != "point_id"})
    placed = sightings.merge(known, on="point_id", how="left", validate="many_to_one")
    return placed.assign(at_station_vtep=vtep_of(placed["at_station_mac"], placed["time_ns"], placement))


def own_hosts(points: pd.DataFrame) -> pd.DataFrame:
    """Return station_mac and host: where a machine's own link, or the VTEP in front of it, was captured.

    All points of such a host are on the machine's side of the fabric.
    """
    stations = points[points["station_mac"].notna() & (points["role"].isin([Role.VM, Role.TAP]))]
    return stations[["station_mac", "host"]].drop_duplicates()


def ingress_vteps(rows: pd.DataFrame, requests: pd.DataFrame, points: pd.DataFrame, placement: Placement) -> pd.Series:
    """Return the VTEP that each row's requester sits behind; missing where nothing tells.

    The outer source of its own copies; else the one hypervisor at which its first frame entered (it
    showed the frame bare, and its underlay covers the moment and showed no copy arriving: whatever
    routes still say of a machine that has just moved); else where its MAC sits; else the hypervisor
    that saw the request bare, if that one's underlay was captured and showed no copy arriving.
    """
    copies = requests[requests["vni"].notna()].sort_values(["time_ns", "frame_id"], kind="stable")
    by_copy = copies.groupby("row_id")["outer_source_ip"].first().reindex(rows.index)
    by_place = vtep_of(rows["requester_mac"], rows["time_ns"], placement)
    with_underlay = points.loc[points["shows_vxlan"], "host"].unique()
    bare = requests[requests["vni"].isna() & requests["at_vtep_ip"].notna() & requests["host"].isin(with_underlay)]
    bare = bare[~bare["row_id"].isin(copies["row_id"])]
    here = bare.groupby("row_id")["at_vtep_ip"].agg(["nunique", "first"])
    by_bridge = here["first"].where(here["nunique"] == 1).reindex(rows.index)
    by_entry = rows["transmission_id"].map(placement.entered).astype("str")
    return by_copy.astype("str").fillna(by_entry).fillna(by_place).fillna(by_bridge).astype("str")


def beyond(
    requests: pd.DataFrame, rows: pd.DataFrame, own: pd.DataFrame, unanswered_at: pd.DataFrame, placement: Placement
) -> pd.DataFrame:
    """Return the sightings of requests that were made beyond the ingress VTEP, with `assumption` where it rests on one.

    Proof: the frame is inside VXLAN, or bare at a hypervisor that is not the ingress VTEP, or on
    the link of a machine behind another VTEP. Where nothing tells which VTEP a machine is behind,
    two machines whose own links were captured at different hosts are taken to sit behind different
    ones; a requester that was not captured itself may be the VTEP, and of one that a captured
    hypervisor with its underlay shows, that underlay would tell. On the target's own link
    an answered request shows its answer too; where that is missing (`unanswered_at`: row_id and
    host), the place is not what it seems and nothing is claimed.
    """
    ingress = requests["row_id"].map(rows["ingress_vtep"])
    own_side = _pairs(requests["source_mac"], requests["host"]).isin(_pairs(own["station_mac"], own["host"]))
    is_copy = requests["vni"].notna()
    at_vtep, station_vtep = requests["at_vtep_ip"], requests["at_station_vtep"]
    is_anycast = requests["source_mac"].isin(placement.gateway_macs)  # each VTEP sends the same frame itself
    other_vtep = ~is_copy & ~is_anycast & at_vtep.notna() & ingress.notna() & (at_vtep != ingress)
    on_link = (
        ~is_copy
        & (requests["at_role"] == Role.VM)
        & ~own_side
        & ~is_anycast
        & ~_pairs(requests["row_id"], requests["host"]).isin(_pairs(unanswered_at["row_id"], unanswered_at["host"]))
    )
    is_known = ingress.notna() & station_vtep.notna()
    proven = is_copy | other_vtep | (on_link & is_known & (station_vtep != ingress))
    passed = requests.loc[~is_copy & requests["at_has_underlay"].fillna(value=False).astype(bool), "row_id"]
    is_assumable = requests["source_mac"].isin(own["station_mac"]) & ~requests["row_id"].isin(passed)
    assumed = on_link & ~is_known & is_assumable
    text = "the requester and " + requests["host"] + " are taken to sit behind different VTEPs"
    found = requests.assign(assumption=text.where(assumed & ~proven, ""), is_by_place=~is_copy & ~other_vtep)
    return found[proven | assumed]


def answer_visible(requests: pd.DataFrame, rows: pd.DataFrame, own: pd.DataFrame, points: pd.DataFrame) -> pd.Series:
    """Return whether an answer to each row would have been seen: on the requester's link or the ingress bridge.

    A unicast answer does not reach the links of other machines that had the request; nor is it seen where the capture
    ends within a second of every request.
    """
    last_ns = requests["point_id"].map(points.set_index("point_id")["last_ns"])
    goes_on = last_ns - requests["captured_ns"] >= SILENCE_NS
    on_own_side = _pairs(requests["source_mac"], requests["host"]).isin(_pairs(own["station_mac"], own["host"]))
    ingress = requests["row_id"].map(rows["ingress_vtep"])
    on_bridge = requests["at_role"].isin([Role.BRIDGE, Role.ANY]) & (requests["at_vtep_ip"] == ingress)
    seen = requests.loc[requests["vni"].isna() & (on_own_side | on_bridge) & goes_on, "row_id"]
    return pd.Series(rows.index.isin(seen), index=rows.index)


def _pairs(left: pd.Series, right: pd.Series) -> pd.Series:
    """Return one text for each pair, to compare pairs with isin."""
    return left.astype("str") + " " + right.astype("str")


def witnesses(
    rows: pd.DataFrame,
    requests: pd.DataFrame,
    points: pd.DataFrame,
    own: pd.DataFrame,
    placement: Placement,
    margins: PairMargins,
) -> pd.DataFrame:
    """Return, per row and vantage point that a copy would have passed, whether it would have been seen there.

    One row per row_id and point_id on the path: `covers` (its capture covers every request of the
    row, less the doubt between both clocks), `is_aligned`, `proves` (covers, lost nothing and cut nothing that is
    read), `assumption`, `rank` (the smaller, the nearer to the ingress VTEP). Absence there proves that nothing went
    beyond. A host that saw the requests itself, at another point, needs no other clock than its own.
    """
    shown = points[points["shows_arp"] | points["shows_nd"] | points["shows_vxlan"]]
    asked = rows.reset_index()[
        [
            *("row_id", "kind", "protocol", "time_ns", "last_request_ns", "margin_ns", "host", "requester_mac"),
            *("ingress_vtep", "destination_mac", "vni", "request_count"),
        ]
    ]
    pairs = as_seen_at(asked.merge(shown, how="cross", suffixes=("", "_there")), requests)
    pairs = pairs.assign(station_vtep=vtep_of(pairs["station_mac"], pairs["time_ns"], placement))
    shows_class = pairs["shows_arp"].where(pairs["protocol"] == "arp", pairs["shows_nd"]).astype(bool)

    is_underlay = pairs["shows_vxlan"].astype(bool) & _has_shown_tunnel(pairs, placement.tunnels)
    own_side = _pairs(pairs["requester_mac"], pairs["host_there"]).isin(_pairs(own["station_mac"], own["host"]))
    at_other_vtep = (
        pairs["vtep_ip"].notna() & pairs["ingress_vtep"].notna() & (pairs["vtep_ip"] != pairs["ingress_vtep"])
    )
    is_bare_other = ~pairs["shows_vxlan"].astype(bool) & shows_class & at_other_vtep
    is_device = (pairs["role"] == Role.VXLAN) & shows_class & (pairs["vtep_ip"] == pairs["ingress_vtep"])
    is_known = pairs["ingress_vtep"].notna() & pairs["station_vtep"].notna()
    is_captured = is_known | pairs["requester_mac"].isin(own["station_mac"])
    is_link = (
        (pairs["role"] == Role.VM)
        & is_captured
        & shows_class
        & ~own_side
        & (~is_known | (pairs["station_vtep"] != pairs["ingress_vtep"]))
    )

    is_unicast = (pairs["kind"] == Kind.REFRESH).astype(bool)
    is_ingress = is_device | (is_underlay & (pairs["vtep_ip"] == pairs["ingress_vtep"]))
    to_target = pairs["station_mac"] == pairs["destination_mac"]
    on_path = (is_underlay | is_bare_other | is_device | is_link) & (
        ~is_unicast | is_ingress | to_target.fillna(value=False)
    )
    text = "the requester and " + pairs["host_there"] + " are taken to sit behind different VTEPs"
    found = pairs.assign(
        rank=(2 - is_ingress.fillna(value=False).astype(int) - is_underlay.astype(int)).astype("int64"),
        assumption=text.where(is_link & ~is_known & ~is_underlay, ""),
        is_ingress=is_ingress.fillna(value=False).astype(bool),
    )[on_path.fillna(value=False).astype(bool)]
    return _with_coverage(found, margins)


def _has_shown_tunnel(pairs: pd.DataFrame, tunnels: pd.DataFrame) -> pd.Series:
    """Return whether the host has shown the tunnel that a copy would have used.

    That is VXLAN of the row's VNI; beside it, at another host than the ingress VTEP, VXLAN from
    the ingress VTEP. What is not known does not restrict.
    """
    by_vni = tunnels[["host", "vni"]].drop_duplicates().assign(shown_vni=True)
    by_tunnel = tunnels[["host", "vni", "outer_source_ip"]].drop_duplicates().assign(shown_tunnel=True)
    asked = pairs[["host_there", "vni", "ingress_vtep", "vtep_ip"]].rename(columns={"host_there": "host"})
    found = asked.merge(by_vni, on=["host", "vni"], how="left", validate="many_to_one")
    found = found.rename(columns={"ingress_vtep": "outer_source_ip"})
    found = found.merge(by_tunnel, on=["host", "vni", "outer_source_ip"], how="left", validate="many_to_one")
    needs_tunnel = found["outer_source_ip"].notna() & (found["outer_source_ip"] != found["vtep_ip"].fillna(""))
    has = found["shown_tunnel"].where(needs_tunnel, found["shown_vni"]).notna()
    return (has | found["vni"].isna()).set_axis(pairs.index)


def _with_coverage(found: pd.DataFrame, margins: PairMargins) -> pd.DataFrame:
    """Return the pairs with is_aligned, covers and proves."""
    there = found["host_there"], found["point_margin_ns"]
    asked = found["request_host"], found["margin_ns"]
    last_ns = found["last_request_ns"] + TRAVEL_NS

    def doubt(point_ns: pd.Series, request_ns: pd.Series) -> np.ndarray:
        return margins.doubt(there[0], point_ns, there[1], asked[0], request_ns, asked[1])

    begins = order_within(found["first_time_ns"], found["time_ns"], doubt(found["first_time_ns"], found["time_ns"]))
    ends = order_within(found["last_time_ns"], last_ns, doubt(found["last_time_ns"], last_ns))
    is_own = found["request_host"] == found["host_there"]
    aligned = is_own | ((found["margin_ns"] != FOREVER) & (found["point_margin_ns"] != FOREVER))
    covers = aligned & (begins == BEFORE) & (ends == AFTER)
    lost = found["dropped_count"].fillna(0).astype("int64") > 0
    cut = found["cuts_arp"].where(found["protocol"] == "arp", found["cuts_nd"]).astype(bool)
    return found.assign(is_aligned=aligned, covers=covers, is_cut=cut, proves=covers & ~lost & ~cut)


def asks_back(rows: pd.DataFrame, requests: pd.DataFrame, margins: PairMargins) -> pd.Index:
    """Return rows whose target, seen on its own link, soon asked for the requester's address itself.

    Whoever receives a request takes the asker's address from it (RFC 826, packet reception; RFC
    4861, 7.2.3), so a target that asks by broadcast within 100 ms, and whose link does not show the
    request, never had it: no copy reached its link, and the answer was not its own. This holds even
    where the target's capture begins only with the first frame after the request.
    """
    there = requests[
        (requests["at_role"] == Role.VM)
        & (requests["at_station_mac"] == requests["requester_mac"])
        & (requests["kind"] == Kind.RESOLUTION)
    ]
    asked = rows[(rows["kind"] == Kind.RESOLUTION) & (rows["margin_ns"] != FOREVER)].reset_index()
    asked = asked[["row_id", "protocol", "requester_ip", "target_ip", "last_request_ns", "margin_ns", "host"]]
    back = there[there["margin_ns"] != FOREVER][
        ["protocol", "requester_ip", "target_ip", "time_ns", "margin_ns", "host"]
    ]
    back = back.rename(columns={"requester_ip": "target_ip", "target_ip": "requester_ip"})
    pairs = asked.merge(
        back, on=["protocol", "requester_ip", "target_ip"], how="inner", suffixes=("", "_back"), validate="many_to_many"
    )
    doubt_ns = margins.doubt(
        *(pairs[name] for name in ("host", "last_request_ns", "margin_ns")),
        *(pairs[name] for name in ("host_back", "time_ns", "margin_ns_back")),
    )
    after = order_within(pairs["last_request_ns"], pairs["time_ns"], doubt_ns) == BEFORE
    soon = pairs["time_ns"] - pairs["last_request_ns"] < ASK_BACK_NS
    shown = _pairs(pairs["row_id"], pairs["host_back"]).isin(_pairs(requests["row_id"], requests["host"]))
    return pd.Index(pairs.loc[after & soon & ~shown, "row_id"].unique())

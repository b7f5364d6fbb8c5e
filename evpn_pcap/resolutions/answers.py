"""Who answered a request: decided by where the answer was first seen, not by its content."""

import numpy as np
import pandas as pd

from evpn_pcap.model import AnsweredBy, Kind, Options, Role
from evpn_pcap.resolutions.placement import Placement, vtep_of

GROUP_BIT = 1 << 40  # IEEE 802, I/G address bit of the first octet
SILENCE_NS = 1_000_000_000  # no answer within this time is none


def first_answers(rows: pd.DataFrame, requests: pd.DataFrame, answers: pd.DataFrame) -> pd.DataFrame:
    """Return, per row, its first answer: transmission, told_mac, source_mac and latency, index row_id.

    The latency is measured on one host's clock: of the hosts that saw the first request and the
    answer, the one where it is longest is the nearest to the requester.
    """
    first_request = requests[requests["transmission_id"] == requests["row_id"].map(rows["transmission_id"])]
    asked = first_request.groupby(["row_id", "host"], as_index=False)["captured_ns"].min()
    told = answers.groupby(["row_id", "transmission_id", "host"], as_index=False)["captured_ns"].min()
    both = told.merge(asked, on=["row_id", "host"], how="inner", suffixes=("", "_asked"), validate="many_to_one")
    both = both.assign(latency_ns=both["captured_ns"] - both["captured_ns_asked"])
    both = both[both["latency_ns"] >= 0]
    longest = both.groupby(["row_id", "transmission_id"], as_index=False)["latency_ns"].max()
    ordered = answers.sort_values(["time_ns", "frame_id"], kind="stable").drop_duplicates("transmission_id")
    ordered = ordered.merge(longest, on=["row_id", "transmission_id"], how="left", validate="one_to_one")
    ordered = ordered.sort_values(["latency_ns", "time_ns", "frame_id"], kind="stable", na_position="last")
    first = ordered.drop_duplicates("row_id").set_index("row_id")
    return first[["transmission_id", "told_mac", "source_mac", "latency_ns"]].reindex(rows.index)


def missing_at_target(requests: pd.DataFrame, answers: pd.DataFrame, told_mac: pd.Series) -> pd.DataFrame:
    """Return row_id and host where the answering machine's own link shows the request but not the answer.

    Then the answer came from elsewhere, and the request was not on that machine's link either: the
    point is not what it seems.
    """
    there = requests[
        (requests["at_role"] == Role.VM) & (requests["at_station_mac"] == requests["row_id"].map(told_mac))
    ]
    there = there[["row_id", "host"]].drop_duplicates()
    shown = answers[["row_id", "host"]].drop_duplicates()
    found = there.merge(shown, on=["row_id", "host"], how="left", indicator=True, validate="one_to_one")
    return found.loc[found["_merge"] == "left_only", ["row_id", "host"]]


def natures(
    rows: pd.DataFrame,
    answers: pd.DataFrame,
    anchors: pd.DataFrame,
    points: pd.DataFrame,
    placement: Placement,
    options: Options,
) -> pd.DataFrame:
    """Return, per row, is_gateway and is_host: whether the target is the VTEP's own address, or a machine's.

    A gateway: stated; or the answer gives a MAC that several VTEPs use and none advertises as a
    host; or the answer came out of the bridge device; or every table is known whole, and none has a
    route for the MAC or the address: every VTEP advertises its machines' MACs, but not its own; and
    where no answer is seen, if another row of the segment proves it for the same address. A
    machine: its MAC or address has a MAC/IP route, or the MAC is a captured machine's own, or frames
    from the target address arrive from another VTEP. Of the rest neither is known. Where
    the answer tells a MAC of zeros, or of a group, the frame's own source counts.
    """
    is_nobodys = (rows["target_mac"] == 0) | (rows["target_mac"] & GROUP_BIT != 0)
    told_mac = rows["target_mac"].mask(is_nobodys.fillna(value=False).astype(bool), rows["answer_source_mac"])
    is_told = told_mac.isin(placement.told["mac"].dropna()) | rows["target_ip"].isin(placement.told["ip"].dropna())
    stations = points.loc[points["role"] == Role.VM, "station_mac"].dropna()
    tells_machines = bool(placement.told["mac"].notna().any())  # VTEPs that advertise nothing tell nothing by it
    is_gateway = (
        rows["target_ip"].isin(options.gateways)
        | rows["target_ip"].isin(placement.gateway_ips)
        | told_mac.isin(placement.gateway_macs)
        | rows.index.isin(_out_of_bridge(answers))
        | (rows["is_table_whole"] & tells_machines & told_mac.notna() & ~is_told & ~told_mac.isin(stations))
    )
    senders = anchors.loc[anchors["vni"].notna(), ["source_ip", "outer_source_ip"]].drop_duplicates()
    asked = rows.reset_index()[["row_id", "target_ip", "ingress_vtep"]].dropna()
    remote = asked.merge(senders, left_on="target_ip", right_on="source_ip", how="inner", validate="many_to_many")
    remote = remote[remote["outer_source_ip"] != remote["ingress_vtep"]]
    is_host = (
        is_told
        | told_mac.isin(stations)
        | rows.index.isin(remote["row_id"])
    )  # fmt: skip
    own = (
        rows["vni"].astype("str") + " " + rows["target_ip"]
    )  # an address of the VTEP stays one where no answer is seen
    is_gateway |= rows["answer_id"].isna() & own.isin(own[is_gateway].dropna())
    return pd.DataFrame({"is_gateway": is_gateway, "is_host": is_host & ~is_gateway}, index=rows.index)


def _out_of_bridge(answers: pd.DataFrame) -> pd.Index:
    """Return rows whose answer came out of a hypervisor's bridge device, so that the VTEP itself gave it.

    Where captures tell directions: it leaves by several interfaces and enters by none. A proxied
    answer leaves by the requester's tap alone; a local machine's enters by its own.
    """
    bare = answers[answers["vni"].isna() & answers["at_is_hypervisor"].fillna(value=False).astype(bool)]
    told = bare.assign(left_by=bare["point_id"].where(bare["direction"] == "outgoing"))
    by_host = told.assign(enters=told["direction"] == "incoming").groupby(["row_id", "transmission_id", "host"])
    seen = by_host.agg(left_count=("left_by", "nunique"), enters=("enters", "any")).reset_index()
    crossed = answers.loc[answers["vni"].notna(), "transmission_id"]
    came_out = (seen["left_count"] > 1) & ~seen["enters"] & ~seen["transmission_id"].isin(crossed)
    return pd.Index(seen.loc[came_out, "row_id"].unique())


def answered_by(
    rows: pd.DataFrame, answers: pd.DataFrame, absent: pd.Index, points: pd.DataFrame, placement: Placement
) -> pd.Series:
    """Return who answered each row, as far as it is proven.

    `absent`: rows whose answering machine is known not to have sent the answer (its own
    link was captured and does not show it, or it asked back).
    """
    first = answers[answers["transmission_id"] == answers["row_id"].map(rows["answer_id"])]
    ingress = first["row_id"].map(rows["ingress_vtep"])
    arrived = first["vni"].notna() & ingress.notna() & (first["outer_source_ip"] != ingress)
    at_origin = (
        first["vni"].isna()
        & (first["at_role"].isin([Role.VM, Role.TAP]))
        & (first["at_station_mac"] == first["told_mac"])
        & ~first["at_station_mac"].isin(_ends_at_several(points))
    )
    elsewhere = first["vni"].isna() & first["at_vtep_ip"].notna() & ingress.notna() & (first["at_vtep_ip"] != ingress)
    is_far = (
        arrived | elsewhere | (at_origin & (first["at_station_vtep"] != ingress) & first["at_station_vtep"].notna())
    )
    # An answer from beyond comes in by the ingress VTEP's underlay; of two with the same octets, sent within a ms, one
    # may be seen elsewhere while the other was given here.
    at_ingress = first["at_vtep_ip"] == ingress
    came_in, given = (first.loc[at_ingress & (first["vni"].notna() == inside), "row_id"] for inside in (True, False))
    is_given = rows["is_ingress_heard"] & rows.index.isin(given) & ~rows.index.isin(came_in)
    is_other = is_far & first["row_id"].map(is_given)
    from_target = rows.index.isin(first.loc[(arrived | at_origin | elsewhere) & ~is_other, "row_id"])
    answerer_vtep = vtep_of(rows["target_mac"], rows["time_ns"], placement)
    is_remote = answerer_vtep.notna() & rows["ingress_vtep"].notna() & (answerer_vtep != rows["ingress_vtep"])
    is_answered = rows["answer_id"].notna()
    # An answer that did not arrive over the underlay was given at the ingress VTEP: so was that to
    # a request that stayed there, and one that its captured underlay does not show.
    is_unseen = rows["is_ingress_heard"] & ~rows.index.isin(first.loc[first["vni"].notna(), "row_id"])
    here = rows["is_kept"] | is_unseen | is_given
    not_target = (is_remote & rows["is_host"]) | rows.index.isin(absent)
    by_vtep = is_answered & ~from_target & here & (rows["is_gateway"] | not_target)
    return pd.Series(
        np.select(
            [
                rows["kind"] == Kind.ANNOUNCEMENT,
                is_answered & from_target & rows["is_gateway"],
                is_answered & from_target,
                by_vtep & rows["is_gateway"],
                by_vtep,
                ~is_answered & rows["is_silent"],
            ],
            [
                AnsweredBy.NONE,
                AnsweredBy.GATEWAY,
                AnsweredBy.TARGET,
                AnsweredBy.GATEWAY,
                AnsweredBy.PROXY,
                AnsweredBy.NONE,
            ],
            AnsweredBy.UNKNOWN,
        ),
        index=rows.index,
    )


def _ends_at_several(points: pd.DataFrame) -> pd.Index:
    """Return the MACs that are an end of every unicast frame at points of several hypervisors: an anycast gateway's,
    or a machine's that has moved; such a point does not tell whose link it is.
    """
    at = points[points["is_hypervisor"].fillna(value=False).astype(bool) & points["station_mac"].notna()]
    hosts = at.groupby("station_mac")["host"].nunique()
    return hosts.index[hosts > 1]


def absent_answers(
    rows: pd.DataFrame, answers: pd.DataFrame, witnesses: pd.DataFrame, asked_back: pd.Index
) -> pd.Index:
    """Return the rows whose answer did not come from the machine that owns its MAC.

    That machine's own link was captured at the moment and does not show the answer, or the machine
    asked back (see evidence.asks_back), so it never had the request.
    """
    shown = answers[["row_id", "host"]].drop_duplicates().rename(columns={"host": "host_there"})
    at_owner = witnesses[
        (witnesses["role"] == Role.VM)
        & (witnesses["station_mac"] == witnesses["row_id"].map(rows["target_mac"]))
        & witnesses["proves"]
    ]
    found = at_owner.merge(shown, on=["row_id", "host_there"], how="left", indicator=True, validate="many_to_one")
    return pd.Index(found.loc[found["_merge"] == "left_only", "row_id"].unique()).union(asked_back)


def uses(rows: pd.DataFrame, anchors: pd.DataFrame) -> pd.Series:
    """Return whether the requester sends to the address within three seconds of its last request: it was answered."""
    asked = rows.reset_index()[["row_id", "requester_ip", "target_ip", "last_request_ns"]]
    used = anchors[["source_ip", "destination_ip", "time_ns"]].rename(
        columns={"source_ip": "requester_ip", "destination_ip": "target_ip"}
    )
    sent = asked.merge(used, on=["requester_ip", "target_ip"], how="inner", validate="many_to_many")
    after_ns = sent["time_ns"] - sent["last_request_ns"]
    is_after = (after_ns > 0) & (after_ns < 3 * SILENCE_NS)
    return pd.Series(rows.index.isin(sent.loc[is_after, "row_id"]), index=rows.index)


def silences(rows: pd.DataFrame, points: pd.DataFrame) -> pd.Series:
    """Return whether the requester's own link proves that nobody answered.

    It was captured until a second after the last request without loss, shows no answer, and the requester does not
    use the address (`is_used`).
    """
    links = points[(points["role"] == Role.VM) & (points["dropped_count"].fillna(0) == 0)]
    links = links[["host", "station_mac", "last_time_ns"]].dropna().drop_duplicates(["host", "station_mac"])
    asked = rows.reset_index()[["row_id", "requester_host", "requester_mac", "last_request_ns", "answer_id"]]
    own = asked.merge(
        links,
        left_on=["requester_host", "requester_mac"],
        right_on=["host", "station_mac"],
        how="inner",
        validate="many_to_one",
    )
    own = own[own["answer_id"].isna() & (own["last_time_ns"] >= own["last_request_ns"] + SILENCE_NS)]
    return pd.Series(rows.index.isin(own["row_id"]) & ~rows["is_used"], index=rows.index)

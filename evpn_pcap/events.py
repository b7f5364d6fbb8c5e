"""Joined packets -> EVENTS: what was asked, answered or announced (RFC 826, 4861, 5227, 903).

The kinds are those of RFC 5227 (probe, announcement) and RFC 4861 (duplicate address detection,
unreachability detection), read the same way for ARP and ND.
"""

import numpy as np
import pandas as pd

from evpn_pcap import columns
from evpn_pcap.model import Kind
from evpn_pcap.points import at_points

ARP_REQUEST, ARP_REPLY = 1, 2
ROUTER_SOLICITATION, ROUTER_ADVERTISEMENT, SOLICITATION, ADVERTISEMENT, REDIRECT = 133, 134, 135, 136, 137
NOBODY = ("0.0.0.0", "::")  # the sender address of a probe
MULTICAST_BIT = 1 << 40  # group bit of a MAC


def find_events(packets: pd.DataFrame, points: pd.DataFrame) -> pd.DataFrame:
    """Return what each ARP, RARP, ND or MLD frame says.

    Reads PACKETS with time_ns, margin_ns and transmission_id, and POINTS. A frame whose ARP or ND
    part was cut off, or whose operation is not known, says nothing and makes no row (ANOMALIES
    names it). Returns EVENTS in order of time and frame.
    """
    rows = packets[(packets["stop_reason"] == "") & packets["protocol"].isin(["arp", "rarp", "nd", "mld"])]
    rows = at_points(rows, points, ["point_id"])
    message, kind = _words(rows)
    rows = rows.assign(message=message, kind=kind)
    rows = rows[rows["message"] != ""].sort_values(["time_ns", "frame_id"], kind="stable")

    is_nd = rows["protocol"] == "nd"
    is_answer = rows["message"].isin(["reply", "announcement"])
    is_rarp = rows["protocol"] == "rarp"
    speaks = is_answer & ~is_nd  # ARP answers and announcements speak about their sender
    data = {
        **{name: rows[name] for name in _KEPT},
        "protocol": rows["protocol"].mask(is_rarp, "arp"),
        "requester_mac": rows["source_mac"].where(rows["message"] != "reply", _asker_mac(rows, is_nd)),
        "requester_ip": _requester_ip(rows, is_nd),
        "target_ip": rows["sender_ip"].where(speaks, rows["target_ip"]).where(~is_rarp),
        "told_mac": _told_mac(rows, is_nd, is_answer),
    }
    return columns.EVENTS.build({**data, "segment": _segments(rows, packets, points)})


_KEPT = (
    "frame_id", "host", "point_id", "captured_ns", "time_ns", "margin_ns", "direction", "message", "kind", "vni",
    "outer_source_ip", "outer_destination_ip", "source_mac", "destination_mac", "is_multicast", "has_router_flag",
    "has_solicited_flag", "has_override_flag", "wire_bytes", "frame_key", "transmission_id",
)  # fmt: skip


def _words(rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return message and kind of each row."""
    operation = rows["operation"].fillna(0).to_numpy(dtype=np.int64)
    is_nd = (rows["protocol"] == "nd").to_numpy()
    is_arp = (rows["protocol"] == "arp").to_numpy()
    is_group = _is_group(rows)
    is_nobody = rows["sender_ip"].isin(NOBODY).to_numpy()
    about_itself = (rows["sender_ip"] == rows["target_ip"]).to_numpy() & is_arp
    is_solicited = rows["has_solicited_flag"].fillna(value=False).to_numpy(dtype=bool)

    asks = (is_arp & (operation == ARP_REQUEST) & ~about_itself) | (is_nd & (operation == SOLICITATION))
    announces = (
        (rows["protocol"] == "rarp").to_numpy()
        | (is_arp & (operation <= ARP_REPLY) & (operation > 0) & about_itself)
        | (is_nd & (operation == ADVERTISEMENT) & ~is_solicited)
    )
    answers = (is_arp & (operation == ARP_REPLY)) | (is_nd & (operation == ADVERTISEMENT))
    message = np.select(
        [
            announces, asks, answers,
            is_nd & (operation == ROUTER_SOLICITATION),
            is_nd & (operation == ROUTER_ADVERTISEMENT),
            is_nd & (operation == REDIRECT),
            (rows["protocol"] == "mld").to_numpy(),
        ],
        ["announcement", "request", "reply", "rs", "ra", "redirect", "mld"],
        "",
    )  # fmt: skip
    kind = np.select(
        [announces, asks & is_nobody, asks & is_group, asks],
        [Kind.ANNOUNCEMENT, Kind.PROBE, Kind.RESOLUTION, Kind.REFRESH],
        "",
    ).astype(object)
    kind[kind == ""] = None
    return message, kind


def _is_group(rows: pd.DataFrame) -> np.ndarray:
    """Return whether each frame went to a group; where no sighting shows the Ethernet destination, what IP says.

    An ARP request in a cooked capture whose destination nobody recorded counts as broadcast, as
    almost all are.
    """
    by_ip = rows["destination_ip"].str.startswith("ff").astype("boolean")
    arp_default = pd.Series(data=True, index=rows.index, dtype="boolean")
    return rows["is_multicast"].fillna(by_ip).fillna(arp_default).to_numpy(dtype=bool)


def _requester_ip(rows: pd.DataFrame, is_nd: pd.Series) -> pd.Series:
    """Return who asks, or for whom an answer is meant; missing for probes and announcements."""
    meant_for = rows["destination_ip"].where(is_nd, rows["target_ip"])
    asks = rows["message"].isin(["request", "rs"])
    asker = rows["sender_ip"].where(asks, meant_for.where(rows["message"] == "reply"))
    return asker.where(~asker.isin(NOBODY))


def _asker_mac(rows: pd.DataFrame, is_nd: pd.Series) -> pd.Series:
    """Return whom an answer is meant for: the ARP target hardware address, or where the frame is sent to."""
    return rows["destination_mac"].where(is_nd, rows["target_mac"])


def _told_mac(rows: pd.DataFrame, is_nd: pd.Series, is_answer: pd.Series) -> pd.Series:
    """Return the MAC that an answer gives: ARP sender, ND target link-layer option or else the frame's source."""
    by_nd = rows["target_mac"].fillna(rows["source_mac"])
    return by_nd.where(is_nd, rows["sender_mac"]).where(is_answer)


def _segments(rows: pd.DataFrame, packets: pd.DataFrame, points: pd.DataFrame) -> pd.Series:
    """Return the broadcast domain of each frame: the VNI of its transmission, or where its sender is otherwise seen.

    A suppressed request is never seen inside VXLAN; the sender's other frames are, and tell the
    VNI if there is just one. A frame that was seen only bare, and only where VXLAN is carried,
    between VTEPs and BGP speakers or from the MAC of one, belongs to the underlay itself.
    """
    carries = rows["point_id"].isin(points.loc[points["shows_vxlan"], "point_id"]) & rows["vni"].isna()
    bgp = packets[packets["protocol"] == "bgp"]
    speakers = pd.concat([bgp["sender_ip"], bgp["target_ip"], rows["outer_source_ip"], rows["outer_destination_ip"]])
    is_between = (
        rows["sender_ip"].isin(speakers.dropna()) & rows["target_ip"].isin(speakers.dropna()) & rows["vni"].isna()
    )
    is_speaker = rows["source_mac"].isin(_underlay_macs(packets)) & rows["vni"].isna()
    is_underlay = (carries | is_between | is_speaker).groupby(rows["transmission_id"]).transform("all")
    by_sender = rows.groupby("source_mac")["vni"].agg(["min", "max"])
    single = by_sender["min"].where(by_sender["min"] == by_sender["max"])
    vni = rows.groupby("transmission_id")["vni"].transform("first").fillna(rows["source_mac"].map(single))
    tag = rows["vlan_id"].astype("str").fillna("untagged")
    return ("vni:" + vni.astype("str")).where(vni.notna(), "vlan:" + tag).mask(is_underlay, "underlay")


def _underlay_macs(packets: pd.DataFrame) -> pd.Series:
    """Return the MACs that bare BGP is spoken from and that are never seen inside VXLAN: NICs of VTEPs and reflectors.

    Where VXLAN is seen, BGP of its tunnels' ends only: machines behind a VTEP may speak BGP, too.
    """
    is_bare = packets["vni"].isna()
    bgp = packets[(packets["protocol"] == "bgp") & is_bare]
    ends = pd.concat([packets["outer_source_ip"], packets["outer_destination_ip"]]).dropna().unique()
    of_tunnels = bgp["sender_ip"].isin(ends) | bgp["target_ip"].isin(ends)
    spoken = bgp.loc[of_tunnels | (len(ends) == 0), "source_mac"].dropna()
    return spoken[~spoken.isin(packets.loc[~is_bare, "source_mac"])].drop_duplicates()

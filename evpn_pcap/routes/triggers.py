"""What VTEPs announced, and frames at their access side -> the frame that made a VTEP announce an address.

A Linux VTEP learns a MAC from any frame, and an address from what is sent to itself: an exchange with
the gateway, a router solicitation, an announcement where arp_accept is set (kernel: arp_process in
net/ipv4/arp.c, ndisc_recv_rs and ndisc_recv_na in net/ipv6/ndisc.c). Others snoop every ARP and ND frame.
"""

import pandas as pd

from evpn_pcap.addresses import capture_of
from evpn_pcap.model import FOREVER
from evpn_pcap.routes.places import OWN_LINK, are_comparable

WINDOW_NS = 1_000_000_000  # trigger to UPDATE takes about 50 ms in FRR (domain.md, section 8), elsewhere up to a second
AT_ONCE_NS = 75_000_000  # what FRR's bgpd collects before it sends, 50 ms, and some
TOGETHER_NS = 100_000_000  # an address that is announced with its MAC was known before: the MAC was learned anew


def find_triggers(
    own: pd.DataFrame, sessions: pd.DataFrame, frames: pd.DataFrame, events: pd.DataFrame, points: pd.DataFrame
) -> pd.DataFrame:
    """Return trigger_frame_id and trigger_delay_ns of the announcements in `own`, with its index.

    The trigger is the first frame in the 75 ms before the UPDATE that can have taught the VTEP the
    address: one sent to the VTEP itself, else one that claims the address; else such a frame in the whole second
    before. An earlier one of both may have taught nothing: a moved machine's is refused while its old binding holds.
    Of a MAC, and of an address that is announced with its MAC, it is any frame of the MAC within 75 ms. It is looked
    for at the access side of the VTEP, or where that was not captured on the machine's own link. An announcement
    whose frame was not captured has none, nor has one of a whole table that a new session was told: that tells when
    the session came up, not when the address was learned.
    """
    announced = _announced(own[~_is_of_first_table(own, sessions)], points)
    is_claim = frames["message"].notna() & frames["ip"].notna()
    taught = frames[is_claim & _is_to_vtep(frames, events, own)]
    found = []
    for at in ("vtep_ip", "own_link"):
        with_ip, alone = announced[announced["ip"].notna()], announced[announced["ip"].isna()]
        relearned = with_ip[with_ip["is_with_mac"]]
        found += [
            _first_frames(_at_once(with_ip), taught, [at, "mac", "ip"]),
            _first_frames(_at_once(with_ip), frames[is_claim], [at, "mac", "ip"]),
            _first_frames(with_ip, taught, [at, "mac", "ip"]),
            _first_frames(with_ip, frames[is_claim], [at, "mac", "ip"]),
            _first_frames(_at_once(pd.concat([alone, relearned])), frames, [at, "mac"]),
        ]
    told = pd.concat(found)
    first = told[~told.index.duplicated()].reindex(own.index)
    return pd.DataFrame(
        {
            "trigger_frame_id": first["frame_id"],
            "trigger_delay_ns": first["delay_ns"],
        }
    )


def _is_of_first_table(own: pd.DataFrame, sessions: pd.DataFrame) -> pd.Series:
    """Return whether each was announced before any of its sender's sessions had ended its table (End-of-RIB)."""
    whole_ns = sessions[sessions["complete_ns"] < FOREVER].groupby("sender_ip")["complete_ns"].min()
    ended_ns = own["sender_ip"].map(whole_ns.astype("Int64")).astype("Int64")
    return (own["advertised_ns"] <= ended_ns).fillna(value=False).astype(bool)


def _announced(own: pd.DataFrame, points: pd.DataFrame) -> pd.DataFrame:
    """Return the announcements with what was seen of them: where, from when on a frame may have triggered them."""
    captures = points[["capture_ids", "host"]].explode("capture_ids").drop_duplicates("capture_ids")
    hosts = captures.set_index("capture_ids")["host"]
    ordered = own.sort_values("advertised_ns", kind="stable")
    route = ordered.groupby(["sender_ip", "rd", "ethernet_tag", "mac", "ip"], dropna=False, sort=False)
    before_ns = route["withdrawn_ns"].shift().fillna(0).astype("int64")
    alone = ordered[ordered["ip"].isna()][["vtep_ip", "mac", "advertised_ns"]].assign(
        with_ns=lambda t: t["advertised_ns"]
    )
    near = pd.merge_asof(
        ordered[["vtep_ip", "mac", "advertised_ns"]], alone, on="advertised_ns", by=["vtep_ip", "mac"],
        direction="nearest", tolerance=TOGETHER_NS,
    )  # fmt: skip
    first_frame = ordered["frame_ids"].str[0].astype("Int64")  # a route that only prints show has none
    is_seen = ~ordered["is_preexisting"].astype(bool) & first_frame.notna()
    return ordered.assign(
        own_link=OWN_LINK,
        route_host=capture_of(first_frame).map(hosts),
        since_ns=(ordered["advertised_ns"] - WINDOW_NS).clip(lower=before_ns),
        is_with_mac=near["with_ns"].notna().to_numpy() & ordered["ip"].notna(),
    )[is_seen]


def _at_once(announced: pd.DataFrame) -> pd.DataFrame:
    """Return announcements whose trigger is looked for shortly before them only."""
    since_ns = announced["advertised_ns"] - AT_ONCE_NS
    return announced.assign(since_ns=since_ns.clip(lower=announced["since_ns"]))


def _is_to_vtep(frames: pd.DataFrame, events: pd.DataFrame, own: pd.DataFrame) -> pd.Series:
    """Return which frames were sent to the VTEP itself: router solicitations, and to a MAC or address of a VTEP.

    The VTEPs' own addresses are those that a MAC answers for, or asks with, that no VTEP announces as a host's.
    """
    is_gateway = own["is_default_gateway"].fillna(value=False).astype(bool)
    hosts = own.loc[~is_gateway, "mac"].unique()
    answers = events[(events["message"] == "reply") & events["told_mac"].notna() & ~events["told_mac"].isin(hosts)]
    asks = events[(events["message"] == "request") & ~events["source_mac"].isin(hosts)]
    addresses = set(answers["target_ip"].dropna()) | set(asks["requester_ip"].dropna()) | set(own.loc[is_gateway, "ip"])
    is_group = frames["is_multicast"].fillna(value=True).astype(bool)
    to_mac = ~is_group & frames["destination_mac"].notna() & ~frames["destination_mac"].isin(hosts)
    to_address = (frames["message"] == "request") & frames["target_ip"].isin(addresses)
    return (frames["message"] == "rs") | to_mac | to_address


def _first_frames(announced: pd.DataFrame, frames: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Return, per announcement, the first frame from since_ns on, if it comes before the UPDATE: frame_id, delay_ns."""
    read = frames[["vtep_ip", *keys[1:], "time_ns", "margin_ns", "host", "frame_id"]]
    here = read.rename(columns={"vtep_ip": keys[0]}).dropna(subset=keys)
    here = here.assign(since_ns=here["time_ns"]).astype({"time_ns": "Int64", "margin_ns": "Int64", "frame_id": "Int64"})
    asked = announced.dropna(subset=keys).sort_values("since_ns", kind="stable")
    found = pd.merge_asof(
        asked[[*keys, "since_ns", "advertised_ns", "margin_ns", "route_host"]],
        here[[*keys, "since_ns", "time_ns", "margin_ns", "host", "frame_id"]],
        on="since_ns", by=keys, direction="forward", suffixes=("", "_frame"), tolerance=WINDOW_NS,
    ).set_index(asked.index)  # fmt: skip
    found = found.dropna(subset=["frame_id"])
    delay_ns = found["advertised_ns"] - found["time_ns"]
    is_told = are_comparable(found["host"], found["margin_ns_frame"], found["route_host"], found["margin_ns"])
    return found.assign(delay_ns=delay_ns)[is_told & (delay_ns >= 0)][["frame_id", "delay_ns"]]

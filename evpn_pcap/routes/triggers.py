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
TOGETHER_NS = 100_000_000  # an address that is announced with its MAC was known before: the MAC was learned anew


def find_triggers(
    routes: pd.DataFrame,
    own: pd.DataFrame,
    sessions: pd.DataFrame,
    frames: pd.DataFrame,
    events: pd.DataFrame,
    points: pd.DataFrame,
) -> pd.DataFrame:
    """Return trigger_frame_id and trigger_delay_ns of the announcements in `own`, with its index.

    The trigger is the first frame in the second before the UPDATE that can have taught the VTEP the address: a request
    to the VTEP itself, else an answer to it (which teaches only what the VTEP had asked for), else one that
    claims the address. What came before the route's last withdrawal had taught
    before; and while another VTEP's route for the address is in force, the kernel keeps that entry and learns nothing
    (NUD_NOARP in neigh_update of net/core/neighbour.c).
    Of a MAC it is the first frame of it, of any kind, since the route's last withdrawal: every frame teaches a bridge
    (br_fdb_update). Where it was heard for longer than a second, something else than a frame made the VTEP announce
    it. The same holds for an address that is announced with its MAC and by no frame of its own. It is looked
    for at the access side of the VTEP, or where that was not captured on the machine's own link. An announcement
    whose frame was not captured has none, nor has one of a whole table that a new session was told: that tells when
    the session came up, not when the address was learned.
    """
    announced = _announced(own.assign(is_of_first=_is_of_first_table(own, sessions)), points)
    announced = announced.assign(since_ns=announced["since_ns"].clip(lower=_freed_times(announced, routes)))
    frames = frames[~_may_be_by_proxy(frames, routes)]
    is_claim = frames["message"].notna() & frames["ip"].notna()
    is_to_vtep = is_claim & _is_to_vtep(frames, events, own)
    asking, taught = frames[is_to_vtep & (frames["message"] != "reply")], frames[is_to_vtep]
    found = []
    for at in ("vtep_ip", "own_link"):
        with_ip, alone = announced[announced["ip"].notna()], announced[announced["ip"].isna()]
        relearned = with_ip[with_ip["is_with_mac"]]
        found += [
            _first_frames(with_ip, asking, [at, "mac", "ip"]),
            _first_frames(with_ip, taught, [at, "mac", "ip"]),
            _first_frames(with_ip, frames[is_claim], [at, "mac", "ip"]),
            _first_frames(_newly_heard(pd.concat([alone, relearned]), frames, at), frames, [at, "mac"]),
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
    alone = ordered[ordered["ip"].isna() & ~ordered["is_of_first"]]
    alone = alone[["vtep_ip", "mac", "advertised_ns"]].assign(with_ns=alone["advertised_ns"])
    near = pd.merge_asof(
        ordered[["vtep_ip", "mac", "advertised_ns"]], alone, on="advertised_ns", by=["vtep_ip", "mac"],
        direction="nearest", tolerance=TOGETHER_NS,
    )  # fmt: skip
    first_frame = ordered["frame_ids"].str[0].astype("Int64")  # a route that only prints show has none
    is_seen = ~ordered["is_preexisting"].astype(bool) & ~ordered["is_of_first"] & first_frame.notna()
    return ordered.assign(
        own_link=OWN_LINK,
        route_host=capture_of(first_frame).map(hosts),
        before_ns=before_ns,
        since_ns=(ordered["advertised_ns"] - WINDOW_NS).clip(lower=before_ns),
        is_with_mac=near["with_ns"].notna().to_numpy() & ordered["ip"].notna(),
    )[is_seen]


def _may_be_by_proxy(frames: pd.DataFrame, routes: pd.DataFrame) -> pd.Series:
    """Return which are answers to a VTEP's own machines while it held another VTEP's route: it gives these itself."""
    answers = frames[frames["message"] == "reply"].reset_index(names="row")
    heard = pd.MultiIndex.from_frame(frames.loc[frames["message"] != "reply", ["vtep_ip", "mac"]].drop_duplicates())
    answers = answers[pd.MultiIndex.from_frame(answers[["vtep_ip", "destination_mac"]]).isin(heard)]
    others = routes[(routes["receiver_ip"] != routes["sender_ip"]) & routes["ip"].notna() & routes["mac"].notna()]
    pairs = answers[["row", "vtep_ip", "mac", "ip", "time_ns"]].merge(
        others[["receiver_ip", "mac", "ip", "advertised_ns", "withdrawn_ns"]],
        left_on=["vtep_ip", "mac", "ip"], right_on=["receiver_ip", "mac", "ip"], how="inner", validate="many_to_many",
    )  # fmt: skip
    is_held = (pairs["advertised_ns"] <= pairs["time_ns"]) & (pairs["time_ns"] < pairs["withdrawn_ns"])
    return pd.Series(frames.index.isin(pairs.loc[is_held, "row"]), index=frames.index)


def _freed_times(announced: pd.DataFrame, routes: pd.DataFrame) -> pd.Series:
    """Return until when another VTEP's route for each address was in force at its VTEP before it announced it; else 0.

    A MAC without an address is learned from any frame, whoever else announces it.
    """
    keys = ["receiver_ip", "vni", "mac", "ip"]
    others = routes[(routes["receiver_ip"] != routes["sender_ip"]) & routes["ip"].notna() & routes["mac"].notna()]
    others = others[others["withdrawn_ns"] < FOREVER][[*keys, "withdrawn_ns"]].sort_values("withdrawn_ns")
    asked = announced[["advertised_ns", *keys]].sort_values("advertised_ns", kind="stable")
    found = pd.merge_asof(
        asked, others, left_on="advertised_ns", right_on="withdrawn_ns", by=keys, direction="backward"
    ).set_index(asked.index)  # fmt: skip
    return found["withdrawn_ns"].fillna(0).astype("int64").reindex(announced.index)


def _newly_heard(announced: pd.DataFrame, frames: pd.DataFrame, at: str) -> pd.DataFrame:
    """Return announcements of MACs of which no frame was heard there between the last withdrawal and since_ns."""
    here = frames.rename(columns={"vtep_ip": at})[[at, "mac", "time_ns"]].dropna().sort_values("time_ns", kind="stable")
    asked = announced.dropna(subset=[at]).sort_values("since_ns", kind="stable")
    found = pd.merge_asof(
        asked[[at, "mac", "since_ns", "before_ns"]], here, left_on="since_ns", right_on="time_ns", by=[at, "mac"],
        direction="backward", allow_exact_matches=False,
    ).set_index(asked.index)  # fmt: skip
    return asked[~(found["time_ns"] > found["before_ns"])]


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

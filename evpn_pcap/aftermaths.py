"""RESOLUTIONS, EVENTS and ANCHORS become AFTERMATHS: what the resolved address was then used for, and how that went.

A frame that the requester sends to the MAC that the answer told uses the address, whatever IP address it is for:
so the use of a gateway is found, too. The first such frame is followed to the last host that shows it.
"""

import numpy as np
import pandas as pd

from evpn_pcap import columns
from evpn_pcap.model import FOREVER, Kind, Role
from evpn_pcap.points import TRAVEL_NS, at_points

USE_NS = 3_000_000_000  # frames within this time after the request are its use
REPLY_NS = 1_000_000_000  # so long must have been captured for "nothing came back"
FLOW = ["source_ip", "destination_ip", "ip_protocol", "source_port", "destination_port"]
BACK = ["destination_ip", "source_ip", "ip_protocol", "destination_port", "source_port"]


def find_aftermaths(
    resolutions: pd.DataFrame, events: pd.DataFrame, anchors: pd.DataFrame, points: pd.DataFrame
) -> pd.DataFrame:
    """Return AFTERMATHS: one row per resolution or refresh after which a frame with the resolved address was seen.

    All spans are measured on the clock of the host nearest to the requester that shows the request
    and the frame. Reads RESOLUTIONS, EVENTS and ANCHORS with time_ns and margin_ns, and POINTS.
    """
    asked = _asked(resolutions, events)
    used = _indexed(anchors)
    sent = _first_sent(asked, used)
    if sent.empty:
        return columns.AFTERMATHS.empty()
    answer = _first_back(sent, used)
    reached = _reached(sent, anchors, points)
    return columns.AFTERMATHS.build(
        {
            "id": sent["id"],
            "host": sent["host"],
            "first_frame_id": sent["frame_id"],
            "destination_ip": sent["destination_ip"],
            "ip_protocol": sent["ip_protocol"],
            "hosts": reached["hosts"].reindex(sent["id"]).array,
            "reached_link": reached["reached_link"].reindex(sent["id"]).array,
            "is_answered": _is_answered(sent, answer, anchors, points),
            "answer_frame_id": answer["frame_id"],
            "used_after_ns": sent["captured_ns"] - sent["asked_ns"],
            "answered_after_ns": answer["captured_ns"] - sent["asked_ns"],
        }
    )


def _asked(resolutions: pd.DataFrame, events: pd.DataFrame) -> pd.DataFrame:
    """Return id, host and asked_ns (its own clock) of each request at each host that shows it, and the addresses."""
    rows = resolutions[resolutions["kind"].isin([Kind.RESOLUTION, Kind.REFRESH])]
    read = ["id", "requester_mac", "requester_ip", "target_ip", "target_mac", "requester_host"]
    frames = rows[[*read, "frame_ids"]].explode("frame_ids").rename(columns={"frame_ids": "frame_id"})
    frames = frames.dropna(subset=["frame_id"]).astype({"frame_id": "int64"})
    seen = events.loc[events["kind"].notna(), ["frame_id", "host", "captured_ns", "time_ns"]]
    seen = frames.merge(seen, on="frame_id", how="inner", validate="many_to_one")
    first = seen.sort_values("captured_ns", kind="stable").drop_duplicates(["id", "host"])
    return first.rename(columns={"captured_ns": "asked_ns", "time_ns": "asked_time_ns"}).drop(columns="frame_id")


def _indexed(anchors: pd.DataFrame) -> pd.DataFrame:
    """Return what is needed of unicast frames outside and inside VXLAN, in order of time; missing ports are 0."""
    single = anchors[~anchors["is_multicast"].fillna(value=False).to_numpy(bool)]
    ports = {name: single[name].fillna(0).astype("int64") for name in ("source_port", "destination_port")}
    read = ["frame_id", "host", "captured_ns", "time_ns", "margin_ns", "source_mac", "destination_mac", "anchor_key"]
    used = single[[*read, *FLOW]].assign(**ports, is_request=single["is_request"])
    return used.sort_values("captured_ns", kind="stable")


def _first_sent(asked: pd.DataFrame, used: pd.DataFrame) -> pd.DataFrame:
    """Return, per resolution, the first frame with the resolved address after it, at the host nearest to the requester.

    Nearest is the requester's own, else the one that shows the request first, as the common clock has it.
    """
    by_mac = {"requester_mac": "source_mac", "target_mac": "destination_mac"}
    by_ip = {"requester_ip": "source_ip", "target_ip": "destination_ip"}
    found = pd.concat([_next(asked, used, names) for names in (by_mac, by_ip)], ignore_index=True)
    found = found.sort_values(["id", "host", "captured_ns", "frame_id"], kind="stable").drop_duplicates(["id", "host"])
    is_own = (found["host"] == found["requester_host"]).fillna(value=False).to_numpy(bool)
    found = found.assign(rank=~is_own).sort_values(["id", "rank", "asked_time_ns", "host"], kind="stable")
    return found.drop_duplicates("id").reset_index(drop=True)


def _next(asked: pd.DataFrame, used: pd.DataFrame, names: dict[str, str]) -> pd.DataFrame:
    """Return each request with the first frame after it whose fields are its own under other names."""
    whole = asked.dropna(subset=[*names]).sort_values("asked_ns", kind="stable")
    keyed = used.dropna(subset=[*names.values()])
    keyed = keyed.assign(**{mine: keyed[theirs] for mine, theirs in names.items()})
    taken = ["frame_id", "captured_ns", "time_ns", "margin_ns", "anchor_key", "is_request", *FLOW]
    matched = pd.merge_asof(
        whole.assign(row=np.arange(len(whole)))[["row", "asked_ns", "host", *names]],
        keyed.assign(place=np.arange(len(keyed)))[["captured_ns", "host", "place", *names]],
        left_on="asked_ns",
        right_on="captured_ns",
        by=["host", *names],
        direction="forward",
        tolerance=USE_NS,
        allow_exact_matches=False,
    ).dropna(subset=["place"])
    frame = keyed.iloc[matched["place"].astype("int64")][taken].reset_index(drop=True)
    return pd.concat([whole.iloc[matched["row"]].reset_index(drop=True), frame], axis=1)


def _first_back(sent: pd.DataFrame, used: pd.DataFrame) -> pd.DataFrame:
    """Return, row by row of `sent`, frame_id and captured_ns of the first frame that answers it; missing if none does.

    It has the ends, the protocol and the ports turned round. An echo request is no answer, and nothing
    answers an echo reply.
    """
    back = used[used["is_request"].ne(True).fillna(value=True).to_numpy(bool)]
    turned = back[["captured_ns", "host"]].assign(place=np.arange(len(back)))
    turned = turned.assign(**{name: back[other] for name, other in zip(FLOW, BACK, strict=True)})
    waiting = sent.assign(row=np.arange(len(sent)))[~_is_reply(sent)]
    matched = pd.merge_asof(
        waiting[["row", "captured_ns", "host", *FLOW]].sort_values("captured_ns", kind="stable"),
        turned,
        on="captured_ns",
        by=["host", *FLOW],
        direction="forward",
        tolerance=USE_NS,
        allow_exact_matches=False,
    ).dropna(subset=["place"])
    frame = back.iloc[matched["place"].astype("int64")]
    known = frame[["frame_id", "captured_ns"]].astype("Int64").set_index(matched["row"].to_numpy())
    return known.reindex(np.arange(len(sent)))


def _is_answered(sent: pd.DataFrame, answer: pd.DataFrame, anchors: pd.DataFrame, points: pd.DataFrame) -> pd.Series:
    """Return whether something came back; missing where nothing need have, or nobody would have seen it.

    An echo reply waits for no answer; a capture that ended, or kept a sample only, shows none.
    """
    is_back = answer["frame_id"].notna()
    ends_ns = sent["host"].map(points.groupby("host")["last_ns"].max())
    sampled = anchors.loc[anchors["kept_level"].fillna(0) > 0, "host"].unique()
    would_show = (ends_ns >= sent["captured_ns"] + REPLY_NS) & ~sent["host"].isin(sampled)
    return is_back.astype("boolean").where(is_back | (would_show.to_numpy(bool) & ~_is_reply(sent)))


def _is_reply(sent: pd.DataFrame) -> np.ndarray:
    """Return which frames are echo replies."""
    return sent["is_request"].eq(other=False).fillna(value=False).to_numpy(bool)


def _reached(sent: pd.DataFrame, anchors: pd.DataFrame, points: pd.DataFrame) -> pd.DataFrame:
    """Return, per id, the hosts that show its first frame, in order of time, and whether its receiver's link does.

    Hosts that are not aligned come last. Whether the link shows it is missing where no captured link
    is that of the frame's destination MAC.
    """
    first = sent[["id", "anchor_key", "time_ns", "margin_ns"]]
    shown = anchors[["anchor_key", "host", "time_ns", "margin_ns", "frame_id", "interface_index", "destination_mac"]]
    shown = shown[shown["anchor_key"].isin(first["anchor_key"])]
    both = first.merge(shown, on="anchor_key", how="inner", suffixes=("_first", ""), validate="many_to_many")
    is_open = (both["margin_ns"] == FOREVER) | (both["margin_ns_first"] == FOREVER)
    allowed = TRAVEL_NS + (both["margin_ns"] + both["margin_ns_first"]).where(~is_open, 0)
    both = both[is_open | ((both["time_ns"] - both["time_ns_first"]).abs() <= allowed)].assign(is_open=is_open)
    links = points[points["role"].isin([Role.VM, Role.TAP]) & points["station_mac"].notna()]
    both = at_points(both, links, ["station_mac"])
    at_end = (both["station_mac"] == both["destination_mac"]).fillna(value=False)
    is_known = both["destination_mac"].isin(links["station_mac"])
    both = both.assign(at_end=at_end.to_numpy(bool), is_known=is_known.to_numpy(bool))
    told = both.groupby("id")[["at_end", "is_known"]].any()
    earliest = both.sort_values(["id", "is_open", "time_ns", "host"], kind="stable").drop_duplicates(["id", "host"])
    return pd.DataFrame(
        {
            "hosts": earliest.groupby("id", sort=True)["host"].agg(tuple),
            "reached_link": told["at_end"].astype("boolean").where(told["is_known"]),
        }
    )

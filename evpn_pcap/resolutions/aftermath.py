"""ANCHORS after each row: what the resolved address was then used for."""

import numpy as np
import pandas as pd

from evpn_pcap.model import FOREVER, Aftermath

USE_NS = 3_000_000_000  # frames within this time after the answer are its use
REPLY_NS = 1_000_000_000  # and this long must have been captured for "nothing came back"


def aftermaths(rows: pd.DataFrame, anchors: pd.DataFrame, points: pd.DataFrame) -> np.ndarray:
    """Return, per row, answered | unanswered | unused | unknown, as the host that saw the request shows it.

    Only sampled frames are known of a dense capture, so there silence proves nothing: a frame that
    was answered is still proof.
    """
    asked = rows.reset_index()[["row_id", "host", "captured_ns", "requester_ip", "target_ip"]].dropna()
    used = anchors[["host", "captured_ns", "source_ip", "destination_ip"]]
    there = {"source_ip": "requester_ip", "destination_ip": "target_ip"}
    back = {"source_ip": "target_ip", "destination_ip": "requester_ip"}
    sent, returned = (_within(asked, used.rename(columns=names)) for names in (there, back))
    first_sent = sent.groupby("row_id")["captured_ns_frame"].min().reindex(rows.index)
    last_returned = returned.groupby("row_id")["captured_ns_frame"].max().reindex(rows.index)
    ends = points.groupby("host")["last_ns"].max().reindex(rows["host"]).set_axis(rows.index)
    is_whole = rows["host"].map(_is_unsampled(anchors, points)).fillna(value=False).astype(bool)
    is_sent = first_sent.notna()
    can_tell = is_whole & (rows["vni"].notna() | rows["requester_ip"].notna())
    return np.select(
        [
            is_sent & (last_returned >= first_sent),
            is_sent & can_tell & (ends >= first_sent.fillna(FOREVER // 2) + REPLY_NS),
            ~is_sent & can_tell & rows["is_own_link"] & (ends >= rows["captured_ns"] + REPLY_NS),
        ],
        [Aftermath.ANSWERED, Aftermath.UNANSWERED, Aftermath.UNUSED],
        Aftermath.UNKNOWN,
    )


def _within(asked: pd.DataFrame, used: pd.DataFrame) -> pd.DataFrame:
    """Return the frames between the two addresses that come after the request and within the time of its use."""
    keys = ["host", "requester_ip", "target_ip"]
    pairs = asked.merge(used, on=keys, how="inner", suffixes=("", "_frame"), validate="many_to_many")
    after_ns = pairs["captured_ns_frame"] - pairs["captured_ns"]
    return pairs[(after_ns > 0) & (after_ns <= USE_NS)]


def _is_unsampled(anchors: pd.DataFrame, points: pd.DataFrame) -> pd.Series:
    """Return, per host, whether so many frames were kept that none can have been left out by sampling."""
    per_second = anchors.groupby(["host", anchors["captured_ns"] // 1_000_000_000]).size().groupby("host").max()
    return per_second.reindex(points["host"].unique()).fillna(0) < 1000

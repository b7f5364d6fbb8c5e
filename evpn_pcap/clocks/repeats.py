"""Sightings of frames that were sent several times become those of frames sent once, as far as known clocks tell.

Retransmissions, keep-alives and packets without a number are equal in all octets, so no key tells them apart. But once
two clocks are known to less than such frames are apart, their times do (clock.md, section 4): sightings on the common
clock that no travel and no doubt can join are of different transmissions.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from evpn_pcap.clocks.apply import on_common_clock
from evpn_pcap.clocks.matching import ONE_TRANSMISSION_NS
from evpn_pcap.clocks.pairs import PairFit
from evpn_pcap.model import FOREVER, ClockFit
from evpn_pcap.points import TRAVEL_NS

ENOUGH = 100  # frames a direction: where every pair has as many, repeated ones add nothing
GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio: multiples of it are spread evenly


def told_apart(sightings: pd.DataFrame, fits: Sequence[ClockFit], pairs: Sequence[PairFit]) -> pd.DataFrame:
    """Return the sightings of frames sent several times, with an anchor_key of its own for each transmission.

    `sightings` are ANCHORS as places.locate gives them; `fits` and `pairs` what their unique frames tell. Empty where
    nothing can be told apart, or nothing more is wanted. Hosts that are not aligned are left out.
    """
    if all(min(pair.upper_count, pair.lower_count) >= ENOUGH for pair in pairs):
        return sightings.iloc[:0]
    seen = sightings.groupby(["anchor_key", "host_number"])["captured_ns"].agg(["min", "max"])
    again = seen.index.get_level_values("anchor_key")[seen["max"] - seen["min"] > ONE_TRANSMISSION_NS].unique()
    rows = on_common_clock(sightings[sightings["anchor_key"].isin(again)], fits)
    rows = rows[rows["margin_ns"] != FOREVER].sort_values(["anchor_key", "time_ns", "frame_id"], kind="stable")
    if rows.empty:
        return sightings.iloc[:0]
    margin = rows["margin_ns"].to_numpy()
    allowed = TRAVEL_NS + margin + np.concatenate([margin[:1], margin[:-1]])
    is_same = rows["anchor_key"].eq(rows["anchor_key"].shift()).to_numpy()
    is_apart = is_same & (np.diff(rows["time_ns"].to_numpy(), prepend=0) > allowed)
    number = rows.assign(apart=is_apart).groupby("anchor_key", sort=False)["apart"].cumsum()
    key = rows["anchor_key"].to_numpy(np.uint64) + number.to_numpy(np.uint64) * GOLDEN
    return rows.assign(anchor_key=key)[sightings.columns]

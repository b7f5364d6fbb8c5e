"""PACKETS of all captures -> the same frame at several vantage points brought together.

A frame that its origin sent once is seen at the VM, on the tap, the bridge, the vxlan device, on
the underlay inside VXLAN, and once for each remote VTEP again. Its identity is the whole inner
frame (`frame_key`: EtherType, source MAC, network layer), never kind and time alone: an answer to
a unicast probe is not an unsolicited advertisement.
"""

import numpy as np
import pandas as pd

from evpn_pcap.addresses import capture_of
from evpn_pcap.model import FOREVER
from evpn_pcap.points import TRAVEL_NS

# What makes two records at one place two transmissions: one file, one interface, one copy.
PLACE = ["capture_id", "interface_index", "direction", "outer_source_ip", "outer_destination_ip"]


def join_sightings(packets: pd.DataFrame) -> pd.DataFrame:
    """Return packets with `transmission_id`: equal for all sightings of one frame sent once.

    Reads PACKETS with time_ns and margin_ns. Sightings with one frame_key belong together when
    they are within 50 ms (plus their margins) of each other; where one place shows the frame
    twice in that time, it was sent twice, and every other sighting goes with the nearest of them.
    Hosts that are not aligned share no time with others, so each is joined by itself.

    A destination MAC that one vantage point did not record (Linux cooked captures) is filled in
    from the others. Returns rows in order of time and frame, index reset.
    """
    is_aligned = packets["margin_ns"] != FOREVER
    rows = packets.assign(clock=packets["host"].where(~is_aligned, ""), capture_id=capture_of(packets["frame_id"]))
    rows = rows.sort_values(["clock", "frame_key", "time_ns", "frame_id"], kind="stable").reset_index(drop=True)

    bunch = _bunches(rows)
    repeated = rows.assign(bunch=bunch).groupby(["bunch", *PLACE], dropna=False, sort=False).cumcount()
    transmission = _split_repeats(rows, bunch, repeated.to_numpy())
    rows = rows.assign(transmission_id=transmission)
    rows = _with_destinations(rows).drop(columns=["clock", "capture_id"])
    rows = rows.sort_values(["time_ns", "frame_id"], kind="stable").reset_index(drop=True)
    return rows.assign(transmission_id=pd.factorize(rows["transmission_id"])[0])


def _bunches(rows: pd.DataFrame) -> np.ndarray:
    """Return, per row in order of clock, key and time, the number of its bunch in time."""
    if rows.empty:
        return np.zeros(0, dtype=np.int64)
    time_ns = rows["time_ns"].to_numpy()
    margin = rows["margin_ns"].where(rows["clock"] == "", 0).to_numpy()
    is_other = (rows["clock"] != rows["clock"].shift()) | (rows["frame_key"] != rows["frame_key"].shift())
    gap = np.diff(time_ns, prepend=time_ns[0])
    allowed = TRAVEL_NS + margin + np.concatenate([margin[:1], margin[:-1]])
    return np.cumsum(is_other.to_numpy() | (gap > allowed))


def _split_repeats(rows: pd.DataFrame, bunch: np.ndarray, repeated: np.ndarray) -> np.ndarray:
    """Return transmission numbers: a bunch in which one place shows a frame n times is n transmissions."""
    transmission = bunch.copy()
    following = int(bunch[-1]) + 1 if len(bunch) else 0
    time_ns = rows["time_ns"].to_numpy()
    first = np.searchsorted(bunch, np.unique(bunch[repeated > 0]))
    last = np.searchsorted(bunch, np.unique(bunch[repeated > 0]), side="right")
    for begin, end in zip(first, last, strict=True):
        place = rows.iloc[begin:end].groupby(PLACE, dropna=False, sort=False).ngroup().to_numpy()
        busiest = np.bincount(place).argmax()
        sent_ns = time_ns[begin:end][place == busiest]
        middle_ns = sent_ns[:-1] + np.diff(sent_ns) // 2
        transmission[begin:end] = following + np.searchsorted(middle_ns, time_ns[begin:end])
        following += len(sent_ns)
    return transmission


def _with_destinations(rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows with destination_mac and is_multicast filled in from other sightings of the transmission."""
    known = rows.groupby("transmission_id")[["destination_mac", "is_multicast"]].transform("first")
    return rows.assign(
        destination_mac=rows["destination_mac"].fillna(known["destination_mac"]),
        is_multicast=rows["is_multicast"].fillna(known["is_multicast"]),
    )


def with_common_keys(anchors: pd.DataFrame) -> pd.DataFrame:
    """Return ANCHORS with keys that captures of different snapshot lengths share.

    Where packets whose first octets are equal were captured to different lengths, the key is over
    those first octets only (short_key); elsewhere it stays. A packet that a whole capture tells from
    its like may then share its key with them: it counts as sent several times, never as another.
    """
    order = np.argsort(anchors["short_key"].to_numpy(), kind="stable")
    short = anchors["short_key"].to_numpy()[order]
    covered = anchors["key_bytes"].to_numpy()[order]
    is_uneven = (short[1:] == short[:-1]) & (covered[1:] != covered[:-1])
    if not is_uneven.any():
        return anchors
    is_cut = anchors["short_key"].isin(np.unique(short[1:][is_uneven]))
    return anchors.assign(anchor_key=anchors["anchor_key"].mask(is_cut, anchors["short_key"]))

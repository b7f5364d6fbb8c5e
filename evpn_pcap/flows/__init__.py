"""ANCHORS on the common clock become FLOWS: how long the frames of each inner flow took from place to place, and
which of them went missing where.

A frame is the same frame by its key (RFC 5475, hash-based selection). `places` says where each flow was seen,
`paths` in which order, `figures` and `losses` what became of its frames on every step of the way.
"""

import numpy as np
import pandas as pd

from evpn_pcap import columns
from evpn_pcap.flows.branches import ELSEWHERE, ways
from evpn_pcap.flows.figures import delays, reordered_counts
from evpn_pcap.flows.losses import LOST, UNCOVERED, UNDECIDED, UNSAMPLED, fates
from evpn_pcap.flows.paths import doubts, find_steps
from evpn_pcap.flows.places import FIVE, describe, one_a_place, with_places
from evpn_pcap.flows.silent import silent_places
from evpn_pcap.order import PairMargins

SEEN = ["time_ns", "margin_ns", "host", "captured_ns"]
OF_FRAME = ["anchor_key", "destination_mac", "sample_level", "length_bytes", "sequence", "payload_bytes"]


def find_flows(anchors: pd.DataFrame, points: pd.DataFrame, margins: PairMargins) -> pd.DataFrame:
    """Return FLOWS: for each inner flow and each step of its way, frames matched and missing, and one-way delays.

    A delay runs from the first sighting at one place to the first at the other. Frames that were sent
    several times with the same octets are matched, in order, where both places saw them as often. Reads
    ANCHORS with time_ns and margin_ns, and POINTS with first_time_ns and last_time_ns; `margins` bound
    the error of every delay.
    """
    sightings = with_places(anchors, points)
    if sightings.empty:
        return columns.FLOWS.empty()
    frames, places = one_a_place(sightings), describe(sightings, points)
    silent, silent_edges = silent_places(sightings, places, points)
    places = pd.concat([places, silent])
    steps, edges = find_steps(frames, places, margins, silent_edges)
    if steps.empty:
        return columns.FLOWS.empty()
    matched, missing = _sent(steps, frames, margins)
    fate = fates(missing, matched, frames, places, ways(missing, matched, sightings, places, edges))
    is_known = steps["is_direction_known"].to_numpy(bool)[missing["step"]]
    fate[(fate == LOST) & ~is_known] = UNDECIDED  # perhaps it came from there
    told = _named(steps, frames, places)
    told |= {
        "matched_packet_count": np.bincount(matched["step"], minlength=len(steps)),
        **{
            f"{name}_packet_count": np.bincount(missing["step"][fate == name], minlength=len(steps))
            for name in (LOST, ELSEWHERE, UNSAMPLED, UNCOVERED, UNDECIDED)
        },
        "reordered_packet_count": _where_known(reordered_counts(matched, len(steps)), steps),
    }
    figures = delays(matched, len(steps)).where(steps["is_direction_known"])
    return columns.FLOWS.build(told | {str(name): figures[name] for name in figures})


def _sent(steps: pd.DataFrame, frames: pd.DataFrame, margins: PairMargins) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the frames seen at both ends of a step, with delay_ns and doubt_ns, and those seen at its begin."""
    begun = steps.assign(step=np.arange(len(steps)))[["step", "is_hop", "from_place", "to_place"]].merge(
        frames[["place", "transmission", "sent_count", *SEEN, *OF_FRAME]],
        left_on="from_place",
        right_on="place",
        how="inner",
        validate="many_to_many",
    )
    begun = begun.drop(columns="place").rename(columns={name: f"{name}_a" for name in SEEN})
    keys = ["to_place", "transmission", "sent_count"]
    ended = frames[keys[1:]].assign(to_place=frames["place"], row=np.arange(len(frames)))
    row = begun[keys].merge(ended, on=keys, how="left", validate="many_to_one")["row"]  # a time would become a float
    is_matched = row.notna().to_numpy()
    there = frames.iloc[row[is_matched].astype("int64")]
    matched = begun[is_matched].assign(**{f"{name}_b": there[name].array for name in SEEN})
    is_one_host = matched["host_a"] == matched["host_b"]  # its own clock measures, without what a fit makes of it
    own_ns, common_ns = (matched[f"{name}_b"] - matched[f"{name}_a"] for name in ("captured_ns", "time_ns"))
    delay_ns = own_ns.where(is_one_host, common_ns)
    return matched.assign(delay_ns=delay_ns, doubt_ns=doubts(matched, margins)), begun[~is_matched]


def _named(steps: pd.DataFrame, frames: pd.DataFrame, places: pd.DataFrame) -> dict[str, object]:
    """Return the columns that say which flow, which step, and how many frames each end saw."""
    identity = frames.drop_duplicates("flow").set_index("flow")[["vni", *FIVE]].reindex(steps["flow"])
    seen_count = frames.groupby("place").size()
    named: dict[str, object] = {name: identity[name].array for name in ("vni", *FIVE)}
    for end in ("from", "to"):
        place = steps[f"{end}_place"]
        named[f"{end}_host"] = places["host"].reindex(place).array
        named[f"{end}_point"] = places["point"].reindex(place).array
        named[f"{end}_packet_count"] = seen_count.reindex(place).fillna(0).astype("int64").to_numpy()
    return named | {name: steps[name].array for name in ("is_hop", "is_direction_known")}


def _where_known(count: np.ndarray, steps: pd.DataFrame) -> pd.Series:
    return pd.Series(count, dtype="Int64").where(steps["is_direction_known"])

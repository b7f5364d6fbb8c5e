"""Frames seen at one place and not at the next become lost ones, and those of which nothing can be said.

A frame is lost only where the next place would have shown it: its capture ran when the frame must have come by,
its sample (RFC 5475) kept frames as rare, its program dropped nothing, and no other record there may
hold the same octets, cut or put together anew (segmentation offload, fragments).
"""

from typing import Literal

import numpy as np
import pandas as pd

from evpn_pcap.flows.branches import ELSEWHERE, OPEN
from evpn_pcap.model import FOREVER

UNCOVERED, UNSAMPLED, UNDECIDED, LOST = "uncovered", "unsampled", "undecided", "lost"
SECOND_NS = 1_000_000_000
TRAVEL_NS = 50_000_000  # no frame is longer on its way than this, as far as nothing else is known
HALF = 1 << 31  # sequence numbers wrap: differences are between minus and plus this


def fates(
    missing: pd.DataFrame, matched: pd.DataFrame, frames: pd.DataFrame, places: pd.DataFrame, way: np.ndarray
) -> np.ndarray:
    """Return, for each frame that the next place does not show, elsewhere, uncovered, unsampled, undecided or lost.

    `way` is what branches.ways says of it. `missing` has step, to_place, transmission, anchor_key,
    time_ns_a, and sample_level, length_bytes, sequence and payload_bytes of the frame; `matched` step,
    to_place, time_ns_a, delay_ns, doubt_ns.
    """
    there = places.reindex(missing["to_place"]).reset_index(drop=True)
    expected = _expected(missing, matched, there)
    is_covered = _is_covered(expected, there)
    is_unsampled = _is_unsampled(missing, expected, frames, there)
    is_resized = (missing["length_bytes"].to_numpy() > there["longest_bytes"].to_numpy()) | _is_elsewhere(
        missing, matched, frames
    )
    is_kept_in_part = is_resized & (there["most_kept_level"].to_numpy() > 0)
    is_again = _is_there_otherwise(missing, frames)
    is_open = is_resized | is_again | (there["dropped_count"].fillna(0).to_numpy() > 0)
    return np.select(
        [way == ELSEWHERE, ~is_covered, is_unsampled | is_kept_in_part, is_open | (way == OPEN)],
        [ELSEWHERE, UNCOVERED, UNSAMPLED, UNDECIDED],
        LOST,
    ).astype(object)


def _expected(missing: pd.DataFrame, matched: pd.DataFrame, there: pd.DataFrame) -> pd.DataFrame:
    """Return when each missing frame must have come by, on the common clock: earliest_ns and latest_ns.

    Of a step that no frame has passed: within 50 ms. Beside it, whether frames sent before and after came by.
    """
    by_step = matched.groupby("step").agg(
        least_ns=("delay_ns", "min"),
        most_ns=("delay_ns", "max"),
        doubt_ns=("doubt_ns", "max"),
        first_matched_ns=("time_ns_a", "min"),
        last_matched_ns=("time_ns_a", "max"),
    )
    of_step = by_step.astype("Int64").reindex(missing["step"]).reset_index(drop=True)  # else missing steps make floats
    sent_ns = missing["time_ns_a"].reset_index(drop=True)
    alone_ns, end_ns = missing["margin_ns_a"].reset_index(drop=True), there["point_margin_ns"]
    both_ns = alone_ns + end_ns.clip(upper=FOREVER - alone_ns)
    doubt_ns = of_step["doubt_ns"].fillna(both_ns.astype("Int64")).astype("int64")
    is_timed = doubt_ns < FOREVER
    doubt_ns = doubt_ns.where(is_timed, 0)
    least_ns = of_step["least_ns"].fillna(0).astype("int64")
    most_ns = of_step["most_ns"].fillna(TRAVEL_NS).astype("int64")
    return pd.DataFrame(
        {
            "is_timed": is_timed,
            "earliest_ns": sent_ns + least_ns - doubt_ns,
            "latest_ns": sent_ns + most_ns + doubt_ns,
            "is_between": (sent_ns >= of_step["first_matched_ns"]) & (sent_ns <= of_step["last_matched_ns"]),
        }
    )


def _is_covered(expected: pd.DataFrame, there: pd.DataFrame) -> np.ndarray:
    """Return which frames came by while the next place was captured: so say its times, or frames before and after."""
    is_inside = (expected["earliest_ns"] >= there["first_time_ns"]) & (expected["latest_ns"] <= there["last_time_ns"])
    return ((expected["is_timed"] & is_inside) | expected["is_between"].fillna(value=False)).to_numpy(bool)


def _is_unsampled(
    missing: pd.DataFrame, expected: pd.DataFrame, frames: pd.DataFrame, there: pd.DataFrame
) -> np.ndarray:
    """Return which frames the next place's sample left out, or may have: it kept only rarer ones around then."""
    level = missing["sample_level"].to_numpy().astype(np.int64)
    found = (there["most_kept_level"].fillna(0).to_numpy() > level) & ~expected["is_timed"].to_numpy(bool)
    open_rows = np.flatnonzero((there["most_kept_level"].fillna(0).to_numpy() > level) & ~found)
    if not len(open_rows):
        return np.asarray(found)
    dense = frames[["host", "time_ns", "kept_level"]].sort_values("time_ns", kind="stable")
    asked = expected.iloc[open_rows].assign(host=there["host"].iloc[open_rows], row=open_rows)
    looks: tuple[tuple[str, Literal["backward", "forward"]], ...]
    looks = (("earliest_ns", "backward"), ("latest_ns", "forward"))
    for moment, direction in looks:
        near = pd.merge_asof(
            asked.sort_values(moment, kind="stable")[["host", "row", moment]],
            dense,
            left_on=moment,
            right_on="time_ns",
            by="host",
            direction=direction,
            tolerance=SECOND_NS,
        )
        rows = near["row"].to_numpy()
        found[rows] |= near["kept_level"].fillna(0).to_numpy().astype(np.int64) > level[rows]
    return np.asarray(found)


def _is_there_otherwise(missing: pd.DataFrame, frames: pd.DataFrame) -> np.ndarray:
    """Return which frames' keys the next place shows all the same, sent another number of times."""
    shown = frames[["place", "anchor_key"]].drop_duplicates()
    asked = missing[["to_place", "anchor_key"]].reset_index(drop=True)
    found = asked.merge(
        shown, left_on=["to_place", "anchor_key"], right_on=["place", "anchor_key"], how="left", validate="many_to_one"
    )
    return found["place"].notna().to_numpy()


def _is_elsewhere(missing: pd.DataFrame, matched: pd.DataFrame, frames: pd.DataFrame) -> np.ndarray:
    """Return which TCP payloads lie, wholly or in part, in other records of the next place: cut or joined meanwhile."""
    result = np.zeros(len(missing), bool)
    asked = np.flatnonzero((missing["payload_bytes"].fillna(0) > 0).to_numpy())
    places = pd.unique(missing["to_place"].iloc[asked])
    there = frames[frames["place"].isin(places) & (frames["payload_bytes"].fillna(0) > 0)]
    taken = matched[["to_place", "transmission"]].rename(columns={"to_place": "place"}).drop_duplicates()
    there = there.merge(taken, on=["place", "transmission"], how="left", indicator=True, validate="one_to_one")
    there = there[there["_merge"] == "left_only"]
    if not len(asked) or there.empty:
        return result
    base = there.groupby("place")["sequence"].first()
    begin, size = _unwrapped(there["place"], there["sequence"], base), there["payload_bytes"].to_numpy(np.int64)
    place_of = dict(zip(base.index.tolist(), range(len(base)), strict=True))
    lane = there["place"].map(place_of).to_numpy(np.int64) << 34
    order = np.argsort(lane + begin, kind="stable")
    starts, ends = (lane + begin)[order], np.maximum.accumulate((lane + begin + size)[order])
    rows = missing.iloc[asked]
    is_known = rows["to_place"].isin(base.index).to_numpy()
    asked, rows = asked[is_known], rows[is_known]
    own = (rows["to_place"].map(place_of).to_numpy(np.int64) << 34) + _unwrapped(
        rows["to_place"], rows["sequence"], base
    )
    before = np.searchsorted(starts, own + rows["payload_bytes"].to_numpy(np.int64)) - 1
    result[asked] = (before >= 0) & (ends[before] > own)
    return result


def _unwrapped(place: pd.Series, sequence: pd.Series, base: pd.Series) -> np.ndarray:
    """Return sequence numbers as differences from the first one of the place, made positive."""
    apart = sequence.to_numpy(np.int64) - base.reindex(place).to_numpy(np.int64)
    return np.asarray((apart + HALF) % (2 * HALF))

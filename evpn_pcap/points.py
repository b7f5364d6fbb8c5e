"""Frames of any table -> with what POINTS tells of the vantage point that each was seen at."""

from collections.abc import Sequence
from typing import Literal

import pandas as pd

from evpn_pcap.addresses import capture_of

# One frame reaches all its vantage points within this time, beside the clocks' margins; Linux asks again after 1 s.
TRAVEL_NS = 50_000_000


def at_points(
    frames: pd.DataFrame, points: pd.DataFrame, names: Sequence[str], how: Literal["left", "inner"] = "left"
) -> pd.DataFrame:
    """Return `frames` with the columns `names` of the row of `points` that each frame was seen at.

    Reads frame_id and interface_index, and of POINTS capture_ids and interface_index. A frame at
    none of the points has them missing ("left"), or is left out ("inner").
    """
    place = points[["capture_ids", "interface_index", *names]].explode("capture_ids")
    place = place.rename(columns={"capture_ids": "capture_id"}).astype({"capture_id": "int64"})
    located = frames.assign(capture_id=capture_of(frames["frame_id"]))
    located = located.merge(place, on=["capture_id", "interface_index"], how=how, validate="many_to_one")
    return located.drop(columns="capture_id")

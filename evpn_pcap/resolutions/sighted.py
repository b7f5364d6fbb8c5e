"""Rows beside hosts -> the moments of each row's requests on the clock that compares best with that host's: its own.

A host that saw every request of a row itself tells when that was without any other clock.
"""

import pandas as pd


def as_seen_at(pairs: pd.DataFrame, requests: pd.DataFrame) -> pd.DataFrame:
    """Return pairs with `request_host`, and time_ns and last_request_ns as that host saw them (common clock, int64 ns).

    Reads of `pairs` row_id, request_count, host_there, and host, time_ns and last_request_ns of the row's first
    sighting; of `requests` row_id, host, transmission_id and time_ns. Where `host_there` saw as many requests as the
    row has, it is the request host; else the host of the first sighting is, and the times stay.
    """
    seen = requests.groupby(["row_id", "host"], as_index=False).agg(
        own_count=("transmission_id", "nunique"), own_first_ns=("time_ns", "min"), own_last_ns=("time_ns", "max")
    )
    told = pairs[["row_id", "host_there"]].merge(
        seen, left_on=["row_id", "host_there"], right_on=["row_id", "host"], how="left", validate="many_to_one"
    )
    told = told.set_axis(pairs.index).astype({"own_first_ns": "Int64", "own_last_ns": "Int64"})
    is_own = told["own_count"] == pairs["request_count"]
    return pairs.assign(
        request_host=pairs["host"].mask(is_own, pairs["host_there"]),
        time_ns=pairs["time_ns"].mask(is_own, told["own_first_ns"]).astype("int64"),
        last_request_ns=pairs["last_request_ns"].mask(is_own, told["own_last_ns"]).astype("int64"),
    )

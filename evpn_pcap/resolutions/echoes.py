"""Rows of hosts that are not aligned -> without those that tell again what an aligned host's rows tell.

Sightings of a host whose clock no two-way frame compares with the others' cannot be brought together with theirs, so
the same requests would stand twice.
"""

import numpy as np
import pandas as pd

from evpn_pcap.model import Outcome
from evpn_pcap.points import TRAVEL_NS

KEY = ["kind", "protocol", "requester_mac", "requester_ip", "target_ip"]
CLOCKS_APART_NS = 3_600_000_000_000  # machines that work together have clocks less than this apart, mostly
LEAST_EXPLAINED = 2  # rows that one error of a clock must explain to be believed
TOLD = ["clock", "time_ns", "outcome", "is_decided", "count", *KEY]


def without_echoes(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows without those that a host which is not aligned shows, and that another shows too.

    They are left out where others show at least as many of one KEY, with an outcome that says no less, at about the
    same time: within an hour, which the clocks of machines that work together seldom differ by, or where one error of
    that host's clock, however large, puts all its rows which others could show (at least LEAST_EXPLAINED) where theirs
    are.
    """
    told = rows.assign(is_decided=rows["outcome"] != Outcome.UNDECIDED, position=np.arange(len(rows)))
    told = told.assign(count=told.groupby(["clock", *KEY], dropna=False)["position"].transform("size"))
    doubtful = told.loc[told["clock"] != "", ["position", *TOLD]]
    pairs = doubtful.merge(told[TOLD], on=KEY, how="inner", suffixes=("", "_other"), validate="many_to_many")
    is_near = (pairs["time_ns"] - pairs["time_ns_other"]).abs() < CLOCKS_APART_NS
    is_near |= pairs["clock_other"].eq("") & _is_explained(pairs)
    says_as_much = ~pairs["is_decided"] | (pairs["outcome"] == pairs["outcome_other"])
    more = (pairs["count_other"] > pairs["count"]) | (
        (pairs["count_other"] == pairs["count"]) & (pairs["clock_other"] < pairs["clock"])
    )
    has_all = pairs["clock_other"].eq("") & (pairs["count_other"] >= pairs["count"])
    shown = pairs[(pairs["clock"] != pairs["clock_other"]) & is_near & says_as_much & (more | has_all)]
    return rows[~told["position"].isin(shown["position"]).to_numpy()]


def _is_explained(pairs: pd.DataFrame) -> pd.Series:
    """Return which pairs lie as far apart as one error of the host's clock puts all its rows from those of others."""
    aligned = pairs[pairs["clock_other"] == ""]
    most = aligned.groupby("clock")["position"].nunique()
    found = pd.Series(data=False, index=pairs.index)
    for begin_ns in (0, TRAVEL_NS):  # cells of twice the travel time, and those between them: one holds any cluster
        cell = (aligned["time_ns"] - aligned["time_ns_other"] + begin_ns) // (2 * TRAVEL_NS)
        explained = aligned.groupby(["clock", cell.rename("cell")])["position"].transform("nunique")
        is_all = (explained == aligned["clock"].map(most)) & (explained >= LEAST_EXPLAINED)
        found |= is_all.reindex(pairs.index, fill_value=False)
    return found

"""TCP payload that two hosts show in other records becomes matches: the record that covers an octet.

Segmentation and receive offload (TSO, GSO, GRO) cut and join segments, so the record that left one host has no
equal at the other, and no key matches. But the octet that a record begins with was in one record of the sender,
which was stamped before the octet left, and the record of the receiver was stamped after it came: the
same inequality as between equal frames (clock.md, section 4, K3), with more delay.
"""

import numpy as np
import pandas as pd

HALF = 1 << 31  # sequence numbers wrap: differences are between minus and plus this
FLOW = ["source", "destination", "source_port", "destination_port"]
LANE_BITS = 33  # a flow's numbers, and one more for what lies beyond


def covering_rows(frames: pd.DataFrame, left: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return positions of pairs of `frames` such that the one covers the other's first octet, lesser host first.

    `frames` has one row per host and key: host_number, earliest, latest, FLOW, sequence and payload_bytes.
    `left` and `right` are the pairs that equal keys give: they are not given again. Octets that a host
    shows twice (sent again, or captured before and after being cut) are left out, and so are
    pairs of hosts whose order on the path their places do not tell.
    """
    begun, ended = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    size = frames["payload_bytes"].fillna(0).to_numpy(np.int64)
    rows = np.flatnonzero(size > 0)
    if not len(rows):
        return begun[0], ended[0]
    host = frames["host_number"].to_numpy(np.int64)
    start = np.full(len(frames), -1, np.int64)
    start[rows] = _lanes(frames.iloc[rows])
    known = np.concatenate([left * (host.max() + 1) + host[right], right * (host.max() + 1) + host[left]])
    of_host = {one: rows[host[rows] == one] for one in np.unique(host[rows]).tolist()}
    for sender, receiver in _meeting(start[rows] >> LANE_BITS, host[rows]):
        there = _shown_once(of_host[receiver], start, size)
        there = there[~np.isin(there * (host.max() + 1) + sender, known)]
        there = there[np.argsort(start[there], kind="stable")]
        covers = _covering(of_host[sender], start, size, start[there])
        found = covers >= 0
        there, covers = there[found], covers[found]
        _, soonest = np.unique(covers, return_index=True)  # what follows from one record tells less than the first
        begun.append(covers[soonest])
        ended.append(there[soonest])
    first, last = np.concatenate(begun), np.concatenate(ended)
    earliest, latest = frames["earliest"].to_numpy(), frames["latest"].to_numpy()
    is_sound = (earliest[first] <= latest[first]) & (earliest[last] <= latest[last])
    is_same = (earliest[first] == latest[last]) & (latest[first] == earliest[last])
    is_ordered = is_sound & (latest[first] <= earliest[last]) & ~is_same
    first, last = first[is_ordered], last[is_ordered]
    is_turned = host[first] > host[last]
    return np.where(is_turned, last, first), np.where(is_turned, first, last)


def _lanes(rows: pd.DataFrame) -> np.ndarray:
    """Return the number of each record's first octet, unwrapped, and above it the number of its flow."""
    flow = rows.groupby(FLOW, sort=False, dropna=False).ngroup().to_numpy(np.int64)
    sequence = rows["sequence"].to_numpy(np.int64)
    base = sequence[np.unique(flow, return_index=True)[1]]
    return np.asarray((flow << LANE_BITS) + (sequence - base[flow] + HALF) % (2 * HALF))


def _meeting(flow: np.ndarray, host: np.ndarray) -> list[tuple[int, int]]:
    """Return every ordered pair of hosts that show one flow."""
    shown = pd.DataFrame({"flow": flow, "host": host}).drop_duplicates()
    both = shown.merge(shown, on="flow", how="inner", suffixes=("", "_there"), validate="many_to_many")
    both = both.loc[both["host"] != both["host_there"], ["host", "host_there"]].drop_duplicates()
    return list(zip(both["host"].tolist(), both["host_there"].tolist(), strict=True))


def _shown_once(rows: np.ndarray, start: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Return those records of a host whose first octet no other record of it holds."""
    return rows[_covering(rows, start, size, start[rows]) == rows]


def _covering(rows: np.ndarray, start: np.ndarray, size: np.ndarray, octet: np.ndarray) -> np.ndarray:
    """Return which record of a host holds each octet; -1 where none does, or more than one."""
    ordered = rows[np.argsort(start[rows], kind="stable")]
    starts, ends = start[ordered], start[ordered] + size[ordered]
    before = np.maximum.accumulate(np.concatenate([[-1], ends]))[:-1]  # how far all earlier records reach
    at = np.searchsorted(starts, octet, side="right") - 1
    near = np.maximum(at, 0)
    is_one = (at >= 0) & (ends[near] > octet) & (before[near] <= octet)
    return np.where(is_one, ordered[near], -1)

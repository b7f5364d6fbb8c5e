"""Places of a flow become steps: which place is next after which on the way of its frames.

Points of one host share its clock, so their order is that of their times. Which of two hosts is nearer to
the source is taken from who owns the ends (the VTEP of the outer header, RFC 7348; the machine on a link),
or from times that are further apart than the doubt about both clocks. A step that others make up is left
out, but for the whole way from a flow's first place to its last.
"""

import numpy as np
import pandas as pd

from evpn_pcap.flows.places import LAST
from evpn_pcap.order import AFTER, BEFORE, PairMargins, order_within

SAMPLED_COUNT = 200  # transmissions of a flow that are looked at for the order of its places
TAKEN = ["place", "host", "time_ns", "margin_ns"]


def find_steps(
    frames: pd.DataFrame, places: pd.DataFrame, margins: PairMargins, silent: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the steps, in order of flow and path, and every two places of which one is known to be before the other.

    Steps have from_place, to_place, is_hop, is_direction_known. `margins` bound the error of
    differences of times; `silent` are steps to places without frames. Two hosts between which no order is
    known have one row, of their first places.
    """
    pairs = _ordered(_pairs(_some_of(frames)), places, margins)
    known = pairs[pairs["sign"] != 0]
    is_back = (known["sign"] < 0).to_numpy()
    edges = pd.DataFrame(
        {
            "from_place": np.where(is_back, known["place_b"], known["place_a"]),
            "to_place": np.where(is_back, known["place_a"], known["place_b"]),
        }
    )
    edges = pd.concat([edges, silent], ignore_index=True)
    ways = edges.merge(
        edges, left_on="to_place", right_on="from_place", how="inner", suffixes=("", "_on"), validate="many_to_many"
    )
    indirect = ways[["from_place", "to_place_on"]].drop_duplicates().rename(columns={"to_place_on": "to_place"})
    told = edges.merge(indirect, on=["from_place", "to_place"], how="left", indicator=True, validate="one_to_one")
    is_hop = (told["_merge"] == "left_only").to_numpy()
    is_whole_way = ~edges["from_place"].isin(edges["to_place"]) & ~edges["to_place"].isin(edges["from_place"])
    steps = edges.assign(is_hop=is_hop, is_direction_known=True)[is_hop | is_whole_way.to_numpy()]
    unknown = _between_hosts(pairs, places).assign(is_hop=True, is_direction_known=False)
    steps = pd.concat([steps, unknown], ignore_index=True)
    before_count = edges.groupby("to_place").size()
    position = {
        f"{end}_position": before_count.reindex(steps[f"{end}_place"]).fillna(0).astype("int64").to_numpy()
        for end in ("from", "to")
    }
    steps = steps.assign(flow=places["flow"].reindex(steps["from_place"]).to_numpy(), **position)
    by = ["flow", "is_hop", "from_position", "to_position", "from_place", "to_place"]
    return steps.sort_values(by, ascending=[True, False, True, True, True, True], kind="stable").reset_index(
        drop=True
    ), edges


def _some_of(frames: pd.DataFrame) -> pd.DataFrame:
    """Return the frames of some transmissions of each flow: keys are hashes, so the least of them are any of them."""
    keys = frames[["flow", "anchor_key", "transmission"]].drop_duplicates(["flow", "transmission"])
    keys = keys.sort_values(["flow", "anchor_key", "transmission"], kind="stable")
    some = keys[keys.groupby("flow").cumcount() < SAMPLED_COUNT]
    return frames[frames["transmission"].isin(some["transmission"])]


def _pairs(frames: pd.DataFrame) -> pd.DataFrame:
    """Return one row per transmission and two places (a less than b) that saw it, sent as often at both."""
    frames = frames.sort_values(["transmission", "place"], kind="stable")
    number, flow = frames["transmission"].to_numpy(), frames["flow"].to_numpy()
    sent = frames["sent_count"].to_numpy()
    parts = [np.zeros((0, 2), np.int64)]
    for step in range(1, int(frames.groupby("transmission").size().max()) if len(frames) else 0):
        is_same = (number[:-step] == number[step:]) & (flow[:-step] == flow[step:]) & (sent[:-step] == sent[step:])
        left = np.flatnonzero(is_same)
        parts.append(np.column_stack([left, left + step]))
    rows = np.concatenate(parts)
    one, other = (frames.iloc[rows[:, side]] for side in (0, 1))
    beside = {f"{name}_a": one[name].array for name in TAKEN} | {f"{name}_b": other[name].array for name in TAKEN}
    return pd.DataFrame({"is_multicast": one["is_multicast"].array, **beside})


def _ordered(pairs: pd.DataFrame, places: pd.DataFrame, margins: PairMargins) -> pd.DataFrame:
    """Return one row per two places that saw one transmission, with `sign`: 1 a is first, -1 b is, 0 not known."""
    verdict = order_within(pairs["time_ns_a"], pairs["time_ns_b"], doubts(pairs, margins))
    is_single = ~pairs["is_multicast"].fillna(value=True).astype(bool)  # of copies, either may come first
    told = pairs.assign(
        a_leads=is_single & (verdict == BEFORE),
        b_leads=is_single & (verdict == AFTER),
        apart_ns=pairs["time_ns_b"] - pairs["time_ns_a"],
    )
    summed = told.groupby(["place_a", "place_b"], as_index=False).agg(
        host_a=("host_a", "first"),
        host_b=("host_b", "first"),
        apart_ns=("apart_ns", "median"),
        a_leads=("a_leads", "any"),
        b_leads=("b_leads", "any"),
    )
    least, most = (
        {side: places[name].reindex(summed[f"place_{side}"]).to_numpy() for side in "ab"}
        for name in ("depth_min", "depth_max")
    )
    is_sound = (least["a"] <= most["a"]) & (least["b"] <= most["b"])
    a_owns, b_owns = is_sound & (most["a"] < least["b"]), is_sound & (most["b"] < least["a"])
    by_owner = a_owns.astype(int) - b_owns.astype(int)
    by_time = summed["a_leads"].astype(int) - summed["b_leads"].astype(int)
    is_conflict = (summed["a_leads"] & summed["b_leads"]) | ((by_owner != 0) & (by_time != 0) & (by_owner != by_time))
    between_hosts = np.where(is_conflict, 0, np.where(by_owner != 0, by_owner, by_time))
    is_same_host = (summed["host_a"] == summed["host_b"]).to_numpy(bool)
    within_host = np.where(summed["apart_ns"] == 0, _by_tunnel(summed, places), np.sign(summed["apart_ns"]))
    within_host = np.where(by_owner * within_host < 0, 0, within_host)  # two ways that part, not one after the other
    found = summed.assign(sign=np.where(is_same_host, within_host, between_hosts).astype("int64"))
    return found.assign(sign=np.where(is_same_host, found["sign"], _by_other_places(found, places)))


def _by_other_places(pairs: pd.DataFrame, places: pd.DataFrame) -> np.ndarray:
    """Return the order of places of two hosts, where it is not known taken from their other places.

    A frame rarely comes back to a host it has left: if all that is known of two hosts says that one is
    first, and the times of these places say so too, though within the doubt, it is.
    """
    is_turned = (pairs["host_a"] > pairs["host_b"]).to_numpy(bool)
    low, high = (
        np.where(is_turned, pairs[one], pairs[other]) for one, other in (("host_b", "host_a"), ("host_a", "host_b"))
    )
    own = np.where(is_turned, -pairs["sign"], pairs["sign"])
    flow = places["flow"].reindex(pairs["place_a"]).to_numpy()
    by_hosts = pd.Series(own).groupby([flow, low, high])
    least, most = by_hosts.transform("min").to_numpy(), by_hosts.transform("max").to_numpy()
    agreed = np.where(least >= 0, most, np.where(most <= 0, least, 0))
    told = np.where(is_turned, -agreed, agreed)
    fits = np.sign(pairs["apart_ns"]).to_numpy() == told
    return np.where(pairs["sign"] != 0, pairs["sign"], np.where(fits, told, 0))


def _by_tunnel(pairs: pd.DataFrame, places: pd.DataFrame) -> np.ndarray:
    """Return the order of two places of one VTEP, one inside VXLAN, by which end of the tunnel it is.

    Linux stamps a frame that arrives once, for the underlay and for the bridge behind it.
    """
    inside = {side: places["is_inside"].reindex(pairs[f"place_{side}"]).to_numpy(bool) for side in "ab"}
    depth = {side: places["depth_min"].reindex(pairs[f"place_{side}"]).to_numpy() for side in "ab"}
    tunnel_depth = np.where(inside["a"], depth["a"], depth["b"])
    is_inside_first = np.where(tunnel_depth == LAST - 1, 1, np.where(tunnel_depth == 1, -1, 0))
    return np.where(inside["a"] == inside["b"], 0, np.where(inside["a"], is_inside_first, -is_inside_first))


def _between_hosts(pairs: pd.DataFrame, places: pd.DataFrame) -> pd.DataFrame:
    """Return the first places of two hosts of a flow between whose places no order at all is known."""
    other = pairs[pairs["host_a"] != pairs["host_b"]]
    other = other.assign(
        flow=places["flow"].reindex(other["place_a"]).to_numpy(),
        first_host=np.minimum(other["host_a"].to_numpy(object), other["host_b"].to_numpy(object)),
        last_host=np.maximum(other["host_a"].to_numpy(object), other["host_b"].to_numpy(object)),
    )
    is_known = (other["sign"] != 0).groupby([other["flow"], other["first_host"], other["last_host"]]).transform("any")
    open_pairs = other[~is_known.to_numpy(bool)].drop_duplicates(["flow", "first_host", "last_host"])
    return open_pairs[["place_a", "place_b"]].rename(columns={"place_a": "from_place", "place_b": "to_place"})


def doubts(pairs: pd.DataFrame, margins: PairMargins) -> np.ndarray:
    """Return the bound on the error of time_ns_b - time_ns_a of each row: 0 on one host, FOREVER without a clock."""
    a, b = ((pairs[f"host_{side}"], pairs[f"time_ns_{side}"], pairs[f"margin_ns_{side}"]) for side in "ab")
    return margins.doubt(*a, *b)

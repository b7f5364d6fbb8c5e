"""Bare frames at a point -> its station: the machine whose link it is, if it is one machine's."""

import pandas as pd

ANSWER_NS = 1_000_000_000  # a machine answers a request within this time
LINK_NS = 150_000  # the two ends of a VM's link are nearer to each other than this
USE_NS = 3_000_000_000  # and who has an answer uses it within this


def find_stations(frames: pd.DataFrame, hypervisors: set[str]) -> dict[int, int]:
    """Return, per point, its station: the one MAC that is an end of every bare unicast frame seen there.

    Reads frames with point_id, key, is_encapsulated, and of ARP and ND also what they ask or tell.
    Where all unicast is between two machines, both are; then the one whose requests take longer
    to be answered here than at another host is the nearer one, unless the two hosts may be the two
    ends of one link; at a hypervisor, the one that is a captured machine, not the hypervisor's own
    address that it talks to. A machine answers on its own link: where a request for it goes unanswered, and
    the asker then uses its address, it is not its link.
    """
    bare = frames[
        ~frames["is_encapsulated"] & frames["destination_mac"].notna() & ~frames["is_multicast"].fillna(value=True)
    ]
    total = bare.groupby("point_id").size()
    ends = pd.concat(
        [bare[["point_id"]].assign(mac=bare["source_mac"]), bare[["point_id"]].assign(mac=bare["destination_mac"])]
    )
    shares = ends.groupby(["point_id", "mac"]).size().reset_index(name="frame_count")
    always = shares[shares["frame_count"] >= shares["point_id"].map(total)]
    counts = always.groupby("point_id").size()
    alone = always[always["point_id"].map(counts) == 1]
    stations = dict(zip(alone["point_id"].astype(int), alone["mac"].astype(int), strict=True))
    twos = bare[bare["point_id"].isin(counts[counts == 2].index)]
    everything = frames[~frames["is_encapsulated"]]
    nearer = _nearer_stations(twos, bare)
    on_one_link = _on_one_link(everything[~everything["host"].isin(hypervisors)], bare) if nearer else set()
    found = stations | {point: mac for point, mac in nearer.items() if point not in on_one_link}
    found |= _with_known_machine(always[always["point_id"].map(counts) == 2], found, frames, hypervisors)
    elsewhere = _answered_elsewhere(everything, found)
    return {point: mac for point, mac in found.items() if point not in elsewhere}


def _with_known_machine(
    pairs: pd.DataFrame, found: dict[int, int], frames: pd.DataFrame, hypervisors: set[str]
) -> dict[int, int]:
    """Return, for each point of a hypervisor with two MACs that may be its station, the one that is a machine's own."""
    host = frames.drop_duplicates("point_id").set_index("point_id")["host"]
    machines = {mac for point, mac in found.items() if host[point] not in hypervisors}
    at_taps = pairs[pairs["point_id"].map(host).isin(hypervisors) & pairs["mac"].isin(machines)]
    single = at_taps[~at_taps["point_id"].duplicated(keep=False)]
    return dict(zip(single["point_id"].astype(int), single["mac"].astype(int), strict=True))


def _on_one_link(everything: pd.DataFrame, bare: pd.DataFrame) -> set[int]:
    """Return points that may be the other end of another host's link: a VM's NIC and its tap.

    Both ends show the same frames, and the way between them is short. The time is a hint only, and
    is used only to claim less.
    """
    turns = _turns(bare[bare["host"].isin(everything["host"].unique())])
    pairs = turns.merge(turns, on=["key", "next_key"], suffixes=("", "_there"), how="inner", validate="many_to_many")
    pairs = pairs[pairs["host"] != pairs["host_there"]]
    round_trip_ns = (pairs["took_ns"] - pairs["took_ns_there"]).abs()
    least = round_trip_ns.groupby([pairs["point_id"], pairs["point_id_there"]]).min()
    near = least[least < LINK_NS].index
    return {int(one) for one, other in near if _shows_same(everything, one, other)}


def _shows_same(everything: pd.DataFrame, one: int, other: int) -> bool:
    """Return whether one point shows all that the other does between the first and the last frame that both show."""
    shown = [everything[everything["point_id"] == point].sort_values("captured_ns")["key"] for point in (one, other)]
    common = set(shown[0]) & set(shown[1])
    spans = []
    for keys in shown:
        places = keys.isin(common).to_numpy().nonzero()[0]
        spans.append(set(keys.iloc[places[0] : places[-1] + 1]))
    return spans[0] <= spans[1] or spans[1] <= spans[0]


def _answered_elsewhere(bare: pd.DataFrame, stations: dict[int, int]) -> set[int]:
    """Return points that show a request for their station without its answer, and then the asker's frames to it.

    The asker had its answer from somewhere else: a bridge device does not show proxied answers.
    """
    here = bare.assign(station=bare["point_id"].map(stations))
    here = here[here["station"].notna()]
    from_it = here["source_mac"] == here["station"]
    asked = here[here["asks_for"].notna() & ~from_it]
    told = here[here["tells_of"].notna() & from_it].drop(columns="asks_for").rename(columns={"tells_of": "asks_for"})
    owned = here.loc[from_it, ["point_id", "sender_ip"]].dropna().rename(columns={"sender_ip": "asks_for"})
    owned = owned.drop_duplicates()
    asked = asked.merge(owned, on=["point_id", "asks_for"], how="inner", validate="many_to_one")
    asked = asked.assign(asked_ns=asked["captured_ns"], asker=asked["source_mac"])
    asked = asked[["captured_ns", "asked_ns", "point_id", "asks_for", "asker", "station"]].sort_values("captured_ns")
    told = told[["captured_ns", "point_id", "asks_for"]].assign(told_ns=told["captured_ns"]).sort_values("captured_ns")
    answer = pd.merge_asof(
        asked, told, on="captured_ns", by=["point_id", "asks_for"], direction="forward", tolerance=ANSWER_NS
    )
    silent = answer[answer["told_ns"].isna()]
    used = here[here["destination_mac"] == here["station"]].rename(columns={"source_mac": "asker"})
    used = used[["captured_ns", "point_id", "asker"]].assign(used_ns=used["captured_ns"]).sort_values("captured_ns")
    use = pd.merge_asof(
        silent[["captured_ns", "point_id", "asker"]], used, on="captured_ns", by=["point_id", "asker"],
        direction="forward", tolerance=USE_NS,
    )  # fmt: skip
    return set(use.loc[use["used_ns"].notna(), "point_id"].astype(int))


def forwarding_hosts(frames: pd.DataFrame) -> set[str]:
    """Return hosts that show one bare frame at several of their interfaces: they forward, so they are hypervisors.

    A cooked capture beside one of the same NIC shows each frame twice too; so the two are not
    counted together.
    """
    bare = frames[~frames["is_encapsulated"]]
    places = bare.groupby(["host", "is_cooked", "key"])["point_id"].nunique()
    return set(places[places > 1].index.get_level_values("host"))


def _nearer_stations(twos: pd.DataFrame, bare: pd.DataFrame) -> dict[int, int]:
    """Return the nearer of two machines for each point where every unicast frame is between the same two.

    A frame of one machine followed by a frame of the other: seen nearer to the first machine, the
    time between them is longer, whatever the clocks say (each time is measured on one clock).
    """
    turns = _turns(bare)
    pairs = _turns(twos).merge(
        turns, on=["key", "next_key"], how="inner", suffixes=("", "_there"), validate="many_to_many"
    )
    pairs = pairs[(pairs["host"] != pairs["host_there"]) & (pairs["took_ns"] != pairs["took_ns_there"])]
    is_nearer = pairs["took_ns"] > pairs["took_ns_there"]
    pairs = pairs.assign(nearer=pairs["source_mac"].where(is_nearer, pairs["destination_mac"]))
    votes = pairs.groupby(["point_id", "nearer"]).size().reset_index(name="vote_count")
    total = votes.groupby("point_id")["vote_count"].transform("sum")
    clear = votes[votes["vote_count"] >= 0.9 * total]
    return dict(zip(clear["point_id"].astype(int), clear["nearer"].astype(int), strict=True))


def _turns(bare: pd.DataFrame) -> pd.DataFrame:
    """Return each frame that is followed at its point, within a second, by one the other way, and the time between."""
    ordered = bare.sort_values(["point_id", "captured_ns", "frame_id"], kind="stable")
    columns_read = ["point_id", "host", "source_mac", "destination_mac", "key", "captured_ns"]
    first = ordered[columns_read].iloc[:-1].reset_index(drop=True)
    second = ordered[columns_read].iloc[1:].reset_index(drop=True)
    took_ns = second["captured_ns"] - first["captured_ns"]
    is_turn = (
        (first["point_id"] == second["point_id"])
        & (first["source_mac"] == second["destination_mac"])
        & (first["destination_mac"] == second["source_mac"])
        & (took_ns < 1_000_000_000)
    )
    turns = first.drop(columns="captured_ns").assign(next_key=second["key"], took_ns=took_ns)[is_turn]
    return turns.drop_duplicates(["point_id", "key", "next_key"])

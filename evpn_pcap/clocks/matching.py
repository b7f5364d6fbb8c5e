"""ANCHORS become matches: one frame, transmitted once, seen by two hosts.

The key of a frame holds nothing that changes on its way (RFC 5475, hash-based selection), so equal keys mean one
packet, unless it was sent again or copied. Frames to groups, frames that crossed several tunnels and repeated
frames are left out: between two receivers of one copy each no inequality holds. Segments that were cut or joined
on the way have no equal: `covering` matches them by their octets.
"""

from dataclasses import dataclass, fields

import numpy as np
import pandas as pd

from evpn_pcap.addresses import capture_of
from evpn_pcap.clocks.covering import covering_rows

ONE_TRANSMISSION_NS = 20_000_000  # all sightings of one transmission at one host lie closer than this
ONE_PLACE_NS = 1_000_000  # a cooked capture without interface indices shows one frame several times, this close


@dataclass(frozen=True, slots=True)
class Matches:
    """Frames seen by two hosts: arrays, one element per frame and pair of hosts, in order of pair and time.

    `a` and `b` are numbers of hosts, a < b. A host may see a frame at several points, so each has a first and a
    last time, on its own clock. `earliest` and `latest` bound the place of each host on the frame's path
    (places.py). `flow` numbers the unordered pair of addresses, `is_forward` tells which is the source.
    """

    a: np.ndarray
    b: np.ndarray
    first_a_ns: np.ndarray
    last_a_ns: np.ndarray
    first_b_ns: np.ndarray
    last_b_ns: np.ndarray
    earliest_a: np.ndarray
    latest_a: np.ndarray
    earliest_b: np.ndarray
    latest_b: np.ndarray
    flow: np.ndarray
    is_forward: np.ndarray

    def take(self, rows: np.ndarray | slice) -> "Matches":
        """Return the matches that `rows` (a mask, positions or a slice) selects."""
        return Matches(*(getattr(self, field.name)[rows] for field in fields(self)))

    def gaining(self, more: "Matches") -> "Matches":
        """Return those of the pairs of hosts that `more` has matches of, together with these."""
        most = 1 + max(self.b.max(initial=0), more.b.max(initial=0))
        own = self.take(np.flatnonzero(np.isin(self.a * most + self.b, more.a * most + more.b)))
        columns = ((getattr(own, field.name), getattr(more, field.name)) for field in fields(self))
        both = Matches(*(np.concatenate(column) for column in columns))
        return both.take(np.lexsort((both.first_a_ns, both.b, both.a)))


def find_matches(sightings: pd.DataFrame) -> Matches:
    """Return every frame that two hosts saw, once for each pair of hosts.

    `sightings` are ANCHORS with the columns that places.locate adds: host_number, earliest, latest.
    """
    frames = _one_row_per_host(_sent_once(_to_one_destination(sightings)))
    frames = frames.sort_values(["anchor_key", "host_number"], kind="stable")
    key = frames["anchor_key"].to_numpy()
    left, right = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for step in range(1, frames["host_number"].nunique()):
        same = np.flatnonzero(key[:-step] == key[step:])
        if not len(same):
            break
        left.append(same)
        right.append(same + step)
    equal = np.concatenate(left), np.concatenate(right)
    covered = covering_rows(frames, *equal)
    return _paired(frames, *(np.concatenate(rows) for rows in zip(equal, covered, strict=True)))


def _to_one_destination(sightings: pd.DataFrame) -> pd.DataFrame:
    """Return the sightings of frames to one receiver that nobody saw in two different tunnels.

    A cooked capture does not say whom an outgoing frame goes to; another sighting of it does.
    """
    is_unknown = sightings["is_multicast"].isna().to_numpy(bool)
    is_single = sightings["is_multicast"].eq(False).fillna(False).to_numpy(bool)
    elsewhere = sightings["anchor_key"].isin(sightings.loc[is_single, "anchor_key"]).to_numpy(bool)
    unicast = sightings[is_single | (is_unknown & elsewhere)]
    tunnels = unicast.loc[
        unicast["outer_source_ip"].notna(), ["anchor_key", "outer_source_ip", "outer_destination_ip"]
    ].drop_duplicates()
    copied = tunnels.loc[tunnels["anchor_key"].duplicated(), "anchor_key"].unique()
    return unicast[~unicast["anchor_key"].isin(copied)]


def _sent_once(sightings: pd.DataFrame) -> pd.DataFrame:
    """Return the sightings without those of frames that a host saw transmitted more than once."""
    sightings = sightings.assign(
        capture=capture_of(sightings["frame_id"].to_numpy()), is_inside=sightings["vni"].notna().to_numpy()
    )
    host = ["host_number", "anchor_key"]
    is_seen_again = sightings.duplicated(host, keep=False).to_numpy()
    several = sightings[is_seen_again]
    place = [*host, "capture", "interface_index", "direction", "is_inside"]
    times = several.groupby(host)["captured_ns"]
    spread_ns = times.transform("max") - times.transform("min")
    is_repeated = several.duplicated(place, keep=False) & (several["direction"].isna() | (spread_ns > ONE_PLACE_NS))
    is_bad = (spread_ns > ONE_TRANSMISSION_NS) | is_repeated.groupby([several[name] for name in host]).transform("any")
    return pd.concat([sightings[~is_seen_again], several[~is_bad.to_numpy(bool)]])


def _one_row_per_host(sightings: pd.DataFrame) -> pd.DataFrame:
    """Return host, key, first and last time, the bounds of the place, and the addresses, once per host and key."""
    addresses = ["source_ip", "destination_ip"]
    numbers, _ = pd.factorize(pd.concat([sightings[name] for name in addresses], ignore_index=True))
    sightings = sightings.assign(
        source=numbers[: len(sightings)],
        destination=numbers[len(sightings) :],
        first_ns=sightings["captured_ns"],
        last_ns=sightings["captured_ns"],
    )
    host = ["host_number", "anchor_key"]
    in_stream = ["source_port", "destination_port", "sequence", "payload_bytes"]
    kept = [*host, "first_ns", "last_ns", "earliest", "latest", "source", "destination", *in_stream]
    is_seen_again = sightings.duplicated(host, keep=False).to_numpy()
    several = (
        sightings[is_seen_again]
        .groupby(host, as_index=False)
        .agg(
            first_ns=("first_ns", "min"),
            last_ns=("last_ns", "max"),
            earliest=("earliest", "max"),
            latest=("latest", "min"),
            source=("source", "first"),
            destination=("destination", "first"),
            **{name: (name, "first") for name in in_stream},
        )
    )
    return pd.concat([sightings.loc[~is_seen_again, kept], several[kept]], ignore_index=True)


def _paired(frames: pd.DataFrame, left: np.ndarray, right: np.ndarray) -> Matches:
    """Return the rows `left` and `right` of `frames` side by side, in order of pair and time."""
    column = {name: frames[name].to_numpy() for name in frames.columns}
    low = np.minimum(column["source"], column["destination"])[left].astype(np.int64)
    high = np.maximum(column["source"], column["destination"])[left].astype(np.int64)
    matches = Matches(
        a=column["host_number"][left],
        b=column["host_number"][right],
        first_a_ns=column["first_ns"][left],
        last_a_ns=column["last_ns"][left],
        first_b_ns=column["first_ns"][right],
        last_b_ns=column["last_ns"][right],
        earliest_a=column["earliest"][left],
        latest_a=column["latest"][left],
        earliest_b=column["earliest"][right],
        latest_b=column["latest"][right],
        flow=(low << 32) + high,
        is_forward=(column["source"] < column["destination"])[left],
    )
    order = np.lexsort((column["anchor_key"][left], matches.first_a_ns, matches.b, matches.a))
    return matches.take(order)

"""One resolution of RESOLUTIONS and its aftermath -> legs: which frame went from which host to which, and when.

A copy inside VXLAN comes from the host whose VTEP address its outer header names (RFC 7348), a machine's frame
from the host at the other end of its link; any other from the host that showed it last before.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from evpn_pcap.addresses import mac_text
from evpn_pcap.model import FOREVER, Role, Tables
from evpn_pcap.points import TRAVEL_NS

BEFORE_NS, AFTER_NS = 500_000_000, 3_000_000_000  # UPDATEs this long before the request, and after it
REQUEST, ANSWER, FIRST, BACK, UPDATE = "request", "answer", "first frame", "what came back", "UPDATE"
SEEN = ["host", "time_ns", "margin_ns", "outer_source_ip", "outer_destination_ip"]
ONE_UPDATE = ["sender_ip", "receiver_ip", "sequence"]


@dataclass(frozen=True, slots=True)
class Leg:
    """One frame on its way from one host to another, or at one host only (both ends are then the same)."""

    kind: str
    label: str
    from_host: str
    from_ns: int
    from_margin_ns: int
    to_host: str
    to_ns: int
    to_margin_ns: int


def legs(tables: Tables, resolution: pd.Series) -> list[Leg]:
    """Return every leg of a row of RESOLUTIONS and of its row of AFTERMATHS, in order of time.

    Hosts that are not aligned have no place on the common clock: what they show is left out.
    """
    near = Neighbours.of(tables.points)
    told = [*_asked(tables, resolution), *_used(tables, resolution)]
    found = [leg for kind, label, seen in told for leg in _ways(kind, label, seen, near)]
    return sorted(
        [*found, *_updates(tables, resolution, near.vteps)], key=lambda leg: (leg.from_ns, leg.to_ns, leg.to_host)
    )


def _asked(tables: Tables, resolution: pd.Series) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Yield kind, label and sightings of the requests and the answers."""
    events = tables.events[tables.events["margin_ns"] != FOREVER]
    frames = events["frame_id"].isin(resolution["frame_ids"])
    ours = events[events["transmission_id"].isin(events.loc[frames, "transmission_id"])]
    target = resolution["target_ip"] if pd.notna(resolution["target_ip"]) else "its own MAC"
    told = mac_text(int(resolution["target_mac"])) if pd.notna(resolution["target_mac"]) else "?"
    is_arp = resolution["protocol"] == "arp"
    labels = {REQUEST: f"{'who has' if is_arp else 'NS'} {target}", ANSWER: f"{target} is at {told}"}
    for _, seen in ours.groupby("transmission_id", sort=True):
        kind = REQUEST if seen["kind"].notna().any() else ANSWER
        yield kind, labels[kind], seen


def _used(tables: Tables, resolution: pd.Series) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Yield kind, label and sightings of the first frame with the resolved address, and of what came back."""
    use = tables.aftermaths[tables.aftermaths["id"] == resolution["id"]]
    anchors = tables.anchors[tables.anchors["margin_ns"] != FOREVER]
    for name, kind in (("first_frame_id", FIRST), ("answer_frame_id", BACK)):
        for frame_id in use[name].dropna():
            one = anchors[anchors["frame_id"] == frame_id]
            if len(one):
                same = anchors[anchors["anchor_key"] == one["anchor_key"].iloc[0]]
                allowed = TRAVEL_NS + same["margin_ns"] + one["margin_ns"].iloc[0]
                near = (same["time_ns"] - one["time_ns"].iloc[0]).abs() <= allowed
                yield kind, f"{kind}, to {one['destination_ip'].iloc[0]}", same[near]


def _ways(kind: str, label: str, seen: pd.DataFrame, near: "Neighbours") -> Iterator[Leg]:
    """Yield a leg to every host that shows a frame but the first, and one at the first if it is alone."""
    ordered = seen.sort_values("time_ns", kind="stable")[SEEN]
    first = ordered.drop_duplicates("host")
    if len(first) == 1:
        yield _leg(kind, label, ordered.iloc[0], ordered.iloc[-1])
    for place in range(1, len(first)):
        arrived = first.iloc[place]
        here = ordered[ordered["host"] == arrived["host"]]
        source = near.source(here, set(first["host"])) or first["host"].iloc[place - 1]
        there = ordered[ordered["host"] == source]
        copies = there[there["outer_destination_ip"].isin(here["outer_destination_ip"].dropna())]
        left = (copies if len(copies) else there[there["time_ns"] <= arrived["time_ns"]]).tail(1)
        yield _leg(kind, label, left.iloc[0] if len(left) else there.iloc[0], arrived)


def _leg(kind: str, label: str, begin: pd.Series, end: pd.Series) -> Leg:
    ends = [(str(one["host"]), int(one["time_ns"]), int(one["margin_ns"])) for one in (begin, end)]
    return Leg(kind, label, *ends[0], *ends[1])


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Which host is at the other end: of a tunnel, by VTEP address; of a machine's link, by its MAC."""

    vteps: dict[str, str]  # VTEP address -> host
    hypervisors: dict[str, str]  # machine -> the host whose tap is the other end of its link

    @classmethod
    def of(cls, points: pd.DataFrame) -> "Neighbours":
        """Return what POINTS tells."""
        vteps = points.dropna(subset=["vtep_ip"]).drop_duplicates("vtep_ip")
        links = points.dropna(subset=["station_mac"])
        machines, taps = (links[links["role"] == role][["host", "station_mac"]] for role in (Role.VM, Role.TAP))
        both = machines.merge(
            taps.drop_duplicates("station_mac"), on="station_mac", how="inner", suffixes=("", "_tap"), validate="m:1"
        )
        return cls(
            dict(zip(vteps["vtep_ip"], vteps["host"], strict=True)),
            dict(zip(both["host"], both["host_tap"], strict=True)),
        )

    def source(self, here: pd.DataFrame, hosts: set[str]) -> str | None:
        """Return which of the hosts a frame came from, as all of one host's sightings tell; None where none does."""
        host = here["host"].iloc[0]
        tunnels = [self.vteps.get(ip) for ip in here["outer_source_ip"].dropna()]
        backs = [machine for machine, hypervisor in self.hypervisors.items() if hypervisor == host]
        likely = [*tunnels, self.hypervisors.get(host), *(backs if not tunnels else [])]
        return next((one for one in likely if one in hosts and one != host), None)


def _updates(tables: Tables, resolution: pd.Series, vteps: dict[str, str]) -> Iterator[Leg]:
    """Yield a leg for each UPDATE about the target's address, or the requester's, around the resolution."""
    rows = tables.updates[tables.updates["margin_ns"] != FOREVER]
    about = [one for one in (resolution["target_ip"], resolution["requester_ip"]) if pd.notna(one)]
    since_ns = rows["time_ns"] - resolution["time_ns"]
    rows = rows[rows["ip"].isin(about) & rows["action"].isin(["advertise", "withdraw"])]
    rows = rows[since_ns.between(-BEFORE_NS, AFTER_NS).reindex(rows.index)]
    for (sender, receiver, _), seen in rows.groupby(ONE_UPDATE, sort=True):
        ends = [vteps.get(ip) for ip in (sender, receiver)]
        first = seen.sort_values("time_ns", kind="stable").drop_duplicates("host").set_index("host")
        shown = [host for host in ends if host in first.index]
        if not shown:
            continue
        begin, end = first.loc[shown[0]], first.loc[shown[-1]]
        label = f"{begin['action']} {begin['ip']}"
        hosts = [host or shown[0] for host in ends]
        times = [(int(one["time_ns"]), int(one["margin_ns"])) for one in (begin, end)]
        yield Leg(UPDATE, label, str(hosts[0]), *times[0], str(hosts[1]), *times[1])


def moments(found: list[Leg]) -> np.ndarray:
    """Return every time at which a leg begins or ends, once, in order."""
    times: np.ndarray = np.unique(np.array([at for leg in found for at in (leg.from_ns, leg.to_ns)], np.int64))
    return times

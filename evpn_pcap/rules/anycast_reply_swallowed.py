"""A VTEP's gateway asks over the fabric, the machine answers, and the leaf next to it eats the answer.

What it shows
    Three or more requests from the gateway's MAC crossed the fabric for one address; each answer is
    on the machine's own link, and none crossed back.

Why it matters
    The answer goes to the anycast MAC, which every leaf has: the one that asked never learns the
    neighbour, and asks again and again.

What else looks like this
    The fabric lost the answers (then other frames of the machine are missing too).

References
----------
    RFC 9135, section 4.1; domain.md, section 8.

"""

import pandas as pd

from evpn_pcap.model import Kind, Role, Rule, Severity, Tables
from evpn_pcap.rules._found import gather
from evpn_pcap.rules._frames import gateway_macs

ASKED_COUNT = 3
NEAR_NS = 1_000_000_000
PAIR = ["requester_mac", "target_ip"]


def find(tables: Tables) -> pd.DataFrame:
    """Return one row per VNI and address that a gateway asks for in vain over the fabric."""
    events = tables.events[tables.events["requester_mac"].isin(gateway_macs(tables) | _shared(tables.events))]
    asked = events[(events["kind"].isin([Kind.RESOLUTION, Kind.REFRESH])) & events["vni"].notna()]
    asked = asked.drop_duplicates("transmission_id")
    told = events[events["message"] == "reply"]
    links = tables.points.loc[tables.points["role"].isin([Role.VM, Role.TAP]), ["point_id", "station_mac"]]
    station = told["point_id"].map(links.set_index("point_id")["station_mac"])
    at_home = told[(station == told["told_mac"]).fillna(value=False)].drop_duplicates("transmission_id")
    crossed = set(told.loc[told["vni"].notna(), "transmission_id"])
    lost = at_home[~at_home["transmission_id"].isin(crossed)]
    if lost.empty:
        return gather(lost)
    pairs = asked.merge(
        lost[[*PAIR, "time_ns", "frame_id"]], on=PAIR, how="inner", suffixes=("", "_told"), validate="many_to_many"
    )
    pairs = pairs[(pairs["time_ns_told"] - pairs["time_ns"]).abs() < NEAR_NS].drop_duplicates("transmission_id")
    found = pairs.groupby(["vni", "outer_source_ip", "target_ip"]).agg(
        count=("frame_id", "size"), asked=("frame_id", tuple), told=("frame_id_told", tuple),
    ).reset_index()  # fmt: skip
    found = found[found["count"] >= ASKED_COUNT]
    if found.empty:
        return gather(found)
    rows = tables.resolutions
    about = [
        tuple(rows.loc[(rows["target_ip"] == ip) & rows["requester_mac"].isin(pairs["requester_mac"]), "id"])
        for ip in found["target_ip"]
    ]
    times = " asked " + found["count"].astype("str") + " times for "
    return gather(
        found.assign(
            subject=found["outer_source_ip"] + " " + found["target_ip"],
            detail="the gateway of " + found["outer_source_ip"] + times + found["target_ip"] + ", no answer crossed",
            frame_ids=found["asked"] + found["told"],
            resolution_ids=pd.Series(about, index=found.index, dtype="object"),
        )
    )


def _shared(events: pd.DataFrame) -> set[int]:
    """Return the MACs that asked from behind several VTEPs within one address: anycast gateways."""
    asked = events[events["message"].eq("request") & events["vni"].notna()]
    counts = asked.groupby(["source_mac", "requester_ip"])["outer_source_ip"].nunique()
    return {int(mac) for mac, _ in counts[counts > 1].index}


RULE = Rule(
    code="EVP018",
    name="anycast-reply-swallowed",
    severity=Severity.LOW,
    title="Answers to a gateway's requests are eaten by the local leaf",
    cause="The answer is sent to the anycast gateway MAC, which the leaf next to the machine takes as its own.",
    advice="Advertise the machine's MAC/IP route, so that remote gateways need not ask; or give VTEPs own probe MACs.",
    rivals="The fabric lost the answers.",
    would_decide="A capture on the underlay of the machine's VTEP.",
    find=find,
)

"""A machine sends from behind a VTEP that does not announce it: the fabric goes on sending to the old one.

What it shows
    For 5 s or more, unicast frames of a MAC came from behind one VTEP (or frames on a tap there)
    while another VTEP's route for it was in force and the first announced nothing.

Why it matters
    Everything for the machine goes to where it no longer is.

What else looks like this
    A loop brings its frames back (bum-echo: broadcasts only); duplicate detection froze it
    (dad-freeze: the fifth move within 180 s).

References
----------
    RFC 7432, section 15; SONiC issue 12363.

"""

import pandas as pd

from evpn_pcap.model import FOREVER, Role, Rule, Severity, Tables
from evpn_pcap.order import AFTER, BEFORE, order
from evpn_pcap.rules._found import gather, mac_words
from evpn_pcap.rules._frames import frames_seen
from evpn_pcap.rules._routes import FLAPS_COUNT, flapping, moves, own_mac_routes

SETTLED_NS = 2_000_000_000  # after the old route's UPDATE
UNTOLD_NS = 5_000_000_000
SHOWN_COUNT = 10
STAY = ["vni", "mac", "next_hop", "here"]


def find(tables: Tables) -> pd.DataFrame:
    """Return one row per VNI and MAC that its VTEP does not announce although its frames come from there."""
    told = own_mac_routes(tables.routes)
    told = told[told["ip"].isna()]
    if told.empty:
        return gather(told)
    sent = _sent_from(tables)
    pairs = told.merge(
        sent, left_on="mac", right_on="source_mac", how="inner", suffixes=("", "_sent"), validate="many_to_many"
    )
    settled_ns, margin_ns = pairs["advertised_ns"] + SETTLED_NS, pairs["margin_ns"]
    begun = order(settled_ns, margin_ns, pairs["time_ns"], pairs["margin_ns_sent"]) == BEFORE
    still = order(pairs["withdrawn_ns"], pairs["withdraw_margin_ns"], pairs["time_ns"], pairs["margin_ns_sent"])
    fits = (pairs["vni"] == pairs["vni_sent"]).fillna(value=True)
    elsewhere = pairs[begun & (still == AFTER) & fits & (pairs["here"] != pairs["next_hop"])]
    if elsewhere.empty:
        return gather(elsewhere)
    stays = elsewhere.groupby(STAY).agg(
        first_ns=("time_ns", "min"), last_ns=("time_ns", "max"), route_frames=("frame_ids", "first"),
        frames=("frame_id", lambda ids: tuple(ids[:SHOWN_COUNT])), margin_ns=("margin_ns_sent", "max"),
    ).reset_index()  # fmt: skip
    stays = stays[(stays["last_ns"] - stays["first_ns"] >= UNTOLD_NS) & stays["here"].isin(_whole(tables.sessions))]
    frozen = flapping(moves(tables.routes), FLAPS_COUNT - 1)
    stays = _untold(stays, told).merge(frozen, on=["vni", "mac"], how="left", indicator=True, validate="many_to_one")
    stays = stays[stays["_merge"] == "left_only"]
    mac = mac_words(stays["mac"])
    seconds = ((stays["last_ns"] - stays["first_ns"]) // 1_000_000_000).astype("str")
    where = " sent from behind " + stays["here"] + " for " + seconds + " s, its route is of " + stays["next_hop"]
    return gather(stays.assign(subject=mac, detail=mac + where, frame_ids=stays["route_frames"] + stays["frames"]))


def _sent_from(tables: Tables) -> pd.DataFrame:
    """Return frames with the VTEP (`here`) that their source surely sat behind: encapsulated there, or on a tap."""
    frames = frames_seen(tables)
    crossed = frames[frames["vni"].notna() & ~frames["is_multicast"]]
    taps = tables.points[(tables.points["role"] == Role.TAP) & tables.points["vtep_ip"].notna()]
    taps = taps[["point_id", "station_mac", "vtep_ip"]].dropna()
    flooded = tables.events.loc[tables.events["vni"].notna(), "transmission_id"]  # these may come from elsewhere
    bare = tables.events[(tables.events["message"] != "reply") & ~tables.events["transmission_id"].isin(flooded)]
    local = bare.merge(
        taps, left_on=["point_id", "source_mac"], right_on=["point_id", "station_mac"], how="inner",
        validate="many_to_one",
    )  # fmt: skip
    read = ["source_mac", "vni", "here", "time_ns", "margin_ns", "frame_id"]
    both = pd.concat([crossed.assign(here=crossed["outer_source_ip"])[read], local.assign(here=local["vtep_ip"])[read]])
    return both[both["margin_ns"] != FOREVER].sort_values(["time_ns", "frame_id"], kind="stable")


def _whole(sessions: pd.DataFrame) -> set[str]:
    """Return the VTEPs of which everything that they told somebody is known."""
    known = sessions[(sessions["complete_ns"] != FOREVER) & (sessions["gap_count"] == 0)]
    return set(known["sender_ip"])


def _untold(stays: pd.DataFrame, told: pd.DataFrame) -> pd.DataFrame:
    """Return the stays during whose first 5 s the VTEP had and made no route for the MAC."""
    own = told[["vni", "mac", "next_hop", "advertised_ns", "withdrawn_ns"]].rename(columns={"next_hop": "here"})
    pairs = stays.reset_index().merge(own, on=["vni", "mac", "here"], how="inner", validate="many_to_many")
    until_ns = pairs["first_ns"] + UNTOLD_NS
    is_told = (pairs["advertised_ns"] < until_ns) & (pairs["withdrawn_ns"] > pairs["first_ns"] - SETTLED_NS)
    return stays[~stays.index.isin(pairs.loc[is_told, "index"])]


RULE = Rule(
    code="EVP017",
    name="remote-to-local-lost",
    severity=Severity.HIGH,
    title="A machine came to a VTEP that does not announce it",
    cause="The VTEP keeps the machine's remote entry although its frames come in at a local port.",
    advice="Delete the remote entry there (`bridge fdb del MAC dev VXLAN`), and upgrade the VTEP.",
    rivals="A loop brings the machine's frames back; duplicate detection froze it.",
    would_decide="`bridge fdb show` of that VTEP.",
    find=find,
)

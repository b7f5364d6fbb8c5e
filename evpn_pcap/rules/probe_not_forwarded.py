"""A probe for an address that another machine uses went no further than its VTEP, which did not know the owner.

What it shows
    An ARP probe or a duplicate address detection for an address without a route at the ingress VTEP,
    kept off the fabric and not answered, while another machine uses the address.

Why it matters
    A VTEP that cannot answer a probe itself has to let it through, so that the owner can object. Here
    the prober takes the address, and two machines have it.

What else looks like this
    The other machine gave the address up just before.

References
----------
    RFC 9161, sections 3.3 and 3.6; RFC 5227; RFC 4862.

"""

import pandas as pd

from evpn_pcap.addresses import mac_text
from evpn_pcap.model import AnsweredBy, Kind, Outcome, RouteState, Rule, Severity, Tables
from evpn_pcap.rules._found import gather, tuples

NEAR_NS = 60_000_000_000


def find(tables: Tables) -> pd.DataFrame:
    """Return one row per VNI and address whose probe the VTEP dropped although somebody had the address."""
    rows = tables.resolutions
    dropped = rows[
        (rows["kind"] == Kind.PROBE)
        & (rows["outcome"] == Outcome.SUPPRESSED)
        & (rows["answered_by"] == AnsweredBy.NONE)
        & (rows["route_state"] == RouteState.NOT_IN_FORCE)
    ]
    if dropped.empty:
        return gather(dropped)
    pairs = dropped.merge(
        _users(tables), left_on="target_ip", right_on="ip", how="inner", suffixes=("", "_used"), validate="many_to_many"
    )
    is_near = (pairs["time_ns_used"] - pairs["time_ns"]).abs() < NEAR_NS
    used = pairs[is_near & (pairs["mac"] != pairs["requester_mac"])].drop_duplicates(["id", "mac"])
    owner = used["mac"].map(mac_text).astype("str")
    return gather(
        used.assign(
            subject=used["target_ip"],
            detail=used["requester_mac"].map(mac_text).astype("str")
            + " probed for "
            + used["target_ip"]
            + " of "
            + owner,
            resolution_ids=tuples(used["id"]),
            frame_ids=used["frame_ids"] + used["frame_ids_used"],
            margin_ns=used[["margin_ns", "margin_ns_used"]].max(axis=1),
        )
    )


def _users(tables: Tables) -> pd.DataFrame:
    """Return who was seen to send from an address, with time and frame: the machine itself, not a proxy."""
    read = ["time_ns", "margin_ns", "frame_id", "mac", "ip"]
    events = tables.events[tables.events["message"] == "request"]
    asked = events.rename(columns={"source_mac": "mac", "requester_ip": "ip"})[read]
    inside = tables.anchors[tables.anchors["vni"].notna()]
    sent = inside.rename(columns={"source_mac": "mac", "source_ip": "ip"})[read]
    users = pd.concat([asked, sent], ignore_index=True).dropna(subset=["mac", "ip"])
    return users.assign(
        frame_ids=pd.Series([(frame,) for frame in users["frame_id"]], index=users.index, dtype="object")
    )


RULE = Rule(
    code="EVP118",
    name="probe-not-forwarded",
    severity=Severity.LOW,
    title="A probe for an address in use was neither answered nor forwarded",
    cause="Linux does this by design: with suppression on, its bridge drops every probe.",
    advice="Watch duplicates by other means (`show evpn arp-cache`), or set neigh_forward_grat.",
    rivals="The other machine gave the address up just before.",
    would_decide="Captures of both machines' links over the minute around the probe.",
    find=find,
)

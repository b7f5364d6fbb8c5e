"""A machine probed for an address and was answered with its own MAC: a conflict with itself.

What it shows
    A probe or DAD solicitation, and within a second an answer to it that gives the prober's MAC.

Why it matters
    The machine takes its own address for a duplicate and refuses to use it, or asks for another
    (DHCP DECLINE), at every start.

What else looks like this
    Nothing: a machine does not answer its own probe.

References
----------
    RFC 5227, section 2.1.1; OpenWrt issue 14309.

"""

import pandas as pd

from evpn_pcap.model import Kind, Rule, Severity, Tables
from evpn_pcap.rules._found import gather, mac_words, tuples
from evpn_pcap.rules._frames import segment_vni

NEAR_NS = 1_000_000_000


def find(tables: Tables) -> pd.DataFrame:
    """Return one row per VNI and address whose probe was answered with the prober's own MAC."""
    events = tables.events.assign(vni=segment_vni(tables.events))
    asked = events[events["kind"] == Kind.PROBE]
    if asked.empty:
        return gather(asked)
    told = events[events["message"] == "reply"]
    read = ["point_id", "target_ip", "told_mac", "captured_ns", "frame_id"]
    pairs = asked.merge(
        told[read], left_on=["point_id", "target_ip", "source_mac"], right_on=["point_id", "target_ip", "told_mac"],
        how="inner", suffixes=("", "_told"), validate="many_to_many",
    )  # fmt: skip
    after_ns = pairs["captured_ns_told"] - pairs["captured_ns"]
    false = pairs[(after_ns >= 0) & (after_ns < NEAR_NS)].drop_duplicates(["transmission_id"])
    if false.empty:
        return gather(false)
    rows = tables.resolutions[tables.resolutions["kind"] == Kind.PROBE]
    ids = rows.groupby(["target_ip", "requester_mac"])["id"].agg(tuple).rename("resolution_ids")
    false = false.join(ids, on=["target_ip", "source_mac"])
    false = false.assign(resolution_ids=false["resolution_ids"].map(lambda one: one if isinstance(one, tuple) else ()))
    return gather(
        false.assign(
            subject=false["target_ip"],
            detail=mac_words(false["source_mac"]) + " probed for " + false["target_ip"],
            frame_ids=tuples(false["frame_id"], false["frame_id_told"]),
        )
    )


RULE = Rule(
    code="EVP012",
    name="false-conflict",
    severity=Severity.HIGH,
    title="A probe was answered with the prober's own MAC",
    cause="The proxy answers probes from a binding that it learned from the prober itself.",
    advice="Upgrade the proxy, or switch proxying off on that port.",
    rivals="None known.",
    would_decide="The VTEP's neighbour table at that moment.",
    find=find,
)

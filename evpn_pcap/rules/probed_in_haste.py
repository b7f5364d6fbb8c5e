"""A machine checks an IPv4 address faster than RFC 5227 allows, so that an owner may answer too late.

What it shows
    On one link, ARP probes of one machine for one address less than a second apart, twice or more;
    or an announcement less than two seconds after the last of several probes.

Why it matters
    The pauses are there because the first frames of a new link are often lost, and because a VTEP
    needs its time to learn. A check in haste finds no conflict that is there.

What else looks like this
    Several programs on one machine that check the same address.

References
----------
    RFC 5227, section 2.1.1.

"""

import numpy as np
import pandas as pd

from evpn_pcap.addresses import mac_text
from evpn_pcap.model import Kind, Rule, Severity, Tables
from evpn_pcap.rules._found import gather

PROBE_MIN_NS = 900_000_000  # RFC 5227: 1 s; a tenth for timers that run early
ANNOUNCE_WAIT_NS = 1_800_000_000  # 2 s
KEY = ["host", "point_id", "source_mac", "target_ip"]


def find(tables: Tables) -> pd.DataFrame:
    """Return one row per machine and address that it checked in haste."""
    events = tables.events
    spoken = events[(events["protocol"] == "arp") & events["kind"].isin([Kind.PROBE, Kind.ANNOUNCEMENT])]
    spoken = spoken[spoken["target_ip"].notna() & spoken["vni"].isna()]  # inside VXLAN there is a copy for each VTEP
    if spoken.empty:
        return gather(spoken)
    spoken = spoken.sort_values([*KEY, "captured_ns"], kind="stable").drop_duplicates([*KEY, "transmission_id"])
    groups = spoken.groupby(KEY)
    gap_ns = spoken["captured_ns"] - groups["captured_ns"].shift(fill_value=0)
    is_probe = spoken["kind"] == Kind.PROBE
    follows_probe = groups["kind"].shift() == Kind.PROBE
    is_hasty = follows_probe & np.where(is_probe, gap_ns < PROBE_MIN_NS, gap_ns < ANNOUNCE_WAIT_NS)
    spoken = spoken.assign(is_hasty=is_hasty, gap_ns=gap_ns)
    by_place = spoken.assign(is_probe=is_probe).groupby(KEY)
    is_sure = (by_place["is_hasty"].transform("sum") > 1) & (by_place["is_probe"].transform("sum") > 1)
    hasty = spoken[is_sure & is_hasty].drop_duplicates(["transmission_id"])
    if hasty.empty:
        return gather(hasty)
    mac = hasty["source_mac"].map(mac_text).astype("str")
    gap_ms = (hasty["gap_ns"] // 1_000_000).astype("str")
    rows = hasty.assign(
        vni=hasty["segment"].str.extract(r"^vni:(\d+)$")[0].astype("UInt32"),
        subject=mac + " " + hasty["target_ip"],
        detail=mac + " checked " + hasty["target_ip"] + " again or announced it after " + gap_ms + " ms",
        frame_ids=pd.Series([(frame,) for frame in hasty["frame_id"]], index=hasty.index, dtype="object"),
    )
    return gather(rows.drop(columns="margin_ns"))


RULE = Rule(
    code="EVP113",
    name="probed-in-haste",
    severity=Severity.LOW,
    title="An address was checked for conflicts faster than allowed",
    cause="The machine's DHCP client or network manager is set to a short check (some default to 200 ms in all).",
    advice="Give address conflict detection its 1 s between probes and 2 s before announcing.",
    rivals="Two programs on the machine that check the same address.",
    would_decide="The settings of the machine's network manager (`ipv4.dad-timeout`, `IPv4DuplicateAddressDetection`).",
    find=find,
)

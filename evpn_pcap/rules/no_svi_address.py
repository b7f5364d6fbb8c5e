"""Requests are flooded because the VTEP has no address in that family, so nothing there learns hosts' addresses.

What it shows
    Both hosts are advertised with MAC-only routes, never with an address of the family that was
    asked, and every request between them was flooded.

Why it matters
    A Linux bridge learns MAC + IP from exchanges with its own SVI. Without an SVI address in the
    family there is no MAC/IP route, and without one nothing can be answered at the ingress VTEP.

What else looks like this
    The hosts have an SVI but never spoke to it (gateway-primed), or the MAC/IP routes were
    advertised before the capture began.

References
----------
    RFC 7432, section 10; FRRouting issue 16015.

"""

import pandas as pd

from evpn_pcap.model import Rule, Severity, Tables
from evpn_pcap.rules._found import gather

FAMILY = {"arp": "IPv4", "nd": "IPv6"}


def find(tables: Tables) -> pd.DataFrame:
    """Return one row per VNI and family whose flooded requests are all between MAC-only hosts."""
    rows = tables.resolutions
    asked = rows[(rows["kind"] == "resolution") & (rows["outcome"] != "undecided") & rows["target_mac"].notna()]
    told = tables.routes[(tables.routes["route_type"] == 2) & ~tables.routes["is_preexisting"].astype("boolean")]
    is_ipv6 = told["ip"].str.contains(":")
    found = []
    for (vni, word), group in asked.groupby(["vni", "protocol"]):
        protocol = str(word)
        family = told[told["ip"].notna() & (is_ipv6 == (protocol == "nd"))]
        mac_only = set(told.loc[told["ip"].isna() & (told["vni"] == vni), "mac"])
        hosts = set(group["requester_mac"]) | set(group["target_mac"])
        if (group["outcome"] == "flooded").all() and hosts <= mac_only and not hosts & set(family["mac"]):
            count = f"all {len(group)} {FAMILY[protocol]} requests flooded, {len(hosts)} hosts have MAC-only routes"
            found.append((vni, FAMILY[protocol], count, tuple(group["id"]), _frames(group, told, hosts)))
    return gather(pd.DataFrame(found, columns=["vni", "subject", "detail", "resolution_ids", "frame_ids"]))


def _frames(group: pd.DataFrame, told: pd.DataFrame, hosts: set[int]) -> tuple[int, ...]:
    """Return the first frame of each request and the frames of the MAC-only routes, once per route and receiver."""
    requests = [frames[0] for frames in group["frame_ids"]]
    routes = [frame for frames in told.loc[told["mac"].isin(hosts), "frame_ids"] for frame in frames]
    return (*requests, *routes)


RULE = Rule(
    code="EVP001",
    name="no-svi-address",
    severity=Severity.MEDIUM,
    title="No address of this family on the VTEP's bridge, so no MAC/IP routes",
    cause="The bridge device (SVI) has no address in the family, so the VTEP never learns the hosts' addresses.",
    advice="Give the VNet a subnet with a gateway (IPv4), or enable IPv6 on the bridge device.",
    rivals="The gateway exists but the hosts never spoke to it; MAC/IP routes from before the capture began.",
    would_decide="`ip addr show` of the bridge device, or a capture that begins before BGP is up.",
    find=find,
)

"""A request was flooded although a MAC/IP route for its target had been in force for more than 2 s.

What it shows
    The ingress VTEP held a MAC/IP route for the target address long enough to have installed it,
    and sent the request over the fabric all the same.

Why it matters
    Suppression is configured but not working: every such request costs one copy per remote VTEP.

What else looks like this
    The route arrived but was not imported (route target), the kernel entry was not installed anew
    after IPv6 was disabled and enabled on the bridge, or duplicate detection froze the address.

References
----------
    RFC 9161; SONiC issue 8403; ifupdown2 issue 47.

"""

import pandas as pd

from evpn_pcap.model import Rule, Severity, Tables
from evpn_pcap.rules._found import gather


def find(tables: Tables) -> pd.DataFrame:
    """Return one row per VNI, ingress VTEP and family with requests flooded although the route was in force."""
    rows = tables.resolutions
    asked = rows[(rows["kind"] == "resolution") & (rows["route_state"] == "in force")]
    if not (asked["reason"] == "suppression-off").any():
        return gather(asked.iloc[:0])
    grouped = asked.assign(is_off=asked["reason"] == "suppression-off").groupby(
        ["vni", "ingress_vtep", "protocol"], sort=True
    )
    figures = {"off_count": ("is_off", "sum"), "asked_count": ("is_off", "size"), "margin_ns": ("margin_ns", "max")}
    found = grouped.agg(**figures).reset_index()
    found = found[found["off_count"] > 0]
    if found.empty:
        return gather(found)
    keys = zip(found["vni"], found["ingress_vtep"], found["protocol"], strict=True)
    off = [grouped.get_group(key).query("reason == 'suppression-off'") for key in keys]
    family = found["protocol"].map({"arp": "ARP", "nd": "ND"})
    share = found["off_count"].astype("str") + " of " + found["asked_count"].astype("str")
    return gather(
        found.assign(
            subject=found["ingress_vtep"] + " " + found["protocol"],
            detail=share + " " + family + " requests at " + found["ingress_vtep"],
            resolution_ids=pd.Series([tuple(rows["id"]) for rows in off], index=found.index, dtype="object"),
            frame_ids=pd.Series([rows["frame_ids"].sum() for rows in off], index=found.index, dtype="object"),
        )
    )


RULE = Rule(
    code="EVP003",
    name="suppression-not-working",
    severity=Severity.HIGH,
    title="Flooded although a MAC/IP route was in force",
    cause="Suppression is off on the VTEP's VXLAN port, set on another port, or not supported there.",
    advice="Check `bridge -d link show dev VXLAN` for neigh_suppress on; then the neighbour entry of the target.",
    rivals="Route target not imported; kernel entry lost (IPv6 disabled and enabled); duplicate detection.",
    would_decide="`bridge -d link` and `ip neigh` of the ingress hypervisor at that moment.",
    find=find,
)

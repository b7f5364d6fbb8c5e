"""VTEPs of one fabric send VXLAN to different UDP ports.

What it shows
    One VTEP's VXLAN packets go to another port than most VTEPs' do.

Why it matters
    A VTEP listens on one port. Packets to another one are answered with ICMP port unreachable, or
    dropped; the machines behind it can be heard by none, or hear none.

What else looks like this
    Two fabrics in one capture, each with a port of its own.

References
----------
    RFC 7348, section 5 (4789); Linux without `dstport` uses 8472.

"""

import pandas as pd

from evpn_pcap.model import Rule, Severity, Tables
from evpn_pcap.rules._found import gather

ASSIGNED = 4789
FRAMES_SHOWN = 12


def find(tables: Tables) -> pd.DataFrame:
    """Return one row per VTEP that sends to another port than the others that use the same VNI."""
    packets = tables.packets[tables.packets["vni"].notna() & tables.packets["vxlan_port"].notna()]
    senders = packets.groupby(["vni", "vxlan_port"], as_index=False).agg(count=("outer_source_ip", "nunique"))
    senders["is_assigned"] = senders["vxlan_port"] == ASSIGNED
    usual = senders.sort_values(["count", "is_assigned"]).groupby("vni")["vxlan_port"].last()
    usual_port = packets["vni"].map(usual)
    odd = packets.assign(usual_port=usual_port)[packets["vxlan_port"] != usual_port]
    if odd.empty:
        return gather(odd)
    odd = odd.groupby(["vni", "outer_source_ip"]).head(FRAMES_SHOWN)
    ports = odd["vxlan_port"].astype("str") + ", the others to " + odd["usual_port"].astype("str")
    rows = odd.assign(
        subject=odd["outer_source_ip"],
        detail=odd["outer_source_ip"] + " sends to port " + ports,
        frame_ids=pd.Series([(frame,) for frame in odd["frame_id"]], index=odd.index, dtype="object"),
    )
    return gather(rows.drop(columns="margin_ns"))


RULE = Rule(
    code="EVP116",
    name="vxlan-port-differs",
    severity=Severity.HIGH,
    title="VTEPs use different UDP ports for VXLAN",
    cause="A VXLAN device was made without `dstport 4789`, so that Linux took its old default 8472.",
    advice="Make the VXLAN device anew with `dstport 4789` on every VTEP.",
    rivals="Two fabrics on one underlay.",
    would_decide="`ip -d link show VXLAN` on both VTEPs; ICMP port unreachable on the underlay.",
    find=find,
)

"""VXLAN packets without the flag that says that they have a VNI: every receiver drops them.

What it shows
    Packets to a VXLAN port whose header has the I flag clear.

Why it matters
    Whatever they carry does not arrive. VTEPs count them as errors, and nothing else tells.

What else looks like this
    Another protocol on the same port (OTV uses 8472), whose header is none of VXLAN.

References
----------
    RFC 7348, section 5.

"""

import pandas as pd

from evpn_pcap.model import Rule, Severity, Tables
from evpn_pcap.rules._found import gather

ANOMALY = "vxlan.no-vni-flag"
FRAMES_SHOWN = 12


def find(tables: Tables) -> pd.DataFrame:
    """Return one row, if there were such packets."""
    odd = tables.anomalies[tables.anomalies["name"] == ANOMALY]
    frames = odd["frame_id"].dropna().head(FRAMES_SHOWN)
    found = [] if frames.empty else [(pd.NA, "VXLAN", f"{odd['count'].sum()} records", tuple(frames.astype("int64")))]
    return gather(pd.DataFrame(found, columns=["vni", "subject", "detail", "frame_ids"]))


RULE = Rule(
    code="EVP114",
    name="vxlan-flag-missing",
    severity=Severity.HIGH,
    title="VXLAN packets without the flag that makes their VNI valid",
    cause="The sending VTEP, or an offload of its NIC, writes the VXLAN header wrongly.",
    advice="Switch off tunnel offloads at the sender (`ethtool -K NIC tx-udp_tnl-segmentation off`), then update it.",
    rivals="Another protocol that uses the same UDP port.",
    would_decide="The frames named here in Wireshark: who sends them, and what follows the first eight octets.",
    find=find,
)

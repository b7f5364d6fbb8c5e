"""A VTEP sets bits of the VXLAN header that are reserved.

What it shows
    VXLAN packets with more than the I flag set, or with octets in the header that should be zero,
    from one VTEP. Packets with the G flag are left out: they carry a group policy on purpose.

Why it matters
    Receivers of plain VXLAN ignore these bits. Those that know an extension read something into
    them, or drop the packet; what arrives depends on the receiver.

What else looks like this
    An extension in use (group policy without its flag, generic protocol extension on the usual port).

References
----------
    RFC 7348, section 5.

"""

import pandas as pd

from evpn_pcap.model import Rule, Severity, Tables
from evpn_pcap.rules._found import gather

PLAIN, GROUP_POLICY = 0x08000000, 0x80000000
FRAMES_SHOWN = 12


def find(tables: Tables) -> pd.DataFrame:
    """Return one row per VTEP that sets reserved bits."""
    packets = tables.packets[tables.packets["vni"].notna() & tables.packets["outer_source_ip"].notna()]
    flags = packets["vxlan_flags"].fillna(PLAIN).astype("int64")
    is_odd = (flags != PLAIN) | (packets["vxlan_reserved"].fillna(0) != 0)
    odd = packets.assign(flags=flags)[is_odd & (flags & GROUP_POLICY == 0)]
    found = [
        (pd.NA, vtep, f"{vtep} sends headers that begin {rows['flags'].iloc[0]:#010x}", tuple(rows["frame_id"]))
        for vtep, rows in odd.groupby("outer_source_ip").head(FRAMES_SHOWN).groupby("outer_source_ip")
    ]
    return gather(pd.DataFrame(found, columns=["vni", "subject", "detail", "frame_ids"]))


RULE = Rule(
    code="EVP115",
    name="vxlan-reserved-bits",
    severity=Severity.LOW,
    title="Reserved bits of the VXLAN header are set",
    cause="The VTEP uses an extension of VXLAN, or fills the header with what was in memory.",
    advice="See whether an extension is configured on the VXLAN device (`ip -d link show`) and known to all VTEPs.",
    rivals="An extension that is meant.",
    would_decide="`ip -d link show VXLAN` on the sender.",
    find=find,
)

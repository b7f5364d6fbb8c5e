"""A VTEP writes its VNI into the upper 20 bits of the label field, as an MPLS label, and others read another VNI.

What it shows
    The label of a route is a multiple of 16, and a sixteenth of it is a VNI that frames or other
    routes of the fabric use, while the label as it stands is not.

Why it matters
    With VXLAN all 24 bits of the field are the VNI. A receiver that reads it so sends into a VNI
    that nobody has, or imports the route nowhere.

What else looks like this
    Two VNIs of which one is sixteen times the other, the greater without a frame in the captures.

References
----------
    RFC 8365, section 5.1.3.

"""

import pandas as pd

from evpn_pcap.model import Rule, Severity, Tables
from evpn_pcap.rules._announced import announced
from evpn_pcap.rules._encapsulated import encapsulated
from evpn_pcap.rules._found import gather

SHIFT = 16  # an MPLS label stands four bits higher


def find(tables: Tables) -> pd.DataFrame:
    """Return one row per VNI and next hop whose labels are the VNI shifted by four bits."""
    told = announced(tables.routes, 2, 3)
    told = told[told["vni"].notna() & (told["vni"] > 0)]
    carried = set(encapsulated(tables)["vni"])
    shifted = told["vni"] // SHIFT
    used = carried | set(told.loc[told["vni"] % SHIFT != 0, "vni"])
    rows = told[(told["vni"] % SHIFT == 0) & shifted.isin(used) & ~told["vni"].isin(carried)]
    wrong, right = rows["vni"].astype("str"), shifted.loc[rows.index].astype("str")
    rows = rows.assign(
        vni=shifted.loc[rows.index],
        subject=rows["next_hop"],
        detail="the label of " + rows["next_hop"] + " reads " + wrong + " for VNI " + right,
    )
    return gather(rows.drop(columns="margin_ns"))


RULE = Rule(
    code="EVP105",
    name="vni-label-not-raw",
    severity=Severity.HIGH,
    title="A VNI is announced as an MPLS label, four bits too high",
    cause="The VTEP encodes the label field as for MPLS, with the VNI in the upper 20 bits.",
    advice="Update or configure the VTEP so that it writes the VNI into all 24 bits (encapsulation VXLAN).",
    rivals="The fabric has both VNIs, and nothing was sent in the greater one while it was captured.",
    would_decide="The VTEP's own VNI configuration; a capture of its VXLAN packets.",
    find=find,
)

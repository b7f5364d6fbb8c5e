"""A route has the label of a layer-3 VNI and lacks the router's MAC, or the other way round: nobody can route by it.

What it shows
    A MAC/IP route with a second label but without the router's MAC community, or with that community
    but without a second label; or a prefix route over VXLAN that has neither a router's MAC nor a gateway.

Why it matters
    In symmetric routing the ingress VTEP writes the router's MAC into the inner frame and sends it in
    the layer-3 VNI. With one of the two missing the route is of no use beyond its own subnet.

What else looks like this
    A policy that removes extended communities. Link-local addresses are left out: nobody routes to them.

References
----------
    RFC 9135; RFC 9136.

"""

import numpy as np
import pandas as pd

from evpn_pcap.model import Rule, Severity, Tables
from evpn_pcap.rules._announced import NO_SEGMENT, announced
from evpn_pcap.rules._found import gather

MAC_IP, PREFIX = 2, 5
VXLAN = 8
LINK_LOCAL = "fe80:"  # never routed: FRR gives these a second label and no router's MAC


def find(tables: Tables) -> pd.DataFrame:
    """Return one row per layer-3 VNI and next hop with routes that are half routed."""
    told = announced(tables.routes, MAC_IP, PREFIX)
    is_routable = told["ip"].notna() & ~told["ip"].str.startswith(LINK_LOCAL).fillna(value=False).astype(bool)
    told = told[is_routable | (told["route_type"] == PREFIX)]
    has_label, has_mac = told["l3_vni"].fillna(0) > 0, told["router_mac"].notna()
    is_mac_ip = told["route_type"] == MAC_IP
    is_direct = (told["encapsulation"] == VXLAN) & told["gateway_ip"].isna() & (told["esi"] == NO_SEGMENT)
    lacks_mac = (is_mac_ip & has_label & ~has_mac) | (~is_mac_ip & is_direct & has_label & ~has_mac)
    lacks_label = is_mac_ip & has_mac & ~has_label
    is_wrong = (lacks_mac | lacks_label).fillna(value=False).astype(bool)
    wrong = told[is_wrong]
    if wrong.empty:
        return gather(wrong)
    what = np.where(lacks_mac[is_wrong], "no router's MAC", "no label of a layer-3 VNI")
    rows = wrong.assign(
        vni=wrong["l3_vni"].where(has_label[is_wrong], wrong["vni"]),
        subject=wrong["next_hop"],
        detail="routes of " + wrong["next_hop"] + " have " + what,
    )
    return gather(rows.drop(columns="margin_ns"))


RULE = Rule(
    code="EVP107",
    name="routed-route-incomplete",
    severity=Severity.HIGH,
    title="Routes for symmetric routing lack a part",
    cause="The VRF's bridge or VXLAN device is missing or down at the VTEP, or communities are removed on the way.",
    advice="Check `show evpn vni VNI` and `show vrf vni` on the VTEP: the router's MAC and the state must be there.",
    rivals="A policy or a reflector that removes the community.",
    would_decide="A capture of the session at the VTEP itself; `show bgp l2vpn evpn route type 2` there.",
    find=find,
)

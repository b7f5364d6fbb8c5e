"""What one VTEP does otherwise than FRR and Linux: the defaults are what those two do."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Habit:
    """How a VTEP writes its routes and its VXLAN headers, answers and floods."""

    label_shift_bits: int = 0  # 4: the VNI in the upper 20 bits, as an MPLS label stands
    has_encapsulation: bool = True  # of MAC and MAC/IP routes
    next_hop: str | None = None  # of MAC and MAC/IP routes; None: its own address
    route_target: int | None = None  # number of its VNI's route target; None: the VNI
    has_router_mac: bool = True  # of routes with a second label
    has_multicast_route: bool = True
    has_pmsi_tunnel: bool = True
    has_end_of_rib: bool = True
    lists_graceful_restart: bool = False  # EVPN in its graceful restart capability: its peers keep its routes
    is_sticky: bool = False
    nd_flags: int | None = None  # of the ARP/ND community of MAC/IP routes; None: no community
    gateway_mac: str | None = None  # of its bridge device; None: the anycast MAC
    proxies_unicast: bool = False  # kernels before 6.16: a unicast request is answered and forwarded
    forwards_unicast: bool = True  # what it answers itself it forwards as well
    flood_list: tuple[str, ...] | None = None  # VTEPs that it floods to; None: all others
    returns_floods: bool = False  # no split horizon: what was flooded to it goes back where it came from
    vxlan_flags: int = 0x08
    vxlan_reserved: int = 0  # the 24 bits behind the flags
    vxlan_port: int = 4789


FRR_ON_LINUX = Habit()

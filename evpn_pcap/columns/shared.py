"""Columns that several tables share, declared once."""

from evpn_pcap.columns.kinds import FLAG, FRAME, INDEX, IP, MAC, SPAN, TIME, VLAN, VNI, WORD
from evpn_pcap.table import Column

# fmt: off
FRAME_ID = Column("frame_id", FRAME, "capture and frame number in one integer: the way back to the packet")
HOST = Column("host", WORD, "the machine that made the capture, whose clock stamped it")
CAPTURED = Column("captured_ns", TIME, "the host's own clock")
INTERFACE = Column("interface_index", INDEX, "interface in the capture: SLL2 interface index, or pcapng interface number; pcap: 0")
DIRECTION = Column("direction", WORD, "incoming | outgoing, where the capture says so (Linux cooked, epb_flags)")
COMMON_TIME = Column("time_ns", TIME, "the common clock (the reference host's)")
MARGIN = Column("margin_ns", SPAN, "bound on the error of time_ns; FOREVER where the host is not aligned")
LAYERS = (
    Column("vlan_id", VLAN, "outermost 802.1Q tag of the frame as captured"),
    Column("outer_source_ip", IP, "underlay source: the encapsulating VTEP; missing outside VXLAN"),
    Column("outer_destination_ip", IP, "underlay destination: the VTEP (or group) that the copy went to"),
    Column("vni", VNI, "VXLAN network identifier; missing outside VXLAN"),
    Column("inner_vlan_id", VLAN, "802.1Q tag of the frame inside VXLAN"),
    Column("source_mac", MAC, "Ethernet source of the innermost frame"),
    Column("destination_mac", MAC, "Ethernet destination of the innermost frame; missing in Linux cooked captures"),
    Column("is_multicast", FLAG, "the innermost frame was sent to a group or to everybody (destination MAC, or SLL packet type)"),
)
# fmt: on

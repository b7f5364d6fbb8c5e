"""Tables of the control plane: octets of BGP sessions, UPDATEs, routes over time, sessions."""

from evpn_pcap.columns.kinds import (
    CODE,
    COUNT,
    FLAG,
    ID,
    IDS,
    INDEX,
    IP,
    MAC,
    MAYBE_ID,
    MAYBE_SPAN,
    NUMBER,
    OCTETS,
    PORT,
    SPAN,
    TEXT,
    TIME,
    VNI,
    WORD,
)
from evpn_pcap.columns.shared import CAPTURED, FRAME_ID, HOST, MARGIN
from evpn_pcap.table import Column, Table

# fmt: off
# One line a column, so that the file reads as the tables do.
STREAM_BYTES = Table(
    "STREAM_BYTES",
    "one row per in-order range of one direction of one TCP port 179 connection at one host",
    (
        FRAME_ID,
        HOST,
        CAPTURED,
        Column("stream_id", ID, "host, and the four of addresses and ports, in order of first sight"),
        Column("sender_ip", IP, "IP source"),
        Column("sender_port", PORT, "TCP source port"),
        Column("receiver_ip", IP, "IP destination"),
        Column("receiver_port", PORT, "TCP destination port"),
        Column("sequence", NUMBER, "TCP sequence number of the first octet"),
        Column("octets", OCTETS, "new in-order octets; empty for an event"),
        Column("event", WORD, "data | start (SYN seen) | reset (RST) | end (FIN) | gap (octets missing before these) | preexisting (first data without SYN)"),
    ),
    ("stream_id", "frame_id", "sequence"),
)

ROUTE_FIELDS = (
    Column("route_type", CODE, "EVPN route type (1 Ethernet A-D, 2 MAC/IP, 3 IMET, 4 Ethernet segment, 5 IP prefix)"),
    Column("rd", TEXT, "route distinguisher as FRR prints it"),
    Column("esi", TEXT, "Ethernet segment identifier"),
    Column("ethernet_tag", NUMBER, "Ethernet tag identifier"),
    Column("mac", MAC, "of a MAC/IP route"),
    Column("ip", IP, "of a MAC/IP route (missing: MAC only); originator of an IMET or Ethernet segment route"),
    Column("prefix", TEXT, "of an IP prefix route, as 10.2.1.0/24"),
    Column("gateway_ip", IP, "gateway of an IP prefix route; missing when zero"),
    Column("vni", VNI, "first label, raw 24 bits"),
    Column("l3_vni", VNI, "second label of a MAC/IP route, or the label of an IP prefix route, raw 24 bits"),
    Column("next_hop", IP, "BGP next hop: the VTEP behind which the address is"),
    Column("route_targets", TEXT, "sorted, separated by blanks, as 65001:5001"),
    Column("router_mac", MAC, "router's MAC extended community"),
    Column("mobility_sequence", NUMBER, "MAC mobility sequence; 0 when absent"),
    Column("is_sticky", FLAG, "MAC mobility sticky flag"),
    Column("is_default_gateway", FLAG, "default gateway extended community"),
    Column("nd_flags", TEXT, "ARP/ND extended community: letters of R, O, I; missing when absent"),
    Column("encapsulation", CODE, "encapsulation extended community (8 VXLAN)"),
)
# RFC 7432, 7.2: what makes two type-2 routes the same route. ESI and labels are attributes.
ROUTE_KEY = ("route_type", "rd", "ethernet_tag", "mac", "ip", "prefix", "esi_key")

UPDATES = Table(
    "UPDATES",
    "one row per NLRI per BGP UPDATE per capturing host, and per session event (start, reset, open, end-of-rib ...)",
    (
        FRAME_ID,
        HOST,
        CAPTURED,
        Column("stream_id", ID, "direction of a connection at a host, as in STREAM_BYTES"),
        Column("sender_ip", IP, "BGP speaker that sent the message"),
        Column("sender_port", PORT, "TCP source port"),
        Column("receiver_ip", IP, "BGP speaker that it was sent to"),
        Column("receiver_port", PORT, "TCP destination port"),
        Column("sequence", NUMBER, "TCP sequence number of the message's first octet: equal at every host that saw it"),
        Column("nlri_index", INDEX, "position in the message"),
        Column("action", WORD, "advertise | withdraw | end-of-rib | open | notification | refresh | start | reset | end | gap | preexisting"),
        *ROUTE_FIELDS,
        Column("esi_key", TEXT, "the ESI where it is part of the route's key (types 1 and 4); else missing"),
        Column("originator_ip", IP, "ORIGINATOR_ID attribute (route reflection)"),
        Column("is_decoded", FLAG, "false: kept raw (types other than 2, 3, 5, or malformed)"),
        Column("raw", TEXT, "NLRI octets as hex where kept raw, else missing"),
    ),
    ("frame_id", "sequence", "nlri_index"),
)

ROUTES = Table(
    "ROUTES",
    "one row per route, receiver and interval in force",
    (
        Column("route_id", ID, "counted from 0 in order of receiver, key and time"),
        Column("receiver_ip", IP, "BGP speaker whose view this is; the sender itself for its own routes"),
        Column("sender_ip", IP, "BGP speaker that told it"),
        *ROUTE_FIELDS,
        Column("advertised_ns", TIME, "in force from, common clock; the session's first message where is_preexisting"),
        Column("withdrawn_ns", TIME, "in force until, common clock; FOREVER while still in force at the end"),
        MARGIN,
        Column("withdraw_margin_ns", SPAN, "margin of withdrawn_ns; 0 while FOREVER"),
        Column("is_preexisting", FLAG, "in force before the capture began: its advertisement was not seen"),
        Column("originator_ip", IP, "ORIGINATOR_ID, where a reflector passed it on: the speaker whose route it is"),
        Column("is_imported", FLAG, "false: the receiver exports none of its route targets for that VNI, so it has no effect there; missing: not known"),
        Column("outranked_ns", IDS, "from, until, from, until ...: when another VTEP's route for the same VNI, MAC and IP was preferred there (sticky, higher sequence, lower VTEP; RFC 7432, 15)"),
        Column("trigger_frame_id", MAYBE_ID, "own routes of type 2: the frame at the access port that made the VTEP announce it, where captured"),
        Column("trigger_delay_ns", MAYBE_SPAN, "from that frame to the UPDATE"),
        Column("withdraw_reason", WORD, "moved | aged | link down | family disabled | session lost | replaced | unknown; missing while in force"),
        Column("silence_ns", MAYBE_SPAN, "how long before the withdrawal the last frame from the address was seen on its side of the fabric"),
        Column("refresh_ns", IDS, "times at which the same route was advertised anew without change of key"),
        Column("frame_ids", IDS, "frames of the advertisement and the withdrawal"),
    ),
    ("route_id",),
)

SESSIONS = Table(
    "SESSIONS",
    "one row per direction of a BGP session and interval during which its table is known whole",
    (
        Column("sender_ip", IP, "BGP speaker"),
        Column("receiver_ip", IP, "BGP speaker"),
        Column("first_ns", TIME, "first message seen, common clock"),
        Column("complete_ns", TIME, "from when on the table of this direction is known whole: start of the session seen and End-of-RIB received; FOREVER if never"),
        Column("last_ns", TIME, "last message seen, or the reset"),
        MARGIN,
        Column("gap_count", COUNT, "gaps in the octets: after one the table is no longer known whole"),
    ),
    ("sender_ip", "receiver_ip", "first_ns"),
)
# fmt: on

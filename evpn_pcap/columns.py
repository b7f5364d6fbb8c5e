"""Every table of the program: its grain, columns, dtypes, units and meaning. No logic.

Optional values are nullable dtypes. One sentinel exists: an interval still open ends at
`model.FOREVER`. IP addresses are canonical text because pandas has no 128-bit integer; text is
made once for each distinct address of a buffer, never for each packet.
"""

from evpn_pcap.table import Column, Kind, Table

TIME = Kind("int64", "ns since the Unix epoch")
MAYBE_TIME = Kind("Int64", "ns since the Unix epoch")
SPAN = Kind("int64", "ns")
MAYBE_SPAN = Kind("Int64", "ns")
ID = Kind("int64")
MAYBE_ID = Kind("Int64")
FRAME = Kind("int64")  # addresses.frame_id(capture, number)
IDS = Kind("object")  # tuple of int
TEXTS = Kind("object")  # tuple of str
INDEX = Kind("int32")
COUNT = Kind("int64")
MAYBE_COUNT = Kind("Int64")
MAC = Kind("UInt64")
IP = Kind("str", "canonical text")
VNI = Kind("UInt32")
VLAN = Kind("UInt16")
PORT = Kind("UInt16")
CODE = Kind("UInt16")
NUMBER = Kind("UInt32")
HASH = Kind("uint64")
FLAG = Kind("boolean")
WORD = Kind("str")
TEXT = Kind("str")
OCTETS = Kind("object")  # bytes
LENGTH = Kind("int64", "bytes")
RATIO = Kind("float64")

# fmt: off
# One line a column, so that the file reads as the tables do.
_FRAME_ID = Column("frame_id", FRAME, "capture and frame number in one integer: the way back to the packet")
_HOST = Column("host", WORD, "the machine that made the capture, whose clock stamped it")
_CAPTURED = Column("captured_ns", TIME, "the host's own clock")
_INTERFACE = Column("interface_index", INDEX, "interface in the capture: SLL2 interface index, or pcapng interface number; pcap: 0")
_DIRECTION = Column("direction", WORD, "incoming | outgoing, where the capture says so (Linux cooked, epb_flags)")
_TIME = Column("time_ns", TIME, "the common clock (the reference host's)")
_MARGIN = Column("margin_ns", SPAN, "bound on the error of time_ns; FOREVER where the host is not aligned")
_LAYERS = (
    Column("vlan_id", VLAN, "outermost 802.1Q tag of the frame as captured"),
    Column("outer_source_ip", IP, "underlay source: the encapsulating VTEP; missing outside VXLAN"),
    Column("outer_destination_ip", IP, "underlay destination: the VTEP (or group) that the copy went to"),
    Column("vni", VNI, "VXLAN network identifier; missing outside VXLAN"),
    Column("inner_vlan_id", VLAN, "802.1Q tag of the frame inside VXLAN"),
    Column("source_mac", MAC, "Ethernet source of the innermost frame"),
    Column("destination_mac", MAC, "Ethernet destination of the innermost frame; missing in Linux cooked captures"),
    Column("is_multicast", FLAG, "the innermost frame was sent to a group or to everybody (destination MAC, or SLL packet type)"),
)

INTERFACES = Table(
    "INTERFACES",
    "one row per interface that a capture file shows",
    (
        Column("capture_id", ID, "the capture file"),
        _HOST,
        Column("point", WORD, "where on its path the capture listened, from its name"),
        _INTERFACE,
        Column("name", TEXT, "interface name, from pcapng or the fabric file"),
        Column("link_type", CODE, "tcpdump.org link type"),
        Column("packet_count", COUNT, "records"),
        Column("byte_count", COUNT, "octets on the wire"),
        Column("vxlan_count", COUNT, "records that carry VXLAN"),
        Column("arp_count", COUNT, "records that carry ARP or RARP, inside or outside VXLAN"),
        Column("nd_count", COUNT, "records that carry ND, inside or outside VXLAN"),
        Column("bgp_count", COUNT, "records of TCP port 179"),
        Column("first_ns", MAYBE_TIME, "earliest record, the host's own clock; or when the capture was started, if the file says"),
        Column("last_ns", MAYBE_TIME, "latest record, the host's own clock; or when the capture was ended, if the file says"),
        Column("dropped_count", MAYBE_COUNT, "records lost by the capturing program, if the file says"),
    ),
    ("capture_id", "interface_index"),
)

PACKETS = Table(
    "PACKETS",
    "one row per ARP, RARP or ND frame per capture, and per BGP frame",
    (
        _FRAME_ID,
        _HOST,
        _CAPTURED,
        _INTERFACE,
        _DIRECTION,
        *_LAYERS,
        Column("protocol", WORD, "arp | rarp | nd | bgp"),
        Column("operation", CODE, "ARP operation, or ICMPv6 type (133 RS, 134 RA, 135 NS, 136 NA, 137 redirect); missing for bgp"),
        Column("sender_mac", MAC, "ARP sender hardware address; source link-layer address option of ND"),
        Column("sender_ip", IP, "ARP sender protocol address; IPv6 source of ND; IP source of bgp"),
        Column("target_mac", MAC, "ARP target hardware address; target link-layer address option of ND"),
        Column("target_ip", IP, "ARP target protocol address; target field of NS, NA and redirect; IP destination of bgp"),
        Column("destination_ip", IP, "IPv6 destination of ND; missing for ARP"),
        Column("hop_limit", CODE, "IPv6 hop limit of ND (RFC 4861: must be 255); IPv4 TTL or hop limit of bgp"),
        Column("has_router_flag", FLAG, "R of an NA"),
        Column("has_solicited_flag", FLAG, "S of an NA"),
        Column("has_override_flag", FLAG, "O of an NA"),
        Column("options", TEXT, "ND options in order as type:hex, separated by blanks"),
        Column("frame_key", HASH, "hash of EtherType, source MAC and network layer (TTL and checksums left out, padding cut): equal for one frame at all vantage points"),
        Column("stop_reason", TEXT, "why decoding stopped before the end of what we know (vxlan.truncated ...); empty when whole"),
    ),
    ("frame_id",),
)

ANCHORS = Table(
    "ANCHORS",
    "one row per sampled ordinary IP frame per capture (all of a sparse capture; consistent hash-based sample of a dense one, RFC 5475); BGP frames always",
    (
        _FRAME_ID,
        _HOST,
        _CAPTURED,
        _INTERFACE,
        _DIRECTION,
        *_LAYERS,
        Column("source_ip", IP, "of the innermost IP header"),
        Column("destination_ip", IP, "of the innermost IP header"),
        Column("ip_protocol", CODE, "IANA protocol number of the innermost IP payload"),
        Column("source_port", PORT, "TCP, UDP, SCTP; missing otherwise"),
        Column("destination_port", PORT, "TCP, UDP, SCTP; missing otherwise"),
        Column("length_bytes", LENGTH, "innermost frame on the wire, without VXLAN"),
        Column("anchor_key", HASH, "hash of the innermost IP packet without TTL, checksums, DSCP and ECN: equal for one packet on all hosts, bridged or routed"),
        Column("is_request", FLAG, "ICMP echo request; ICMP echo reply is false; missing otherwise"),
    ),
    ("frame_id",),
)

SEGMENTS = Table(
    "SEGMENTS",
    "one row per TCP port 179 frame per capture, with its payload",
    (
        _FRAME_ID,
        _HOST,
        _CAPTURED,
        _INTERFACE,
        _DIRECTION,
        Column("sender_ip", IP, "IP source"),
        Column("sender_port", PORT, "TCP source port"),
        Column("receiver_ip", IP, "IP destination"),
        Column("receiver_port", PORT, "TCP destination port"),
        Column("sequence", NUMBER, "TCP sequence number of the first payload octet (of the SYN itself for a SYN)"),
        Column("flags", CODE, "TCP flags octet: FIN 1, SYN 2, RST 4, PSH 8, ACK 16"),
        Column("payload", OCTETS, "TCP payload as captured"),
        Column("payload_bytes", LENGTH, "TCP payload on the wire; more than captured where the snapshot length cut it"),
    ),
    ("frame_id",),
)

ANOMALIES = Table(
    "ANOMALIES",
    "one row per oddity of a file or frame, and per reason and capture for records left out",
    (
        Column("capture_id", ID, "the capture file"),
        Column("frame_id", MAYBE_ID, "the frame, where it is one"),
        Column("layer", WORD, "pcap, pcapng, ethernet, vxlan, bgp ..."),
        Column("name", WORD, "short and stable: cut-tail, vxlan.truncated, bgp.attr.flags"),
        Column("detail", TEXT, "what was expected and found"),
        Column("count", COUNT, "how often (1 where frame_id is given)"),
        Column("offset_bytes", MAYBE_COUNT, "in the file, where it is a place"),
    ),
    ("capture_id", "frame_id", "name"),
)

STREAM_BYTES = Table(
    "STREAM_BYTES",
    "one row per in-order range of one direction of one TCP port 179 connection at one host",
    (
        _FRAME_ID,
        _HOST,
        _CAPTURED,
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

_ROUTE_FIELDS = (
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
        _FRAME_ID,
        _HOST,
        _CAPTURED,
        Column("stream_id", ID, "direction of a connection at a host, as in STREAM_BYTES"),
        Column("sender_ip", IP, "BGP speaker that sent the message"),
        Column("sender_port", PORT, "TCP source port"),
        Column("receiver_ip", IP, "BGP speaker that it was sent to"),
        Column("receiver_port", PORT, "TCP destination port"),
        Column("sequence", NUMBER, "TCP sequence number of the message's first octet: equal at every host that saw it"),
        Column("nlri_index", INDEX, "position in the message"),
        Column("action", WORD, "advertise | withdraw | end-of-rib | open | notification | refresh | start | reset | end | gap | preexisting"),
        *_ROUTE_FIELDS,
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
        *_ROUTE_FIELDS,
        Column("advertised_ns", TIME, "in force from, common clock; the session's first message where is_preexisting"),
        Column("withdrawn_ns", TIME, "in force until, common clock; FOREVER while still in force at the end"),
        _MARGIN,
        Column("withdraw_margin_ns", SPAN, "margin of withdrawn_ns; 0 while FOREVER"),
        Column("is_preexisting", FLAG, "in force before the capture began: its advertisement was not seen"),
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
        _MARGIN,
        Column("gap_count", COUNT, "gaps in the octets: after one the table is no longer known whole"),
    ),
    ("sender_ip", "receiver_ip", "first_ns"),
)

POINTS = Table(
    "POINTS",
    "one row per vantage point: one interface of one host, over one unbroken stretch of its capture files",
    (
        Column("point_id", ID, "counted from 0"),
        _HOST,
        Column("point", WORD, "where on its path, from the capture's name or the interface's"),
        _INTERFACE,
        Column("capture_ids", IDS, "captures (ring-buffer files) that make up the point"),
        Column("role", WORD, "model.Role, inferred from content or stated"),
        Column("is_hypervisor", FLAG, "the host runs a VTEP"),
        Column("vtep_ip", IP, "the host's own VTEP address, if known"),
        Column("station_mac", MAC, "the one MAC that is an end of every unicast frame here, if there is just one"),
        Column("shows_arp", FLAG, "ARP was seen here: its absence may mean something"),
        Column("shows_nd", FLAG, "ND was seen here"),
        Column("shows_vxlan", FLAG, "VXLAN was seen here"),
        Column("first_ns", TIME, "coverage begins, the host's own clock"),
        Column("last_ns", TIME, "coverage ends, the host's own clock"),
        Column("packet_count", COUNT, "records"),
        Column("dropped_count", MAYBE_COUNT, "records lost by the capturing program, if known"),
    ),
    ("point_id",),
)

EVENTS = Table(
    "EVENTS",
    "one row per ARP, RARP or ND frame per vantage point: what was asked, answered or announced",
    (
        _FRAME_ID,
        _HOST,
        Column("point_id", ID, "vantage point, as in POINTS"),
        Column("captured_ns", TIME, "the host's own clock"),
        _TIME,
        _MARGIN,
        Column("direction", WORD, "incoming | outgoing, where the capture says so"),
        Column("protocol", WORD, "arp | nd"),
        Column("message", WORD, "request | reply | announcement | rs | ra | redirect"),
        Column("kind", WORD, "resolution | refresh | probe | announcement; missing for answers and router messages"),
        Column("vni", VNI, "as encapsulated; missing outside VXLAN"),
        Column("segment", TEXT, "broadcast domain: vni:N where known, else vlan:N@host or the like; first part of every key"),
        Column("outer_source_ip", IP, "encapsulating VTEP"),
        Column("outer_destination_ip", IP, "VTEP that the copy went to"),
        Column("source_mac", MAC, "Ethernet source of the innermost frame"),
        Column("destination_mac", MAC, "Ethernet destination; missing in Linux cooked captures"),
        Column("is_multicast", FLAG, "sent to a group or to everybody"),
        Column("requester_mac", MAC, "who asks: Ethernet source of a request, destination of an answer"),
        Column("requester_ip", IP, "sender IP of a request; for whom an answer is meant"),
        Column("target_ip", IP, "the address asked about, answered for or announced"),
        Column("told_mac", MAC, "the MAC that an answer or announcement gives for target_ip"),
        Column("has_router_flag", FLAG, "R of an NA"),
        Column("has_solicited_flag", FLAG, "S of an NA"),
        Column("has_override_flag", FLAG, "O of an NA"),
        Column("frame_key", HASH, "as in PACKETS"),
        Column("transmission_id", ID, "one frame as sent once by its origin: all its sightings and copies share this"),
    ),
    ("frame_id",),
)

FLOWS = Table(
    "FLOWS",
    "one row per inner flow, direction and ordered pair of hosts that both saw it",
    (
        Column("vni", VNI, "VXLAN network identifier, where either host saw it encapsulated"),
        Column("ip_protocol", CODE, "IANA protocol number"),
        Column("source_ip", IP, "inner source"),
        Column("destination_ip", IP, "inner destination"),
        Column("source_port", PORT, "TCP, UDP, SCTP"),
        Column("destination_port", PORT, "TCP, UDP, SCTP"),
        Column("from_host", WORD, "host nearer to the source"),
        Column("to_host", WORD, "host nearer to the destination"),
        Column("matched_packet_count", COUNT, "frames seen (and sampled) at both"),
        Column("from_packet_count", COUNT, "frames seen (and sampled) at from_host"),
        Column("to_packet_count", COUNT, "frames seen (and sampled) at to_host"),
        Column("delay_min_ns", MAYBE_SPAN, "least one-way delay on the common clock; missing when not aligned"),
        Column("delay_median_ns", MAYBE_SPAN, "median one-way delay"),
        Column("delay_max_ns", MAYBE_SPAN, "greatest one-way delay"),
        Column("delay_margin_ns", MAYBE_SPAN, "bound on the error of these delays from the two clocks"),
        Column("is_direction_known", FLAG, "false: which host is nearer to the source is not known, and delays are missing"),
    ),
    ("vni", "ip_protocol", "source_ip", "destination_ip", "source_port", "destination_port", "from_host", "to_host"),
)

RESOLUTIONS = Table(
    "RESOLUTIONS",
    "one row per request and its retries (domain.md, section 2), wherever it was seen",
    (
        Column("id", ID, "counted from 1 in order of time"),
        Column("kind", WORD, "resolution | refresh | probe | announcement"),
        Column("protocol", WORD, "arp | nd"),
        _TIME,
        _MARGIN,
        Column("vni", VNI, "segment, where known"),
        Column("ingress_vtep", IP, "VTEP that the requester sits behind, where known"),
        Column("requester_mac", MAC, "Ethernet source of the request"),
        Column("requester_ip", IP, "sender IP; missing for probes and DAD"),
        Column("target_ip", IP, "the address asked about or announced; missing for RARP"),
        Column("target_mac", MAC, "the MAC that the first answer told"),
        Column("outcome", WORD, "suppressed | flooded | learned | undecided"),
        Column("reason", WORD, "why (domain.md, section 4), as far as the evidence goes; else missing"),
        Column("likely", WORD, "the more likely outcome of an undecided row, from timing or routes; a hint"),
        Column("undecided_reason", TEXT, "which vantage point or moment is missing"),
        Column("answered_by", WORD, "proxy | gateway | target | none | unknown"),
        Column("latency_ns", MAYBE_SPAN, "first request to first answer, on one host's clock"),
        Column("request_count", COUNT, "requests in the row"),
        Column("fabric_copy_count", COUNT, "VXLAN copies of its requests seen on the underlay"),
        Column("route_state", WORD, "in force | not in force | too close | unknown"),
        Column("route_effect", WORD, "advertised | moved | refreshed | none | unknown"),
        Column("aftermath", WORD, "answered | unanswered | unused | unknown"),
        Column("requester_host", WORD, "host whose own request it is, where captured"),
        Column("assumptions", TEXTS, "what the outcome rests on beside the frames"),
        Column("frame_ids", IDS, "the frames that prove it, in order of time"),
    ),
    ("id",),
)

FOUND = Table(
    "FOUND",
    "one row per occurrence that a rule found",
    (
        Column("vni", VNI, "segment, where there is one"),
        Column("subject", TEXT, "what it is about (an address, a VTEP): with code and vni the identity of the finding"),
        Column("detail", TEXT, "figures of this occurrence, one sentence; becomes part of the title"),
        Column("resolution_ids", IDS, "rows of RESOLUTIONS it rests on"),
        Column("frame_ids", IDS, "frames it rests on"),
    ),
    ("vni", "subject"),
)

TABLES = (
    INTERFACES, POINTS, PACKETS, ANCHORS, SEGMENTS, STREAM_BYTES, UPDATES, SESSIONS, ROUTES,
    EVENTS, FLOWS, RESOLUTIONS, FOUND, ANOMALIES,
)
# fmt: on

"""Tables of what happened on the data plane: vantage points, events, flows."""

from evpn_pcap.columns.kinds import (
    CODE,
    COUNT,
    FLAG,
    HASH,
    ID,
    IDS,
    IP,
    MAC,
    MAYBE_COUNT,
    MAYBE_SPAN,
    PORT,
    TEXT,
    TIME,
    VNI,
    WORD,
)
from evpn_pcap.columns.shared import COMMON_TIME, FRAME_ID, HOST, INTERFACE, MARGIN
from evpn_pcap.table import Column, Table

# fmt: off
# One line a column, so that the file reads as the tables do.
POINTS = Table(
    "POINTS",
    "one row per vantage point: one interface of one host, over one unbroken stretch of its capture files",
    (
        Column("point_id", ID, "counted from 0"),
        HOST,
        Column("point", WORD, "where on its path, from the capture's name or the interface's"),
        INTERFACE,
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
        FRAME_ID,
        HOST,
        Column("point_id", ID, "vantage point, as in POINTS"),
        Column("captured_ns", TIME, "the host's own clock"),
        COMMON_TIME,
        MARGIN,
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
        Column("requester_ip", IP, "sender IP of a request or router solicitation; for whom an answer is meant"),
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
# fmt: on

"""Tables of what the captures hold: interfaces, packets, anchors, BGP segments, oddities."""

from evpn_pcap.columns.kinds import (
    CODE,
    COUNT,
    FLAG,
    HASH,
    ID,
    IP,
    LENGTH,
    MAC,
    MAYBE_COUNT,
    MAYBE_ID,
    MAYBE_TIME,
    NUMBER,
    OCTETS,
    PORT,
    TEXT,
    WORD,
)
from evpn_pcap.columns.shared import CAPTURED, DIRECTION, FRAME_ID, HOST, INTERFACE, LAYERS
from evpn_pcap.table import Column, Table

# fmt: off
# One line a column, so that the file reads as the tables do.
INTERFACES = Table(
    "INTERFACES",
    "one row per interface that a capture file shows",
    (
        Column("capture_id", ID, "the capture file"),
        HOST,
        Column("point", WORD, "where on its path the capture listened, from its name"),
        INTERFACE,
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
    "one row per ARP, RARP, ND or MLD frame per capture, and per BGP frame",
    (
        FRAME_ID,
        HOST,
        CAPTURED,
        INTERFACE,
        DIRECTION,
        *LAYERS,
        Column("protocol", WORD, "arp | rarp | nd | mld | bgp"),
        Column("operation", CODE, "ARP operation, or ICMPv6 type (133 RS, 134 RA, 135 NS, 136 NA, 137 redirect; MLD: 130, 131, 132, 143); missing for bgp"),
        Column("sender_mac", MAC, "ARP sender hardware address; source link-layer address option of ND"),
        Column("sender_ip", IP, "ARP sender protocol address; IPv6 source of ND and MLD; IP source of bgp"),
        Column("target_mac", MAC, "ARP target hardware address; target link-layer address option of ND"),
        Column("target_ip", IP, "ARP target protocol address; target field of NS, NA and redirect; IP destination of bgp"),
        Column("destination_ip", IP, "IPv6 destination of ND and MLD; missing for ARP"),
        Column("hop_limit", CODE, "IPv6 hop limit of ND (RFC 4861: must be 255) and MLD; IPv4 TTL or hop limit of bgp"),
        Column("has_router_flag", FLAG, "R of an NA"),
        Column("has_solicited_flag", FLAG, "S of an NA"),
        Column("has_override_flag", FLAG, "O of an NA"),
        Column("options", TEXT, "ND options in order as type:hex, separated by blanks"),
        Column("icmp_code", CODE, "ICMPv6 code of ND (RFC 4861: must be 0)"),
        Column("is_checksum_valid", FLAG, "ICMPv6 checksum of ND; missing where the message was not captured whole"),
        Column("vxlan_port", PORT, "UDP destination port of VXLAN; missing outside VXLAN"),
        Column("vxlan_flags", NUMBER, "first 32 bits of the VXLAN header: 0x08000000 where only the I flag is set"),
        Column("vxlan_reserved", CODE, "last octet of the VXLAN header (RFC 7348: zero)"),
        Column("wire_bytes", LENGTH, "the frame as captured, on the wire: of cooked captures with their header in place of Ethernet's"),
        Column("frame_key", HASH, "hash of EtherType, source MAC and network layer (TTL and checksums left out, padding cut): equal for one frame at all vantage points"),
        Column("stop_reason", TEXT, "why decoding stopped before the end of what we know (vxlan.truncated ...); empty when whole"),
    ),
    ("frame_id",),
)

ANCHORS = Table(
    "ANCHORS",
    "one row per sampled ordinary IP frame per capture (all of a sparse capture; consistent hash-based sample of a dense one, RFC 5475); BGP frames always",
    (
        FRAME_ID,
        HOST,
        CAPTURED,
        INTERFACE,
        DIRECTION,
        *LAYERS,
        Column("source_ip", IP, "of the innermost IP header"),
        Column("destination_ip", IP, "of the innermost IP header"),
        Column("ip_protocol", CODE, "IANA protocol number of the innermost IP payload"),
        Column("source_port", PORT, "TCP, UDP, SCTP; missing otherwise"),
        Column("destination_port", PORT, "TCP, UDP, SCTP; missing otherwise"),
        Column("length_bytes", LENGTH, "innermost frame on the wire, without VXLAN"),
        Column("anchor_key", HASH, "hash of the innermost IP packet without TTL, checksums, DSCP and ECN: equal for one packet on all hosts, bridged or routed"),
        Column("short_key", HASH, "the same over the first 40 octets (IPv6: 48) only: equal also where a snapshot length cut the rest"),
        Column("key_bytes", LENGTH, "octets that anchor_key is made of: at most 96, fewer where the packet ends or is cut"),
        Column("sequence", NUMBER, "TCP sequence number of the first payload octet; missing otherwise"),
        Column("payload_bytes", MAYBE_COUNT, "TCP payload on the wire; missing otherwise"),
        Column("sample_level", CODE, "leading zero bits of the hash that the frame is sampled by; 17: kept always"),
        Column("kept_level", CODE, "least sample_level that this capture kept of this second; 0: everything"),
        Column("is_request", FLAG, "ICMP echo request; ICMP echo reply is false; missing otherwise"),
    ),
    ("frame_id",),
)

SEGMENTS = Table(
    "SEGMENTS",
    "one row per TCP port 179 frame per capture, with its payload",
    (
        FRAME_ID,
        HOST,
        CAPTURED,
        INTERFACE,
        DIRECTION,
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
# fmt: on

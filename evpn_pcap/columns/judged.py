"""Tables of verdicts: resolutions, and what the rules found."""

from evpn_pcap.columns.kinds import (
    CODE,
    COUNT,
    FLAG,
    FRAME,
    ID,
    IDS,
    IP,
    MAC,
    MAYBE_ID,
    MAYBE_SPAN,
    RATIO,
    SPAN,
    TEXT,
    TEXTS,
    VNI,
    WORD,
)
from evpn_pcap.columns.shared import COMMON_TIME, MARGIN
from evpn_pcap.table import Column, Table

# fmt: off
# One line a column, so that the file reads as the tables do.
RESOLUTIONS = Table(
    "RESOLUTIONS",
    "one row per request and its retries (domain.md, section 2), wherever it was seen",
    (
        Column("id", ID, "counted from 1 in order of time"),
        Column("kind", WORD, "resolution | refresh | probe | announcement"),
        Column("protocol", WORD, "arp | nd"),
        COMMON_TIME,
        MARGIN,
        Column("vni", VNI, "segment, where known"),
        Column("ingress_vtep", IP, "VTEP that the requester sits behind, where known"),
        Column("requester_mac", MAC, "Ethernet source of the request"),
        Column("requester_ip", IP, "sender IP; missing for probes and DAD"),
        Column("target_ip", IP, "the address asked about or announced; missing for RARP"),
        Column("target_mac", MAC, "the MAC that the first answer told"),
        Column("outcome", WORD, "suppressed | flooded | learned | undecided"),
        Column("reason", WORD, "why (domain.md, section 4), as far as the evidence goes; else missing"),
        Column("reason_detail", TEXT, "what lies behind the reason, in words: never advertised, withdrawn, aged, not importable ..."),
        Column("reason_candidates", TEXT, "where the evidence leaves the reason open: which reasons remain, and what would decide"),
        Column("likely", WORD, "the more likely outcome of an undecided row, from timing or routes; a hint"),
        Column("absent_at", TEXT, "where absence proves the outcome: the points that a copy would have passed and that show none, as host:point, separated by blanks"),
        Column("undecided_reason", TEXT, "which vantage point or moment is missing"),
        Column("answered_by", WORD, "proxy | gateway | target | none | unknown"),
        Column("latency_ns", MAYBE_SPAN, "first request to first answer, on one host's clock"),
        Column("request_count", COUNT, "requests in the row"),
        Column("fabric_copy_count", COUNT, "VXLAN copies of its requests seen on the underlay"),
        Column("fabric_byte_count", COUNT, "octets of these copies on the wire, Ethernet to Ethernet"),
        Column("route_state", WORD, "in force | not in force | too close | unknown"),
        Column("route_effect", WORD, "advertised | moved | refreshed | none | unknown"),
        Column("aftermath", WORD, "answered | unanswered | unused | unknown"),
        Column("requester_host", WORD, "host whose own request it is, where captured"),
        Column("assumptions", TEXTS, "what the outcome rests on beside the frames"),
        Column("frame_ids", IDS, "the frames that prove it, in order of time"),
    ),
    ("id",),
)

AFTERMATHS = Table(
    "AFTERMATHS",
    "one row per resolution or refresh after which a frame with the resolved address was seen",
    (
        Column("id", ID, "the row of RESOLUTIONS"),
        Column("host", WORD, "on whose clock the spans are measured: the requester's own, else the nearest to it"),
        Column("first_frame_id", FRAME, "first frame that the requester sent to the resolved MAC (or IP) after the request, as that host shows it"),
        Column("destination_ip", IP, "whom the frame is for: the target, or someone behind a gateway"),
        Column("ip_protocol", CODE, "IANA protocol number"),
        Column("hosts", TEXTS, "hosts that show this frame, in order of time on the common clock; those that are not aligned last"),
        Column("reached_link", FLAG, "the link of the machine with that MAC shows it; missing where no such link was captured"),
        Column("is_answered", FLAG, "a frame came back to it within 3 s, ends, protocol and ports turned round; missing where none was due, or none would have been seen"),
        Column("answer_frame_id", MAYBE_ID, "the first that came back"),
        Column("used_after_ns", SPAN, "first request to first frame"),
        Column("answered_after_ns", MAYBE_SPAN, "first request to the first frame that came back: how long the requester waited for its first success"),
    ),
    ("id",),
)

FLOOD_COSTS = Table(
    "FLOOD_COSTS",
    "one row per requester, target and reason whose requests were flooded, and per sender and target of unicast that was",
    (
        Column("vni", VNI, "segment, where known"),
        Column("kind", WORD, "as in RESOLUTIONS; unknown unicast: ordinary frames to one MAC, sent to several VTEPs at once"),
        Column("protocol", WORD, "arp | nd; missing for unknown unicast"),
        Column("requester_mac", MAC, "Ethernet source"),
        Column("requester_ip", IP, "sender IP"),
        Column("requester_host", WORD, "host whose own requests they are, where captured"),
        Column("target_ip", IP, "the address asked about or announced; whom unicast is for"),
        Column("target_mac", MAC, "destination of unknown unicast; missing for requests"),
        Column("reason", WORD, "why they were flooded, as in RESOLUTIONS; missing where that is open"),
        Column("request_count", COUNT, "requests, or unicast frames"),
        Column("copy_count", COUNT, "VXLAN copies on the underlay; one seen at several places counts once"),
        Column("byte_count", COUNT, "octets of the copies on the wire"),
        Column("underlay_share", RATIO, "byte_count over all octets of the captured underlay; missing where no underlay was captured"),
        Column("savable_copy_count", COUNT, "copies that suppression (of unicast: a MAC route) would have saved"),
        Column("savable_byte_count", COUNT, "octets of these"),
    ),
    ("vni", "kind", "protocol", "requester_mac", "requester_ip", "target_ip", "target_mac", "reason"),
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
        Column("margin_ns", MAYBE_SPAN, "largest bound on the error of the moments that it compares; missing where it compares none"),
    ),
    ("vni", "subject"),
)
# fmt: on

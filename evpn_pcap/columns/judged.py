"""Tables of verdicts: resolutions, and what the rules found."""

from evpn_pcap.columns.kinds import COUNT, ID, IDS, IP, MAC, MAYBE_SPAN, TEXT, TEXTS, VNI, WORD
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
        Column("margin_ns", MAYBE_SPAN, "largest bound on the error of the moments that it compares; missing where it compares none"),
    ),
    ("vni", "subject"),
)
# fmt: on

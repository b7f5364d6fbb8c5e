"""Every table of the program: its grain, columns, dtypes, units and meaning. No logic.

Optional values are nullable dtypes. One sentinel exists: an interval still open ends at
`model.FOREVER`. IP addresses are canonical text because pandas has no 128-bit integer; text is
made once for each distinct address of a buffer, never for each packet.
"""

from evpn_pcap.columns.captured import ANCHORS, ANOMALIES, INTERFACES, PACKETS, SEGMENTS
from evpn_pcap.columns.clocks import CLOCK_PAIRS, CLOCK_TRACES
from evpn_pcap.columns.control import ROUTE_KEY, ROUTES, SESSIONS, SNAPSHOTS, STREAM_BYTES, UPDATES
from evpn_pcap.columns.judged import AFTERMATHS, FLOOD_COSTS, FOUND, RESOLUTIONS
from evpn_pcap.columns.seen import EVENTS, FLOWS, POINTS

TABLES = (
    *(INTERFACES, POINTS, PACKETS, ANCHORS, SEGMENTS, STREAM_BYTES, UPDATES, SESSIONS, SNAPSHOTS, ROUTES),
    *(EVENTS, FLOWS, RESOLUTIONS, AFTERMATHS, FLOOD_COSTS, FOUND, CLOCK_PAIRS, CLOCK_TRACES, ANOMALIES),
)

__all__ = [
    "AFTERMATHS",
    "ANCHORS",
    "ANOMALIES",
    "CLOCK_PAIRS",
    "CLOCK_TRACES",
    "EVENTS",
    "FLOOD_COSTS",
    "FLOWS",
    "FOUND",
    "INTERFACES",
    "PACKETS",
    "POINTS",
    "RESOLUTIONS",
    "ROUTES",
    "ROUTE_KEY",
    "SEGMENTS",
    "SESSIONS",
    "SNAPSHOTS",
    "STREAM_BYTES",
    "TABLES",
    "UPDATES",
]

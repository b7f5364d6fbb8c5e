"""Records of many captures, each with its time on the common clock, become one pcapng in order of time.

`merge` brings the streams together, `blocks` writes them (draft-ietf-opsawg-pcapng). Each packet
keeps its own host's time as a comment, so nothing of the inputs' times is lost.
"""

from evpn_pcap.aligned.blocks import Channel, packet_blocks, section_blocks, statistics_blocks
from evpn_pcap.aligned.merge import Records, Store, Stream, merge

__all__ = [
    "Channel",
    "Records",
    "Store",
    "Stream",
    "merge",
    "packet_blocks",
    "section_blocks",
    "statistics_blocks",
]

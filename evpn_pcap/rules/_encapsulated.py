"""PACKETS and ANCHORS -> what was seen inside VXLAN: which VTEP sent whose frames, in which VNI."""

import pandas as pd

from evpn_pcap.model import Tables
from evpn_pcap.rules._once import once

READ = [
    "frame_id",
    "time_ns",
    "margin_ns",
    "vni",
    "outer_source_ip",
    "outer_destination_ip",
    "source_mac",
    "is_multicast",
]


@once
def encapsulated(tables: Tables) -> pd.DataFrame:
    """Return one row per ARP, ND or sampled frame that was captured inside VXLAN, in order of time.

    `frame_ids` holds its frame, as FOUND wants it.
    """
    frames = pd.concat([tables.packets[READ], tables.anchors[READ]], ignore_index=True)
    inside = frames[frames["vni"].notna() & frames["outer_source_ip"].notna()]
    inside = inside.sort_values(["time_ns", "frame_id"], kind="stable").reset_index(drop=True)
    return inside.assign(frame_ids=pd.Series([(frame,) for frame in inside["frame_id"]], dtype="object"))

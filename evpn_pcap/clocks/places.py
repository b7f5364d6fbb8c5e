"""Where on its path a host saw a frame, from what the frame and the vantage point say, never from names.

A path is ORIGIN (the machine that sent it), INGRESS (the VTEP beside it), EGRESS, END. Each sighting gives bounds:
an encapsulated frame whose outer source is the host's own VTEP address (RFC 7348) was seen at INGRESS; the end of a
VM's link is ORIGIN or INGRESS for what the VM sends. Where nothing tells, the bounds are ORIGIN and END.
"""

import numpy as np
import pandas as pd

from evpn_pcap.model import Role
from evpn_pcap.points import at_points

ORIGIN, INGRESS, EGRESS, END = 0, 1, 3, 4
OF_POINT = ["role", "vtep_ip", "station_mac"]


def locate(anchors: pd.DataFrame, points: pd.DataFrame, hosts: tuple[str, ...]) -> pd.DataFrame:
    """Return ANCHORS with host_number (position in `hosts`), earliest and latest place on the frame's path.

    Reads POINTS: capture_ids, interface_index, role, vtep_ip, station_mac. Frames of hosts that
    are not in `hosts` are left out.
    """
    numbered = anchors.assign(host_number=pd.Index(hosts).get_indexer(pd.Index(anchors["host"])))
    located = at_points(numbered, points, OF_POINT)
    earliest, latest = _bounds(located)
    located = located.assign(earliest=earliest, latest=latest)
    return located.drop(columns=OF_POINT).query("host_number >= 0")


def _bounds(located: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return the earliest and latest place of each sighting."""

    def equal(one: str, other: str) -> np.ndarray:
        return (located[one] == located[other]).fillna(False).to_numpy(bool)

    is_inside = located["outer_source_ip"].notna().to_numpy()
    is_tap = (located["role"] == Role.TAP).fillna(False).to_numpy(bool) & ~is_inside
    # A host not known to run a VTEP may still be one, of which only a tap was captured.
    is_link = located["role"].isin([Role.VM, Role.ACCESS]).to_numpy(bool) & ~is_inside
    leaves = (located["direction"] == "outgoing").fillna(False).to_numpy(bool)
    arrives = (located["direction"] == "incoming").fillna(False).to_numpy(bool)
    is_own_unknown = located["vtep_ip"].isna().to_numpy()
    from_station, to_station = equal("source_mac", "station_mac"), equal("destination_mac", "station_mac")
    cases: list[tuple[np.ndarray, int, int]] = [
        (is_inside & equal("outer_source_ip", "vtep_ip"), INGRESS, INGRESS),
        (is_inside & equal("outer_destination_ip", "vtep_ip"), EGRESS, EGRESS),
        (is_inside & is_own_unknown & leaves, INGRESS, INGRESS),
        (is_inside & is_own_unknown & arrives, EGRESS, EGRESS),
        (~is_inside & equal("source_ip", "vtep_ip"), ORIGIN, ORIGIN),
        (~is_inside & equal("destination_ip", "vtep_ip"), END, END),
        (is_tap & from_station, INGRESS, INGRESS),
        (is_tap & to_station, EGRESS, EGRESS),
        (is_link & from_station, ORIGIN, INGRESS),
        (is_link & to_station, EGRESS, END),
    ]
    masks = [case[0] for case in cases]
    earliest = np.select(masks, [case[1] for case in cases], ORIGIN).astype(np.int8)
    latest = np.select(masks, [case[2] for case in cases], END).astype(np.int8)
    return earliest, latest

"""A small laboratory of wrong clocks: true times and delays in, ANCHORS and POINTS out, written independently."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from evpn_pcap import columns

START_NS = 1_795_375_633_062_696_123
VTEPS = {"h1": "192.168.16.1", "h2": "192.168.16.2"}


@dataclass(frozen=True)
class Clock:
    """A clock that was wrong by offset_ns at START_NS and runs fast by drift_ppm."""

    offset_ns: int = 0
    drift_ppm: float = 0.0

    def error_ns(self, true_ns):
        """Clock minus true time, at true times counted from START_NS."""
        return self.offset_ns + np.rint(np.asarray(true_ns, np.int64) * (self.drift_ppm * 1e-6)).astype(np.int64)

    def stamp(self, true_ns):
        """What the clock shows, cut to microseconds as tcpdump does."""
        shown = START_NS + np.asarray(true_ns, np.int64) + self.error_ns(true_ns)
        return shown // 1000 * 1000


def point(host, capture, role="unknown", station=None, vtep_ip=None, first_ns=0, last_ns=0, interface=0):
    """One row of POINTS."""
    return {
        "host": host,
        "point": f"p{capture}",
        "interface_index": interface,
        "capture_ids": (capture,),
        "role": role,
        "is_hypervisor": vtep_ip is not None,
        "vtep_ip": vtep_ip,
        "station_mac": station,
        "shows_arp": False,
        "shows_nd": False,
        "cuts_arp": False,
        "cuts_nd": False,
        "shows_vxlan": vtep_ip is not None,
        "first_ns": first_ns,
        "last_ns": last_ns,
        "packet_count": 1,
        "dropped_count": None,
    }


def points_table(rows):
    data = pd.DataFrame(rows)
    return columns.POINTS.build({"point_id": range(len(rows)), **{name: data[name] for name in data}})


def sightings(
    host,
    capture,
    captured_ns,
    keys,
    source,
    destination,
    *,
    tunnel=None,
    is_multicast=False,
    interface=0,
    direction=None,
):
    """Rows of ANCHORS: frames `keys` from machine `source` to `destination` (small numbers) at one point.

    `source` is an array of 1 or 2; the other one is the destination.
    """
    count = len(keys)
    return pd.DataFrame(
        {
            "host": [host] * count,
            "capture": [capture] * count,
            "captured_ns": np.asarray(captured_ns, np.int64),
            "interface_index": [interface] * count,
            "direction": [direction] * count,
            "outer_source_ip": [tunnel[0] if tunnel else None] * count,
            "outer_destination_ip": [tunnel[1] if tunnel else None] * count,
            "vni": pd.array([5001 if tunnel else None] * count, dtype="UInt32"),
            "source_mac": np.asarray(source, np.uint64),
            "destination_mac": np.asarray(destination, np.uint64),
            "is_multicast": [is_multicast] * count,
            "source_ip": [f"10.0.0.{n}" for n in source],
            "destination_ip": [f"10.0.0.{n}" for n in destination],
            "anchor_key": np.asarray(keys, np.uint64),
        }
    )


def anchors_table(parts):
    """ANCHORS of several points, frames numbered in order of time at each capture."""
    rows = pd.concat(parts, ignore_index=True).sort_values(["capture", "captured_ns"], kind="stable")
    rows = rows.reset_index(drop=True)
    number = rows.groupby("capture").cumcount() + 1
    rows = rows.assign(
        frame_id=rows["capture"] * 2**40 + number,
        vlan_id=None,
        inner_vlan_id=None,
        ip_protocol=17,
        source_port=1000,
        destination_port=2000,
        length_bytes=100,
        is_request=None,
        short_key=rows["anchor_key"],
        key_bytes=86,
        sequence=None,
        payload_bytes=None,
        sample_level=0,
        kept_level=0,
    ).drop(columns="capture")
    return columns.ANCHORS.build({name: rows[name] for name in rows})


def two_machines(clock_a, clock_b, sent_ns, delay_ns, is_from_a, *, knows_station=True):
    """Machines a (MAC 1) and b (MAC 2) that talk; returns ANCHORS and POINTS of a capture on each."""
    sent_ns, delay_ns = np.asarray(sent_ns, np.int64), np.asarray(delay_ns, np.int64)
    is_from_a = np.asarray(is_from_a, bool)
    at_a, at_b = np.where(is_from_a, sent_ns, sent_ns + delay_ns), np.where(is_from_a, sent_ns + delay_ns, sent_ns)
    source, destination = np.where(is_from_a, 1, 2), np.where(is_from_a, 2, 1)
    keys = np.arange(len(sent_ns)) * 2654435761 + 1
    stamps_a, stamps_b = clock_a.stamp(at_a), clock_b.stamp(at_b)
    anchors = anchors_table(
        [sightings("a", 0, stamps_a, keys, source, destination), sightings("b", 1, stamps_b, keys, source, destination)]
    )
    role = "vm" if knows_station else "unknown"
    points = points_table(
        [
            point("a", 0, role, 1 if knows_station else None, None, int(stamps_a.min()), int(stamps_a.max())),
            point("b", 1, role, 2 if knows_station else None, None, int(stamps_b.min()), int(stamps_b.max())),
        ]
    )
    return anchors, points


def fabric(clocks, sent_ns, delay_ns, is_from_1):
    """VMs v1 and v2 behind hypervisors h1 and h2; `delay_ns` has three hops a row.

    Each hypervisor is captured on the tap, and on the underlay inside VXLAN, 3 us apart.
    """
    sent_ns, delay_ns = np.asarray(sent_ns, np.int64), np.asarray(delay_ns, np.int64)
    is_from_1 = np.asarray(is_from_1, bool)
    along = np.cumsum(delay_ns, axis=1)
    reached = np.column_stack(
        [sent_ns, sent_ns + along[:, 0], sent_ns + along[:, 1] + 3000, sent_ns + along[:, 2] + 6000]
    )
    keys = np.arange(len(sent_ns)) * 2654435761 + 1
    source, destination = np.where(is_from_1, 1, 2), np.where(is_from_1, 2, 1)
    parts, points = [], []
    for place, (host, capture) in enumerate((("v1", 0), ("h1", 1), ("h2", 3), ("v2", 5))):
        true_ns = np.where(is_from_1, reached[:, place], reached[:, 3 - place])
        vtep, near = VTEPS.get(host), 1 if host in ("v1", "h1") else 2
        seen = clocks[host].stamp(true_ns)
        span = {"first_ns": int(seen.min()), "last_ns": int(seen.max()) + 6000}
        is_arriving = (source == near) if vtep else np.ones(len(keys), bool)
        role = "tap" if vtep else "vm"
        # what comes from the link is seen on the tap first, what comes from the fabric on the underlay first
        tap = clocks[host].stamp(true_ns + np.where(is_arriving, 0, 3000))
        parts.append(sightings(host, capture, tap, keys, source, destination))
        points.append(point(host, capture, role, near, vtep, **span))
        for rows, tunnel in (
            ((is_from_1, (VTEPS["h1"], VTEPS["h2"])), (~is_from_1, (VTEPS["h2"], VTEPS["h1"]))) if vtep else ()
        ):
            outside = clocks[host].stamp(true_ns + np.where(is_arriving, 3000, 0))[rows]
            parts.append(
                sightings(host, capture + 1, outside, keys[rows], source[rows], destination[rows], tunnel=tunnel)
            )
        points += [point(host, capture + 1, "underlay", None, vtep, **span)] if vtep else []
    return anchors_table(parts), points_table(points)


def true_difference_ns(clock, reference, local_ns):
    """clock - reference when `clock` shows local_ns."""
    since = np.asarray(local_ns, np.int64) - START_NS - clock.offset_ns
    true_ns = np.rint(since / (1 + clock.drift_ppm * 1e-6)).astype(np.int64)
    return clock.error_ns(true_ns) - reference.error_ns(true_ns)

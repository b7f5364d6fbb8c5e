"""A print of a VTEP's BGP table and the UPDATEs of the captures say different things.

What it shows
    `show bgp l2vpn evpn route` of a host lists a MAC/IP or multicast route that the UPDATEs had withdrawn, or that
    nobody had told it in a session whose whole table is known; or the print of the whole table lacks a route that the
    UPDATEs have in force all around it, by more than the clock margin and a second.

Why it matters
    One of the two is not what it is taken for: a route refused by policy, a print from another time or host,
    a BGP session that was not captured, or a daemon that lost or kept a route. A print that is otherwise right is
    believed: ROUTES has the route as refused there (`refused_ns`), and it is not taken for one that the VTEP held.

What else looks like this
    A wrong time or host given with the print; a clock that was set in between.

References
----------
    RFC 4271, section 9.1 (routes that policy refuses are not in the table).

"""

from collections.abc import Hashable
from typing import Any

import pandas as pd

from evpn_pcap.addresses import mac_text
from evpn_pcap.model import Rule, Severity, Tables
from evpn_pcap.rules._found import gather

KEY = ["route_type", "rd", "ethernet_tag", "mac", "ip"]
IMET = 3
_SAYS = {
    "contradicts": "is in the print {name} of {host}, and by the UPDATEs not in force then",
    "absent": "is in force by the UPDATEs, and not in the print {name} of {host}",
}


def find(tables: Tables) -> pd.DataFrame:
    """Return one row per VNI, speaker and route on which a print and the UPDATEs disagree."""
    prints = tables.snapshots
    wrong = prints[prints["agreement"].isin(list(_SAYS))]
    if wrong.empty:
        return gather(wrong)
    routes = tables.routes[["receiver_ip", *KEY, "vni", "frame_ids"]]
    told = routes.groupby(["receiver_ip", *KEY], dropna=False).agg(
        told_vni=("vni", "first"), frame_ids=("frame_ids", "sum")
    )
    found = wrong.merge(
        told.reset_index(), left_on=["speaker_ip", *KEY], right_on=["receiver_ip", *KEY], how="left",
        validate="many_to_one",
    )  # fmt: skip
    rows = found.to_dict("records")
    address = [_words(row) for row in rows]
    evidence = pd.DataFrame(
        {
            "vni": found["vni"].fillna(found["told_vni"]),
            "subject": [f"{row['speaker_ip']} {one}" for row, one in zip(rows, address, strict=True)],
            "detail": [
                f"{one} {_SAYS[row['agreement']].format(name=row['name'], host=row['host'])}"
                for row, one in zip(rows, address, strict=True)
            ],
            "frame_ids": [row["frame_ids"] if isinstance(row["frame_ids"], tuple) else () for row in rows],
            "margin_ns": found["margin_ns"],
        }
    )
    return gather(evidence)


def _words(row: dict[Hashable, Any]) -> str:
    """Return what a route is for: MAC and address, or the multicast of a VTEP."""
    if row["route_type"] == IMET:
        return f"multicast of {row['ip']}"
    return f"{mac_text(int(row['mac']))} {'' if pd.isna(row['ip']) else row['ip']}".strip()


RULE = Rule(
    code="EVP150",
    name="snapshot-contradicts",
    severity=Severity.MEDIUM,
    title="A print of a BGP table and the captured UPDATEs disagree",
    cause="A policy refuses the route, the print is of another time or host, or the daemon's table is wrong.",
    advice="Check the time and host of the print; then look for route-maps and at `show bgp l2vpn evpn summary`.",
    rivals="A print with a wrong time or host; a clock that was set; a BGP session that was not captured.",
    would_decide="A print taken while the underlay is captured, its file named with the time in ns.",
    find=find,
)

"""A BGP speaker sent its table and never said that it was all: what is missing from it cannot be told.

What it shows
    A session was seen from its OPEN on, routes came, and for 30 s no End-of-RIB from a speaker whose
    peer did send one.

Why it matters
    Until End-of-RIB a table may be incomplete. A receiver that restarts keeps stale routes until its
    timer runs out, and this analysis makes no claim of "no route" about such a table.

What else looks like this
    A peer that does not do graceful restart need not send the marker; a very large table that takes longer.

References
----------
    RFC 4724, section 2.

"""

import pandas as pd

from evpn_pcap.model import Rule, Severity, Tables
from evpn_pcap.rules._found import gather

PATIENCE_NS = 30_000_000_000
ENDS = ["sender_ip", "sender_port", "receiver_ip", "receiver_port"]
TURNED = dict(zip(ENDS, [*ENDS[2:], *ENDS[:2]], strict=True))
NOT_WHOLE = ("gap", "preexisting")  # octets are missing: the marker may be among them


def find(tables: Tables) -> pd.DataFrame:
    """Return one row per direction of a session that was up for long without End-of-RIB."""
    ways = _ways(tables.updates)
    bgp = tables.packets[tables.packets["protocol"] == "bgp"]
    heard = bgp.groupby(["sender_ip", "target_ip"], as_index=False).agg(heard_ns=("time_ns", "max"))
    ways = ways.merge(
        heard, left_on=["sender_ip", "receiver_ip"], right_on=["sender_ip", "target_ip"], how="inner",
        validate="many_to_one",
    )  # fmt: skip
    is_up = ways["heard_ns"] - ways["opened_ns"] > PATIENCE_NS
    is_told = ways["route_frame"].notna() & ~ways["is_broken"].astype(bool)
    rows = ways[is_up & is_told & (ways["marker_count"] == 0) & (ways["peer_marker_count"] > 0)]
    if rows.empty:
        return gather(rows)
    ends = rows["sender_ip"] + " to " + rows["receiver_ip"]
    up_s = (rows["heard_ns"] - rows["opened_ns"]) // 1_000_000_000
    return gather(
        rows.assign(
            vni=pd.array([pd.NA] * len(rows), dtype="UInt32"),
            subject=ends,
            detail=ends + ", up for " + up_s.astype("str") + " s",
            frame_ids=pd.Series(
                zip(rows["open_frame"], rows["route_frame"], strict=True), index=rows.index, dtype="object"
            ),
        )
    )


def _ways(updates: pd.DataFrame) -> pd.DataFrame:
    """Return each direction of each connection: when it was opened, its first route, its End-of-RIB and its peer's."""
    is_open, is_route = updates["action"] == "open", updates["action"] == "advertise"
    marks = updates[ENDS].assign(
        is_broken=updates["action"].isin(NOT_WHOLE),
        opened_ns=updates["time_ns"].astype("Int64").where(is_open),
        open_frame=updates["frame_id"].astype("Int64").where(is_open),
        route_frame=updates["frame_id"].astype("Int64").where(is_route),
        marker_count=updates["action"] == "end-of-rib",
    )
    ways = marks.groupby(ENDS, as_index=False).agg(
        is_broken=("is_broken", "any"), opened_ns=("opened_ns", "min"), open_frame=("open_frame", "min"),
        route_frame=("route_frame", "min"), marker_count=("marker_count", "sum"),
    )  # fmt: skip
    ways = ways[ways["opened_ns"].notna()]
    back = ways[[*ENDS, "marker_count"]].rename(columns={**TURNED, "marker_count": "peer_marker_count"})
    return ways.merge(back, on=ENDS, how="inner", validate="one_to_one")


RULE = Rule(
    code="EVP111",
    name="end-of-rib-missing",
    severity=Severity.LOW,
    title="A BGP speaker never said that its table was complete",
    cause="The speaker does not send End-of-RIB, although its peer does graceful restart.",
    advice="Enable graceful restart on both ends, or update the speaker.",
    rivals="A speaker without graceful restart; a table that takes longer than half a minute to send.",
    would_decide="The capabilities in both OPEN messages; a longer capture.",
    find=find,
)

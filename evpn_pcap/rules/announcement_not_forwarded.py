"""A machine announced that it now has an address, its VTEP kept that to itself, and others went on to the old MAC.

What it shows
    A gratuitous ARP or unsolicited advertisement that did not leave its VTEP; after it, frames for the
    address to another MAC from machines behind other VTEPs, which had not asked anew; and nothing more
    from that other MAC.

Why it matters
    Machines learn from announcements that an address has a new MAC (failover, replaced hardware). Those
    that did not hear it send into the void until their entry fails.

What else looks like this
    Two machines with one address (then the old one still speaks, and this does not fire).

References
----------
    RFC 9161, section 3.6; RFC 5227; RFC 4861, section 7.2.6.

"""

import pandas as pd

from evpn_pcap.addresses import mac_text
from evpn_pcap.model import Kind, Outcome, Rule, Severity, Tables
from evpn_pcap.order import BEFORE, order
from evpn_pcap.rules._found import gather, tuples

HEARD_NS = 200_000_000  # after this an announcement would have been heard
SOON_NS = 60_000_000_000
FRAMES_SHOWN = 6


def find(tables: Tables) -> pd.DataFrame:
    """Return one row per VNI and address whose announcement did not reach machines that needed it."""
    rows = tables.resolutions
    kept = rows[
        (rows["kind"] == Kind.ANNOUNCEMENT) & (rows["outcome"] == Outcome.SUPPRESSED) & rows["target_ip"].notna()
    ]
    if kept.empty:
        return gather(kept)
    inside = tables.anchors[tables.anchors["vni"].notna() & tables.anchors["destination_mac"].notna()]
    read = ["frame_id", "time_ns", "margin_ns", "vni", "source_mac", "destination_mac"]
    read += ["destination_ip", "outer_source_ip"]
    pairs = kept.merge(
        inside[read], left_on=["vni", "target_ip"], right_on=["vni", "destination_ip"], how="inner",
        suffixes=("", "_sent"), validate="many_to_many",
    )  # fmt: skip
    heard = pairs["time_ns"] + HEARD_NS, pairs["margin_ns"]
    is_later = order(*heard, pairs["time_ns_sent"], pairs["margin_ns_sent"]) == BEFORE
    is_soon = pairs["time_ns_sent"] - pairs["time_ns"] < SOON_NS
    is_old = (pairs["destination_mac"] != pairs["requester_mac"]) & (pairs["outer_source_ip"] != pairs["ingress_vtep"])
    missed = pairs[is_later & is_soon & is_old]
    if missed.empty:
        return gather(missed)
    missed = missed[~_speaks(missed, tables) & ~_asked_anew(missed, rows)]
    missed = missed.sort_values("time_ns_sent").groupby("id").head(FRAMES_SHOWN)
    macs = missed["requester_mac"].map(mac_text).astype("str"), missed["destination_mac"].map(mac_text).astype("str")
    return gather(
        missed.assign(
            subject=missed["target_ip"],
            detail=macs[0] + " announced " + missed["target_ip"] + ", frames went on to " + macs[1],
            resolution_ids=tuples(missed["id"]),
            frame_ids=missed["frame_ids"] + tuples(missed["frame_id"]),
            margin_ns=missed[["margin_ns", "margin_ns_sent"]].max(axis=1),
        )
    )


def _speaks(missed: pd.DataFrame, tables: Tables) -> pd.Series:
    """Return whether the MAC that frames went on to was still sending after the announcement."""
    read = ["source_mac", "time_ns"]
    sent = pd.concat([tables.events.loc[tables.events["message"] == "request", read], tables.anchors[read]])
    last_ns = sent.groupby("source_mac")["time_ns"].max().astype("Int64")
    return (missed["destination_mac"].map(last_ns) > missed["time_ns"]).fillna(value=False).astype(bool)


def _asked_anew(missed: pd.DataFrame, rows: pd.DataFrame) -> pd.Series:
    """Return whether the sender had asked for the address after the announcement: then it was told the old MAC."""
    asked = rows.loc[rows["target_mac"].notna(), ["requester_mac", "target_ip", "time_ns"]]
    pairs = missed.reset_index(names="row")[["row", "source_mac", "target_ip", "time_ns"]].merge(
        asked, left_on=["source_mac", "target_ip"], right_on=["requester_mac", "target_ip"], how="inner",
        suffixes=("", "_asked"), validate="many_to_many",
    )  # fmt: skip
    return pd.Series(missed.index.isin(pairs.loc[pairs["time_ns_asked"] > pairs["time_ns"], "row"]), index=missed.index)


RULE = Rule(
    code="EVP120",
    name="announcement-not-forwarded",
    severity=Severity.MEDIUM,
    title="An announcement of a new MAC did not reach machines that needed it",
    cause="Linux does this by design: with suppression on, announcements stay on their own side of the fabric.",
    advice="Set neigh_forward_grat on the VXLAN port where the kernel has it, and arp_accept on the bridge device.",
    rivals="The old machine is only silent, and both have the address.",
    would_decide="Captures of both machines' links around the announcement.",
    find=find,
)

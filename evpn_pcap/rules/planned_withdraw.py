"""One VTEP withdrew all MAC/IP routes of one family at one instant, and kept the MAC routes.

What it shows
    Within 100 ms a VTEP withdrew every MAC/IP route of a family that it had announced, to every
    peer that was captured, while the MAC-only routes of the same machines stayed in force.

Why it matters
    Nothing is wrong with the machines: the family went away on the VTEP itself. From then on
    their addresses are flooded for.

What else looks like this
    A single machine whose neighbour entry aged out (then only its route goes, after silence); the
    kernel's collection of old entries (then they are back when the machines speak).

References
----------
    domain.md, sections 1 and 8; RFC 7432.

"""

import pandas as pd

from evpn_pcap.model import FOREVER, Rule, Severity, Tables, WithdrawReason
from evpn_pcap.rules._found import gather
from evpn_pcap.rules._routes import own_mac_routes

INSTANT_NS = 100_000_000
COLLECTED_NS = 60_000_000_000  # a kernel collects unused entries that are older (gc_stale_time)
FLUSHED_NS = 1_000_000_000  # one entry that was deleted is back sooner when its machine speaks
AWAY_NS = 10_000_000_000  # what a kernel collected is back sooner
KEYS = ["vni", "sender_ip", "family"]


def find(tables: Tables) -> pd.DataFrame:
    """Return one row per VNI, VTEP, family and instant at which all its addresses were withdrawn."""
    told = own_mac_routes(tables.routes)
    told = told[told["ip"].notna()]
    told = told.assign(family=told["ip"].str.contains(":").map({True: "IPv6", False: "IPv4"}))
    gone = told[(told["withdraw_reason"] == WithdrawReason.FAMILY_DISABLED) & (told["withdrawn_ns"] != FOREVER)]
    if gone.empty:
        return gather(gone)
    gone = gone.sort_values([*KEYS, "withdrawn_ns"], kind="stable")
    apart_ns = gone.groupby(KEYS)["withdrawn_ns"].diff().fillna(INSTANT_NS + 1)
    gone = gone.assign(instant=(apart_ns > INSTANT_NS).cumsum(), age_ns=gone["withdrawn_ns"] - gone["advertised_ns"])
    bursts = gone.groupby([*KEYS, "instant"]).agg(
        count=("mac", "size"), machines=("mac", "nunique"), at_ns=("withdrawn_ns", "max"), age_ns=("age_ns", "min"),
        frame_ids=("frame_ids", "sum"), margin_ns=("withdraw_margin_ns", "max"),
    ).reset_index()  # fmt: skip
    bursts = bursts[_are_planned(bursts, told, tables)]
    family, count = bursts["family"], bursts["count"].astype("str")
    machines = bursts["machines"].astype("str")
    return gather(
        bursts.assign(
            subject=bursts["sender_ip"] + " " + family,
            detail=bursts["sender_ip"] + " withdrew " + count + " " + family + " routes of " + machines
            + " machines at once",
        )
    )  # fmt: skip


def _are_planned(bursts: pd.DataFrame, told: pd.DataFrame, tables: Tables) -> pd.Series:
    """Return whether nothing but the family's end explains it: no deleted entries, no collection."""
    later = bursts[[*KEYS, "instant", "at_ns"]].merge(
        told[[*KEYS, "advertised_ns"]], on=KEYS, how="inner", validate="many_to_many"
    )
    later = later[later["advertised_ns"] > later["at_ns"]]
    end_ns = pd.concat([tables.updates["time_ns"], tables.anchors["time_ns"]]).max()
    again_ns = later.groupby("instant")["advertised_ns"].min().reindex(bursts["instant"]).astype("Int64").fillna(end_ns)
    away_ns = again_ns.set_axis(bursts.index) - bursts["at_ns"]
    is_young = (bursts["age_ns"] < COLLECTED_NS) & (away_ns >= FLUSHED_NS)
    return (is_young | (away_ns >= AWAY_NS)).astype(bool)


RULE = Rule(
    code="EVP004",
    name="planned-withdraw",
    severity=Severity.MEDIUM,
    title="All addresses of one family were withdrawn at one instant",
    cause="IPv6 was disabled, or the address removed, on the VTEP's bridge device.",
    advice="If that was not meant, give the bridge device its address back; hosts are then learned again.",
    rivals="The neighbour table of the hypervisor was flushed by hand.",
    would_decide="`sysctl net.ipv6.conf.BRIDGE.disable_ipv6` and `ip addr show` of the hypervisor.",
    find=find,
)

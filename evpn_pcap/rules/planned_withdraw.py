"""One VTEP withdrew all MAC/IP routes of one family at one instant, and kept the MAC routes.

What it shows
    Within 100 ms a VTEP withdrew every MAC/IP route of a family that it had announced, to every
    peer that was captured, while the MAC-only routes of the same machines stayed in force.

Why it matters
    Nothing is wrong with the machines: the family went away on the VTEP itself. From then on
    their addresses are flooded for.

What else looks like this
    A single machine whose neighbour entry aged out (then only its route goes, after silence).

References
----------
    domain.md, sections 1 and 8; RFC 7432, section 10.

"""

import pandas as pd

from evpn_pcap.model import FOREVER, Rule, Severity, Tables
from evpn_pcap.rules._found import gather

INSTANT_NS = 100_000_000
ACTIVE_NS = 60_000_000_000  # a machine heard of this recently was not silent
STAYS_NS = 1_000_000_000


def find(tables: Tables) -> pd.DataFrame:
    """Return one row per VNI, VTEP, family and instant at which all its addresses were withdrawn."""
    routes = tables.routes
    told = routes[(routes["route_type"] == 2) & (routes["receiver_ip"] == routes["sender_ip"])]
    told = told.assign(family=told["ip"].str.contains(":").map({True: "IPv6", False: "IPv4"}))
    told = told.sort_values(["sender_ip", "mac", "ip", "rd", "advertised_ns"], kind="stable")
    next_ns = told.groupby(["sender_ip", "mac", "ip", "rd"], dropna=False)["advertised_ns"].shift(-1, fill_value=0)
    is_gone = (told["withdrawn_ns"] != FOREVER) & (told["withdrawn_ns"] != next_ns)  # withdrawn, not replaced
    gone = told[told["ip"].notna() & is_gone].sort_values(["sender_ip", "family", "withdrawn_ns"])
    keys = ["vni", "sender_ip", "family"]
    new_instant = gone.groupby(keys)["withdrawn_ns"].diff().fillna(FOREVER) > INSTANT_NS
    gone = gone.assign(instant=new_instant.cumsum())
    found = []
    for (vni, sender, family, _), burst in gone.groupby([*keys, "instant"]):
        if _is_planned(burst, told[(told["sender_ip"] == sender) & (told["vni"] == vni)], str(family), tables):
            detail = f"{sender} withdrew {len(burst)} {family} routes of {burst['mac'].nunique()} machines at once"
            margin_ns = burst["withdraw_margin_ns"].max()
            found.append((vni, f"{sender} {family}", detail, burst["frame_ids"].sum(), margin_ns))
    return gather(pd.DataFrame(found, columns=["vni", "subject", "detail", "frame_ids", "margin_ns"]))


def _is_planned(burst: pd.DataFrame, mine: pd.DataFrame, family: str, tables: Tables) -> bool:
    """Return whether all of the family went, the MACs stay, no other VTEP takes over, and the machines were alive."""
    at_ns = int(burst["withdrawn_ns"].max())
    still = mine[(mine["advertised_ns"] <= at_ns) & (mine["withdrawn_ns"] > at_ns + STAYS_NS)]
    others = set(still.loc[still["family"] == family, "mac"]) - set(burst["mac"])
    macs_stay = set(burst["mac"]) <= set(still.loc[still["ip"].isna(), "mac"])
    routes = tables.routes
    taken_over = routes[
        routes["ip"].isin(burst["ip"])
        & ~routes["sender_ip"].isin(burst["sender_ip"])
        & (routes["withdrawn_ns"] > at_ns)
        & (routes["advertised_ns"] < at_ns + 5 * STAYS_NS)
        & (routes["route_type"] == 2)
    ]
    is_one_machine = len(set(burst["mac"])) == 1
    return not others and macs_stay and taken_over.empty and (not is_one_machine or _is_alive(burst, at_ns, tables))


def _is_alive(burst: pd.DataFrame, at_ns: int, tables: Tables) -> bool:
    """Return whether a frame of the machine was seen within the last minute."""
    heard = tables.events.loc[tables.events["source_mac"].isin(burst["mac"]), "time_ns"]
    return bool(((heard < at_ns) & (heard > at_ns - ACTIVE_NS)).any())


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

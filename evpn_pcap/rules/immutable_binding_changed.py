"""An address that one VTEP announces as bound to its MAC for good was announced with another MAC.

What it shows
    While a route with the immutable flag (I of the ARP/ND community) was in force, and for a second
    before, another route for the same address came with another MAC.

Why it matters
    The flag marks configured bindings: no other machine may take the address. Whoever announces it
    all the same has a duplicate, or an intruder, and receivers that ignore the flag follow it.

What else looks like this
    The configured binding was changed on purpose, and the old route not yet withdrawn.

References
----------
    RFC 9047; RFC 9161, section 3.7.

"""

import pandas as pd

from evpn_pcap.addresses import mac_text
from evpn_pcap.model import Rule, Severity, Tables
from evpn_pcap.order import BEFORE, order
from evpn_pcap.rules._announced import KNOWN_NS, announced
from evpn_pcap.rules._found import gather


def find(tables: Tables) -> pd.DataFrame:
    """Return one row per VNI and immutable address that was announced with another MAC."""
    told = announced(tables.routes, 2)
    told = told[told["ip"].notna() & told["mac"].notna()]
    fixed = told[told["nd_flags"].str.contains("I").fillna(value=False).astype(bool)]
    if fixed.empty:
        return gather(fixed)
    pairs = fixed.merge(told, on=["vni", "ip"], how="inner", suffixes=("", "_other"), validate="many_to_many")
    came = pairs["advertised_ns_other"], pairs["margin_ns_other"]
    was_known = order(pairs["advertised_ns"] + KNOWN_NS, pairs["margin_ns"], *came) == BEFORE
    is_held = order(*came, pairs["withdrawn_ns"], pairs["withdraw_margin_ns"]) == BEFORE
    changed = pairs[was_known & is_held & (pairs["mac"] != pairs["mac_other"])]
    macs = changed["mac"].map(mac_text).astype("str"), changed["mac_other"].map(mac_text).astype("str")
    return gather(
        changed.assign(
            subject=changed["ip"],
            detail=changed["ip"]
            + " is bound to "
            + macs[0]
            + ", and "
            + changed["next_hop_other"]
            + " announced "
            + macs[1],
            frame_ids=changed["frame_ids"] + changed["frame_ids_other"],
            margin_ns=changed[["margin_ns", "margin_ns_other"]].max(axis=1),
        )
    )


RULE = Rule(
    code="EVP122",
    name="immutable-binding-changed",
    severity=Severity.HIGH,
    title="An immutable binding was announced with another MAC",
    cause="A machine behind the other VTEP uses an address that is configured for somebody else.",
    advice="Find the machine by the MAC at the other VTEP; make that VTEP honour the immutable flag.",
    rivals="The configured binding was changed on purpose.",
    would_decide="The configuration of the VTEP that set the flag; a capture of the other machine's link.",
    find=find,
)

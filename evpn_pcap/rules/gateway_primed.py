"""A host was flooded for until it spoke to the gateway: only that exchange taught the VTEP its address.

What it shows
    Requests for the host were flooded; then the host resolved the gateway (learned), and within a
    second its MAC/IP route was advertised.

Why it matters
    The bridge does not snoop ARP. Suppression begins for each host only after it has spoken to the
    gateway, and silent hosts are flooded for ever.

What else looks like this
    The gateway was configured only shortly before (then no host could have spoken to it).

References
----------
    RFC 9161; domain.md, section 8.

"""

import pandas as pd

from evpn_pcap.model import Rule, Severity, Tables
from evpn_pcap.order import BEFORE, order
from evpn_pcap.rules._found import gather


def find(tables: Tables) -> pd.DataFrame:
    """Return one row per VNI and host that was flooded for before its exchange with the gateway."""
    rows = tables.resolutions
    learned = rows[(rows["outcome"] == "learned") & (rows["route_effect"] == "advertised")]
    if learned.empty:
        return gather(learned)
    flooded = rows[(rows["outcome"] == "flooded") & (rows["kind"] == "resolution")]
    pairs = learned.merge(
        flooded, left_on=["vni", "requester_ip"], right_on=["vni", "target_ip"], suffixes=("", "_flooded"), how="inner",
        validate="many_to_many",
    )  # fmt: skip
    begun = order(pairs["time_ns_flooded"], pairs["margin_ns_flooded"], pairs["time_ns"], pairs["margin_ns"])
    pairs = pairs[begun == BEFORE]
    if pairs.empty:
        return gather(pairs)
    found = pairs.groupby(["vni", "requester_ip"], sort=True).agg(
        flooded_ids=("id_flooded", lambda ids: tuple(sorted(set(ids)))),
        learned_id=("id", "min"),
        frame_ids=("frame_ids", "first"),
        flooded_frames=("frame_ids_flooded", lambda frames: tuple(one[0] for one in frames)),
        margin_ns=("margin_ns_flooded", "max"),
    ).reset_index()  # fmt: skip
    count = found["flooded_ids"].map(len).astype("str")
    return gather(
        found.assign(
            subject=found["requester_ip"],
            detail="requests for "
            + found["requester_ip"]
            + " were flooded ("
            + count
            + ") before it spoke to the gateway",
            resolution_ids=[(*ids, one) for ids, one in zip(found["flooded_ids"], found["learned_id"], strict=True)],
            frame_ids=found["flooded_frames"] + found["frame_ids"],
        )
    )


RULE = Rule(
    code="EVP002",
    name="gateway-primed",
    severity=Severity.MEDIUM,
    title="Suppression began only after the host had spoken to the gateway",
    cause="The bridge does not snoop ARP or ND; only exchanges with the gateway teach the VTEP a host's address.",
    advice="Prime hosts with a ping to the gateway when they start, or set arp_accept on the bridge device.",
    rivals="The gateway was configured only shortly before.",
    would_decide="`ip addr show` and `sysctl net.ipv4.conf.BRIDGE.arp_accept` of the hypervisor.",
    find=find,
)

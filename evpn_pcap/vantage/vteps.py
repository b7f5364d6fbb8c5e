"""Frames inside and outside VXLAN -> the VTEP address of each host that shows them."""

import pandas as pd

from evpn_pcap.model import Options


def vtep_addresses(frames: pd.DataFrame, options: Options) -> dict[str, str]:
    """Return the VTEP address of each host where content, or the fabric file, tells it."""
    outer = frames[frames["is_encapsulated"]]
    sends = outer["direction"] == "outgoing"
    receives = outer["direction"] == "incoming"
    told = outer.assign(vtep=outer["outer_source_ip"].where(sends, outer["outer_destination_ip"].where(receives)))
    votes = pd.concat([told[["host", "vtep"]].dropna(), _order_votes(frames)], ignore_index=True)
    addresses = {}
    for host, mine in outer.groupby("host"):
        counts = votes.loc[votes["host"] == host, "vtep"].value_counts()
        if len(counts) and counts.iloc[0] >= 0.9 * counts.sum():
            addresses[str(host)] = str(counts.index[0])
        elif shared := _common_end(mine):
            addresses[str(host)] = shared
    stated = {host: facts.vtep_ip for host, facts in options.hosts.items() if facts.vtep_ip}
    return {**addresses, **stated}


def _order_votes(frames: pd.DataFrame) -> pd.DataFrame:
    """Return host and VTEP address for each frame seen both inside and outside VXLAN at one host.

    What is seen bare first is encapsulated here, so the outer source is the host's own; what is
    seen inside VXLAN first arrives here, so the outer destination is.
    """
    bare = frames[~frames["is_encapsulated"]].groupby(["host", "key"], as_index=False)["captured_ns"].min()
    inside = frames[frames["is_encapsulated"]].sort_values(["captured_ns", "frame_id"], kind="stable")
    inside = inside.drop_duplicates(["host", "key"])
    both = inside.merge(bare, on=["host", "key"], how="inner", validate="one_to_one", suffixes=("", "_bare"))
    apart = both["captured_ns"] - both["captured_ns_bare"]
    both = both[(apart != 0) & (apart.abs() < 1_000_000)]
    leaves = both["captured_ns_bare"] < both["captured_ns"]
    return pd.DataFrame(
        {"host": both["host"], "vtep": both["outer_source_ip"].where(leaves, both["outer_destination_ip"])}
    )


def _common_end(outer: pd.DataFrame) -> str | None:
    """Return the one address that is an end of every tunnel seen here, if two tunnels or more leave just one."""
    pairs = {frozenset(pair) for pair in zip(outer["outer_source_ip"], outer["outer_destination_ip"], strict=True)}
    common = frozenset.intersection(*pairs) if pairs else frozenset()
    return next(iter(common)) if len(common) == 1 else None

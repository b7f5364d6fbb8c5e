"""SNAPSHOTS of kernels around each row -> what the ingress VTEP held when asked, in the order in which Linux decides.

The order is that of br_do_proxy_suppress_arp and br_do_suppress_nd (net/bridge/br_arp_nd_proxy.c): the neighbour
entry of the target on the SVI, its state, the FDB entry of its MAC, the port that points to. What comes before these,
a VLAN-aware bridge without an upper device for the VLAN (`no-svi`), stays a candidate: none of the prints that are read
tells which VLAN an upper device is for.
"""

from typing import Literal

import pandas as pd

from evpn_pcap.model import FOREVER, Options

NEAR_NS = 5_000_000_000  # a print this long before a request, or after it, still tells what was held then
NOBODY = "none"
FACTS = ("neighbour", "fdb", "suppression", "printed_by")
Side = Literal["backward", "forward"]


def kernel_facts(rows: pd.DataFrame, snapshots: pd.DataFrame, points: pd.DataFrame, options: Options) -> pd.DataFrame:
    """Return, per row, what prints of its ingress VTEP tell; missing where they do not.

    `neighbour`: state of the target's entry on the SVI, or "none"; `fdb`: where the entry's MAC is, "overlay",
    "local" or "none"; `suppression`: "on" or "off" at the port of the overlay; `printed_by`: the host. Neighbours and
    FDB count as printed before the request, and only where the next print, if it is near, says the same;
    `is_confirmed`: it does.
    """
    told = snapshots.assign(vtep_ip_there=_vteps(snapshots, points, options))
    told = told[told["vtep_ip_there"].notna() & (told["margin_ns"] != FOREVER)]
    if told.empty:
        return pd.DataFrame({**dict.fromkeys(FACTS), "is_confirmed": False}, index=rows.index)
    asked = rows[rows["ingress_vtep"].notna() & rows["target_ip"].notna() & (rows["margin_ns"] != FOREVER)]
    asked = asked.reset_index()[["row_id", "ingress_vtep", "target_ip", "time_ns", "last_request_ns"]]
    before, after = _facts(asked, told, "backward"), _facts(asked, told, "forward")
    same = before.where((before == after) | after.isna())
    found = same.assign(suppression=before["suppression"].fillna(after["suppression"]))
    found = found.assign(is_confirmed=(before["neighbour"] == after["neighbour"]) & (before["fdb"].eq(after["fdb"])))
    told = found.set_index(asked["row_id"]).reindex(rows.index)
    return told.assign(is_confirmed=told["is_confirmed"].astype("boolean").fillna(value=False).astype(bool))


def _vteps(snapshots: pd.DataFrame, points: pd.DataFrame, options: Options) -> pd.Series:
    """Return the VTEP of each print's host: as captured, as stated, or its BGP speaker."""
    captured = points.dropna(subset=["vtep_ip"]).drop_duplicates("host").set_index("host")["vtep_ip"]
    stated = {host: facts.vtep_ip for host, facts in options.hosts.items() if facts.vtep_ip}
    known: dict[object, str] = dict(captured) | dict(stated)
    return snapshots["host"].map(known).astype("str").fillna(snapshots["speaker_ip"])


def _facts(asked: pd.DataFrame, told: pd.DataFrame, direction: Side) -> pd.DataFrame:
    """Return the facts of the nearest prints on one side of each request."""
    neighbours, fdb, links = (
        _nearest(asked, told[told["form"] == form], direction) for form in ("neighbours", "fdb", "links")
    )
    entries = told[told["form"] == "neighbours"]
    entry = _entries(neighbours, entries, asked["target_ip"], "ip")
    state = _one(entry, "state").reindex(asked.index)
    is_missing = neighbours["is_whole"] & ~asked.index.isin(entry["position"])
    neighbour = state.mask(is_missing, NOBODY)

    macs = _one(entry, "mac").reindex(asked.index)
    there = _entries(fdb, told[told["form"] == "fdb"], macs, "mac")
    is_remote = there["vtep_ip"].notna() | there["flags"].fillna("").str.contains("extern_learn")
    overlay = set(there.loc[is_remote, "position"])
    local = set(there.loc[~is_remote & there["master"].notna() & (there["state"] != "permanent"), "position"])
    place = pd.Series(
        [
            "overlay" if at in overlay else "local" if at in local else NOBODY if is_whole and pd.notna(mac) else None
            for at, is_whole, mac in zip(asked.index, fdb["is_whole"], macs, strict=True)
        ],
        index=asked.index,
        dtype="object",
    )
    suppression = _suppression(links, there, told)
    host = neighbours["host"].fillna(links["host"])
    return pd.DataFrame({"neighbour": neighbour, "fdb": place, "suppression": suppression, "printed_by": host})


def _nearest(asked: pd.DataFrame, told: pd.DataFrame, direction: Side) -> pd.DataFrame:
    """Return the nearest print of a form on one side of each request; missing where none is near."""
    prints = told.drop_duplicates("snapshot_id").assign(is_whole=told["is_whole"].fillna(value=False).astype(bool))
    is_before = direction == "backward"
    edge = prints["margin_ns"] if is_before else -prints["margin_ns"]
    prints = prints.assign(at_ns=prints["time_ns"] + edge, ingress_vtep=prints["vtep_ip_there"])
    prints = prints[["at_ns", "ingress_vtep", "snapshot_id", "host", "is_whole"]].astype({"snapshot_id": "Int64"})
    request = asked.assign(at_ns=asked["time_ns" if is_before else "last_request_ns"])
    request = request.rename_axis("position").reset_index().sort_values("at_ns", kind="stable")
    found = pd.merge_asof(
        request[["at_ns", "ingress_vtep", "position"]], prints.sort_values("at_ns", kind="stable"),
        on="at_ns", by="ingress_vtep", direction=direction, tolerance=NEAR_NS,
    ).set_index("position").reindex(asked.index)  # fmt: skip
    return found.assign(is_whole=found["is_whole"].astype("boolean").fillna(value=False).astype(bool))


def _entries(nearest: pd.DataFrame, entries: pd.DataFrame, keys: pd.Series, name: str) -> pd.DataFrame:
    """Return the entries of each request's print that have its key, with the request's position."""
    wanted = nearest.assign(position=nearest.index, **{name: keys.astype(entries[name].dtype)})
    wanted = wanted[["position", "snapshot_id", name]].dropna().astype({"snapshot_id": "int64"})
    return wanted.merge(entries, on=["snapshot_id", name], how="inner", validate="many_to_many")


def _one(entries: pd.DataFrame, name: str) -> pd.Series:
    """Return, per position, the value that all its entries share; missing where they differ."""
    counted = entries.groupby("position")[name].agg(["nunique", "first"])
    return counted["first"].where(counted["nunique"] == 1)


def _suppression(links: pd.DataFrame, there: pd.DataFrame, told: pd.DataFrame) -> pd.Series:
    """Return "on" or "off": at the port that the target's MAC is behind, else what all ports to other VTEPs say."""
    ports = told[(told["form"] == "links") & told["neigh_suppress"].notna()]
    ports = ports.assign(word=ports["neigh_suppress"].astype(bool).map({True: "on", False: "off"}))
    behind = _one(there[there["vtep_ip"].notna()], "device").reindex(links.index)
    exact = _one(_entries(links, ports, behind, "device"), "word").reindex(links.index)
    tunnels = told.loc[(told["form"] == "fdb") & told["vtep_ip"].notna(), ["host", "device"]].dropna().drop_duplicates()
    ends = ports.merge(tunnels, on=["host", "device"], how="inner", validate="many_to_one")
    words = ends.groupby("snapshot_id")["word"].agg(["nunique", "first"])
    same = links["snapshot_id"].map(words["first"].where(words["nunique"] == 1))
    return exact.astype("object").where(exact.notna(), same.astype("object").where(behind.isna()))

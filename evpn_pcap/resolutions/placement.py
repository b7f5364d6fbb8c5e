"""Where a MAC sits: EVENTS, ANCHORS, ROUTES and the fabric file -> the VTEP in front of it, at a moment."""

from dataclasses import dataclass

import pandas as pd

from evpn_pcap.model import FOREVER, Options, Role

MAC_IP_ROUTE = 2  # EVPN route type (RFC 7432, 7.2)


@dataclass(frozen=True, slots=True)
class Placement:
    """Everything that tells where MACs sit.

    `placed`: mac, vtep_ip, time_ns of frames that show where they come from, by time: inside VXLAN,
    or bare at a hypervisor that they did not arrive at. `entered`: transmission_id -> VTEP of the
    latter, where it is one. `told`: mac, ip, vtep_ip, advertised_ns,
    withdrawn_ns of MAC/IP routes. `stated`: VTEP of a MAC by the fabric file. `gateway_macs`: MACs
    that several VTEPs use as their own (anycast gateway). `gateway_ips`: addresses of routes with
    the default gateway community. `vnis`: the VNI of each MAC that is seen in just one. `tunnels`:
    host, vni, outer_source_ip that the host has shown.
    """

    placed: pd.DataFrame
    entered: pd.Series
    told: pd.DataFrame
    stated: dict[int, str]
    gateway_macs: frozenset[int]
    gateway_ips: frozenset[str]
    vnis: dict[int, int]
    tunnels: pd.DataFrame


def find_placement(
    events: pd.DataFrame, anchors: pd.DataFrame, routes: pd.DataFrame, points: pd.DataFrame, options: Options
) -> Placement:
    """Return where each MAC sits, as far as VXLAN frames, routes and the fabric file tell."""
    read = ["host", "source_mac", "vni", "outer_source_ip", "time_ns", "margin_ns"]
    inside = pd.concat([events.loc[events["vni"].notna(), read], anchors.loc[anchors["vni"].notna(), read]])
    tunnels = inside[["host", "vni", "outer_source_ip"]].drop_duplicates()
    inside = inside.rename(columns={"source_mac": "mac", "outer_source_ip": "vtep_ip"})
    told = routes[(routes["route_type"] == MAC_IP_ROUTE) & routes["mac"].notna()]
    by_gateway = told["is_default_gateway"].fillna(value=False).astype(bool)
    gateway_ips = frozenset(told.loc[by_gateway, "ip"].dropna())
    told = told[~by_gateway]
    own = told["sender_ip"].where(told["receiver_ip"] == told["sender_ip"])  # a withdrawal does not say the next hop
    next_hop = told["next_hop"].fillna(own).mask(_names_no_tunnel(told, events, inside), _speakers(told))
    told = told.assign(vtep_ip=next_hop)[["mac", "ip", "vni", "vtep_ip", "advertised_ns", "withdrawn_ns"]]

    read = ["mac", "vtep_ip", "time_ns", "margin_ns"]
    sent_here = _sent_here(events, points)
    at_entry = sent_here.groupby("transmission_id")["vtep_ip"].agg(["nunique", "first"])
    placed = pd.concat([inside[read], sent_here[read]], ignore_index=True)
    vteps = placed.groupby("mac")["vtep_ip"].nunique()
    several = set(vteps[vteps > 1].index.astype(int)) | _answering_at_several(events, points)
    gateway_macs = frozenset(several - set(told["mac"].dropna().astype(int))) if len(told) else frozenset()
    placed = placed[(placed["margin_ns"] != FOREVER) & ~placed["mac"].isin(gateway_macs)]
    placed = placed.sort_values("time_ns", kind="stable")[["mac", "vtep_ip", "time_ns"]]
    entered = at_entry.loc[at_entry["nunique"] == 1, "first"]
    return Placement(
        placed, entered, told, _stated(points, options), gateway_macs, gateway_ips, _vnis(inside, told), tunnels
    )


def _answering_at_several(events: pd.DataFrame, points: pd.DataFrame) -> set[int]:
    """Return MACs that answers tell which several hypervisors show and none encapsulated: each gave its own.

    Proxied answers are such, too, but they tell MACs that routes advertise.
    """
    hypervisors = points.loc[points["is_hypervisor"].fillna(value=False).astype(bool), "host"]
    told = events[(events["message"] == "reply") & events["told_mac"].notna()]
    crossed = told.loc[told["vni"].notna(), "transmission_id"]
    stayed = told[told["host"].isin(hypervisors) & ~told["transmission_id"].isin(crossed)]
    hosts = stayed.groupby("told_mac")["host"].nunique()
    machines = points.loc[points["role"] == Role.VM, "station_mac"].dropna()
    return set(hosts[hosts > 1].index.astype(int)) - set(machines.astype(int))


def _names_no_tunnel(told: pd.DataFrame, events: pd.DataFrame, inside: pd.DataFrame) -> pd.Series:
    """Return which routes name a next hop that no tunnel begins or ends at, while their speaker's carry the MAC."""
    ends = {*events["outer_source_ip"].dropna(), *events["outer_destination_ip"].dropna(), *inside["vtep_ip"].dropna()}
    carried = set(zip(inside["mac"], inside["vtep_ip"], strict=True))
    is_carried = [pair in carried for pair in zip(told["mac"], _speakers(told), strict=True)]
    return pd.Series(is_carried, index=told.index, dtype=bool) & ~told["next_hop"].isin(ends) & told["next_hop"].notna()


def _speakers(told: pd.DataFrame) -> pd.Series:
    """Return whose routes they are: route distinguishers begin with the speaker's address as a rule (RFC 7432, 7.9)."""
    return told["rd"].str.replace(r":\d+$", "", regex=True)


def _sent_here(events: pd.DataFrame, points: pd.DataFrame) -> pd.DataFrame:
    """Return requests and announcements that a hypervisor shows bare and not arriving inside VXLAN: their senders
    sit behind it.

    Its underlay must cover the moment. Answers do not count: a proxied one bears another's MAC.
    """
    underlay = points[points["shows_vxlan"] & points["vtep_ip"].notna()].groupby("host")
    covered = underlay.agg(vtep_ip=("vtep_ip", "first"), from_ns=("first_ns", "min"), to_ns=("last_ns", "max"))
    asks = events[events["kind"].notna() & (events["segment"] != "underlay")]
    asks = asks.merge(covered, on="host", how="inner", validate="many_to_one")
    arrived = asks[asks["vni"].notna() & (asks["outer_source_ip"] != asks["vtep_ip"])]
    bare = asks[asks["vni"].isna() & asks["captured_ns"].between(asks["from_ns"], asks["to_ns"])]
    keys = ["transmission_id", "host"]
    found = bare.merge(arrived[keys].drop_duplicates(), on=keys, how="left", indicator=True, validate="many_to_one")
    return found[found["_merge"] == "left_only"].rename(columns={"source_mac": "mac"})


def _stated(points: pd.DataFrame, options: Options) -> dict[int, str]:
    """Return station MAC -> VTEP address for VMs whose place the fabric file states."""
    behind = {host: facts.behind for host, facts in options.hosts.items() if facts.behind}
    vtep = points.dropna(subset=["vtep_ip"]).drop_duplicates("host").set_index("host")["vtep_ip"].to_dict()
    vms = points[points["host"].isin(list(behind)) & points["station_mac"].notna()]
    pairs = zip(vms["station_mac"], vms["host"], strict=True)
    return {int(mac): vtep[behind[host]] for mac, host in pairs if behind[host] in vtep}


def _vnis(inside: pd.DataFrame, told: pd.DataFrame) -> dict[int, int]:
    """Return the VNI of each MAC that is seen, inside VXLAN or in routes, in just one."""
    seen = pd.concat([inside[["mac", "vni"]], told[["mac", "vni"]]]).dropna().drop_duplicates()
    counts = seen.groupby("mac")["vni"].agg(["nunique", "first"])
    single = counts[counts["nunique"] == 1]
    return dict(zip(single.index.astype(int), single["first"].astype(int), strict=True))


def vtep_of(macs: pd.Series, time_ns: pd.Series, placement: Placement) -> pd.Series:
    """Return the VTEP that each MAC sat behind at each moment; missing where nothing tells or it is moving.

    The fabric file goes first; then frames from the MAC, the last before and the first after the
    moment, if they agree; then a MAC/IP route in force; then frames of one side only, of a MAC that
    was never seen anywhere else (another may have moved in between).
    """
    asked = pd.DataFrame({"mac": macs.astype("UInt64"), "time_ns": time_ns.astype("int64")}).reset_index(drop=True)
    by_file = asked["mac"].map(placement.stated)
    ordered = asked.assign(position=asked.index).dropna(subset=["mac"]).sort_values("time_ns", kind="stable")
    seen = placement.placed[["time_ns", "mac", "vtep_ip"]]
    near = {}
    for direction in ("backward", "forward"):
        nearest = pd.merge_asof(ordered, seen, on="time_ns", by="mac", direction=direction)
        near[direction] = nearest.set_index("position")["vtep_ip"].reindex(asked.index)
    before, after = near["backward"], near["forward"]
    by_frames = before.where(before == after)
    everywhere = pd.concat([placement.placed[["mac", "vtep_ip"]], placement.told[["mac", "vtep_ip"]]]).dropna()
    places = everywhere.groupby("mac")["vtep_ip"].agg(["nunique", "first"])
    only = asked["mac"].map(places.loc[places["nunique"] == 1, "first"])
    one_sided = before.fillna(after).where(only.notna())
    found = by_file.astype("str").fillna(by_frames).fillna(_by_routes(asked, placement.told)).fillna(one_sided)
    return found.set_axis(macs.index)


def _by_routes(asked: pd.DataFrame, told: pd.DataFrame) -> pd.Series:
    """Return the one next hop of the MAC/IP routes in force for each MAC at each moment."""
    pairs = asked.reset_index(names="position").merge(told, on="mac", how="inner", validate="many_to_many")
    holds = (pairs["advertised_ns"] <= pairs["time_ns"]) & (pairs["time_ns"] < pairs["withdrawn_ns"])
    by_row = pairs[holds].groupby("position")["vtep_ip"].agg(["nunique", "first"])
    return by_row["first"].where(by_row["nunique"] == 1).reindex(asked.index)

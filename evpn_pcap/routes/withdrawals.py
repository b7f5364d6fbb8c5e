"""What VTEPs withdrew, and what was heard of the addresses -> why each route was withdrawn (RFC 7432, 15)."""

import numpy as np
import pandas as pd

from evpn_pcap.model import Kind, WithdrawReason
from evpn_pcap.routes.places import OWN_LINK

INSTANT_NS = 100_000_000  # withdrawals this near to each other have one cause
TRAVEL_NS = 2_000_000_000  # a withdrawal is at every receiver within this time
MOVE_NS = 1_000_000_000  # a move is announced before, or at most this long after, the old VTEP withdraws
NEAR_NS = 60_000_000_000  # a print this near tells what was set
AGEING_NS = 240_000_000_000  # Linux bridges forget a MAC after 300 s
PROBED_NS = 5_000_000_000  # an address that is probed and silent fails after about 3 s
UNUSED_NS = 60_000_000_000  # a kernel may collect an entry that was not used for longer (gc_stale_time)
FLUSHED_NS = 1_000_000_000  # one entry that was deleted is back sooner when its machine speaks
OFTEN_COUNT = 2  # one address that goes more often is deleted again and again, no family disabled
LINK_NS = 2_000_000_000  # no bridge forgets a MAC so soon


def withdraw_reasons(
    routes: pd.DataFrame, own: pd.DataFrame, frames: pd.DataFrame, events: pd.DataFrame, snapshots: pd.DataFrame
) -> pd.DataFrame:
    """Return withdraw_reason and silence_ns of ROUTES, with its index.

    `own`: the MAC/IP routes that VTEPs announced themselves; `frames` at their access sides; EVENTS. What a
    VTEP withdrew by UPDATE has, at every receiver, the reason that the VTEP's own row has:

    moved: another VTEP announced the same address (or the MAC that went with it) later, and still does. Family
    disabled: a print says that IPv6 is off; or all addresses of IPv4 or IPv6 went at one instant, while the MACs
    stayed: of several machines that were not all silent, or of the only one while it was speaking. Link down: a MAC
    went with its addresses within 2 s of its last frame. Aged: it had not been heard for longer than a bridge
    remembers a MAC (240 s at least), or for an address whose MAC stayed, a probe of it had just stayed without
    answer, or it had been silent for longer than that takes. Everything else is unknown.
    """
    gone = own[own["withdraw_reason"] == WithdrawReason.UNKNOWN]
    mac_silence_ns = _silences(gone, frames, ["mac"])
    silence_ns = _silences(gone, frames, ["mac", "ip"]).where(gone["ip"].notna(), mac_silence_ns)
    is_moved = _are_moved(gone, routes)
    is_moved |= gone["ip"].notna() & _is_near(gone, gone[gone["ip"].isna() & is_moved])
    with_mac = gone["ip"].isna() | _is_near(gone, gone[gone["ip"].isna()])
    is_failed = _have_failed(gone, events)
    is_whole, is_disabled = _are_whole_families(gone, own, mac_silence_ns, is_failed)
    quiet_ns = UNUSED_NS * is_whole + PROBED_NS * ~is_whole
    reason = np.select(
        [
            is_moved,
            with_mac & (mac_silence_ns < LINK_NS).fillna(value=False),
            with_mac & (mac_silence_ns >= AGEING_NS).fillna(value=False),
            ~with_mac & _are_switched_off(gone, snapshots),
            ~with_mac & is_failed,
            ~with_mac & is_disabled,
            ~with_mac & (silence_ns >= quiet_ns).fillna(value=False),
        ],
        [
            WithdrawReason.MOVED, WithdrawReason.LINK_DOWN, WithdrawReason.AGED, WithdrawReason.FAMILY_DISABLED,
            WithdrawReason.AGED, WithdrawReason.FAMILY_DISABLED, WithdrawReason.AGED,
        ],
        WithdrawReason.UNKNOWN,
    )  # fmt: skip
    here_ns = _silences(gone[is_failed], frames, ["mac", "ip"], ("vtep_ip",))  # it may speak from elsewhere
    silence_ns = here_ns.reindex(gone.index).fillna(silence_ns)
    told = gone.assign(reason=reason, silence_ns=silence_ns)
    return _at_receivers(routes, told)


def _silences(
    gone: pd.DataFrame, frames: pd.DataFrame, keys: list[str], places: tuple[str, ...] = ("vtep_ip", "own_link")
) -> pd.Series:
    """Return how long before each withdrawal the last frame of the same `keys` was seen, at the VTEP or on its link."""
    asked = gone.assign(own_link=OWN_LINK).sort_values("withdrawn_ns", kind="stable")
    last = []
    for at in places:
        here = frames.rename(columns={"vtep_ip": at}).dropna(subset=keys)
        here = here.assign(withdrawn_ns=here["time_ns"], heard_ns=here["time_ns"].astype("Int64"))
        found = pd.merge_asof(
            asked[[at, *keys, "withdrawn_ns"]],
            here[[at, *keys, "withdrawn_ns", "heard_ns"]],
            on="withdrawn_ns",
            by=[at, *keys],
        )
        last.append(found["heard_ns"].set_axis(asked.index))
    heard_ns = pd.concat(last, axis=1).max(axis=1).reindex(gone.index)
    return gone["withdrawn_ns"].astype("Int64") - heard_ns


def _are_moved(gone: pd.DataFrame, routes: pd.DataFrame) -> pd.Series:
    """Return whether the latest announcement by another VTEP is newer, and stays.

    Of a MAC route the MAC counts, of others the address, whatever its MAC: it may have moved to another (RFC 9721).
    """
    keys = ["segment", "address"]
    read = ["next_hop", "since_ns", "withdrawn_ns"]
    vnis = routes.dropna(subset=["rd", "vni"]).drop_duplicates("rd").set_index("rd")["vni"]
    told = routes[(routes["route_type"] == 2) & routes["mac"].notna() & routes["next_hop"].notna()]
    told = _with_address(told, vnis).assign(since_ns=told["advertised_ns"])
    told = told.astype({"since_ns": "Int64", "withdrawn_ns": "Int64"})  # a join that finds none makes no floats of it
    told = told.sort_values([*keys, "advertised_ns"], kind="stable")
    is_same = told.groupby(keys)["next_hop"].shift() == told["next_hop"]
    before = told.groupby(keys)[read].shift().mask(is_same)
    other = before.groupby([told[key] for key in keys]).ffill()
    told = told.assign(**{f"other_{name}": other[name] for name in read}).sort_values("advertised_ns", kind="stable")
    asked = _with_address(gone, vnis).assign(began_ns=gone["advertised_ns"], gone_ns=gone["withdrawn_ns"])
    asked = asked.assign(advertised_ns=asked["withdrawn_ns"] + MOVE_NS).sort_values("advertised_ns", kind="stable")
    found = pd.merge_asof(
        asked[[*keys, "advertised_ns", "began_ns", "gone_ns", "vtep_ip"]],
        told[[*keys, "advertised_ns", *read, *(f"other_{name}" for name in read)]],
        on="advertised_ns",
        by=keys,
    ).set_index(asked.index)
    is_mine = found["next_hop"] == found["vtep_ip"]
    since_ns = found["since_ns"].where(~is_mine, found["other_since_ns"])
    until_ns = found["withdrawn_ns"].where(~is_mine, found["other_withdrawn_ns"])
    is_newer = (since_ns > found["began_ns"]) & (until_ns > found["gone_ns"])
    return is_newer.fillna(value=False).astype(bool).reindex(gone.index)


def _with_address(rows: pd.DataFrame, vnis: pd.Series) -> pd.DataFrame:
    """Return rows with their segment (a withdrawal does not say the VNI; its route distinguisher does) and address."""
    segment = rows["vni"].fillna(rows["rd"].map(vnis)).astype("UInt32").fillna(0)
    return rows.assign(segment=segment, address=rows["ip"].fillna(rows["mac"].astype("str")))


def _is_near(gone: pd.DataFrame, macs: pd.DataFrame) -> pd.Series:
    """Return whether the MAC route of the same VTEP and MAC went at the same instant."""
    asked = gone.sort_values("withdrawn_ns", kind="stable")
    there = macs.sort_values("withdrawn_ns", kind="stable")[["vtep_ip", "mac", "withdrawn_ns", "route_id"]]
    found = pd.merge_asof(
        asked[["vtep_ip", "mac", "withdrawn_ns"]], there, on="withdrawn_ns", by=["vtep_ip", "mac"],
        direction="nearest", tolerance=INSTANT_NS,
    )  # fmt: skip
    return found["route_id"].notna().set_axis(asked.index).reindex(gone.index)


def _have_failed(gone: pd.DataFrame, events: pd.DataFrame) -> pd.Series:
    """Return whether the machine had been asked for the address within 5 s before, by unicast, and had not answered."""
    asks = events[(events["kind"] == Kind.REFRESH) & events["destination_mac"].notna()]
    answers = events[events["message"].isin(["reply", "announcement"]) & events["told_mac"].notna()]
    asked = gone.assign(at_ns=gone["withdrawn_ns"]).sort_values("at_ns", kind="stable")[["at_ns", "mac", "ip"]]
    last = []
    for told, mac in ((asks, "destination_mac"), (answers, "told_mac")):
        there = told.assign(at_ns=told["time_ns"], last_ns=told["time_ns"].astype("Int64"), mac=told[mac])
        there = there.rename(columns={"target_ip": "ip"})[["at_ns", "last_ns", "mac", "ip"]]
        found = pd.merge_asof(
            asked, there.sort_values("at_ns", kind="stable"), on="at_ns", by=["mac", "ip"], tolerance=PROBED_NS
        )
        last.append(found["last_ns"].set_axis(asked.index).reindex(gone.index))
    asked_ns, answered_ns = last
    return asked_ns.notna() & ~(answered_ns >= asked_ns).fillna(value=False).astype(bool)


def _are_whole_families(
    gone: pd.DataFrame, own: pd.DataFrame, mac_silence_ns: pd.Series, is_failed: pd.Series
) -> tuple[pd.Series, pd.Series]:
    """Return whether all addresses of a VTEP's IPv4 or IPv6 went at once, and whether that shows it to be disabled.

    It does where they are of several machines, not all silent for a minute; or of the only one, if it was heard
    within 5 s, no probe of it had failed, no other VTEP had the address, and it went neither often nor for a moment.
    """
    with_ip = own[own["ip"].notna()]
    family = with_ip["ip"].str.contains(":")
    is_whole, is_disabled = (pd.Series(data=False, index=gone.index) for _ in range(2))
    for _, rows in with_ip.groupby(["vtep_ip", "rd", family], sort=False):
        burst = gone[gone.index.isin(rows.index)].sort_values("withdrawn_ns", kind="stable")
        begins, ends = (np.sort(rows[name].to_numpy(np.int64)) for name in ("advertised_ns", "withdrawn_ns"))
        here = burst["withdrawn_ns"].to_numpy(np.int64)
        until = np.searchsorted(begins, here + INSTANT_NS, "right")
        after = until - np.searchsorted(ends, here + INSTANT_NS, "right")
        back = np.append(begins, np.iinfo(np.int64).max)[until] - here < FLUSHED_NS
        instant = pd.Series(np.append([0], (np.diff(here) > INSTANT_NS).cumsum())[: len(here)], index=burst.index)
        silence_ns = mac_silence_ns.reindex(burst.index)
        several = burst["mac"].groupby(instant).transform("nunique") > 1
        is_heard = (silence_ns.groupby(instant).transform("min") < UNUSED_NS).fillna(value=False)
        is_quiet = (silence_ns >= PROBED_NS).fillna(value=True) | is_failed.reindex(burst.index)
        is_rare = instant.nunique() <= OFTEN_COUNT
        alone = ~several & ~is_quiet & is_rare & ~back & ~_are_shared(burst, own)
        is_whole.loc[burst.index] = after == 0
        is_disabled.loc[burst.index] = (after == 0) & ((several & is_heard) | alone)
    return is_whole, is_disabled.astype(bool)


def _are_shared(burst: pd.DataFrame, own: pd.DataFrame) -> pd.Series:
    """Return whether another VTEP announced the same address until shortly before, or from shortly after on."""
    others = own[["ip", "vtep_ip", "advertised_ns", "withdrawn_ns"]]
    pairs = burst.reset_index(names="row")[["row", "ip", "vtep_ip", "withdrawn_ns"]].merge(
        others, on="ip", how="inner", suffixes=("", "_other"), validate="many_to_many"
    )
    is_near = pairs["withdrawn_ns_other"] > pairs["withdrawn_ns"] - MOVE_NS
    is_near &= pairs["advertised_ns"] < pairs["withdrawn_ns"] + MOVE_NS
    return pd.Series(
        burst.index.isin(pairs.loc[is_near & (pairs["vtep_ip"] != pairs["vtep_ip_other"]), "row"]), index=burst.index
    )


def _are_switched_off(gone: pd.DataFrame, snapshots: pd.DataFrame) -> pd.Series:
    """Return whether a print of the VTEP near the withdrawal of an IPv6 address says that IPv6 is off on a device."""
    off = snapshots[(snapshots["form"] == "settings") & (snapshots["flags"] == "disable_ipv6=1")]
    off = off.drop_duplicates("snapshot_id").sort_values("time_ns", kind="stable")
    asked = gone.assign(time_ns=gone["withdrawn_ns"], speaker_ip=gone["receiver_ip"]).sort_values("time_ns")
    found = pd.merge_asof(
        asked[["time_ns", "speaker_ip", "ip", "withdraw_margin_ns"]],
        off[["time_ns", "speaker_ip", "snapshot_id"]].assign(print_ns=off["time_ns"].astype("Int64")),
        on="time_ns", by="speaker_ip", direction="nearest",
    ).set_index(asked.index)  # fmt: skip
    is_near = (found["print_ns"] - found["time_ns"]).abs() <= found["withdraw_margin_ns"] + NEAR_NS
    is_off = is_near.fillna(value=False).astype(bool) & found["ip"].str.contains(":").fillna(value=False).astype(bool)
    return is_off.reindex(gone.index)


def _at_receivers(routes: pd.DataFrame, told: pd.DataFrame) -> pd.DataFrame:
    """Return reason and silence at every receiver: those of the nearest withdrawal of the same route by its VTEP."""
    keys = ["rd", "ethernet_tag", "mac", "ip"]
    is_open = (
        (routes["withdraw_reason"] == WithdrawReason.UNKNOWN) & (routes["route_type"] == 2) & routes["mac"].notna()
    )
    asked = routes[is_open].fillna({"ip": ""}).sort_values("withdrawn_ns", kind="stable")
    there = told.fillna({"ip": ""}).sort_values("withdrawn_ns", kind="stable")
    there = there[[*keys, "withdrawn_ns", "reason", "silence_ns"]].rename(columns={"silence_ns": "silent_ns"})
    found = pd.merge_asof(
        asked[[*keys, "withdrawn_ns"]], there, on="withdrawn_ns", by=keys, direction="nearest", tolerance=TRAVEL_NS
    ).set_index(asked.index)
    reason = found["reason"].astype("str").reindex(routes.index).fillna(routes["withdraw_reason"])
    silence_ns = found["silent_ns"].reindex(routes.index)
    return pd.DataFrame({"withdraw_reason": reason, "silence_ns": silence_ns})

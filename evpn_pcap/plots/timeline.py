"""RESOLUTIONS and ROUTES -> outcomes over time: did suppression work, and since when?

One lane for each question (protocol, requester, target); behind it, when the target's MAC/IP route
was in force at the requester's VTEP.
"""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from evpn_pcap.addresses import mac_text
from evpn_pcap.model import FOREVER, Kind, Outcome, Tables

# Okabe and Ito's colours, told apart by every eye, and a marker each for print without colour.
STYLES: dict[str, dict[str, Any]] = {
    Outcome.SUPPRESSED: {"marker": "o", "color": "#009E73"},
    Outcome.FLOODED: {"marker": "X", "color": "#D55E00"},
    Outcome.LEARNED: {"marker": "s", "color": "#0072B2"},
    Outcome.UNDECIDED: {"marker": "d", "color": "white", "edgecolor": "#555555"},
}
_ROUTE_COLOUR = "#DCE6F0"
_EDGE_COLOUR = "#5B7FA6"
_LANES_COUNT = 40  # more are drawn by target, and if still more by protocol
_SIZES = {True: 64, False: 20}  # of resolutions, and of refreshes, probes and announcements
_MAC_IP = 2  # EVPN route type


def draw(tables: Tables, axes: Axes) -> Axes:
    """Draw every row of RESOLUTIONS at its time, and the intervals of its target's routes; return the Axes.

    Reads RESOLUTIONS (time_ns, kind, protocol, vni, ingress_vtep, requester_ip, requester_mac,
    target_ip, outcome) and ROUTES (receiver_ip, route_type, ip, vni, advertised_ns, withdrawn_ns).
    """
    rows = tables.resolutions
    axes.set_title("ARP and ND resolutions by outcome", loc="left", fontweight="bold")
    if rows.empty:
        axes.set_yticks([])
        axes.text(0.5, 0.5, "no resolutions", ha="center", va="center", transform=axes.transAxes)
        axes.set_xlabel("time (s)")
        return axes
    lane = _lanes(rows)
    names = lane.drop_duplicates().tolist()
    place = lane.map({name: index for index, name in enumerate(names)})
    start = int(rows["time_ns"].min())
    end = max(int(rows["time_ns"].max()), start + 1_000_000)
    has_routes = _draw_routes(axes, _spans(rows.assign(place=place), tables.routes, start, end), start)
    _draw_outcomes(axes, rows, place, start)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    room = (end - start) * 0.02 / 1e9
    axes.set_xlim(-room, (end - start) / 1e9 + room)
    axes.grid(axis="x", color="#DDDDDD", linewidth=0.6)
    axes.set_axisbelow(True)
    begin = pd.Timestamp(start, unit="ns").strftime("%Y-%m-%d %H:%M:%S.%f")
    axes.set_xlabel(f"time on the common clock (s after {begin} UTC)")
    _draw_legend(axes, rows, has_routes=has_routes)
    return axes


def _lanes(rows: pd.DataFrame) -> pd.Series:
    """Return the lane of each row: who asked whom; by target or protocol where that makes too many."""
    macs = rows["requester_mac"].map(mac_text, na_action="ignore").astype("str")
    requester = rows["requester_ip"].fillna(macs).fillna("?")
    target = rows["target_ip"].fillna("its own MAC")
    is_one_segment = len(rows["vni"].dropna().unique()) <= 1
    vni = "" if is_one_segment else rows["vni"].map("  VNI {}".format, na_action="ignore").astype("str").fillna("")
    choices = (
        rows["protocol"] + "  " + requester + " \N{RIGHTWARDS ARROW} " + target + vni,
        rows["protocol"] + "  \N{RIGHTWARDS ARROW} " + target + vni,
        rows["protocol"] + vni,
    )
    return next((lane for lane in choices if lane.nunique() <= _LANES_COUNT), rows["protocol"].astype(object))


def _spans(rows: pd.DataFrame, routes: pd.DataFrame, start: int, end: int) -> pd.DataFrame:
    """Return, for each lane, when a MAC/IP route of its target was in force at the requester's VTEP.

    Where the VTEP is not known every receiver's view counts.
    """
    asked = rows[["place", "target_ip", "vni", "ingress_vtep"]].drop_duplicates().dropna(subset="target_ip")
    known = routes[routes["route_type"] == _MAC_IP].dropna(subset="ip")
    known = known[["ip", "vni", "receiver_ip", "advertised_ns", "withdrawn_ns"]]
    spans = asked.merge(
        known, left_on="target_ip", right_on="ip", how="inner", validate="many_to_many", suffixes=("", "_route")
    )
    is_same_vni = (spans["vni"] == spans["vni_route"]) | spans["vni"].isna() | spans["vni_route"].isna()
    is_seen_there = (spans["receiver_ip"] == spans["ingress_vtep"]) | spans["ingress_vtep"].isna()
    spans = spans[is_same_vni.fillna(value=True) & is_seen_there.fillna(value=True)]
    spans = spans.assign(
        has_begin=spans["advertised_ns"] >= start,
        has_end=(spans["withdrawn_ns"] < FOREVER) & (spans["withdrawn_ns"] <= end),
        advertised_ns=spans["advertised_ns"].clip(start, end),
        withdrawn_ns=spans["withdrawn_ns"].clip(start, end),
    )
    kept = ["place", "advertised_ns", "withdrawn_ns", "has_begin", "has_end"]
    return spans.loc[spans["withdrawn_ns"] > spans["advertised_ns"], kept].drop_duplicates().sort_values(kept)


def _draw_routes(axes: Axes, spans: pd.DataFrame, start: int) -> bool:
    """Draw the intervals as bars, an edge where the route came or went; return whether there are any."""
    begin, end = (spans["advertised_ns"] - start) / 1e9, (spans["withdrawn_ns"] - start) / 1e9
    axes.barh(spans["place"], end - begin, left=begin, height=0.62, color=_ROUTE_COLOUR, zorder=1)
    for moments, is_seen in ((begin, spans["has_begin"]), (end, spans["has_end"])):
        places = spans["place"][is_seen]
        axes.vlines(moments[is_seen], places - 0.31, places + 0.31, color=_EDGE_COLOUR, linewidth=1.4, zorder=2)
    return len(spans) > 0


def _draw_outcomes(axes: Axes, rows: pd.DataFrame, place: pd.Series, start: int) -> None:
    """Draw one marker a row."""
    moment = (rows["time_ns"] - start) / 1e9
    for outcome, style in STYLES.items():
        for is_resolution, size in _SIZES.items():
            chosen = (rows["outcome"] == outcome) & ((rows["kind"] == Kind.RESOLUTION) == is_resolution)
            edge = style.get("edgecolor", "white")
            axes.scatter(
                moment[chosen], place[chosen], s=size, marker=style["marker"], color=style["color"], edgecolors=edge,
                linewidths=0.8, zorder=3,
            )  # fmt: skip


def _draw_legend(axes: Axes, rows: pd.DataFrame, *, has_routes: bool) -> None:
    """Draw the legend beside the data: the outcomes that occur, with their counts of resolutions."""
    asked = rows[rows["kind"] == Kind.RESOLUTION]
    handles: list[Any] = []
    for outcome, style in STYLES.items():
        if (rows["outcome"] == outcome).any():
            label = f"{outcome} ({int((asked['outcome'] == outcome).sum())})"
            edge = style.get("edgecolor", "white")
            look = {"marker": style["marker"], "color": style["color"], "markeredgecolor": edge, "markersize": 8}
            handles.append(Line2D([], [], linestyle="", label=label, **look))
    if len(asked) < len(rows):
        handles.append(
            Line2D(
                [],
                [],
                linestyle="",
                marker="o",
                markersize=4,
                color="#777777",
                label="small: refresh, probe,\nannouncement",
            )
        )
    if has_routes:
        handles.append(Patch(facecolor=_ROUTE_COLOUR, edgecolor=_EDGE_COLOUR, label="target's MAC/IP route\nin force"))
    axes.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.01, 1.0), frameon=False, borderaxespad=0.0)

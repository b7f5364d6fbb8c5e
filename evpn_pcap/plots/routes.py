"""ROUTES and RESOLUTIONS -> routes over time: who had which MAC/IP route when, and what was asked meanwhile.

A lane for each receiver and address; a bar while a route was in force there, in the colour of the VTEP that it
leads to; a marker for each request that the receiver, as ingress VTEP, was asked for that address.
"""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from evpn_pcap.addresses import mac_text
from evpn_pcap.model import FOREVER, Tables
from evpn_pcap.plots.timeline import STYLES

_COLOURS = ("#56B4E9", "#E69F00", "#CC79A7", "#999999", "#F0E442", "#0072B2", "#D55E00", "#009E73")  # Okabe and Ito
_LANES_COUNT = 60  # more are drawn by address alone, and if still more by receiver
_MAC_IP = 2
_PALE, _FULL = 0.35, 0.85


def draw(tables: Tables, axes: Axes) -> Axes:
    """Draw every MAC/IP route at each receiver over time, and the requests for its address there; return the Axes.

    Reads ROUTES (receiver_ip, route_type, mac, ip, vni, next_hop, advertised_ns, withdrawn_ns, is_preexisting,
    is_imported) and RESOLUTIONS (time_ns, kind, vni, ingress_vtep, target_ip, outcome).
    """
    axes.set_title("EVPN routes in force, by receiver and address", loc="left", fontweight="bold")
    routes = tables.routes[tables.routes["route_type"] == _MAC_IP]
    if routes.empty:
        axes.set_yticks([])
        axes.text(0.5, 0.5, "no MAC/IP routes", ha="center", va="center", transform=axes.transAxes)
        axes.set_xlabel("time (s)")
        return axes
    asked = tables.resolutions.dropna(subset=["target_ip", "ingress_vtep"])
    lane = _lanes(routes)
    names = sorted(set(lane))
    place = {name: index for index, name in enumerate(names)}
    closed = routes["withdrawn_ns"].where(routes["withdrawn_ns"] < FOREVER)
    moments = pd.concat([routes["advertised_ns"], closed.dropna().astype("int64"), tables.resolutions["time_ns"]])
    start, end = int(moments.min()), max(int(moments.max()), int(moments.min()) + 1_000_000)
    end += (end - start) // 50  # room behind the last moment, where open intervals end
    _draw_bars(axes, routes.assign(place=lane.map(place)), start, end)
    _draw_requests(axes, asked, routes.assign(place=lane.map(place)), start)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlim(-(end - start) * 0.02 / 1e9, (end - start) / 1e9)
    axes.grid(axis="x", color="#DDDDDD", linewidth=0.6)
    axes.set_axisbelow(True)
    begin = pd.Timestamp(start, unit="ns").strftime("%Y-%m-%d %H:%M:%S.%f")
    axes.set_xlabel(f"time on the common clock (s after {begin} UTC)")
    _draw_legend(axes, routes, asked)
    return axes


def _lanes(routes: pd.DataFrame) -> pd.Series:
    """Return the lane of each route: receiver and address; less where that makes too many."""
    address = routes["ip"].fillna(routes["mac"].map(mac_text, na_action="ignore").astype("str") + " (MAC only)")
    is_one_segment = len(routes["vni"].dropna().unique()) <= 1
    vni = "" if is_one_segment else routes["vni"].map("  VNI {}".format, na_action="ignore").fillna("")
    at = "at " + routes["receiver_ip"] + ":  "
    choices = (at + address + vni, address + vni, routes["receiver_ip"])
    return next((lane for lane in choices if lane.nunique() <= _LANES_COUNT), routes["receiver_ip"])


def _colours(routes: pd.DataFrame) -> dict[str, str]:
    """Return a colour for each next hop; the last one stands for all further ones."""
    hops = sorted(set(routes["next_hop"].dropna()))
    return {hop: _COLOURS[min(index, len(_COLOURS) - 1)] for index, hop in enumerate(hops)}


def _draw_bars(axes: Axes, routes: pd.DataFrame, start: int, end: int) -> None:
    """Draw the intervals, an edge where a route was seen to come or go; pale where it was not imported."""
    colours: list[tuple[str | None, str]] = [*_colours(routes).items(), (None, "#DDDDDD")]
    begin = (routes["advertised_ns"] - start) / 1e9
    until = (routes["withdrawn_ns"].clip(upper=end) - start) / 1e9
    is_pale = routes["is_imported"].eq(other=False).fillna(value=False).astype(bool)
    for hop, colour in colours:
        is_hop = routes["next_hop"].isna() if hop is None else routes["next_hop"].eq(hop)
        for pale, alpha in ((True, _PALE), (False, _FULL)):
            chosen = is_hop & (is_pale == pale)
            axes.barh(
                routes["place"][chosen], (until - begin)[chosen], left=begin[chosen], height=0.56, color=colour,
                alpha=alpha, zorder=1,
            )  # fmt: skip
    for moments, is_seen in (
        (begin, ~routes["is_preexisting"].astype(bool)),
        (until, routes["withdrawn_ns"] < FOREVER),
    ):
        places = routes["place"][is_seen]
        axes.vlines(moments[is_seen], places - 0.28, places + 0.28, color="#333333", linewidth=1.2, zorder=2)


def _draw_requests(axes: Axes, asked: pd.DataFrame, routes: pd.DataFrame, start: int) -> None:
    """Draw a marker for each request in the lane of its ingress VTEP and target."""
    lanes = routes[["receiver_ip", "ip", "vni", "place"]].dropna(subset="ip").drop_duplicates()
    at = asked.merge(
        lanes, left_on=["ingress_vtep", "target_ip"], right_on=["receiver_ip", "ip"], how="inner",
        suffixes=("", "_route"), validate="many_to_many",
    )  # fmt: skip
    at = at[(at["vni"] == at["vni_route"]) | at["vni"].isna() | at["vni_route"].isna()]
    at = at.drop_duplicates(["id", "place"])
    for outcome, style in STYLES.items():
        chosen = at[at["outcome"] == outcome]
        edge = style.get("edgecolor", "white")
        axes.scatter(
            (chosen["time_ns"] - start) / 1e9, chosen["place"], s=44, marker=style["marker"], color=style["color"],
            edgecolors=edge, linewidths=0.8, zorder=3,
        )  # fmt: skip


def _draw_legend(axes: Axes, routes: pd.DataFrame, asked: pd.DataFrame) -> None:
    """Draw the legend beside the data: VTEPs, and the outcomes that occur."""
    handles: list[Any] = [
        Patch(facecolor=colour, alpha=_FULL, label=f"route to {hop}") for hop, colour in _colours(routes).items()
    ]
    if routes["is_imported"].eq(other=False).fillna(value=False).any():
        handles.append(Patch(facecolor="#888888", alpha=_PALE, label="pale: not imported there"))
    for outcome, style in STYLES.items():
        if (asked["outcome"] == outcome).any():
            look = {"marker": style["marker"], "color": style["color"], "markersize": 7}
            edge = style.get("edgecolor", "white")
            handles.append(Line2D([], [], linestyle="", label=f"asked: {outcome}", markeredgecolor=edge, **look))
    axes.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.01, 1.0), frameon=False, borderaxespad=0.0)

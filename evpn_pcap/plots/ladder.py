"""One resolution and its aftermath across hosts -> a ladder: who sent what to whom, and how sure the order is.

A lifeline for each host, a row for each moment in order of the common clock (not to scale: rows are as
far apart whether a microsecond or a second lies between them). The bar behind a point spans the rows that
its clock's margin reaches: what overlaps may have happened in another order.
"""

from typing import Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from evpn_pcap.errors import OptionError
from evpn_pcap.model import Tables
from evpn_pcap.plots.story import ANSWER, BACK, FIRST, REQUEST, UPDATE, Leg, legs, moments

# Okabe and Ito's colours, and a dash each for print without colour.
STYLES: dict[str, tuple[str, Literal["solid", "dashed", "dotted"]]] = {
    REQUEST: ("#D55E00", "solid"),
    ANSWER: ("#009E73", "solid"),
    FIRST: ("#0072B2", "dashed"),
    BACK: ("#56B4E9", "dashed"),
    UPDATE: ("#CC79A7", "dotted"),
}
_MARGIN_COLOUR = "#BBBBBB"
_GAP_NS = 10_000_000  # a longer pause between two rows is marked


def draw(tables: Tables, axes: Axes, resolution_id: int) -> Axes:
    """Draw the row of RESOLUTIONS with this id; return the Axes.

    Reads RESOLUTIONS, AFTERMATHS, EVENTS, ANCHORS, UPDATES (all on the common clock) and POINTS
    (vtep_ip). Raises OptionError where no resolution has this id.
    """
    rows = tables.resolutions[tables.resolutions["id"] == resolution_id]
    if rows.empty:
        last = tables.resolutions["id"].max()
        known = f"there are 1 to {last}" if len(tables.resolutions) else "there are none"
        raise OptionError(f"no resolution {resolution_id}: {known}")
    resolution = rows.iloc[0]
    found = legs(tables, resolution)
    axes.set_title(_title(resolution), loc="left", fontweight="bold", pad=24)
    axes.spines[:].set_visible(False)
    if not found:
        axes.set_yticks([])
        axes.set_xticks([])
        axes.text(0.5, 0.5, "no host that shows it is on the common clock", ha="center", transform=axes.transAxes)
        return axes
    when = moments(found)
    hosts = _in_order(found)
    place = {host: index for index, host in enumerate(hosts)}
    axes.vlines(range(len(hosts)), -0.6, len(when) - 0.4, color="#999999", linewidth=0.9, zorder=1)
    _draw_legs(axes, found, place, when)
    _draw_pauses(axes, when, len(hosts))
    axes.set_yticks(range(len(when)), _times(when, int(resolution["time_ns"])))
    axes.set_xticks(range(len(hosts)), hosts, fontweight="bold")
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.set_ylim(len(when) - 0.3, -0.7)
    axes.set_xlim(-0.5, len(hosts) - 0.5)
    axes.set_ylabel("time since the request, on the common clock (rows not to scale)")
    _draw_legend(axes, found)
    return axes


def _title(row: pd.Series) -> str:
    asker = row["requester_ip"] if pd.notna(row["requester_ip"]) else "?"
    target = row["target_ip"] if pd.notna(row["target_ip"]) else "its own MAC"
    what = "" if row["kind"] == "resolution" else f" {row['kind']}"
    took = "" if pd.isna(row["latency_ns"]) else f" after {_span(int(row['latency_ns']))}"
    by = "" if row["answered_by"] in ("none", "unknown") else f", answered by {row['answered_by']}{took}"
    return f"{row['id']}: {row['protocol']}{what} {asker} \N{RIGHTWARDS ARROW} {target}: {row['outcome']}{by}"


def _in_order(found: list[Leg]) -> list[str]:
    """Return the hosts from left to right: from where the request begins, and where ways part the longest way last."""
    ordered = sorted(found, key=lambda leg: (leg.kind != REQUEST, leg.from_ns, leg.to_ns))
    following: dict[str, list[str]] = {}
    reached: set[str] = set()
    for leg in ordered:
        reached.add(leg.from_host)
        if leg.to_host not in reached:
            reached.add(leg.to_host)
            following.setdefault(leg.from_host, []).append(leg.to_host)
    roots = [host for host in dict.fromkeys(leg.from_host for leg in ordered) if not _is_among(host, following)]
    return [host for root in roots for host in _from(root, following)]


def _is_among(host: str, following: dict[str, list[str]]) -> bool:
    return any(host in after for after in following.values())


def _from(host: str, following: dict[str, list[str]]) -> list[str]:
    """Return a host and all that follow it, those that nothing follows first."""
    after = sorted(following.get(host, []), key=lambda one: (one in following, one))
    return [host, *(one for root in after for one in _from(root, following))]


def _draw_legs(axes: Axes, found: list[Leg], place: dict[str, int], when: np.ndarray) -> None:
    """Draw each leg as an arrow, with a bar for the margin at either end; the first of each has its label."""
    labelled: set[tuple[str, str]] = set()
    for leg in found:
        colour, dashes = STYLES[leg.kind]
        begin, end = (place[leg.from_host], _row(leg.from_ns, when)), (place[leg.to_host], _row(leg.to_ns, when))
        _draw_margin(axes, begin[0], leg.from_ns, leg.from_margin_ns, when)
        _draw_margin(axes, end[0], leg.to_ns, leg.to_margin_ns, when)
        axes.plot(*zip(begin, end, strict=True), marker="o", markersize=3.6, linestyle="", color=colour, zorder=4)
        if begin != end:
            look = {"arrowstyle": "-|>", "color": colour, "linestyle": dashes, "linewidth": 1.3}
            axes.annotate("", xy=end, xytext=begin, arrowprops=look | {"shrinkA": 2, "shrinkB": 2}, zorder=3)
        if (leg.kind, leg.label) not in labelled:
            labelled.add((leg.kind, leg.label))
            is_leftwards = end[0] < begin[0]
            axes.annotate(
                leg.label, begin, (-6 if is_leftwards else 6, 4), textcoords="offset points", color=colour,
                ha="right" if is_leftwards else "left", va="bottom", fontsize=8, zorder=5,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6, "alpha": 0.8},
            )  # fmt: skip


def _draw_margin(axes: Axes, x: int, time_ns: int, margin_ns: int, when: np.ndarray) -> None:
    """Draw how far up and down the rows a time may belong."""
    if margin_ns:
        low, high = _row(time_ns - margin_ns, when), _row(time_ns + margin_ns, when)
        axes.plot([x, x], [low, high], color=_MARGIN_COLOUR, linewidth=6, alpha=0.35, solid_capstyle="butt", zorder=2)


def _row(time_ns: int, when: np.ndarray) -> float:
    """Return the row that a time belongs to; between two rows in proportion, beyond them at most half a row."""
    after = int(np.searchsorted(when, time_ns))
    if after < len(when) and int(when[after]) == time_ns:
        return float(after)
    if after in (0, len(when)):
        return -0.5 if after == 0 else len(when) - 0.5
    step_ns = int(when[after]) - int(when[after - 1])
    return after - 1 + (time_ns - int(when[after - 1])) / step_ns


def _draw_pauses(axes: Axes, when: np.ndarray, host_count: int) -> None:
    """Draw a line where much more time passes than between other rows."""
    for row in np.flatnonzero(np.diff(when) > _GAP_NS):
        axes.hlines(row + 0.5, -0.5, host_count - 0.5, color="#CCCCCC", linewidth=0.8, linestyle=(0, (2, 4)), zorder=0)


def _times(when: np.ndarray, request_ns: int) -> list[str]:
    return [_span(int(at) - request_ns) for at in when]


def _span(span_ns: int) -> str:
    """Return a span in microseconds, or in milliseconds where that is many."""
    return f"{span_ns / 1e3:,.1f} \N{MICRO SIGN}s" if abs(span_ns) < 100_000_000 else f"{span_ns / 1e6:,.3f} ms"


def _draw_legend(axes: Axes, found: list[Leg]) -> None:
    shown = {leg.kind for leg in found}
    handles = [
        Line2D([], [], color=colour, linestyle=dashes, label=kind)
        for kind, (colour, dashes) in STYLES.items()
        if kind in shown
    ]
    handles.append(Line2D([], [], color=_MARGIN_COLOUR, alpha=0.5, linewidth=6, label="margin of its time"))
    axes.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.01, 1.0), frameon=False, borderaxespad=0.0)

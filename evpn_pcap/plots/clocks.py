"""CLOCK_PAIRS and CLOCK_TRACES -> how well the clocks of hosts are known: matched frames, bounds, fit, steps, flags.

One lane for two hosts, those with most frames first. All is drawn less the fit, so that the fit is the lane's middle.
"""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from evpn_pcap.model import Tables

_LANES_COUNT = 12
_THERE, _BACK, _BOUNDS, _BREAK = "#D55E00", "#0072B2", "#DCE6F0", "#F0E442"
_ROOM = 2.5  # a lane shows so many typical half brackets above and below the fit
_BETWEEN = 2.4  # lanes are so many half lanes apart


def draw(tables: Tables, axes: Axes) -> Axes:
    """Draw one lane for two hosts: frames each way, both bounds, the fit, steps and slews, flags; return the Axes.

    Reads CLOCK_PAIRS and CLOCK_TRACES.
    """
    pairs = tables.clock_pairs[tables.clock_pairs["offset_ns"].notna()]
    axes.set_title("clocks of two hosts: matched frames and bounds, less the fit", loc="left", fontweight="bold")
    if pairs.empty:
        axes.set_yticks([])
        axes.text(0.5, 0.5, "no two hosts saw frames both ways", ha="center", va="center", transform=axes.transAxes)
        axes.set_xlabel("time (s)")
        return axes
    count = pairs["there_packet_count"] + pairs["back_packet_count"]
    chosen = pairs.assign(count=count).sort_values("count", ascending=False, kind="stable").head(_LANES_COUNT)
    traces = tables.clock_traces.groupby(["first_host", "second_host"], sort=False)
    ticks: list[tuple[float, str]] = []
    for lane, row in enumerate(chosen.to_dict("records")):
        trace = traces.get_group((row["first_host"], row["second_host"]))
        middle, room = -_BETWEEN * lane, _ROOM * max(int(row["margin_ns"]), 1)
        _lane(axes, trace, int(row["first_ns"]), middle, room)
        flags = f"  ({row['flags']})" if row["flags"] else ""
        name = f"{row['second_host']} \N{MINUS SIGN} {row['first_host']}{flags}"
        half = int(row["margin_ns"])
        ticks += [
            (middle + half / room, f"+{half / 1e3:.1f} us"),
            (middle, name),
            (middle - half / room, f"\N{MINUS SIGN}{half / 1e3:.1f} us"),
        ]
    axes.set_yticks([at for at, _ in ticks], [text for _, text in ticks])
    axes.set_ylim(-_BETWEEN * (len(chosen) - 1) - 1.15, 1.15)
    axes.set_xlabel("seconds since the pair's first matched frame, by the clock of the host named second")
    axes.grid(axis="x", color="#DDDDDD", linewidth=0.6)
    axes.set_axisbelow(True)
    _legend(axes)
    return axes


def _lane(axes: Axes, trace: pd.DataFrame, begin_ns: int, middle: float, room: float) -> None:
    """Draw one pair around `middle`; `room` (ns) is half the lane."""
    course = trace[trace["kind"] == "course"].sort_values("at_ns", kind="stable")
    x = (course["at_ns"].to_numpy() - begin_ns) / 1e9
    fit = course["offset_ns"].to_numpy(np.int64)
    lower, upper = (_placed(course[name].to_numpy(np.int64) - fit, middle, room) for name in ("lower_ns", "upper_ns"))
    axes.fill_between(x, lower, upper, color=_BOUNDS, linewidth=0)
    axes.plot(x, lower, color="#5B7FA6", linewidth=0.7)
    axes.plot(x, upper, color="#5B7FA6", linewidth=0.7)
    axes.plot(x, np.full(len(x), middle), color="black", linewidth=0.8)
    for kind, colour, marker in (("there", _THERE, "v"), ("back", _BACK, "^")):
        frames = trace[trace["kind"] == kind]
        at = (frames["at_ns"].to_numpy() - begin_ns) / 1e9
        base = int(fit[0])
        off = frames["offset_ns"].to_numpy(np.int64) - base - np.interp(at, x, (fit - base).astype(float))
        inside = np.abs(off) <= room
        axes.scatter(at[inside], middle + off[inside] / room, s=6, color=colour, marker=marker, linewidth=0, alpha=0.7)
    for change in trace[trace["kind"].isin(["step", "slew"])].to_dict("records"):
        start, stop = (change["at_ns"] - begin_ns) / 1e9, (change["until_ns"] - begin_ns) / 1e9
        axes.fill_between(
            [start, max(stop, start + x[-1] / 400)], middle - 1, middle + 1, color=_BREAK, alpha=0.7, linewidth=0
        )
        axes.annotate(
            f"{change['kind']} {change['offset_ns'] / 1e3:+,.0f} us", (stop, middle + 0.72), xytext=(3, 0),
            textcoords="offset points", fontsize=7, va="center",
        )  # fmt: skip


def _placed(off_ns: np.ndarray, middle: float, room: float) -> np.ndarray:
    """Return where in its lane an offset from the fit is drawn; what is beyond stays at the lane's edge."""
    return np.asarray(middle + np.clip(off_ns / room, -1, 1))


def _legend(axes: Axes) -> None:
    handles = [
        Line2D([], [], linestyle="", marker="v", markersize=4, color=_THERE, label="frame to the host named first"),
        Line2D([], [], linestyle="", marker="^", markersize=4, color=_BACK, label="frame from it"),
        Patch(facecolor=_BOUNDS, edgecolor="#5B7FA6", label="what the frames allow"),
        Line2D([], [], color="black", linewidth=0.8, label="fit"),
        Patch(facecolor=_BREAK, label="clock set or slewed"),
    ]
    below = -0.02 - 0.35 / max(1, len(axes.get_yticks()))
    axes.legend(handles=handles, loc="upper left", bbox_to_anchor=(0, below), ncols=5, frameon=False, fontsize=8)

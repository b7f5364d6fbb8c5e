"""Tables -> figures. Each figure is a file whose `draw(tables, axes)` draws on the given Axes. The only matplotlib."""

import io
from collections.abc import Callable

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from evpn_pcap.model import Tables

_WIDTH_INCHES = 11.0
_FRAME_INCHES = 2.0  # title, axis and legend
_LANE_INCHES = 0.36
# Same tables, same bytes: no date, and identifiers that do not depend on the process.
_METADATA: dict[str, dict[str, str | None]] = {
    "svg": {"Date": None},
    "pdf": {"CreationDate": None},
    "png": {"Software": None},
}


def picture(draw: Callable[[Tables, Axes], Axes], tables: Tables, file_type: str) -> bytes:
    """Return the figure as svg, png or pdf, as high as its lanes ask for."""
    with mpl.rc_context(
        {"svg.hashsalt": "evpn-pcap", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
    ):
        figure = Figure(layout="constrained")
        axes = draw(tables, figure.subplots())
        figure.set_size_inches(_WIDTH_INCHES, _FRAME_INCHES + _LANE_INCHES * max(1, len(axes.get_yticks())))
        out = io.BytesIO()
        figure.savefig(out, format=file_type, dpi=150, metadata=_METADATA[file_type])
    return out.getvalue()

"""Tables and findings -> text of one format. Each format is a file; nothing here prints or writes."""

from collections.abc import Callable
from importlib import import_module

# The modules are named, not imported: `packets` must not pay for Jinja2, nor `--help` for pandas.
ANSWERS = {  # render(analysis) -> text
    "text": "evpn_pcap.report.text",
    "json": "evpn_pcap.report.json",
    "csv": "evpn_pcap.report.csv",
}
FILES = {  # render(analysis, gates, timeline_svg) -> text
    "report.html": "evpn_pcap.report.html",
    "junit.xml": "evpn_pcap.report.junit",
    "summary.md": "evpn_pcap.report.markdown",
}


def renderer(module: str) -> Callable[..., str]:
    """Return the `render` function of a module of ANSWERS or FILES."""
    render: Callable[..., str] = import_module(module).render
    return render

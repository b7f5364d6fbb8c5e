"""Was each ARP and ND resolution of an EVPN fabric suppressed, flooded or learned, and why."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evpn_pcap.model import Analysis, Options
    from evpn_pcap.pipeline import analyze

__version__ = "0.1.0"
__all__ = ["Analysis", "Options", "__version__", "analyze"]


def __getattr__(name: str) -> Any:
    """Load the public names on first use, so that `evpn-pcap --help` starts without pandas."""
    if name == "analyze":
        from evpn_pcap.pipeline import analyze

        return analyze
    if name in ("Analysis", "Options"):
        from evpn_pcap import model

        return getattr(model, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""ANCHORS and POINTS become one ClockFit a host, and any table is put onto the common clock.

Matched frames bound the difference of two clocks from both sides (`matching`, `direction`, `pairs`); the bounds
of pairs add up along paths between hosts (`graph`); `apply` uses the result.
"""

from evpn_pcap.clocks.apply import is_extrapolated, on_common_clock
from evpn_pcap.clocks.fit import Alignment, compare_clocks

__all__ = ["Alignment", "compare_clocks", "is_extrapolated", "on_common_clock"]

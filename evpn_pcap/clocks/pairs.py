"""Matches of two hosts become a curve: bounds on, and an estimate of, the difference of their clocks over time.

A frame that leaves a at a's time x and reaches b gives an upper bound of clock_b - clock_a at x; one that comes from
b a lower bound (clock.md, section 3; Duda et al. 1987). Many frames tell the course of the clocks as well (many.py).
"""

from dataclasses import dataclass

import numpy as np

from evpn_pcap.clocks.curve import Curve
from evpn_pcap.clocks.few import fit_few
from evpn_pcap.clocks.many import fit_many
from evpn_pcap.clocks.matching import Matches
from evpn_pcap.clocks.unsteady import slewing, unsteady

SAMPLE_COUNT = 600  # frames of a pair that are kept to be looked at


@dataclass(frozen=True, slots=True)
class Stamps:
    """Frames between hosts a and b in order of a's time: that time, b's less it (ns), whether a sent them."""

    x_ns: np.ndarray
    y_ns: np.ndarray
    is_upper: np.ndarray

    def thinned(self, count: int) -> "Stamps":
        """Return about `count` of the frames, evenly chosen."""
        rows = slice(None, None, max(1, len(self.x_ns) // count))
        return Stamps(self.x_ns[rows], self.y_ns[rows], self.is_upper[rows])


@dataclass(frozen=True, slots=True)
class PairFit:
    """What the frames of two hosts say about clock_b - clock_a; `curve` is None for one direction only.

    The curve counts ns from `base_x_ns` of a's clock and from a difference of `base_y_ns`.
    """

    a: int
    b: int
    curve: Curve | None
    base_x_ns: int
    base_y_ns: int
    upper_count: int
    lower_count: int
    sample: Stamps  # of many frames, some
    told: Curve | None = None  # the curve with the bounds that are told: its own are to find contradictions with
    loose: Curve | None = None  # and those where clocks of the capture are seen to be set or slewed

    @property
    def matched_count(self) -> int:
        """Frames that the curve rests on."""
        removed = self.curve.mismatch_count if self.curve else 0
        return self.upper_count + self.lower_count - removed

    def bounding(self, *, is_steady: bool) -> Curve | None:
        """Return the curve with the bounds to tell, where all clocks of the capture seem steady or not."""
        return (None if is_steady else self.loose) or self.told


def stamps_of(matches: Matches, order: np.ndarray) -> Stamps:
    """Return the stamps of one pair's matches; `order` as from direction.find_order.

    Of several sightings at one host the last before the frame leaves it, and the first after it came, say most.
    """
    is_upper = order > 0
    x = np.where(is_upper, matches.last_a_ns, matches.first_a_ns)
    y = np.where(is_upper, matches.first_b_ns, matches.last_b_ns) - x
    in_time = np.argsort(x, kind="stable")
    return Stamps(x[in_time], y[in_time], is_upper[in_time])


def fit_pair(a: int, b: int, stamps: Stamps) -> PairFit:
    """Return what the stamps say about two clocks."""
    upper_count = int(stamps.is_upper.sum())
    lower_count = len(stamps.is_upper) - upper_count
    # Differences of clocks may be hours: subtract as integers, only then go to floats.
    base_x, base_y = int(stamps.x_ns[0]), int(np.median(stamps.y_ns))
    curve = told = loose = None
    if upper_count and lower_count:
        x, y = (stamps.x_ns - base_x).astype(float), (stamps.y_ns - base_y).astype(float)
        many = fit_many(x * 1e-9, y * 1e-3, stamps.is_upper)
        found = [one.scaled(1e9, 1e3) for one in many] if many else fit_few(x, y, stamps.is_upper)
        if found:
            curve, edged = found
            told = slewing(edged, x, stamps.is_upper)
            loose = unsteady(told, x, y, stamps.is_upper)
    return PairFit(a, b, curve, base_x, base_y, upper_count, lower_count, stamps.thinned(SAMPLE_COUNT), told, loose)

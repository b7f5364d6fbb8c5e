"""What the frames of one pair of hosts say about the difference of their clocks: bounds, estimate, breaks, flags."""

from dataclasses import dataclass

import numpy as np

STEP, SLEW = "step", "slew"  # kinds of break, and flags
STEP_OR_SLEW = "step-or-slew"  # a step that a slew of 500 ppm could be as well, as far apart as frames are
FEW = "few"  # fewer than five frames a direction
MISMATCHES = "mismatches"  # frames left out that others show to be impossible
CONTRADICTION = "contradiction"  # bounds exclude each other, and nothing explains it
SILENCE = "silence"  # a gap in which a small step would not have shown

Zone = tuple[float, float]  # from when to when


@dataclass(frozen=True, slots=True)
class Break:
    """Between two times the clocks' difference moved by `size`, at once (step) or by and by (slew).

    A clock of a that is set back shows some time twice, one that is set forward leaves some out. Where it is not known
    whose clock was set, the interval ends `again` later if it was a's (earlier if negative); `stop` is the later end.
    """

    start: float
    stop: float
    size: float
    kind: str
    again: float = 0.0
    may_be_slew: bool = False

    def stop_by(self, *, is_a: bool) -> float:
        """Return the end of the interval if it was a's clock that was set, or b's."""
        return self.stop + (min(self.again, 0.0) if is_a else -max(self.again, 0.0))


@dataclass(frozen=True, slots=True)
class Curve:
    """Bounds and estimate at times x, linear in between, far beyond the frames too; breaks; what does not hold."""

    x: np.ndarray
    low: np.ndarray
    high: np.ndarray
    estimate: np.ndarray
    first_x: float  # first and last frame: between them the curve rests on frames
    last_x: float
    breaks: tuple[Break, ...]
    flags: tuple[str, ...]
    mismatch_count: int
    is_smooth: bool  # the estimate is of many frames; otherwise it is the middle of the bounds

    def scaled(self, time: float, value: float) -> "Curve":
        """Return the curve in other units."""
        breaks = tuple(
            Break(b.start * time, b.stop * time, b.size * value, b.kind, b.again * time, b.may_be_slew)
            for b in self.breaks
        )
        return Curve(
            self.x * time, self.low * value, self.high * value, self.estimate * value, self.first_x * time,
            self.last_x * time, breaks, self.flags, self.mismatch_count, self.is_smooth,
        )  # fmt: skip

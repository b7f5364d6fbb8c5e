"""A clock that is wrong: set wrong, running at a wrong rate that wanders, set again, slewed; true time -> its reading.

The rate's random walk is the usual model of a quartz oscillator over minutes (IEEE 1139, random walk frequency noise).
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

SECOND = 10**9


@dataclass(frozen=True, slots=True)
class Clock:
    """How far a host's clock is wrong: reading = true + offset + drift * elapsed + wander (+ steps and slews).

    Times are ns of true time since the start, rates are parts in 10^9 (1000 ppb = 1 ppm).
    """

    offset_ns: int = 0
    drift_ppb: int = 0
    step_ns: int = 0
    step_after_ns: int = 0  # when the clock is set by step_ns
    wander_ppb: float = 0.0  # by how much the rate changes in a second (its standard deviation; grows with the root)
    wander_seed: int = 0
    slew_ppb: int = 0  # how much faster the clock is made to run
    slew_after_ns: int = 0  # from when on
    slew_for_ns: int = 0  # for how long

    def reading(self, true_ns: Any, start_ns: int) -> Any:
        """Return what the clock shows at true moments, an int or an array of int64."""
        elapsed_ns = true_ns - start_ns
        shown = true_ns + self.offset_ns + elapsed_ns * self.drift_ppb // SECOND
        if self.step_ns:
            shown = shown + self.step_ns * (elapsed_ns >= self.step_after_ns)
        if self.slew_ppb:
            slewed_ns = np.clip(elapsed_ns - self.slew_after_ns, 0, self.slew_for_ns)
            shown = shown + slewed_ns * self.slew_ppb // SECOND
        return shown + self._wandered_ns(elapsed_ns) if self.wander_ppb else shown

    def _wandered_ns(self, elapsed_ns: Any) -> Any:
        """Return by how much the wandering rate has moved the clock since the start."""
        seconds = np.maximum(np.asarray(elapsed_ns, np.float64) / SECOND, 0)
        length = 1 << max(10, int(seconds.max(initial=0)).bit_length() + 1)
        wandered = np.interp(seconds, np.arange(length + 1), _walk(self.wander_seed, length)) * self.wander_ppb
        return np.rint(wandered).astype(np.int64) if np.ndim(elapsed_ns) else round(float(wandered))


@lru_cache(maxsize=64)
def _walk(seed: int, length: int) -> np.ndarray:
    """Return, second by second, the sum of a random walk; longer ones begin with the shorter ones."""
    rate = np.cumsum(np.random.default_rng(seed).standard_normal(length))
    return np.concatenate([[0.0], np.cumsum(rate)])

"""The order of two moments on two clocks: before, after, or too close to tell.

Nothing else in the package compares the times of two hosts.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from evpn_pcap.model import FOREVER

if TYPE_CHECKING:
    import numpy as np

BEFORE = "before"
AFTER = "after"
TOO_CLOSE = "too close"
RATE_DOUBT = 0.0003  # two moments this share of their distance apart more in doubt: no clocks part faster by themselves


def order(first_ns: Any, first_margin_ns: Any, second_ns: Any, second_margin_ns: Any) -> "np.ndarray":
    """Return, elementwise, whether the first moment was before or after the second.

    Each margin bounds the error of its own time on the common clock, so two moments are told
    apart only when they are further apart than both margins together. Equal times with no margin
    are too close to tell. Arguments are int64 ns, scalars or arrays; returns an array of words.
    """
    return order_within(first_ns, second_ns, _together(first_margin_ns, second_margin_ns))


def order_within(first_ns: Any, second_ns: Any, doubt_ns: Any) -> "np.ndarray":
    """Return, elementwise, the order of two moments whose difference may be wrong by `doubt_ns` (PairMargins.doubt)."""
    import numpy as np  # only here: the words above are needed without it

    apart = np.asarray(second_ns, dtype=np.int64) - np.asarray(first_ns, dtype=np.int64)
    doubt = np.asarray(doubt_ns, dtype=np.int64)
    return np.select([apart > doubt, apart < -doubt], [BEFORE, AFTER], TOO_CLOSE)


def _together(first_margin_ns: Any, second_margin_ns: Any) -> "np.ndarray":
    """Return the sum of two margins; FOREVER (a host not aligned) is never added to."""
    import numpy as np

    one, other = np.asarray(first_margin_ns, dtype=np.int64), np.asarray(second_margin_ns, dtype=np.int64)
    return np.asarray(one + np.minimum(other, FOREVER - one))


@dataclass(frozen=True, slots=True)
class PairMargins:
    """How far the difference of times of two hosts, on the common clock, may be wrong.

    Two hosts whose frames were matched know each other better than through the reference: the
    bracket between them is what all paths between them prove (clock.md, section 6), not the sum of
    two margins. `row` numbers pairs of hosts (symmetric; -1 where only the margins are known);
    `doubt_ns` has one row a pair and one column for each of `moments_ns`, and is linear in between.
    """

    hosts: tuple[str, ...]
    row: "np.ndarray"
    moments_ns: "np.ndarray"
    doubt_ns: "np.ndarray"

    def doubt(
        self,
        first_host: Any,
        first_ns: Any,
        first_margin_ns: Any,
        second_host: Any,
        second_ns: Any,
        second_margin_ns: Any,
    ) -> "np.ndarray":
        """Return, elementwise, the bound on the error of second_ns - first_ns (int64 ns).

        Never more than both margins together; for two times of one host what its clock may drift between them;
        FOREVER where one of two hosts is not aligned.
        """
        import numpy as np

        first_ns, second_ns = np.asarray(first_ns, np.int64), np.asarray(second_ns, np.int64)
        sum_ns = _together(first_margin_ns, second_margin_ns)
        one, other = self._number(first_host), self._number(second_host)
        same = (one == other) & (one >= 0)
        drift_ns = np.where(same, np.abs(second_ns - first_ns) * RATE_DOUBT, 0).astype(np.int64)
        if not len(self.doubt_ns) or len(self.moments_ns) < 2:
            return np.where(same, drift_ns, sum_ns)
        pair = np.where((one < 0) | (other < 0), -1, self.row[one, other])
        at, then = (np.searchsorted(self.moments_ns, when, side="right") - 1 for when in (first_ns, second_ns))
        is_known = (pair >= 0) & (np.abs(at - then) <= 1) & (np.minimum(at, then) >= 0)
        is_known &= np.maximum(at, then) < len(self.moments_ns) - 1
        row = np.where(is_known, pair, 0)
        between = np.maximum(self._at(row, at, first_ns), self._at(row, then, second_ns))
        apart = np.abs(np.where(is_known, second_ns - first_ns, 0))
        crossed = np.where(
            at == then, 0, self.doubt_ns[row, np.clip(np.maximum(at, then), 0, len(self.moments_ns) - 1)]
        )
        between = np.maximum(between, crossed) + np.ceil(apart * RATE_DOUBT).astype(np.int64)
        return np.where(same, drift_ns, np.where(is_known, np.minimum(between, sum_ns), sum_ns))

    def _at(self, row: "np.ndarray", interval: "np.ndarray", when_ns: "np.ndarray") -> "np.ndarray":
        """Return the doubt of pairs at times within known intervals."""
        import numpy as np

        start = np.clip(interval, 0, len(self.moments_ns) - 2)
        length = self.moments_ns[start + 1] - self.moments_ns[start]
        share = np.clip((when_ns - self.moments_ns[start]) / length, 0, 1)
        first, last = self.doubt_ns[row, start], self.doubt_ns[row, start + 1]
        return np.asarray(first + np.ceil((last - first) * share).astype(np.int64))

    def _number(self, host: Any) -> "np.ndarray":
        """Return the numbers of hosts by name, -1 for others."""
        import numpy as np
        import pandas as pd

        return np.asarray(pd.Index(self.hosts, dtype=object).get_indexer(pd.Index(np.asarray(host, dtype=object))))

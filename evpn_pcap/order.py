"""The order of two moments on two clocks: before, after, or too close to tell.

Nothing else in the package compares the times of two hosts.
"""

from typing import TYPE_CHECKING, Any

from evpn_pcap.model import FOREVER

if TYPE_CHECKING:
    import numpy as np

BEFORE = "before"
AFTER = "after"
TOO_CLOSE = "too close"


def order(first_ns: Any, first_margin_ns: Any, second_ns: Any, second_margin_ns: Any) -> "np.ndarray":
    """Return, elementwise, whether the first moment was before or after the second.

    Each margin bounds the error of its own time on the common clock, so two moments are told
    apart only when they are further apart than both margins together. Equal times with no margin
    are too close to tell. Arguments are int64 ns, scalars or arrays; returns an array of words.
    """
    import numpy as np  # only here: the words above are needed without it

    apart = np.asarray(second_ns, dtype=np.int64) - np.asarray(first_ns, dtype=np.int64)
    one, other = np.asarray(first_margin_ns, dtype=np.int64), np.asarray(second_margin_ns, dtype=np.int64)
    doubt = one + np.minimum(other, FOREVER - one)  # FOREVER (a host not aligned) is never added to
    return np.select([apart > doubt, apart < -doubt], [BEFORE, AFTER], TOO_CLOSE)

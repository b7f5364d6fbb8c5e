"""Regimes between breaks become one curve: over each border the bounds of both, beyond the frames ever wider ones."""

from collections.abc import Sequence

import numpy as np

from evpn_pcap.clocks.curve import Break, Curve, Zone
from evpn_pcap.clocks.edges import Edges
from evpn_pcap.clocks.regime import Regime

EPSILON_S = 1e-6
NEAR_S, FAR_S = 20.0, 1e6
FAR_RHO_PPM = 100.0  # beyond the frames, after NEAR_S, the rate is known no better (clock.md, section 5)


def joined(
    regimes: list[Regime], borders: list[Zone], changes: list[Break], ends: Zone, edges: Sequence[Edges | None]
) -> list[Curve]:
    """Return the curve of all regimes, one for each of `edges`, in which clocks may be slewed (Regime.bounds_with).

    `borders` are from when to when each regime gives way to the next, `changes` what happened there,
    `ends` the first and the last frame.
    """
    begin_x, end_x = ends
    parts: list[tuple[np.ndarray, ...]] = []
    begin = -np.inf
    for number, regime in enumerate(regimes):
        end = borders[number][0] if number < len(borders) else np.inf
        knots = knots_of(regime, edges)
        knots = knots[(knots > begin) & (knots < end)]
        knots = np.unique(np.concatenate([knots, [one for one in (begin, end) if np.isfinite(one)]]))
        parts.append((knots, *regime.bounds_with(knots, edges), regime.estimate(knots)))
        if number < len(borders):
            begin = borders[number][1]
            parts.append(_over(end, begin, changes[number], (regime, regimes[number + 1]), edges))
    for regime, at, sign in ((regimes[0], begin_x, -1), (regimes[-1], end_x, 1)):
        beyond_x = np.array([at, at + sign * NEAR_S, at + sign * FAR_S])
        loosened = np.maximum(np.abs(beyond_x - at) - NEAR_S, 0) * FAR_RHO_PPM
        low, high = regime.bounds_with(beyond_x, edges)
        parts.append((beyond_x, low - loosened, high + loosened, regime.estimate(beyond_x)))
    x, low, high, estimate = (np.concatenate(values, axis=-1) for values in zip(*parts, strict=True))
    order = np.argsort(x, kind="stable")
    x, low, high, estimate = x[order], low[:, order], high[:, order], estimate[order]
    low, high = np.minimum(low, high), np.maximum(low, high)
    return [
        Curve(x, least, most, np.clip(estimate, least, most), begin_x, end_x, tuple(changes), (), 0, is_smooth=True)
        for least, most in zip(low, high, strict=True)
    ]


def _over(
    end: float, begin: float, happened: Break, sides: tuple[Regime, Regime], edges: Sequence[Edges | None]
) -> tuple[np.ndarray, ...]:
    """Return times, bounds and estimates over a border: between `end` of one regime and `begin` of the next."""
    inside = np.concatenate([np.linspace(end + EPSILON_S, begin - EPSILON_S, 9), [happened.start, happened.stop]])
    inside = np.unique(np.clip(inside, end + EPSILON_S, max(begin - EPSILON_S, end + EPSILON_S)))
    one, two = (side.bounds_with(inside, edges) for side in sides)
    share = np.clip((inside - happened.start) / max(happened.stop - happened.start, EPSILON_S), 0, 1)
    between = sides[0].estimate(inside) * (1 - share) + sides[1].estimate(inside) * share
    return inside, np.minimum(one[0], two[0]), np.maximum(one[1], two[1]), between


def knots_of(regime: Regime, edges: Sequence[Edges | None] = ()) -> np.ndarray:
    """Return times at which bounds bend: frames that they rest on, the middle between two, where edges end."""
    inner = [at for one in edges if one for at in (one.first, one.last) if regime.start < at < regime.stop]
    knots = np.unique(np.concatenate([[regime.start, regime.stop, *inner], regime.upper_x, regime.lower_x]))
    return np.unique(np.concatenate([knots, (knots[1:] + knots[:-1]) / 2]))

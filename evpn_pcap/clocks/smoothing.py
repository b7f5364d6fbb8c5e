"""Low quantiles of delays become a smooth difference of two clocks: the rate is a random walk, the floor unknown.

Gaussian process with an integrated Wiener kernel: the same posterior as a Kalman filter and Rauch-Tung-Striebel
smoother of offset and rate (Wahba 1978; Rasmussen and Williams 2006, 6.3), with matrices since a regime has few
observations. Times in s, clocks in us, so rates in ppm.
"""

from dataclasses import dataclass

import numpy as np

WANDERS = 1e-5 * 8.0 ** np.arange(12)  # us^2/s^3: rates that change by 0.003 to 300 ppm in the root of a second
SURE_SHARE = 0.8  # the wander is taken so great that this share of its likelihood lies below: bounds rest on it
GATE = 3.0  # standard deviations after which an observation counts less
ROUNDS = 3
LEAST_NOISE_US = 0.5  # stamps are cut to a microsecond
BY_MEDIAN = 1.4826  # standard deviation of a normal distribution, by its median deviation


@dataclass(frozen=True, slots=True)
class Smooth:
    """The posterior of one regime: its course, up to a constant, and how sure differences between times are."""

    origin: float
    times: np.ndarray  # of the observations, from the origin
    wander: float
    inverse: np.ndarray  # of the observations' covariance
    basis: np.ndarray  # level of each direction, and a trend: both unknown
    basis_covariance: np.ndarray
    weights: np.ndarray
    trend: float
    misfit: float  # of the observations, in standard deviations of the model; at least 1

    def course(self, x: np.ndarray) -> np.ndarray:
        """Return the difference of the clocks at times x, up to a constant."""
        return _kernel(x - self.origin, self.times) * self.wander @ self.weights + self.trend * (x - self.origin)

    def spread(self, x: np.ndarray, other: np.ndarray) -> np.ndarray:
        """Return the standard deviation of course(x) - course(other), x in rows, other in columns."""
        points = np.concatenate([x, other]) - self.origin
        cross = _kernel(points, self.times) * self.wander
        own = np.zeros((len(points), 3))
        own[:, 2] = points
        carried = cross @ self.inverse
        rest = own - carried @ self.basis
        loose = rest @ self.basis_covariance
        variance = self.wander * _own(points) - (carried * cross).sum(1) + (loose * rest).sum(1)
        one, two = slice(0, len(x)), slice(len(x), None)
        shared = (
            _kernel(points[one], points[two]) * self.wander - carried[one] @ cross[two].T + loose[one] @ rest[two].T
        )
        return self.misfit * np.sqrt(np.maximum(variance[one, None] + variance[None, two] - 2 * shared, 0))


def smooth(times: np.ndarray, values: np.ndarray, is_upper: np.ndarray) -> Smooth:
    """Return the posterior given low quantiles `values` (us) of each direction at `times` (s), in order of time.

    Needs two observations of a direction, and four in all. What lies far off counts less, as under
    heavier tails (iteratively reweighted).
    """
    origin = float(times.min())
    t = times - origin
    basis = np.stack([is_upper, ~is_upper, t], axis=1).astype(float)
    basis = (
        basis[:, [bool(is_upper.any()), bool((~is_upper).any()), True]]
        if is_upper.all() or not is_upper.any()
        else basis
    )
    unit = _kernel(t, t)
    base_noise = np.where(is_upper, _noise(t, values, is_upper), _noise(t, values, ~is_upper)) ** 2
    noise = base_noise.copy()
    for _ in range(ROUNDS):
        covariance = WANDERS[:, None, None] * unit + np.diag(noise)
        solved = np.linalg.solve(
            covariance, np.broadcast_to(np.column_stack([basis, values]), (len(WANDERS), len(t), 4))
        )
        inner = basis.T @ solved[..., :3]
        level = np.linalg.solve(inner, (basis.T @ solved[..., 3:]))
        residual_weight = solved[..., 3] - (solved[..., :3] @ level)[..., 0]
        misfit = residual_weight @ values
        _, log_size = np.linalg.slogdet(covariance)
        _, log_inner = np.linalg.slogdet(inner)
        likelihood = -(log_size + log_inner + misfit) / 2
        share = np.cumsum(np.exp(likelihood - likelihood.max()))
        best = int(np.searchsorted(share / share[-1], SURE_SHARE))
        residual = noise * residual_weight[best]
        off = np.abs(residual) / np.sqrt(base_noise)
        fresh = base_noise * np.maximum(off / GATE, 1) ** 2
        if np.allclose(fresh, noise, rtol=0.1):
            break
        noise = fresh
    scale = max(1.0, float(misfit[best]) / max(1, len(t) - 3))
    covariance = WANDERS[best] * unit + np.diag(noise)
    inverse = np.linalg.inv(covariance)
    return Smooth(
        origin,
        t,
        float(WANDERS[best]),
        inverse,
        basis,
        np.linalg.inv(inner[best]),
        residual_weight[best],
        float(level[best, 2, 0]),
        float(np.sqrt(scale)),
    )


def _noise(t: np.ndarray, values: np.ndarray, rows: np.ndarray) -> float:
    """Return the standard deviation of one direction's observations, from how far each is off its neighbours' line."""
    t, values = t[rows], values[rows]
    if len(t) < 4:
        return 20.0
    share = (t[1:-1] - t[:-2]) / np.maximum(t[2:] - t[:-2], 1e-9)
    off = values[1:-1] - (values[:-2] * (1 - share) + values[2:] * share)
    expected = np.sqrt(1 + share**2 + (1 - share) ** 2)
    return max(LEAST_NOISE_US, BY_MEDIAN * float(np.median(np.abs(off) / expected)))


def _kernel(s: np.ndarray, t: np.ndarray) -> np.ndarray:
    """Return the covariance of an integrated Wiener process at times s (rows) and t (columns); none before 0."""
    s, t = np.maximum(s, 0)[:, None], np.maximum(t, 0)[None, :]
    least = np.minimum(s, t)
    return least * least * (least / 3 + np.abs(s - t) / 2)


def _own(t: np.ndarray) -> np.ndarray:
    t = np.maximum(t, 0)
    return t * t * t / 3

"""Low quantiles of delays become a smooth difference of two clocks: the rate is a random walk, the floor unknown.

Gaussian process with an integrated Wiener kernel: the same posterior as a Kalman filter and Rauch-Tung-Striebel
smoother of offset and rate (Wahba 1978; Rasmussen and Williams 2006, 6.3), with matrices since a regime has few
observations. Times in s, clocks in us, so rates in ppm.
"""

from dataclasses import dataclass

import numpy as np

WANDERS = 1e-5 * 2.0 ** np.arange(0, 34, 1.5)  # us^2/s^3: rates that change by 0.003 to 300 ppm in the root of a second
SURE_SHARE = 0.8  # bounds rest on a wander so great that this share of its likelihood lies below
GATE = 3.0  # standard deviations after which an observation counts less
ROUNDS = 3
LEAST_NOISE_US = 0.5  # stamps are cut to a microsecond
LIKE_SHARE = 0.1  # noise that changes by less need not be looked at again
BY_MEDIAN = 1.4826  # standard deviation of a normal distribution, by its median deviation


@dataclass(frozen=True, slots=True)
class Smooth:
    """The posterior of one regime: its course, up to a constant, and how sure differences between times are."""

    origin: float
    times: np.ndarray  # of the observations, from the origin
    wander: float
    inverse: np.ndarray  # of the observations' covariance under that wander
    basis: np.ndarray  # level of each direction, and a trend: both unknown
    basis_covariance: np.ndarray
    weights: np.ndarray  # of the likely course: the mean over all wanders by their likelihood
    trend: float
    misfit: float  # of the observations, in standard deviations of the model; at least 1

    @property
    def known(self) -> tuple[float, float]:
        """From when to when both directions have observations before and after."""
        each = [self.times[column > 0] for column in self.basis[:, :-1].T]
        return self.origin + max(one[0] for one in each), self.origin + min(one[-1] for one in each)

    def course(self, x: np.ndarray) -> np.ndarray:
        """Return the difference of the clocks at times x, up to a constant."""
        return np.asarray(kernel(x - self.origin, self.times) @ self.weights + self.trend * (x - self.origin))

    def spread(self, x: np.ndarray, other: np.ndarray) -> np.ndarray:
        """Return the standard deviation of course(x) - course(other), x in rows, other in columns."""
        points = np.concatenate([x, other]) - self.origin
        cross = kernel(points, self.times) * self.wander
        own = np.zeros((len(points), self.basis.shape[1]))
        own[:, -1] = points
        carried = cross @ self.inverse
        rest = own - carried @ self.basis
        loose = rest @ self.basis_covariance
        variance = self.wander * _own(points) - (carried * cross).sum(1) + (loose * rest).sum(1)
        one, two = slice(0, len(x)), slice(len(x), None)
        shared = kernel(points[one], points[two]) * self.wander - carried[one] @ cross[two].T + loose[one] @ rest[two].T
        return self.misfit * np.sqrt(np.maximum(variance[one, None] + variance[None, two] - 2 * shared, 0))


def smooth(times: np.ndarray, values: np.ndarray, is_upper: np.ndarray, own_noise: np.ndarray) -> Smooth:
    """Return the posterior given low quantiles `values` (us) of each direction at `times` (s), in order of time.

    `own_noise` (us) is the standard deviation that the frames behind each tell of it. Needs two observations of a
    direction, and four in all. What lies far off counts less, as under heavier tails (iteratively reweighted).
    """
    origin = float(times.min())
    t = times - origin
    levels = [one for one in (is_upper, ~is_upper) if one.any()]
    basis = np.stack([*levels, t], axis=1).astype(float)
    unit = kernel(t, t)
    seen_noise = np.where(is_upper, _noise(t, values, is_upper), _noise(t, values, ~is_upper))
    base_noise = np.maximum(seen_noise, own_noise) ** 2  # of few observations some agree by chance
    noise = base_noise.copy()
    for _ in range(ROUNDS):
        found = _posterior(unit, noise, basis, values)
        off = np.abs(noise * found.residual_weight) / np.sqrt(base_noise)
        fresh = base_noise * np.maximum(off / GATE, 1) ** 2
        if np.all(np.abs(fresh - noise) <= LIKE_SHARE * noise):
            break
        noise = fresh
    scale = max(1.0, found.misfit / max(1, len(t) - basis.shape[1]))
    return Smooth(
        origin,
        t,
        found.wander,
        found.inverse,
        basis,
        found.basis_covariance,
        found.weights,
        found.trend,
        float(np.sqrt(scale)),
    )


@dataclass(frozen=True, slots=True)
class _Posterior:
    """What observations of known noise say; see Smooth. `residual_weight` and `misfit` are under the sure wander."""

    wander: float
    inverse: np.ndarray
    basis_covariance: np.ndarray
    weights: np.ndarray
    trend: float
    residual_weight: np.ndarray
    misfit: float


def _posterior(unit: np.ndarray, noise: np.ndarray, basis: np.ndarray, values: np.ndarray) -> _Posterior:
    """Return the posterior for all wanders at once: one decomposition makes every covariance diagonal."""
    root = 1 / np.sqrt(noise)
    size, turned = np.linalg.eigh(unit * root[:, None] * root[None, :])
    turned *= root[:, None]
    flat = turned.T @ np.column_stack([basis, values])
    variance = WANDERS[:, None] * np.maximum(size, 0)[None, :] + 1  # of each direction, for each wander
    weighted = flat[None, :, :] / variance[:, :, None]
    shared = flat.T @ weighted
    inner, pull = shared[:, :-1, :-1], shared[:, :-1, -1:]
    level = np.linalg.solve(inner, pull)
    misfit = shared[:, -1, -1] - (pull * level).sum((1, 2))
    likelihood = -(np.log(variance).sum(1) + np.linalg.slogdet(inner)[1] + misfit) / 2
    share = np.exp(likelihood - likelihood.max())
    share /= share.sum()
    best = min(int(np.searchsorted(np.cumsum(share), SURE_SHARE)), len(share) - 1)
    residual = weighted[:, :, -1] - (weighted[:, :, :-1] @ level)[:, :, 0]
    return _Posterior(
        float(WANDERS[best]),
        (turned / variance[best]) @ turned.T,
        np.linalg.inv(inner[best]),
        turned @ ((share * WANDERS) @ residual),
        float(share @ level[:, -1, 0]),
        turned @ residual[best],
        float(misfit[best]),
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


def kernel(s: np.ndarray, t: np.ndarray) -> np.ndarray:
    """Return the covariance of an integrated Wiener process at times s (rows) and t (columns); none before 0."""
    s, t = np.maximum(s, 0)[:, None], np.maximum(t, 0)[None, :]
    least = np.minimum(s, t)
    return least * least * (least / 3 + np.abs(s - t) / 2)


def _own(t: np.ndarray) -> np.ndarray:
    t = np.maximum(t, 0)
    return t * t * t / 3

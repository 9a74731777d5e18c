"""Fréchet distance between two sets of features, from moments that are gathered in parts."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from augan.core.errors import UserError
from augan.metrics.estimate import Estimate, jackknife, with_error

Features = Float[np.ndarray, "_ d"]
BLOCK = 4_096


class Moments:
    """Mean and covariance of features that come in parts; memory does not grow with their number.

    Parts are joined in float64 by the pairwise update of Chan, Golub and LeVeque (1979): the result does not depend on
    how the features were cut, up to rounding.
    """

    def __init__(self, dimensions: int) -> None:
        self.count = 0
        self._mean = torch.zeros(dimensions, dtype=torch.float64)
        self._scatter = torch.zeros(dimensions, dimensions, dtype=torch.float64)

    def add(self, features: Features) -> Moments:
        """Takes in some more items (n, d)."""
        if not len(features):
            return self
        values = torch.from_numpy(np.ascontiguousarray(features)).double()
        mean = values.mean(0)
        centred = values - mean
        shift, total = mean - self._mean, self.count + len(values)
        self._scatter.addmm_(centred.T, centred)
        self._scatter.addr_(shift, shift, alpha=self.count * len(values) / total)
        self._mean += shift * (len(values) / total)
        self.count = total
        return self

    @property
    def mean(self) -> Float[np.ndarray, " d"]:
        """(d,)"""
        return self._mean.numpy().copy()

    @property
    def covariance(self) -> Float[np.ndarray, "d d"]:
        """(d, d), unbiased.

        Raises:
            UserError: fewer than 2 items.
        """
        if self.count < 2:
            raise UserError(f"A covariance needs at least 2 items, and there are {self.count}.")
        return (self._scatter / (self.count - 1)).numpy()


def moments(features: Features) -> tuple[Float[np.ndarray, " d"], Float[np.ndarray, "d d"]]:
    """Mean and unbiased covariance in float64."""
    found = Moments(features.shape[1])
    for start in range(0, len(features), BLOCK):
        found.add(features[start : start + BLOCK])
    return found.mean, found.covariance


def frechet_from_moments(
    mean_a: np.ndarray, covariance_a: np.ndarray, mean_b: np.ndarray, covariance_b: np.ndarray
) -> float:
    """|mu_a - mu_b|^2 + tr(A + B - 2 (A B)^(1/2)) (arXiv:1706.08500, equation 6), at least 0.

    tr (A B)^(1/2) is the sum of the roots of the eigenvalues of R' B R for any R with R R' = A, which is symmetric: no
    complex numbers appear, and singular covariances need no offset. R is the Cholesky factor where A has one, else the
    symmetric root.
    """
    a, b = torch.from_numpy(np.ascontiguousarray(covariance_a)), torch.from_numpy(np.ascontiguousarray(covariance_b))
    root, failed = torch.linalg.cholesky_ex(a)
    if failed:
        values, vectors = torch.linalg.eigh(a)
        root = vectors * values.clamp_min(0).sqrt()
    cross = float(torch.linalg.eigvalsh(root.T @ b @ root).clamp_min(0).sqrt().sum())
    shift = mean_a - mean_b
    return max(0.0, float(shift @ shift + np.trace(covariance_a) + np.trace(covariance_b) - 2 * cross))


def frechet_distance(a: Features, b: Features) -> float:
    """The Fréchet distance between Gaussians fitted to two sets of features; 0 for equal moments.

    It is biased upwards by few items: compare only values with equal counts and the same features. Where there are no
    more items than dimensions, covariances are singular, and the trace is taken from the items themselves: with
    centred features X, Y, tr (A B)^(1/2) is the sum of the singular values of X Y' / sqrt((n - 1)(m - 1))
    (arXiv:2009.14075). The value is as exact, and more biased.
    """
    if min(len(a), len(b)) < 2:
        raise UserError(f"A covariance needs at least 2 items, and there are {min(len(a), len(b))}.")
    if max(len(a), len(b)) > a.shape[1]:
        return frechet_from_moments(*moments(a), *moments(b))
    (x, mean_a), (y, mean_b) = _centred(a), _centred(b)
    scale_a, scale_b = len(a) - 1, len(b) - 1
    cross = float(torch.linalg.svdvals(x @ y.T).sum()) / (scale_a * scale_b) ** 0.5
    trace = float((x**2).sum()) / scale_a + float((y**2).sum()) / scale_b
    return max(0.0, float(((mean_a - mean_b) ** 2).sum()) + trace - 2 * cross)


def _centred(features: Features) -> tuple[Tensor, Tensor]:
    values = torch.from_numpy(np.ascontiguousarray(features)).double()
    mean = values.mean(0)
    return values - mean, mean


def frechet_estimate(a: Features, b: Features, groups: int = 10, seed: int = 0) -> Estimate:
    """`frechet_distance` with its standard error by the delete-a-group jackknife.

    The interval is about this many items, bias included: it does not reach for the distance of infinitely many.
    """
    value = frechet_distance(a, b)
    groups = min(groups, len(a) // 2, len(b) // 2)
    if groups < 2:
        return Estimate(value)
    error = jackknife(lambda i, j: frechet_distance(a[i], b[j]), (len(a), len(b)), groups, seed)
    return with_error(value, error, least=0.0)


POINTS = 8
REPEATS = 4


def frechet_infinity(real: Features, fake: Features, error: float | None = None, seed: int = 0) -> Estimate:
    """The Fréchet distance of infinitely many items, by extrapolation (arXiv:1911.07023).

    The bias is close to linear in 1 / n: distances between random subsets of n items a side, at 8 values of 1 / n from
    the whole down to half of it, 4 subsets each, are fitted by a line, whose value at 1 / n = 0 this is. Unlike the
    paper, which keeps all real items, both sides are cut: else the bias from few real items would stay. It may fall
    below 0 by chance.

    Args:
        error: the standard error of `frechet_estimate` for these items, if it is known; else it is computed. The error
            of the extrapolation is joined with the spread of the four lines.

    Raises:
        UserError: half of the smaller side is not more than the dimensions; there the bias is not linear.
    """
    most, dimensions = min(len(real), len(fake)), real.shape[1]
    if most // 2 <= dimensions:
        raise UserError(
            f"Extrapolating the Fréchet distance needs more than {2 * dimensions} items a side, "
            f"twice the dimensions, and there are {most}."
        )
    inverses = np.linspace(1 / most, 2 / most, POINTS)
    lines = []
    for repeat in range(REPEATS):
        random = np.random.default_rng([seed, repeat])
        values = []
        for count in np.round(1 / inverses).astype(int):
            chosen = [random.permutation(len(side))[:count] for side in (real, fake)]
            values.append(frechet_distance(real[chosen[0]], fake[chosen[1]]))
        lines.append(np.polyfit(inverses, values, 1)[1])
    if error is None:
        error = frechet_estimate(real, fake, seed=seed).error or 0.0
    return with_error(float(np.mean(lines)), float(np.hypot(error, np.std(lines, ddof=1) / REPEATS**0.5)))

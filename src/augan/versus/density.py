"""A Gaussian mixture fitted to latents afterwards: how a deterministic autoencoder is sampled (arXiv:1903.12436)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from augan.core.rng import numpy_stream

COMPONENTS = 10
"""As published (arXiv:1903.12436, section 5)."""
PASSES = 100
TOLERANCE = 1e-3
RIDGE = 1e-3
"""Added to each component's covariance, as a share of the latents' mean variance."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Mixture:
    """Gaussians with full covariances.

    Attributes:
        weights: (k,), sum 1. means: (k, d). factors: (k, d, d), lower Cholesky factors of the covariances.
        passes: of expectation and maximisation that were needed.
    """

    weights: Float[Tensor, " k"]
    means: Float[Tensor, "k d"]
    factors: Float[Tensor, "k d d"]
    passes: int

    def log_density(self, points: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        """In nats, (n,)."""
        return torch.logsumexp(self._joint(points), 1)

    def _joint(self, points: Tensor) -> Tensor:
        """log weight + log density of each component, (n, k)."""
        centred = (points.double()[None] - self.means[:, None]).transpose(1, 2)
        squares = torch.linalg.solve_triangular(self.factors, centred, upper=False).square().sum(1)
        size = self.factors.diagonal(dim1=1, dim2=2).log().sum(1) + 0.5 * points.shape[1] * math.log(2 * math.pi)
        return (self.weights.log() - size)[None] - 0.5 * squares.T

    def sample(self, count: int, seed: int) -> Float[Tensor, "n d"]:
        """Points, (count, d) float32."""
        random = numpy_stream(seed, "mixture sample")
        which = torch.from_numpy(random.choice(len(self.weights), count, p=self.weights.numpy()))
        noise = torch.from_numpy(random.standard_normal((count, self.means.shape[1])))
        return (self.means[which] + torch.einsum("nij,nj->ni", self.factors[which], noise)).float()


def fit_mixture(points: Float[Tensor, "n d"], seed: int = 0, components: int = COMPONENTS) -> Mixture:
    """The mixture by expectation and maximisation from k-means++ starts; fewer components where points are few."""
    x = points.double()
    count, size = x.shape
    components = max(1, min(components, count // 2))
    ridge = RIDGE * float(x.var(0).mean()) + 1e-12
    nearest = torch.cdist(x, _starts(x, components, seed)).argmin(1)
    shares = torch.nn.functional.one_hot(nearest, components).double()
    before = -math.inf
    for number in range(1, PASSES + 1):
        found = _maximised(x, shares, ridge, number)
        joint = found._joint(x)
        level = torch.logsumexp(joint, 1)
        shares = (joint - level[:, None]).exp()
        now = float(level.mean()) / size
        if now - before < TOLERANCE / size:
            break
        before = now
    return found


def _starts(x: Tensor, components: int, seed: int) -> Tensor:
    """k-means++: each next centre in proportion to its squared distance from those that are there."""
    random = numpy_stream(seed, "mixture start")
    centres = x[random.integers(len(x))][None]
    while len(centres) < components:
        chances = torch.cdist(x, centres).square().min(1).values.numpy()
        total = chances.sum()
        chosen = random.choice(len(x), p=chances / total if total > 0 else np.full(len(x), 1 / len(x)))
        centres = torch.cat([centres, x[chosen][None]])
    return centres


def _maximised(x: Tensor, shares: Tensor, ridge: float, passes: int) -> Mixture:
    counts = shares.sum(0).clamp_min(1e-9)
    means = shares.T @ x / counts[:, None]
    eye = torch.eye(x.shape[1], dtype=x.dtype)
    factors = []
    for part, mean, total in zip(shares.T, means, counts, strict=True):
        centred = x - mean
        factors.append(torch.linalg.cholesky((centred * part[:, None]).T @ centred / total + ridge * eye))
    return Mixture(weights=counts / counts.sum(), means=means, factors=torch.stack(factors), passes=passes)

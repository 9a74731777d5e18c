"""Fréchet distance between two sets of features."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from augan.core.errors import UserError

Features = Float[np.ndarray, "_ d"]


def moments(features: Features) -> tuple[Float[np.ndarray, " d"], Float[np.ndarray, "d d"]]:
    """Mean and unbiased covariance in float64."""
    if len(features) < 2:
        raise UserError(f"A covariance needs at least 2 items, and there are {len(features)}.")
    values = features.astype(np.float64)
    return values.mean(0), np.atleast_2d(np.cov(values, rowvar=False))


def frechet_from_moments(
    mean_a: np.ndarray, covariance_a: np.ndarray, mean_b: np.ndarray, covariance_b: np.ndarray
) -> float:
    """|mu_a - mu_b|^2 + tr(A + B - 2 (A B)^(1/2)) (arXiv:1706.08500, equation 6), at least 0.

    tr (A B)^(1/2) is the sum of the roots of the eigenvalues of A^(1/2) B A^(1/2), which is symmetric: no complex
    numbers appear, and singular covariances need no offset.
    """
    values, vectors = np.linalg.eigh(covariance_a)
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    cross = np.sqrt(np.linalg.eigvalsh(root @ covariance_b @ root).clip(0)).sum()
    shift = mean_a - mean_b
    return max(0.0, float(shift @ shift + np.trace(covariance_a) + np.trace(covariance_b) - 2 * cross))


def frechet_distance(a: Features, b: Features) -> float:
    """The Fréchet distance between Gaussians fitted to two sets of features; 0 for equal moments.

    It is biased upwards by few items: compare only values with equal counts and the same features.
    """
    return frechet_from_moments(*moments(a), *moments(b))

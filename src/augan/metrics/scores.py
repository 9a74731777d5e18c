"""Inception score: what a classifier makes of the samples."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from augan.core.errors import UserError
from augan.metrics.estimate import Estimate, with_error

SPLITS = 10


def inception_score(probabilities: Float[np.ndarray, "n k"], splits: int = SPLITS, seed: int = 0) -> Estimate:
    """exp E KL(p(y|x) || p(y)) (arXiv:1606.03498, section 4): from 1 to the number of classes, higher is better.

    It never looks at real images, and does not see modes lost within a class. The value is the mean over `splits`
    parts of the samples in random order, as usually reported; the error is that of this mean.

    Raises:
        UserError: fewer samples than splits.
    """
    if len(probabilities) < splits:
        raise UserError(f"The inception score over {splits} parts needs as many samples, not {len(probabilities)}.")
    order = np.random.default_rng(seed).permutation(len(probabilities))
    values = inception_score_of_parts(probabilities[order], splits)
    error = float(values.std(ddof=1) / splits**0.5) if splits > 1 else 0.0
    return with_error(float(values.mean()), error, least=1.0, most=float(probabilities.shape[1]))


def inception_score_of_parts(
    probabilities: Float[np.ndarray, "n k"], splits: int = SPLITS
) -> Float[np.ndarray, " splits"]:
    """The score of each of `splits` consecutive parts."""
    values = []
    count = len(probabilities)
    for part in range(splits):
        chosen = probabilities[part * count // splits : (part + 1) * count // splits].astype(np.float64)
        marginal = chosen.mean(0)
        with np.errstate(divide="ignore", invalid="ignore"):
            terms = np.where(chosen > 0, chosen * (np.log(chosen) - np.log(marginal)), 0.0)
        values.append(np.exp(terms.sum(1).mean()))
    return np.array(values)

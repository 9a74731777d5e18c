"""Precision and recall by nearest neighbours."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from augan.core.errors import UserError

Features = Float[np.ndarray, "_ d"]


def _distances(a: Tensor, b: Tensor) -> Tensor:
    return torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist")


def neighbour_radii(features: Features, neighbours: int = 3) -> Float[np.ndarray, " n"]:
    """Each item's distance to its `neighbours`-th nearest other item."""
    if len(features) <= neighbours:
        raise UserError(f"Precision and recall with {neighbours} neighbours need more than {neighbours} items.")
    values = torch.from_numpy(features).double()
    chunks = [_distances(part, values).kthvalue(neighbours + 1).values for part in values.split(1024)]
    return torch.cat(chunks).numpy()


def covered(points: Features, support: Features, radii: Float[np.ndarray, " _"]) -> float:
    """The share of `points` that lie within the radius of at least one item of `support`."""
    base, reach = torch.from_numpy(support).double(), torch.from_numpy(radii).double()
    inside = [
        (_distances(part, base) <= reach).any(1).double() for part in torch.from_numpy(points).double().split(1024)
    ]
    return float(torch.cat(inside).mean())


def precision_recall(real: Features, fake: Features, neighbours: int = 3) -> tuple[float, float]:
    """(precision, recall) of arXiv:1904.06991, equation 1: shares of generated items near the real manifold, and
    of real items near the generated one. Both from 0 to 1, higher is better."""
    return (
        covered(fake, real, neighbour_radii(real, neighbours)),
        covered(real, fake, neighbour_radii(fake, neighbours)),
    )


def nearest_distances(points: Features, support: Features) -> Float[np.ndarray, " n"]:
    """Each point's distance to the nearest item of `support`."""
    base = torch.from_numpy(support).double()
    parts = torch.from_numpy(points).double().split(1024)
    return torch.cat([_distances(part, base).amin(1) for part in parts]).numpy()

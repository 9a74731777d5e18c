"""How different samples are from one another."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int64

from augan.metrics.manifold import nearest_neighbours
from augan.metrics.memorisation import evenly

Features = Float[np.ndarray, "_ d"]
Labels = Int64[np.ndarray, " _"] | None


def diversity(real: Features, fake: Features, real_labels: Labels = None, fake_labels: Labels = None) -> float:
    """Mean pairwise distance within generated classes over that within the same real classes; near 0 is collapse.

    Without labels on both sides, all images are one class. Classes with fewer than 2 images on a side are left out.
    """
    if real_labels is None or fake_labels is None:
        return _spread(fake) / max(_spread(real), 1e-12)
    spreads = _by_class(real, fake, real_labels, fake_labels)
    if not spreads:
        return 0.0
    return sum(ours for ours, _ in spreads.values()) / max(sum(theirs for _, theirs in spreads.values()), 1e-12)


def class_diversity(
    real: Features, fake: Features, real_labels: Int64[np.ndarray, " _"], fake_labels: Int64[np.ndarray, " _"]
) -> dict[int, float]:
    """The same for each class with at least 2 images on both sides."""
    spreads = _by_class(real, fake, real_labels, fake_labels)
    return {label: ours / max(theirs, 1e-12) for label, (ours, theirs) in spreads.items()}


def concentration(real: Features, fake: Features) -> float:
    """The largest share of samples that have the same real item as their nearest one; 1 is one image for all latents.

    Of n samples that are spread as the data a percent or two is usual, as some items lie near many (hubs).
    """
    nearest = nearest_neighbours(fake, real).indices[:, 0]
    return float(np.unique(nearest, return_counts=True)[1].max() / len(fake))


def _by_class(
    real: Features, fake: Features, real_labels: Int64[np.ndarray, " _"], fake_labels: Int64[np.ndarray, " _"]
) -> dict[int, tuple[float, float]]:
    """(generated, real) mean distances within each class."""
    return {
        int(label): (_spread(fake[fake_labels == label]), _spread(real[real_labels == label]))
        for label in np.unique(fake_labels)
        if (real_labels == label).sum() > 1 and (fake_labels == label).sum() > 1
    }


def _spread(features: Features, limit: int = 500) -> float:
    """Mean distance between different items (`limit` of them at most, evenly chosen)."""
    values = evenly(features, limit).astype(np.float64)
    squares = (values**2).sum(1)
    squared = (squares[:, None] + squares - 2 * values @ values.T).clip(0)
    count = len(values)
    return float(np.sqrt(squared).sum() / (count * (count - 1)))

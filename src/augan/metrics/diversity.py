"""How different samples are from one another."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int64

from augan.metrics.memorisation import evenly

Features = Float[np.ndarray, "_ d"]
Labels = Int64[np.ndarray, " _"] | None


def diversity(real: Features, fake: Features, real_labels: Labels = None, fake_labels: Labels = None) -> float:
    """Mean pairwise distance within generated classes over that within the same real classes; near 0 is collapse.

    Without labels on both sides, all images are one class. Classes with fewer than 2 images on a side are left out.
    """
    if real_labels is None or fake_labels is None:
        return _spread(fake) / max(_spread(real), 1e-12)
    chosen = [
        label
        for label in np.unique(fake_labels)
        if (real_labels == label).sum() > 1 and (fake_labels == label).sum() > 1
    ]
    if not chosen:
        return 0.0
    ours = sum(_spread(fake[fake_labels == label]) for label in chosen)
    return ours / max(sum(_spread(real[real_labels == label]) for label in chosen), 1e-12)


def _spread(features: Features, limit: int = 500) -> float:
    """Mean distance between different items (`limit` of them at most, evenly chosen)."""
    values = evenly(features, limit).astype(np.float64)
    squares = (values**2).sum(1)
    squared = (squares[:, None] + squares - 2 * values @ values.T).clip(0)
    count = len(values)
    return float(np.sqrt(squared).sum() / (count * (count - 1)))

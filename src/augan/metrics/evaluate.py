"""All measures of one set of images against another, from features computed once."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int64

from augan.core.errors import UserError
from augan.metrics.frechet import frechet_distance
from augan.metrics.in_domain import Extractor
from augan.metrics.manifold import nearest_distances, neighbour_radii, precision_recall

Features = Float[np.ndarray, "_ d"]
Labels = Int64[np.ndarray, " _"] | None


@dataclass(frozen=True, kw_only=True)
class Quality:
    """Measures of generated images against real ones, with what is needed to compare them.

    Attributes:
        frechet: Fréchet distance in the feature space; 0 is best.
        precision: share of generated images near real ones; recall: share of real images near generated ones.
        agreement: share of generated images that a classifier takes for the class that was asked for.
        class_agreement: the same for each class.
        diversity: mean distance between generated images of a class, as a share of that between real ones.
        near_copies: share of generated images nearer to a real image than 99 % of real images are to one another.
        features, features_hash: the feature space.
        classifier_accuracy: of the classifier on held-out real images.
        real_images, fake_images: how many were compared.
    """

    frechet: float
    precision: float
    recall: float
    agreement: float | None
    class_agreement: dict[str, float] | None
    diversity: float
    near_copies: float
    features: str
    features_hash: str
    classifier_accuracy: float | None
    real_images: int
    fake_images: int

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def measure(
    extractor: Extractor,
    real: Features,
    fake: Features,
    real_labels: Labels = None,
    fake_labels: Labels = None,
) -> Quality:
    """Every measure of `fake` features against `real` ones.

    Raises:
        UserError: fewer than 5 items on a side, or values that are not finite.
    """
    for name, values in (("real", real), ("generated", fake)):
        if len(values) < 5:
            raise UserError(f"Measures need at least 5 images on each side; there are {len(values)} {name} ones.")
        if not np.isfinite(values).all():
            raise UserError(f"The features of the {name} images are not finite: the images hold NaN or infinity.")
    precision, recall = precision_recall(real, fake)
    agreement, by_class = _agreement(extractor, fake, fake_labels)
    return Quality(
        frechet=frechet_distance(real, fake),
        precision=precision,
        recall=recall,
        agreement=agreement,
        class_agreement=by_class,
        diversity=diversity(real, fake, real_labels, fake_labels),
        near_copies=_near_copies(real, fake),
        features=extractor.name,
        features_hash=extractor.hash,
        classifier_accuracy=extractor.accuracy,
        real_images=len(real),
        fake_images=len(fake),
    )


def _agreement(extractor: Extractor, fake: Features, labels: Labels) -> tuple[float | None, dict[str, float] | None]:
    if labels is None or extractor.head is None:
        return None, None
    right = extractor.probabilities(fake).argmax(1) == labels
    names = extractor.item.class_names or ()
    by_class = {names[label]: float(right[labels == label].mean()) for label in np.unique(labels)}
    return float(right.mean()), by_class


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
    values = _evenly(features, limit).astype(np.float64)
    squares = (values**2).sum(1)
    squared = (squares[:, None] + squares - 2 * values @ values.T).clip(0)
    count = len(values)
    return float(np.sqrt(squared).sum() / (count * (count - 1)))


def _evenly(features: Features, limit: int) -> Features:
    """At most `limit` items from first to last: data sets are often sorted by class."""
    if len(features) <= limit:
        return features
    return features[np.linspace(0, len(features) - 1, limit).round().astype(np.int64)]


def _near_copies(real: Features, fake: Features) -> float:
    """The share of `fake` nearer to a real item than the 1 % closest pairs of nearest real neighbours are.

    Real items that repeat another one exactly do not set that limit: else it would be 0, and no copy would be seen.
    """
    values = _evenly(real, 2000)
    radii = neighbour_radii(values, 1)
    smallest = 1e-4 * max(float(radii.max()), 1e-12)
    apart = radii[radii > smallest]
    limit = max(smallest, float(np.quantile(apart, 0.01)) if len(apart) else 0.0)
    return float((nearest_distances(fake, values) < limit).mean())

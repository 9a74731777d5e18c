"""The measures that are cheap enough to be taken during training, from features computed once."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int64

from augan.core.errors import UserError
from augan.metrics.comparison import LEAST_IMAGES
from augan.metrics.diversity import class_diversity, concentration, diversity
from augan.metrics.frechet import frechet_distance
from augan.metrics.in_domain import InDomainSpace
from augan.metrics.manifold import manifolds
from augan.metrics.measures import VERSION
from augan.metrics.memorisation import near_copies
from augan.metrics.rows import RowSpace
from augan.metrics.windows import WindowSpace

Features = Float[np.ndarray, "_ d"]
Labels = Int64[np.ndarray, " _"] | None


@dataclass(frozen=True, kw_only=True)
class Quality:
    """Measures of generated images against real ones, with what is needed to compare them.

    Attributes:
        frechet: Fréchet distance in the feature space; 0 is best.
        precision: share of generated images near real ones; recall: share of real images near generated ones.
        density: real neighbourhoods that a generated image lies in, over 5; about 1 for real images.
        coverage: share of real images with a generated one among their neighbours.
        agreement: share of generated images that a classifier takes for the class that was asked for.
        class_agreement: the same for each class.
        diversity: mean distance between generated images of a class, as a share of that between real ones.
        class_diversity: the same for each class.
        concentration: largest share of generated images that have the same real image as their nearest one.
        near_copies: share of generated images nearer to a real image than 99 % of real images are to one another.
        features, features_hash: the feature space.
        classifier_accuracy: of the classifier on held-out real images.
        real_images, fake_images: how many were compared.
        version: of the measures' definitions.
    """

    frechet: float
    precision: float
    recall: float
    density: float
    coverage: float
    agreement: float | None
    class_agreement: dict[str, float] | None
    diversity: float
    class_diversity: dict[str, float] | None
    concentration: float
    near_copies: float
    features: str
    features_hash: str
    classifier_accuracy: float | None
    real_images: int
    fake_images: int
    version: int = VERSION

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def measure(
    extractor: InDomainSpace | RowSpace | WindowSpace,
    real: Features,
    fake: Features,
    real_labels: Labels = None,
    fake_labels: Labels = None,
) -> Quality:
    """Every measure of `fake` features against `real` ones.

    Raises:
        UserError: fewer than 6 items on a side, or values that are not finite.
    """
    for name, values in (("real", real), ("generated", fake)):
        if len(values) < LEAST_IMAGES:
            raise UserError(
                f"Measures need at least {LEAST_IMAGES} images on each side; there are {len(values)} {name} ones."
            )
        if not np.isfinite(values).all():
            raise UserError(f"The features of the {name} images are not finite: the images hold NaN or infinity.")
    found = manifolds(real, fake)
    agreement, by_class = _agreement(extractor, fake, fake_labels)
    return Quality(
        frechet=frechet_distance(real, fake),
        precision=float(found.precision.mean()),
        recall=float(found.recall.mean()),
        density=float(found.density.mean()),
        coverage=float(found.coverage.mean()),
        agreement=agreement,
        class_agreement=by_class,
        diversity=diversity(real, fake, real_labels, fake_labels),
        class_diversity=_class_diversity(extractor, real, fake, real_labels, fake_labels),
        concentration=concentration(real, fake),
        near_copies=float(near_copies(real, fake).mean()),
        features=extractor.name,
        features_hash=extractor.hash,
        classifier_accuracy=extractor.accuracy,
        real_images=len(real),
        fake_images=len(fake),
    )


def _class_diversity(
    extractor: InDomainSpace | RowSpace | WindowSpace,
    real: Features,
    fake: Features,
    real_labels: Labels,
    fake_labels: Labels,
) -> dict[str, float] | None:
    if real_labels is None or fake_labels is None:
        return None
    names = extractor.item.class_names or ()
    return {names[label]: value for label, value in class_diversity(real, fake, real_labels, fake_labels).items()}


def _agreement(
    extractor: InDomainSpace | RowSpace | WindowSpace, fake: Features, labels: Labels
) -> tuple[float | None, dict[str, float] | None]:
    if labels is None or extractor.head is None:
        return None, None
    right = extractor.probabilities(fake).argmax(1) == labels
    names = extractor.item.class_names or ()
    by_class = {names[label]: float(right[labels == label].mean()) for label in np.unique(labels)}
    return float(right.mean()), by_class

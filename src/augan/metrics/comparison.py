"""Two or three sets of images in one feature space, and what several measures of them share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from augan.core.errors import UserError
from augan.core.item import to_unit
from augan.metrics.estimate import Estimate
from augan.metrics.frechet import frechet_distance, frechet_estimate
from augan.metrics.manifold import Manifolds, manifolds
from augan.metrics.pixels import PAIRS, Spectrum, ms_ssim, random_pairs
from augan.metrics.space import FeatureSpace, perceptual_distances, perceptual_distances_of_features

Features = Float[np.ndarray, "_ d"]
LEAST_IMAGES = 6
"""A side with fewer has no fifth neighbours."""
LEAST_IN_CLASS = 10
MOST_SHOWN = 500
"""How many images of a side are kept in memory, for the measures of pixels and for the report."""
PAIRS_AT_ONCE = 64
PAIRS_IN_CLASS = 100


@dataclass(frozen=True, kw_only=True, eq=False)
class Side:
    """One set of images.

    Attributes:
        features: (n, d) float32.
        labels: (n,), indices of the comparison's class names; None without labels.
        images: the first of them, (at most 500, h, w, c), or None where there are only features.
        fetch: any of them by their positions in `features`, for the report.
    """

    features: Features
    labels: Int64[np.ndarray, " _"] | None = None
    images: UInt8[np.ndarray, "_ h w c"] | None = None
    fetch: Callable[[np.ndarray], np.ndarray] | None = None

    def __len__(self) -> int:
        return len(self.features)

    @property
    def shown_labels(self) -> Int64[np.ndarray, " _"] | None:
        """Labels of `images`."""
        return None if self.labels is None or self.images is None else self.labels[: len(self.images)]

    @cached_property
    def spectrum(self) -> Float[np.ndarray, " _"] | None:
        """Of `images`, in decibels from low to high frequencies."""
        if self.images is None or min(self.images.shape[1:3]) < 4:
            return None
        found = Spectrum(*self.images.shape[1:3])
        for part in np.array_split(self.images, -(-len(self.images) // PAIRS_AT_ONCE)):
            found.add(to_unit(part))
        return found.decibels()


@dataclass(frozen=True, kw_only=True, eq=False)
class Comparison:
    """Generated images against real ones, and against held-out real ones where there are some.

    Attributes:
        errors: whether confidence intervals are wanted where they cost time.
        pairs: how many random pairs of images are compared at most.

    Raises:
        UserError: a side with fewer than 6 images, or with features that are not finite.
    """

    space: FeatureSpace
    real: Side
    fake: Side
    holdout: Side | None = None
    class_names: tuple[str, ...] | None = None
    seed: int = 0
    errors: bool = True
    pairs: int = PAIRS
    _shared: dict[str, object] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        for name, side in (("real", self.real), ("generated", self.fake), ("held-out", self.holdout)):
            if side is None:
                continue
            if len(side) < LEAST_IMAGES:
                raise UserError(
                    f"Measures need at least {LEAST_IMAGES} images on each side; there are {len(side)} {name} ones."
                )
            if not np.isfinite(side.features).all():
                raise UserError(
                    f"The features of the {name} images are not finite: the images hold NaN or infinity, or the "
                    "network of the feature space does not suit them."
                )

    def of_class(self, label: int) -> Comparison | None:
        """The same for one class, without confidence intervals; None where a side has fewer than 10 of it."""
        real, fake = _of_class(self.real, label), _of_class(self.fake, label)
        if real is None or fake is None or min(len(real), len(fake)) < LEAST_IN_CLASS:
            return None
        holdout = None if self.holdout is None else _of_class(self.holdout, label)
        if holdout is not None and len(holdout) < LEAST_IN_CLASS:
            holdout = None
        return replace(self, real=real, fake=fake, holdout=holdout, errors=False, pairs=PAIRS_IN_CLASS)

    def with_holdout_as_fake(self) -> Comparison | None:
        """How held-out real images would score: what is to be reached."""
        if self.holdout is None:
            return None
        return replace(self, fake=self.holdout, holdout=None, errors=False)

    @cached_property
    def manifolds(self) -> Manifolds:
        """Precision, recall, density and coverage of each item."""
        return manifolds(self.real.features, self.fake.features)

    @cached_property
    def frechet(self) -> Estimate:
        """With its error where errors are wanted."""
        if not self.errors:
            return Estimate(frechet_distance(self.real.features, self.fake.features))
        return frechet_estimate(self.real.features, self.fake.features, seed=self.seed)

    @cached_property
    def probabilities(self) -> Float[np.ndarray, "_ k"]:
        """Class probabilities of the generated images."""
        return self.space.probabilities(self.fake.features)

    def pair_values(self, side: Side, kind: str) -> Float[np.ndarray, " _"] | None:
        """'perceptual' distances, or 'structural' similarities, of random pairs of different images of a side, of one
        class where there are labels. None where there are no pairs."""
        key = f"{kind} {id(side)}"
        if key not in self._shared:
            self._shared[key] = self._pair_values(side, kind)
        return self._shared[key]  # type: ignore[return-value]

    def _pair_values(self, side: Side, kind: str) -> Float[np.ndarray, " _"] | None:
        if side.images is None:
            return None
        labels = None if self.real.labels is None or self.fake.labels is None else side.shown_labels
        i, j = random_pairs(labels, len(side.images), self.seed, self.pairs)
        if not len(i):
            return None
        if kind == "perceptual" and not self.space.has_taps:
            return perceptual_distances_of_features(side.features[i], side.features[j])
        parts = []
        for start in range(0, len(i), PAIRS_AT_ONCE):
            chosen = slice(start, start + PAIRS_AT_ONCE)
            a, b = to_unit(side.images[i[chosen]]), to_unit(side.images[j[chosen]])
            parts.append(perceptual_distances(self.space, a, b) if kind == "perceptual" else _similarity(a, b))
        return np.concatenate(parts)


def _similarity(a: Tensor, b: Tensor) -> Float[np.ndarray, " _"]:
    return ms_ssim(a.add(1).div(2).to(torch.float64), b.add(1).div(2).to(torch.float64)).numpy()


def _of_class(side: Side, label: int) -> Side | None:
    if side.labels is None:
        return None
    chosen, shown = side.labels == label, side.shown_labels
    images = None if side.images is None or shown is None else side.images[shown == label]
    # Labels are those of the features; where images are fewer, they come first in both.
    return Side(features=side.features[chosen], labels=side.labels[chosen], images=images)

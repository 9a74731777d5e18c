"""The outcome of an evaluation: numbers, and all that another number must share to be compared with them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch

from augan.core.errors import UserError
from augan.core.version import __version__
from augan.metrics.comparison import Comparison
from augan.metrics.estimate import Estimate
from augan.metrics.in_domain import InDomainSpace
from augan.metrics.manifold import DENSITY_NEIGHBOURS, PRECISION_NEIGHBOURS, nearest_distances
from augan.metrics.measures import MEASURES, VERSION, measure_all, measure_classes
from augan.metrics.pixels import scales_for
from augan.metrics.space import FeatureSpace

FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Which images one side was.

    Attributes:
        name, path: where they came from; path is None for arrays.
        content: SHA-256 of all of them, or the generator's hash and the seed.
        selection: SHA-256 of which of them were taken, 16 digits.
        images, of: how many were taken, and of how many (None for a generator).
        size: "WxH" at which they were compared; stored_size, where they were resized from another.
    """

    name: str
    path: str | None
    content: str
    selection: str
    images: int
    of: int | None
    size: str
    stored_size: str | None = None


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Measures of one set of images against another.

    Attributes:
        measures: estimates by name (the names of `augan.metrics.MEASURES`, and accuracy scores if asked for).
        reference: what held-out real images score in the same measures, or real ones where a measure has one side.
        omitted: the measures that could not be had, with the reason.
        by_class: values for each class.
        baselines: of clips, what trivial ones score: real ones, frozen, shuffled.
        notes: what to know when reading the numbers.
        features: the space: name, hash, preprocessing, dimensions, accuracy of its classifier.
        real, fake, holdout: the sides.
        seed: of every random choice.
        augan, torch, version: of the programs, and of the measures' definitions.
    """

    measures: dict[str, Estimate]
    reference: dict[str, float] = field(default_factory=dict)
    omitted: dict[str, str] = field(default_factory=dict)
    by_class: dict[str, dict[str, float]] = field(default_factory=dict)
    baselines: dict[str, dict[str, float]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    features: dict[str, Any]
    real: Origin
    fake: Origin
    holdout: Origin | None = None
    seed: int = 0
    augan: str = __version__
    torch: str = torch.__version__
    version: int = VERSION

    def __getitem__(self, name: str) -> float:
        """The value of a measure.

        Raises:
            UserError: it was not measured, and why.
        """
        if name not in self.measures:
            raise UserError(f"'{name}' was not measured: {self.omitted.get(name, 'there is no such measure')}.")
        return self.measures[name].value

    def conditions(self) -> dict[str, Any]:
        """What two evaluations must share for their numbers to be compared."""
        return {
            "feature space": f"{self.features['name']} {self.features['hash']}",
            "preprocessing": self.features["preprocessing"],
            "real images": f"{self.real.images} of {self.real.content[:16]}, selection {self.real.selection}",
            "number of samples": self.fake.images,
            "held-out images": None
            if self.holdout is None
            else f"{self.holdout.images} of {self.holdout.content[:16]}, selection {self.holdout.selection}",
            "definitions": f"version {self.version}",
        }

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON; `from_json` is its inverse."""
        return {
            "format": FORMAT,
            **asdict(self),
            "measures": {name: estimate.to_json() for name, estimate in self.measures.items()},
            "neighbours": {"precision, recall": PRECISION_NEIGHBOURS, "density, coverage": DENSITY_NEIGHBOURS},
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Evaluation:
        """The evaluation that `to_json` wrote.

        Raises:
            UserError: the document is not one.
        """
        try:
            if value["format"] != FORMAT:
                raise UserError(f"The evaluation has format {value['format']}; this augan reads format {FORMAT}.")
            known = {
                key: entry for key, entry in value.items() if key not in ("format", "neighbours", "target", "against")
            }
            sides = {key: Origin(**known[key]) for key in ("real", "fake")}
            holdout = None if known["holdout"] is None else Origin(**known["holdout"])
            estimates = {name: Estimate.from_json(entry) for name, entry in known["measures"].items()}
            return cls(**{**known, **sides, "holdout": holdout, "measures": estimates})
        except (KeyError, TypeError, AttributeError) as error:
            raise UserError("This is not an evaluation that `augan evaluate --json` wrote.") from error


def evaluation_of(
    comparison: Comparison, real: Origin, fake: Origin, holdout: Origin | None = None, notes: tuple[str, ...] = ()
) -> Evaluation:
    """Every measure of a comparison, for all images and for each class."""
    measured = measure_all(comparison)
    classes = measure_classes(comparison)
    return Evaluation(
        measures=measured.values,
        reference=_reference(comparison),
        omitted=measured.omitted,
        by_class={name: {key: one.value for key, one in values.items()} for name, values in classes.items()},
        notes=[*notes, *_notes(comparison)],
        features=describe(comparison.space),
        real=real,
        fake=fake,
        holdout=holdout,
        seed=comparison.seed,
    )


def describe(space: FeatureSpace) -> dict[str, Any]:
    """What a report says about a feature space."""
    return {
        "name": space.name,
        "hash": space.hash,
        "preprocessing": space.preprocessing,
        "dimensions": space.dimensions,
        "accuracy": space.accuracy if isinstance(space, InDomainSpace) else None,
    }


def _reference(comparison: Comparison) -> dict[str, float]:
    """Held-out images in the place of samples; the two measures that never look at the other side, of real images."""
    values: dict[str, float] = {}
    instead = comparison.with_holdout_as_fake()
    if instead is not None:
        values = {name: found.value for name, found in measure_all(instead, lambda m: True).values.items()}
    similarities = None
    images = comparison.real.images
    if images is not None and scales_for(*images.shape[1:3]):
        similarities = comparison.pair_values(comparison.real, "structural")
    if similarities is not None:
        values["ms_ssim"] = float(similarities.mean())
    return {name: values[name] for name in MEASURES if name in values}


def _notes(comparison: Comparison) -> list[str]:
    real, fake, holdout = comparison.real, comparison.fake, comparison.holdout
    notes = []
    dimensions, least = comparison.space.dimensions, min(len(real), len(fake))
    if least <= dimensions:
        notes.append(
            f"{least:,} images are not more than the {dimensions:,} dimensions of the features: covariances are "
            "singular, and the Fréchet distance is exact but strongly biased upwards. The kernel distance is not."
        )
    if len(real) != len(fake):
        notes.append(
            f"The sides differ in number ({len(real):,} real, {len(fake):,} generated): the Fréchet distance, "
            "precision and recall depend on it."
        )
    for name, side in (("real", real), ("generated", fake)):
        if _constant(side.features):
            notes.append(f"All {name} images are the same to the feature space.")
    if holdout is not None:
        seen = _repeated(holdout.features, real.features)
        if seen:
            notes.append(
                f"{seen:,} of {len(holdout):,} held-out images are among the real ones, too: measures of copying see "
                "less."
            )
    return notes


def _constant(features: np.ndarray) -> bool:
    return bool(
        (np.abs(features - features[:1]).max() if len(features) else 0.0) <= 1e-6 * (1 + np.abs(features).max())
    )


def _repeated(some: np.ndarray, others: np.ndarray) -> int:
    """How many of `some` are among `others`."""
    scale = float(np.abs(others).max()) * others.shape[1] ** 0.5
    return int((nearest_distances(some, others) <= 1e-6 * scale).sum())

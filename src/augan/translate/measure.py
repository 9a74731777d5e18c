"""How good translations are: against their true targets where there are some, and against the whole target side."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8

from augan.core.item import ItemSpec, to_unit
from augan.core.rng import numpy_stream
from augan.data import ArraySource
from augan.metrics import InDomainSpace, frechet_distance, nearest_neighbours, ssim, train_extractor
from augan.translate.model import TranslationModel
from augan.translate.sides import Sides

WINDOW = 11
"""SSIM needs as many pixels a side."""
LEAST = 20
"""Fewer images a side than this have no distance and no two-sample test."""
Images = UInt8[np.ndarray, "_ _ _ _"]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One way to translate, measured.

    Attributes:
        l1: mean absolute difference from the target, of values in [-1, 1]; psnr: in decibels; ssim: -1 to 1.
        retrieval: share of translations whose nearest held-out target, by pixels, is their own.
        frechet: distance to the target side in the features of a network that learnt it without labels.
        two_sample: accuracy with which a nearest-neighbour test in these features tells translations from targets: 0.5
            is best.
    All are None where they cannot be measured.
    """

    l1: float | None = None
    psnr: float | None = None
    ssim: float | None = None
    retrieval: float | None = None
    frechet: float | None = None
    two_sample: float | None = None


@dataclass(frozen=True, kw_only=True)
class TranslationQuality:
    """Of the model, and of leaving the input as it is ("identity"), which a translation has to beat."""

    direction: str
    images: int
    model: Row
    identity: Row

    @property
    def score(self) -> float | None:
        """What the best checkpoint is chosen by: L1 of pairs, else the distance; None where neither was measured."""
        return self.model.frechet if self.model.l1 is None else self.model.l1

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def measure_translation(
    model: TranslationModel, sides: Sides, direction: str | None = None, *, seed: int = 0
) -> TranslationQuality:
    """Measures a model on images that it has not learnt from."""
    way = model.direction(direction)
    source, target = (sides.a, sides.b) if way[0] == "a" else (sides.b, sides.a)
    inputs, targets = source.items(np.arange(len(source))), target.items(np.arange(len(target)))
    space = space_of(targets, seed) if min(len(inputs), len(targets)) >= LEAST else None
    made = model.translate(inputs, way)
    return TranslationQuality(
        direction=way,
        images=len(inputs),
        model=measured(made, targets, sides.paired, space, seed),
        identity=measured(channels_like(inputs, targets.shape[3]), targets, sides.paired, space, seed),
    )


def space_of(images: Images, seed: int = 0) -> InDomainSpace:
    """A feature space that learnt these images without labels."""
    item = ItemSpec(channels=images.shape[3], height=images.shape[1], width=images.shape[2])
    return train_extractor(ArraySource(array=images, item=item, key=""), seed=seed)


def measured(made: Images, targets: Images, paired: bool, space: InDomainSpace | None = None, seed: int = 0) -> Row:
    """The row of images `made` against targets; without a space, there is no distance and no two-sample test."""
    found: dict[str, float] = {}
    if paired and len(made) == len(targets) and len(made):
        ours, theirs = to_unit(made), to_unit(targets)
        squared = ((ours - theirs) ** 2).mean((1, 2, 3)).double()
        found["l1"] = float((ours - theirs).abs().mean())
        found["psnr"] = float((10 * torch.log10(4.0 / squared.clamp_min(1e-10))).mean())
        if min(ours.shape[2:]) >= WINDOW:
            found["ssim"] = float(ssim((ours.double() + 1) / 2, (theirs.double() + 1) / 2).mean())
        flat = [side.flatten(1).numpy().astype(np.float64) for side in (ours, theirs)]
        nearest = nearest_neighbours(flat[0], flat[1]).indices[:, 0]
        found["retrieval"] = float((nearest == np.arange(len(made))).mean())
    if space is not None and min(len(made), len(targets)) >= LEAST:
        pair = space.features(to_unit(made)), space.features(to_unit(targets))
        found["frechet"] = float(frechet_distance(*pair))
        found["two_sample"] = two_sample_accuracy(*pair, seed=seed)
    return Row(**found)


def two_sample_accuracy(
    made: Float[np.ndarray, "n d"], targets: Float[np.ndarray, "m d"], neighbours: int = 5, seed: int = 0
) -> float:
    """Held-out accuracy of a nearest-neighbour classifier between both sets (arXiv:1610.06545), as many of each."""
    count = min(len(made), len(targets))
    random = numpy_stream(seed, "two samples")
    sides = [side[random.permutation(len(side))[:count]] for side in (made, targets)]
    half = count // 2
    known = np.concatenate([side[:half] for side in sides]).astype(np.float64)
    new = np.concatenate([side[half:] for side in sides]).astype(np.float64)
    labels = np.repeat([0, 1], half)
    truth = np.repeat([0, 1], count - half)
    wanted = min(neighbours, len(known))
    guess = labels[nearest_neighbours(new, known, wanted).indices].mean(1) > 0.5
    return float((guess == truth).mean())


def channels_like(images: Images, channels: int) -> Images:
    """Images with as many channels as another side has; grey where they differ."""
    if images.shape[3] == channels:
        return images
    grey = images[..., :3].mean(3, keepdims=True).round().astype(np.uint8)
    return np.repeat(grey, channels, axis=3)

"""How good translations are: against their true targets where there are some, and against the whole target side."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import functional as F

from augan.core.item import ItemSpec, to_unit
from augan.core.rng import numpy_stream
from augan.metrics import frechet_distance, nearest_neighbours, train_extractor
from augan.translate.model import TranslationModel
from augan.translate.sides import Sides

WINDOW, DEVIATION = 11, 1.5
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
    def score(self) -> float:
        """What the best checkpoint is chosen by: L1 of pairs, else the distance, else none is better."""
        for value in (self.model.l1, self.model.frechet):
            if value is not None:
                return value
        return 0.0

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
    features = None
    if min(len(inputs), len(targets)) >= LEAST:
        space = train_extractor(Unlabelled(targets), seed=seed)
        features = lambda images: space.features(to_unit(images))  # noqa: E731
    made = model.translate(inputs, way)
    return TranslationQuality(
        direction=way,
        images=len(inputs),
        model=measured(made, targets, sides.paired, features, seed),
        identity=measured(_like(inputs, targets.shape[3]), targets, sides.paired, features, seed),
    )


class Unlabelled:
    """Images (n, h, w, c) uint8 as `train_extractor` takes them."""

    labels = None

    def __init__(self, images: Images) -> None:
        self.images = images
        self.item = ItemSpec(channels=images.shape[3], height=images.shape[1], width=images.shape[2])

    def __len__(self) -> int:
        return len(self.images)

    def items(self, indices: np.ndarray) -> Images:
        """The images with these numbers."""
        return self.images[indices]


def measured(made: Images, targets: Images, paired: bool, features: Any = None, seed: int = 0) -> Row:
    """The row of images `made` against targets; `features` maps images to (n, d)."""
    found: dict[str, float] = {}
    if paired and len(made) == len(targets) and len(made):
        ours, theirs = to_unit(made), to_unit(targets)
        squared = ((ours - theirs) ** 2).mean((1, 2, 3)).double()
        found["l1"] = float((ours - theirs).abs().mean())
        found["psnr"] = float((10 * torch.log10(4.0 / squared.clamp_min(1e-10))).mean())
        found["ssim"] = float(ssim(ours, theirs).mean())
        flat = [side.flatten(1).numpy().astype(np.float64) for side in (ours, theirs)]
        nearest = nearest_neighbours(flat[0], flat[1]).indices[:, 0]
        found["retrieval"] = float((nearest == np.arange(len(made))).mean())
    if features is not None and min(len(made), len(targets)) >= LEAST:
        pair = features(made), features(targets)
        found["frechet"] = float(frechet_distance(*pair))
        found["two_sample"] = two_sample_accuracy(*pair, seed=seed)
    return Row(**found)


def ssim(images: Float[Tensor, "n c h w"], others: Float[Tensor, "n c h w"]) -> Float[Tensor, " n"]:
    """Structural similarity of images in [-1, 1] (Wang et al. 2004): Gaussian window of 11 and 1.5, K 0.01 and 0.03.

    A smaller odd window where the images are smaller.
    """
    size = min(WINDOW, images.shape[2] - 1 + images.shape[2] % 2, images.shape[3] - 1 + images.shape[3] % 2)
    taps = torch.exp(-((torch.arange(size) - size // 2) ** 2) / (2 * DEVIATION**2)).double()
    window = (taps[:, None] * taps / taps.sum() ** 2).repeat(images.shape[1], 1, 1, 1)
    x, y = images.double(), others.double()

    def mean(values: Tensor) -> Tensor:
        return F.conv2d(values, window, groups=values.shape[1])

    first, second = (0.01 * 2) ** 2, (0.03 * 2) ** 2
    mx, my = mean(x), mean(y)
    vx, vy, vxy = mean(x * x) - mx**2, mean(y * y) - my**2, mean(x * y) - mx * my
    maps = (2 * mx * my + first) * (2 * vxy + second) / ((mx**2 + my**2 + first) * (vx + vy + second))
    return maps.mean((1, 2, 3))


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


def _like(images: Images, channels: int) -> Images:
    """Images with as many channels as the other side."""
    if images.shape[3] == channels:
        return images
    grey = images[..., :3].mean(3, keepdims=True).round().astype(np.uint8)
    return np.repeat(grey, channels, axis=3)

"""Small convolutional classifiers of images and clips, which learn from weighted, softly labelled items."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor, nn
from torch.nn import functional as F

from augan.core.item import to_unit
from augan.core.rng import derive, numpy_stream
from augan.metrics import ClipEncoder, Encoder, clip_view, random_view, reduced, reduced_clips
from augan.nn import channels_last

RATE = 3e-3
SMOOTHING = 0.05
LEAST_SHIFT = 0.06
DEFERRED = 0.8
"""The share of the steps after which deferred weights count (arXiv:1906.07413 takes 160 of 200 epochs)."""
BEFORE = 0.5
"""The share of the steps that a lesson before another one gets."""

BATCH, CLIPS_BATCH = 64, 32
Stored = UInt8[np.ndarray, "n *t h w c"]
"""Images, or with an axis of time clips."""
Change = Callable[[Tensor, np.random.Generator], Tensor]
"""Images (b, c, h, w) or clips (b, c, t, h, w) in [-1, 1] to others of the same classes."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Lesson:
    """What a classifier learns from.

    Attributes:
        images: (n, h, w, c) uint8; clips: (n, t, h, w, c).
        targets: (n, k), rows that sum to 1: labels, or probabilities of them.
        weights: (n,), by which each image's loss is multiplied; None for 1.
        chances: (n,), how often each is drawn, in proportion; None for equally often.
        views: images are cropped, moved and changed in contrast at random; flip: mirrored in half of the cases.
        mixup: alpha of the Beta distribution by whose draws pairs of images and labels are mixed (arXiv:1710.09412);
            0 for none.
        deferred: (k,), weights of the classes' losses in the last fifth of the steps (arXiv:1906.07413), or None.
        before: another lesson, which gets the first half of the steps.
        change: how images are changed at random where `views` is set, for kinds that have ways of their own.
    """

    images: Stored
    targets: Float[np.ndarray, "n k"]
    weights: Float[np.ndarray, " n"] | None = None
    chances: Float[np.ndarray, " n"] | None = None
    views: bool = False
    flip: bool = False
    mixup: float = 0.0
    deferred: Float[np.ndarray, " k"] | None = None
    before: Lesson | None = None
    change: Change | None = None


class ImageClassifier:
    """Class probabilities of images, or of clips."""

    def __init__(self, network: nn.Module) -> None:
        self.network = network.eval()

    @torch.no_grad()
    def predict_proba(self, images: Stored) -> Float[np.ndarray, "n k"]:
        """(n, h, w, c) or (n, t, h, w, c) uint8 to (n, classes)."""
        parts = [
            self.network(_seen(images[start : start + 256])).softmax(1).numpy() for start in range(0, len(images), 256)
        ]
        return np.concatenate(parts).astype(np.float64)

    def predict(self, images: Stored) -> Int64[np.ndarray, " n"]:
        """The likeliest classes."""
        return self.predict_proba(images).argmax(1)


def train_classifier(lesson: Lesson, steps: int, seed: int = 0, batch: int | None = None) -> ImageClassifier:
    """A classifier after `steps` steps of `batch` items; deterministic under `seed` on one machine and thread number.

    AdamW with one cycle of the learning rate, label smoothing of 0.05, float32; batches of 64 images or 32 clips.
    """
    clips = lesson.images.ndim == 5
    batch = batch or (CLIPS_BATCH if clips else BATCH)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(seed, "classifier"))
        classes = lesson.targets.shape[1]
        encoder = ClipEncoder(lesson.images.shape[4]) if clips else Encoder(lesson.images.shape[3])
        network = nn.Sequential(encoder, nn.Linear(encoder.width, classes))
        network = network if clips else channels_last(network)
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=RATE, total_steps=steps)
    network.train()
    turn = 0 if lesson.before is None else round(BEFORE * steps)
    for step in range(steps):
        current = lesson.before if lesson.before is not None and step < turn else lesson
        random = numpy_stream(seed, "classifier batch", step)
        images, targets, weights = _batch(current, random, batch, late=step >= DEFERRED * steps)
        losses = F.cross_entropy(network(images), targets, reduction="none", label_smoothing=SMOOTHING)
        loss = (losses * weights).sum() / weights.sum()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        schedule.step()
    return ImageClassifier(network)


def _batch(lesson: Lesson, random: np.random.Generator, size: int, late: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Images as the network sees them, targets, and weights of the losses."""
    chances = None if lesson.chances is None else lesson.chances / lesson.chances.sum()
    rows = random.choice(len(lesson.images), size, p=chances)
    images = _seen(lesson.images[rows])
    targets = lesson.targets[rows].astype(np.float32)
    weights = np.ones(size) if lesson.weights is None else lesson.weights[rows]
    if lesson.deferred is not None and late:
        weights = weights * (targets @ lesson.deferred)
    if lesson.flip:
        mirrored = torch.from_numpy(random.random(size) < 0.5)
        images = torch.where(mirrored.view(-1, *[1] * (images.ndim - 1)), images.flip(-1), images)
    if lesson.views:
        images = (lesson.change or _view)(images, random)
    if lesson.mixup:
        share = random.beta(lesson.mixup, lesson.mixup)
        other = random.permutation(size)
        images = share * images + (1 - share) * images[torch.from_numpy(other)]
        targets = share * targets + (1 - share) * targets[other]
        weights = share * weights + (1 - share) * weights[other]
    return images, torch.from_numpy(targets.astype(np.float32)), torch.from_numpy(weights.astype(np.float32))


def _seen(images: Stored) -> Tensor:
    """Stored items as the network sees them: at most 32 pixels a side."""
    values = to_unit(images)
    return reduced_clips(values) if values.ndim == 5 else reduced(values)


def _view(images: Tensor, random: np.random.Generator) -> Tensor:
    """Cropped, moved and changed in contrast; all frames of a clip alike."""
    if images.ndim == 5:
        return clip_view(images, random)
    return random_view(images, random, 1.0, LEAST_SHIFT)

"""Measures during training: a feature space of the data, made once, and the generator against it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from augan.checkpoint import Model
from augan.core.errors import UserError
from augan.core.item import from_unit, to_unit
from augan.core.rng import numpy_stream
from augan.data import Loader, Source, as_pictures, to_pictures
from augan.data.kinds import NOUNS
from augan.data.windows import SeriesSource
from augan.metrics import Quality, RowSpace, WindowSpace, in_domain_space, measure
from augan.metrics.in_domain import InDomainSpace
from augan.training.step import Table

MOST_REAL = 2_000
GAP_IMAGES = 256
Indices = Int64[np.ndarray, " _"]


class QualityMeter:
    """Measures models against a fixed, random part of the data (at most 2,000 images)."""

    def __init__(self, source: Source, cache: Path, seed: int = 0) -> None:
        source = as_pictures(source)
        self.extractor: InDomainSpace | WindowSpace = in_domain_space(source, source.key, cache)
        count = min(len(source), MOST_REAL)
        chosen = np.sort(numpy_stream(seed, "measured real images").permutation(len(source))[:count])
        self.real = self.extractor.features_of(source, chosen)
        self.real_labels = None if source.labels is None else source.labels[chosen]

    def measure(self, model: Model, count: int, seed: int = 0) -> Quality:
        """Measures `count` samples, whose classes have the proportions of the data."""
        classes: list[str | int] | None = None
        if model.conditional and self.real_labels is not None:
            order = numpy_stream(seed, "measured classes").permutation(len(self.real_labels))
            classes = [int(label) for label in self.real_labels[order]]
        parts, labels = [], []
        for images, asked in model.stream(count, classes, seed, batch=256):
            parts.append(self.extractor.features(self._seen(images, model)))
            if asked is not None:
                labels.append(asked.numpy())
        fake_labels = np.concatenate(labels) if labels else None
        real_labels = self.real_labels if fake_labels is not None else None
        return measure(self.extractor, self.real, np.concatenate(parts), real_labels, fake_labels)

    def _seen(self, images: Tensor, model: Model) -> Tensor:
        """Images as they would be on disk."""
        return to_unit(to_pictures(from_unit(images, model.item.dtype), model.item))


class RowMeter(QualityMeter):
    """The same for rows of a table, as they are: no network is needed."""

    def __init__(self, source: Source, seed: int = 0) -> None:
        assert source.item.table is not None
        self.space = RowSpace(source.item)
        count = min(len(source), MOST_REAL)
        chosen = np.sort(numpy_stream(seed, "measured real images").permutation(len(source))[:count])
        self.real = self.space.features_of(source, chosen)

    def measure(self, model: Model, count: int, seed: int = 0) -> Quality:
        """Measures `count` rows, drawn as the data has them."""
        rows = [self.space.features(rows) for rows, _ in model.stream(count, None, seed, batch=256)]
        return measure(self.space, self.real, np.concatenate(rows))


class WindowMeter(QualityMeter):
    """The same for windows of time series, as they are."""

    def __init__(self, source: Source, seed: int = 0) -> None:
        self.extractor = WindowSpace(source.item)
        count = min(len(source), MOST_REAL)
        chosen = np.sort(numpy_stream(seed, "measured real images").permutation(len(source))[:count])
        self.real = self.extractor.features_of(source, chosen)
        self.real_labels = None if source.labels is None else source.labels[chosen]

    def _seen(self, images: Tensor, model: Model) -> Tensor:
        """The space rounds them itself."""
        return images


def divide(source: Source, held_out: int, seed: int) -> tuple[Indices | None, Indices]:
    """Which images are shown to the players (None: all), and which are held out.

    Raises:
        UserError: fewer than 2 would be left.
    """
    count = len(source)
    if not held_out:
        return None, np.empty(0, np.int64)
    if isinstance(source, SeriesSource) and held_out < count:
        return source.divided(held_out, seed)  # at random, windows on both sides would overlap
    if held_out > count - 2:
        noun = NOUNS[source.item.kind]
        raise UserError(f"data.held_out={held_out} of {count} {noun} leaves fewer than 2 to learn from.")
    order = numpy_stream(seed, "held out").permutation(count)
    return np.sort(order[held_out:]), np.sort(order[:held_out])


@torch.no_grad()
def held_out_gap(table: Table, loader: Loader, shown: Indices, held_out: Indices) -> float:
    """How much less real held-out images look to the discriminator than ones that it learns from.

    2 P(logit of a shown image > logit of a held-out one) - 1: 0 where it tells no difference, 1 where it tells all.
    """
    table.discriminator.eval()
    table.times = None
    verdicts = []
    for indices in (shown, held_out):
        evenly = np.linspace(0, len(indices) - 1, min(len(indices), GAP_IMAGES)).astype(np.int64)
        batch = loader.items(indices[evenly])
        conditional = getattr(table.generator, "classes", 0) > 0
        verdicts.append(table.verdict(*table.packed(batch.images, batch.labels if conditional else None)))
    known, unknown = verdicts
    return float((known[:, None] - unknown).sign().mean())

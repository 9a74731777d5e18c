"""Measures during training: a feature space of the data, made once, and the generator against it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from augan.checkpoint import Model
from augan.core.item import from_unit, to_unit
from augan.core.rng import numpy_stream
from augan.data import Source
from augan.metrics import Quality, cached_extractor, measure

MOST_REAL = 2_000


class QualityMeter:
    """Measures models against a fixed, random part of the data (at most 2,000 images)."""

    def __init__(self, source: Source, cache: Path, seed: int = 0) -> None:
        self.extractor = cached_extractor(source, source.key, cache)
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
            parts.append(self.extractor.features(to_unit(from_unit(images))))  # as they would be on disk
            if asked is not None:
                labels.append(asked.numpy())
        fake_labels = np.concatenate(labels) if labels else None
        real_labels = self.real_labels if fake_labels is not None else None
        return measure(self.extractor, self.real, np.concatenate(parts), real_labels, fake_labels)

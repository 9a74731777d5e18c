"""What an explanation is about, and a section of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64
from PIL import Image
from torch import Tensor

from augan.checkpoint import Model, Run
from augan.core.item import to_unit
from augan.core.rng import numpy_stream
from augan.data import Source
from augan.explain.direction import Direction
from augan.explain.dissection import Masks
from augan.explain.effects import Attribute
from augan.explain.players import Critic
from augan.metrics import FeatureSpace


@dataclass(frozen=True, kw_only=True, eq=False)
class Subject:
    """A model with what there is beside it.

    Attributes:
        model: the generator.
        critic: its discriminator. run: its folder. real: data. space: features. Each None where there is none.
        missing: by these names, why there is none.
        attributes: what effects of directions are measured on. scores: what supervised directions are looked for.
        masks: for dissection.
        count: directions of each method. seed: of every draw.
    """

    model: Model
    critic: Critic | None = None
    run: Run | None = None
    real: Source | None = None
    space: FeatureSpace | None = None
    missing: Mapping[str, str] = field(default_factory=dict)
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    scores: Mapping[str, Attribute] = field(default_factory=dict)
    masks: Mapping[str, Masks] = field(default_factory=dict)
    count: int = 8
    seed: int = 0

    def rows(self, count: int) -> np.ndarray:
        """Numbers of at most `count` real items, drawn."""
        assert self.real is not None
        return np.sort(numpy_stream(self.seed, "explain real").permutation(len(self.real))[:count])

    def real_items(self, count: int) -> tuple[Float[Tensor, "n ..."], Int64[Tensor, " n"] | None]:
        """At most `count` real items in [-1, 1], and their labels in the numbers of the model's classes."""
        assert self.real is not None
        rows = self.rows(count)
        labels = None
        if self.model.conditional and self.real.labels is not None:
            own, known = self.real.item.class_names or (), self.model.item.class_names or ()
            labels = torch.tensor([known.index(own[k]) for k in self.real.labels[rows]], dtype=torch.int64)
        return to_unit(self.real.items(rows)).contiguous(), labels


@dataclass(frozen=True, kw_only=True, eq=False)
class Section:
    """A part of the page, with the numbers and pictures that stand beside it.

    Attributes:
        name: of its files and of its key in explanation.json.
        title: its heading.
        html: what follows the heading.
        data: plain values.
        pictures: by name of the file.
        directions: those found.
    """

    name: str
    title: str
    html: str
    data: Any
    pictures: Mapping[str, Image.Image] = field(default_factory=dict)
    directions: tuple[Direction, ...] = ()

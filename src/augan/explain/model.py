"""A model that can be asked: what `augan.load` gives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from augan.checkpoint import Model
from augan.core.item import to_unit
from augan.explain.direction import Direction, edit
from augan.explain.directions import directions
from augan.explain.inversion import Inversion, InversionConfig, invert
from augan.explain.supervised import supervised


class OpenModel(Model):
    """A `Model` with inversion, directions and edits; each calls the function of that name in `augan.explain`."""

    @classmethod
    def of(cls, model: Model) -> OpenModel:
        """The same generator."""
        return cls(model.generator, model.item, model.device, model.origin)

    def invert(
        self,
        images: Any,
        classes: Sequence[str | int] | None = None,
        *,
        seed: int = 0,
        encoder: Callable[[Tensor], Tensor] | None = None,
        **settings: Any,
    ) -> Inversion:
        """Latents of images.

        Args:
            images: (n, c, ...) float in [-1, 1], or (n, h, w, c) uint8.
            classes: one for each image; None tries all.
            settings: of `augan.explain.InversionConfig`, such as steps=400.

        Raises:
            UserError: see `augan.explain.invert`.
        """
        items = to_unit(images).contiguous() if isinstance(images, np.ndarray) and images.dtype == np.uint8 else images
        numbers = None if classes is None else self.class_indices(classes)
        labels = None if numbers is None else torch.tensor(numbers)
        config = InversionConfig(**settings)
        return invert(self, torch.as_tensor(items), labels, config=config, seed=seed, encoder=encoder)

    def directions(
        self,
        method: str | Callable[[Tensor], Any] = "sefa",
        count: int = 8,
        *,
        name: str = "score",
        seed: int = 0,
    ) -> list[Direction]:
        """Directions by a method's name, or the one along which a function of items, (n, c, ...) -> (n,), grows.

        Raises:
            UserError: see `augan.explain.directions` and `augan.explain.supervised`.
        """
        if callable(method):
            return [supervised(self, method, name, seed=seed)]
        return directions(self, method, count, seed)[0]

    def edit(
        self,
        latents: Float[Tensor, "n d"],
        direction: Direction,
        strength: float,
        classes: Sequence[str | int] | None = None,
    ) -> Float[Tensor, "n ..."]:
        """Items of latents moved along a direction; `classes` in turn, all of them for None."""
        return edit(self, latents, direction, strength, self.labels(len(latents), classes))

"""Random numbers of an augmentation."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

Images = Float[Tensor, "_ _ _ _"]


class Draw:
    """Random numbers for one batch: a number an item, repeated over the frames of a clip.

    Attributes:
        probability: with which each part of a change happens to an item.
    """

    def __init__(
        self,
        items: int,
        like: Tensor,
        generator: torch.Generator | None,
        probability: Tensor | float = 1.0,
        frames: int = 1,
    ) -> None:
        self.items, self.frames, self.probability = items, frames, probability
        self._generator, self._device, self._dtype = generator, like.device, like.dtype

    def uniform(self, low: float, high: float) -> Float[Tensor, " b"]:
        """U(low, high)."""
        drawn = torch.rand(self.items, generator=self._generator, device=self._device, dtype=self._dtype)
        return (drawn * (high - low) + low).repeat_interleave(self.frames)

    def normal(self, deviation: float) -> Float[Tensor, " b"]:
        """N(0, deviation^2)."""
        drawn = torch.randn(self.items, generator=self._generator, device=self._device, dtype=self._dtype)
        return (drawn * deviation).repeat_interleave(self.frames)

    def noise(self, shape: Sequence[int]) -> Tensor:
        """N(0, 1) for every value of a batch of this shape, anew for every frame."""
        return torch.randn(*shape, generator=self._generator, device=self._device, dtype=self._dtype)

    def integers(self, low: int, high: int) -> Int64[Tensor, " b"]:
        """Whole numbers, low and high included."""
        drawn = torch.randint(low, high + 1, (self.items,), generator=self._generator, device=self._device)
        return drawn.repeat_interleave(self.frames)

    def happens(self, share: float | Tensor = 1.0) -> Bool[Tensor, " b"]:
        """To which items a part of a change happens: `probability` times `share` of them."""
        drawn = torch.rand(self.items, generator=self._generator, device=self._device)
        return (drawn < self.probability * share).repeat_interleave(self.frames)

    def where(self, chosen: Tensor, value: Tensor, otherwise: float) -> Tensor:
        """`value` for the chosen items and a constant for the rest."""
        return torch.where(chosen, value, torch.full_like(value, otherwise))


def over(values: Tensor) -> Tensor:
    """(b,) -> (b, 1, 1, 1), to be broadcast over images."""
    return values.view(-1, 1, 1, 1)

"""Random numbers of an augmentation."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from augan.core.rng import Stream

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
        stream: Stream,
        probability: Tensor | float = 1.0,
        frames: int = 1,
    ) -> None:
        self.items, self.frames, self.probability = items, frames, probability
        self._stream, self._device, self._dtype = stream, like.device, like.dtype

    def _unit(self, dtype: torch.dtype) -> Float[Tensor, " b"]:
        """U(0, 1), a number an item."""
        return self._stream.rows(
            self.items, lambda count, random: torch.rand(count, generator=random, device=self._device, dtype=dtype)
        )

    def uniform(self, low: float, high: float) -> Float[Tensor, " b"]:
        """U(low, high)."""
        return (self._unit(self._dtype) * (high - low) + low).repeat_interleave(self.frames)

    def normal(self, deviation: float) -> Float[Tensor, " b"]:
        """N(0, deviation^2)."""
        return (self.noise([self.items]) * deviation).repeat_interleave(self.frames)

    def noise(self, shape: Sequence[int]) -> Tensor:
        """N(0, 1) for every value of a batch of this shape, anew for every frame."""
        return self._stream.rows(
            shape[0],
            lambda count, random: torch.randn(
                count, *shape[1:], generator=random, device=self._device, dtype=self._dtype
            ),
        )

    def integers(self, low: int, high: int) -> Int64[Tensor, " b"]:
        """Whole numbers, low and high included."""
        drawn = self._stream.rows(
            self.items,
            lambda count, random: torch.randint(low, high + 1, (count,), generator=random, device=self._device),
        )
        return drawn.repeat_interleave(self.frames)

    def happens(self, share: float | Tensor = 1.0) -> Bool[Tensor, " b"]:
        """To which items a part of a change happens: `probability` times `share` of them."""
        return (self._unit(torch.get_default_dtype()) < self.probability * share).repeat_interleave(self.frames)

    def where(self, chosen: Tensor, value: Tensor, otherwise: float) -> Tensor:
        """`value` for the chosen items and a constant for the rest."""
        return torch.where(chosen, value, torch.full_like(value, otherwise))


def over(values: Tensor) -> Tensor:
    """(b,) -> (b, 1, 1, 1), to be broadcast over images."""
    return values.view(-1, 1, 1, 1)

"""Differentiable augmentation of what the discriminator sees (DiffAugment, arXiv:2006.10738).

Real and generated images pass through the same kind of random change in both players' turns, so that the
discriminator cannot memorise a small set and the generator does not learn the changes. All operations are
differentiable twice, draw from a given generator, and change every image on its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from augan.core.errors import unknown_name

Images = Float[Tensor, "b c h w"]
Operation = Callable[[Tensor, torch.Generator | None], Tensor]


def _uniform(images: Tensor, low: float, high: float, generator: torch.Generator | None) -> Tensor:
    shape = (len(images), 1, 1, 1)
    return torch.rand(shape, generator=generator, device=images.device, dtype=images.dtype) * (high - low) + low


def _integers(images: Tensor, low: int, high: int, generator: torch.Generator | None) -> Tensor:
    """(b,) whole numbers, low and high included."""
    return torch.randint(low, high + 1, (len(images),), generator=generator, device=images.device)


def colour(images: Images, generator: torch.Generator | None = None) -> Images:
    """Brightness by U(-0.5, 0.5); saturation about grey by U(0, 2); contrast about the mean by U(0.5, 1.5)."""
    images = images + _uniform(images, -0.5, 0.5, generator)
    if images.shape[1] > 1:
        grey = images.mean(1, keepdim=True)
        images = (images - grey) * _uniform(images, 0, 2, generator) + grey
    mean = images.mean((1, 2, 3), keepdim=True)
    return (images - mean) * _uniform(images, 0.5, 1.5, generator) + mean


def translation(images: Images, generator: torch.Generator | None = None, ratio: float = 0.125) -> Images:
    """A shift by whole pixels, up to `ratio` of each side; what comes in is black (-1)."""
    _, _, height, width = images.shape
    reach_y, reach_x = int(height * ratio + 0.5), int(width * ratio + 0.5)
    shift_y = _integers(images, -reach_y, reach_y, generator)
    shift_x = _integers(images, -reach_x, reach_x, generator)
    rows = torch.arange(height, device=images.device)[None] + shift_y[:, None]
    columns = torch.arange(width, device=images.device)[None] + shift_x[:, None]
    inside = ((rows >= 0) & (rows < height))[:, None, :, None] & ((columns >= 0) & (columns < width))[:, None, None, :]
    batch = torch.arange(len(images), device=images.device)[:, None, None]
    moved = images.permute(0, 2, 3, 1)[
        batch, rows.clamp(0, height - 1)[:, :, None], columns.clamp(0, width - 1)[:, None, :]
    ]
    return torch.where(inside, moved.permute(0, 3, 1, 2), -torch.ones_like(images[:1, :1, :1, :1]))


def cutout(images: Images, generator: torch.Generator | None = None, ratio: float = 0.5) -> Images:
    """A grey (0) rectangle of `ratio` of each side at a random place, which may reach over the border."""
    _, _, height, width = images.shape
    half_y, half_x = max(1, int(height * ratio / 2)), max(1, int(width * ratio / 2))
    centre_y = _integers(images, 0, height - 1, generator)[:, None]
    centre_x = _integers(images, 0, width - 1, generator)[:, None]
    rows = (torch.arange(height, device=images.device)[None] - centre_y).abs() < half_y
    columns = (torch.arange(width, device=images.device)[None] - centre_x).abs() < half_x
    return images * ~(rows[:, None, :, None] & columns[:, None, None, :])


def flip(images: Images, generator: torch.Generator | None = None) -> Images:
    """Left and right exchanged in half of the images."""
    chosen = _integers(images, 0, 1, generator).bool().view(-1, 1, 1, 1)
    return torch.where(chosen, images.flip(3), images)


AUGMENTATIONS: dict[str, Operation] = {
    "colour": colour,
    "translation": translation,
    "cutout": cutout,
    "flip": flip,
}
"""What `--set 'game.augmentation=["translation", "cutout"]'` may name."""


def operation(name: str) -> Operation:
    """The operation called `name`.

    Raises:
        UserError: there is none; the message lists them.
    """
    if name not in AUGMENTATIONS:
        raise unknown_name("augmentation", name, AUGMENTATIONS)
    return AUGMENTATIONS[name]


def augment(images: Images, names: Sequence[str], generator: torch.Generator | None = None) -> Images:
    """Applies the named operations in order.

    Raises:
        UserError: an unknown name.
    """
    for name in names:
        images = operation(name)(images, generator)
    return images

"""Differentiable augmentation of what the discriminator sees.

Real and generated images pass through the same kind of random change in both players' turns, so that the
discriminator cannot memorise a small set and the generator does not learn the changes. Two families: the three
operations of DiffAugment (arXiv:2006.10738), made for being always on; and those of adaptive discriminator
augmentation (arXiv:2006.06676, appendix B; `augan.game.adaptive`), made for a probability that a controller moves.
Any of them can be used either way. All are differentiable twice, draw from a given generator, and change every item
on its own; the frames of a clip are changed alike.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from augan.core.errors import UserError, unknown_name
from augan.core.rng import Stream
from augan.game import adaptive
from augan.game.draw import Draw, Images, over

Operation = Callable[[Tensor, Draw], Tensor]


def colour(images: Images, draw: Draw) -> Images:
    """Brightness by U(-0.5, 0.5); saturation about grey by U(0, 2); contrast about the mean by U(0.5, 1.5)."""
    changed = images + over(draw.uniform(-0.5, 0.5))
    if images.shape[1] > 1:
        grey = changed.mean(1, keepdim=True)
        changed = (changed - grey) * over(draw.uniform(0, 2)) + grey
    mean = changed.mean((1, 2, 3), keepdim=True)
    return torch.where(over(draw.happens()), (changed - mean) * over(draw.uniform(0.5, 1.5)) + mean, images)


def translation(images: Images, draw: Draw, ratio: float = 0.125) -> Images:
    """A shift by whole pixels, up to `ratio` of each side; what comes in is black (-1)."""
    _, _, height, width = images.shape
    reach_y, reach_x = int(height * ratio + 0.5), int(width * ratio + 0.5)
    moves = draw.happens()
    shift_y = draw.integers(-reach_y, reach_y) * moves
    shift_x = draw.integers(-reach_x, reach_x) * moves
    rows = torch.arange(height, device=images.device)[None] + shift_y[:, None]
    columns = torch.arange(width, device=images.device)[None] + shift_x[:, None]
    inside = ((rows >= 0) & (rows < height))[:, None, :, None] & ((columns >= 0) & (columns < width))[:, None, None, :]
    batch = torch.arange(len(images), device=images.device)[:, None, None]
    moved = images.permute(0, 2, 3, 1)[
        batch, rows.clamp(0, height - 1)[:, :, None], columns.clamp(0, width - 1)[:, None, :]
    ]
    return torch.where(inside, moved.permute(0, 3, 1, 2), -torch.ones_like(images[:1, :1, :1, :1]))


def cutout(images: Images, draw: Draw, ratio: float = 0.5) -> Images:
    """A grey (0) rectangle of `ratio` of each side at a random place, which may reach over the border."""
    _, _, height, width = images.shape
    half_y, half_x = max(1, int(height * ratio / 2)), max(1, int(width * ratio / 2))
    centre_y = draw.integers(0, height - 1)[:, None]
    centre_x = draw.integers(0, width - 1)[:, None]
    rows = (torch.arange(height, device=images.device)[None] - centre_y).abs() < half_y
    columns = (torch.arange(width, device=images.device)[None] - centre_x).abs() < half_x
    covered = rows[:, None, :, None] & columns[:, None, None, :] & over(draw.happens())
    return images * ~covered


def flip(images: Images, draw: Draw) -> Images:
    """Left and right exchanged in half of the images."""
    return torch.where(over(draw.happens(0.5)), images.flip(3), images)


AUGMENTATIONS: dict[str, Operation] = {
    "colour": colour,
    "translation": translation,
    "cutout": cutout,
    "flip": flip,
    "blit": adaptive.blit,
    "geometry": adaptive.geometry,
    "scale": adaptive.scale,
    "palette": adaptive.palette,
    "bands": adaptive.bands,
    "noise": adaptive.noise,
}
"""What `--set 'game.augmentation=["translation", "cutout"]'` and `game.adaptive` may name."""


def operation(name: str) -> tuple[Operation, float]:
    """The operation called `name`, and what its probability is multiplied by: "palette" or "palette*0.5".

    Raises:
        UserError: there is none; the message lists them. Or a factor that is not a number from 0 to 1.
    """
    word, _, factor = name.partition("*")
    if word not in AUGMENTATIONS:
        raise unknown_name("augmentation", word, AUGMENTATIONS)
    try:
        share = float(factor or 1)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise UserError(f"Augmentation '{name}': a number from 0 to 1 is expected after *.")
    return AUGMENTATIONS[word], share


def augment(
    images: Float[Tensor, "b *frame c h w"],
    names: Sequence[str],
    generator: torch.Generator | Stream | None = None,
    probability: Tensor | float = 1.0,
) -> Float[Tensor, "b *frame c h w"]:
    """Applies the named operations in order, each of their parts with `probability`.

    Images are (b, c, h, w), values mostly in [-1, 1]; or clips (b, t, c, h, w), whose frames are changed alike.

    Raises:
        UserError: an unknown name.
    """
    if not names:
        return images
    frames = images.shape[1] if images.dim() == 5 else 1
    flat = images.flatten(0, 1) if images.dim() == 5 else images
    for name in names:
        change, factor = operation(name)
        flat = change(flat, Draw(len(images), images, Stream.of(generator), probability * factor, frames))
    return flat.view(images.shape) if images.dim() == 5 else flat

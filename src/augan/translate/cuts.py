"""What a round learns from: images cut at random, or crops of one large image. All draws are for the whole batch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from augan.core.item import ItemSpec


@dataclass(frozen=True, kw_only=True)
class Cuts:
    """How the images of a batch are cut: sides of the enlarged images, places of the cuts, which are mirrored."""

    large: tuple[int, int]
    tops: np.ndarray
    lefts: np.ndarray
    mirrored: np.ndarray | None


def draw_cuts(count: int, item: ItemSpec, enlarge: float, flip: bool, random: np.random.Generator) -> Cuts:
    """Random cuts for a whole batch, of which each process takes its own."""
    large = (round(item.height * enlarge), round(item.width * enlarge))
    tops = lefts = np.zeros(count, np.int64)
    if large != (item.height, item.width):
        tops = random.integers(0, large[0] - item.height + 1, count)
        lefts = random.integers(0, large[1] - item.width + 1, count)
    return Cuts(large=large, tops=tops, lefts=lefts, mirrored=random.random(count) < 0.5 if flip else None)


def cut(images: Float[Tensor, "b c h w"], cuts: Cuts, own: slice) -> Float[Tensor, "b c h w"]:
    """Enlarged bilinearly, cut, mirrored: each image on its own, by the rows `own` of the cuts."""
    _, _, height, width = images.shape
    if cuts.large != (height, width):
        bigger = F.interpolate(images, size=cuts.large, mode="bilinear", align_corners=False)
        images = torch.stack(
            [
                image[:, top : top + height, left : left + width]
                for image, top, left in zip(bigger, cuts.tops[own], cuts.lefts[own], strict=True)
            ]
        )
    return images if cuts.mirrored is None else _mirrored(images, cuts.mirrored[own])


def _mirrored(images: Tensor, chosen: np.ndarray) -> Tensor:
    which = torch.from_numpy(chosen).to(images.device)
    return torch.where(which[:, None, None, None], images.flip(3), images)


def draw_crops(
    image: Float[Tensor, "1 c h w"], count: int, side: int, zoom: float, flip: bool, random: np.random.Generator
) -> Float[Tensor, "b c s s"]:
    """`count` squares of one image, made smaller by a factor of U(1 / zoom, 1) along each axis beforehand.

    All of a batch share the factors and come from different cells of a grid, whose place is drawn for each crop, so
    that a crop's negatives lie elsewhere (arXiv:2007.15651, section 4.3). Cells repeat only where there are too few.
    """
    factors = random.uniform(1 / zoom, 1, 2)
    height, width = (
        max(side, round(length * float(factor))) for length, factor in zip(image.shape[2:], factors, strict=True)
    )
    small = F.interpolate(image, size=(height, width), mode="bilinear", align_corners=False, antialias=True)[0]
    rows, columns = height // side, width // side
    rounds = -(-count // (rows * columns))
    cells = np.concatenate([random.permutation(rows * columns) for _ in range(rounds)])[:count]
    tops = random.integers(0, height - rows * side + 1, count) + cells // columns * side
    lefts = random.integers(0, width - columns * side + 1, count) + cells % columns * side
    crops = torch.stack([small[:, top : top + side, left : left + side] for top, left in zip(tops, lefts, strict=True)])
    return _mirrored(crops, random.random(count) < 0.5) if flip else crops

"""Losses between patches of images and of their translations, and the pool of earlier translations."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional as F

PATCHES = 256
TEMPERATURE = 0.07


class PatchProjection(nn.Module):
    """Samples places of feature maps, and maps each to a vector of length 1 (arXiv:2007.15651, section 3).

    A two-layer perceptron for each of the maps, whose channels are given.
    """

    def __init__(self, channels: Sequence[int], size: int = 256) -> None:
        super().__init__()
        self.heads = nn.ModuleList(
            nn.Sequential(nn.Linear(width, size), nn.ReLU(), nn.Linear(size, size)) for width in channels
        )
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, 0.0, 0.02)
                nn.init.zeros_(module.bias)

    def forward(self, maps: Sequence[Tensor], places: Sequence[Int64[Tensor, " _"]]) -> list[Float[Tensor, "b _ _"]]:
        """Codes of the maps (b, c, h, w) at flat places (p,) of each."""
        found = []
        for head, features, chosen in zip(self.heads, maps, places, strict=True):
            vectors = features.flatten(2).transpose(1, 2)[:, chosen]
            codes = head(vectors)
            found.append(codes / (codes.norm(dim=2, keepdim=True) + 1e-7))
        return found


def draw_places(maps: Sequence[Tensor], random: torch.Generator, count: int = PATCHES) -> list[Int64[Tensor, " _"]]:
    """Up to `count` different places of each map."""
    return [
        torch.randperm(features.shape[2] * features.shape[3], generator=random)[:count].to(features.device)
        for features in maps
    ]


def patch_nce(
    queries: Float[Tensor, "b p d"], keys: Float[Tensor, "b p d"], temperature: float = TEMPERATURE
) -> Float[Tensor, ""]:
    """Cross-entropy of finding a patch's own key among those of its image (arXiv:2007.15651, equation 3).

    Keys are detached; negatives come from the same image only.
    """
    logits = queries @ keys.detach().transpose(1, 2) / temperature
    own = torch.arange(logits.shape[1], device=logits.device).expand(logits.shape[:2])
    return F.cross_entropy(logits.flatten(0, 1), own.flatten())


def batch_nce(
    queries: Float[Tensor, "b p d"], keys: Float[Tensor, "c p d"], first: int = 0, temperature: float = TEMPERATURE
) -> Float[Tensor, ""]:
    """The same among the keys of a whole batch, of which the queries' images are those from number `first` on.

    For crops of one image, each of which is a negative of all others. Keys are detached.
    """
    logits = queries.flatten(0, 1) @ keys.detach().flatten(0, 1).T / temperature
    own = torch.arange(len(logits), device=logits.device) + first * queries.shape[1]
    return F.cross_entropy(logits, own)


class ImagePool:
    """Earlier translations, of which the discriminator sees half (arXiv:1612.07828, section 2.3).

    A translation goes in and, once the pool is full, with a half chance another one comes out in its place.
    """

    def __init__(self, size: int = 50) -> None:
        self.size = size
        self.images: Tensor | None = None

    def exchange(self, images: Float[Tensor, "b c h w"], random: torch.Generator) -> Float[Tensor, "b c h w"]:
        """What the discriminator is to see instead of `images`."""
        if not self.size:
            return images
        shown = []
        for image in images.detach():
            held = 0 if self.images is None else len(self.images)
            if held < self.size:
                self.images = image[None].clone() if self.images is None else torch.cat([self.images, image[None]])
                shown.append(image)
            elif float(torch.rand((), generator=random)) < 0.5:
                assert self.images is not None
                place = int(torch.randint(held, (), generator=random))
                shown.append(self.images[place].clone())
                self.images[place] = image
            else:
                shown.append(image)
        return torch.stack(shown)

"""The textbook pair.

Generator: latent -> dense -> 4x4x512 -> transposed convolutions with batch normalisation and ReLU -> tanh.
Discriminator: strided convolutions with batch normalisation -> fully connected -> one logit, whose sigmoid is the
probability D(x). (arXiv:1406.2661 for the game, arXiv:1511.06434 for the layers.)
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from augan.nn import Canvas, ConditionedLatent, ProjectionHead


def channel_ladder(width: int, levels: int) -> list[int]:
    """Channels from the finest grid but one (2 width) to the coarsest, doubling up to 8 width.

    >>> channel_ladder(32, 3), channel_ladder(64, 4)
    ([64, 128, 256], [128, 256, 512, 512])
    """
    return [min(8 * width, 2 * width * 2**level) for level in range(levels)]


def _initialise(network: nn.Module) -> None:
    """Weights N(0, 0.02), normalisation scales N(1, 0.02) (arXiv:1511.06434, section 4)."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.normal_(module.weight, std=0.02)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, mean=1.0, std=0.02)


class ArticleGenerator(nn.Module):
    """(b, latent_size) and, with classes, labels (b,) -> images (b, c, h, w) in [-1, 1]."""

    def __init__(self, *, channels: int, height: int, width: int, classes: int, latent_size: int, base: int) -> None:
        super().__init__()
        self.latent_size, self.classes = latent_size, classes
        self.canvas = Canvas.fit(height, width)
        ladder = channel_ladder(base, self.canvas.levels)[::-1]
        self.condition = ConditionedLatent(latent_size, classes)
        rows, columns = self.canvas.base
        self.dense = nn.Linear(self.condition.output_size, ladder[0] * rows * columns)
        layers: list[nn.Module] = [nn.BatchNorm2d(ladder[0]), nn.ReLU()]
        for wide, narrow in zip(ladder, ladder[1:], strict=False):
            layers += [
                nn.ConvTranspose2d(wide, narrow, 4, 2, 1, bias=False),
                nn.BatchNorm2d(narrow),
                nn.ReLU(),
            ]
        self.layers = nn.Sequential(*layers, nn.ConvTranspose2d(ladder[-1], channels, 4, 2, 1), nn.Tanh())
        _initialise(self)

    def forward(
        self, latents: Float[Tensor, "b d"], labels: Int64[Tensor, " b"] | None = None
    ) -> Float[Tensor, "b c h w"]:
        maps = self.dense(self.condition(latents, labels)).unflatten(1, (-1, *self.canvas.base))
        maps = maps.contiguous(memory_format=torch.channels_last)
        return self.canvas.crop(self.layers(maps))


class ArticleDiscriminator(nn.Module):
    """Images (b, c, h, w) in [-1, 1] and, with classes, labels (b,) -> logits (b,).

    Batch normalisation makes the logits of one image depend on its batch: gradient penalties do not suit it.
    """

    def __init__(self, *, channels: int, height: int, width: int, classes: int, base: int) -> None:
        super().__init__()
        self.canvas = Canvas.fit(height, width)
        ladder = channel_ladder(base, self.canvas.levels)
        layers: list[nn.Module] = [nn.Conv2d(channels, ladder[0], 4, 2, 1), nn.LeakyReLU(0.2)]
        for narrow, wide in zip(ladder, ladder[1:], strict=False):
            layers += [nn.Conv2d(narrow, wide, 4, 2, 1, bias=False), nn.BatchNorm2d(wide), nn.LeakyReLU(0.2)]
        rows, columns = self.canvas.base
        self.layers = nn.Sequential(*layers, nn.Flatten())
        self.head = ProjectionHead(ladder[-1] * rows * columns, classes)
        _initialise(self)

    def forward(
        self, images: Float[Tensor, "b c h w"], labels: Int64[Tensor, " b"] | None = None
    ) -> Float[Tensor, " b"]:
        return self.head(self.layers(self.canvas.pad(images)), labels)

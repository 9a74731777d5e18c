"""A small, fast pair: strided convolutions, projection conditioning, no normalisation in the discriminator."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional as F

from augan.networks.article import channel_ladder
from augan.nn import Canvas, ConditionedLatent, StridedConv, TransposedConv, class_head


class StridedGenerator(nn.Module):
    """(b, latent_size) and, with classes, labels (b,) -> images (b, c, h, w) in [-1, 1].

    A class reaches it through a 64-d embedding beside the latent.
    """

    def __init__(self, *, channels: int, height: int, width: int, classes: int, latent_size: int, base: int) -> None:
        super().__init__()
        self.latent_size, self.classes = latent_size, classes
        self.canvas = Canvas.fit(height, width)
        ladder = channel_ladder(base, self.canvas.levels)[::-1]
        self.condition = ConditionedLatent(latent_size, classes)
        rows, columns = self.canvas.base
        self.dense = nn.Linear(self.condition.output_size, ladder[0] * rows * columns)
        self.first = nn.BatchNorm2d(ladder[0])
        self.up = nn.ModuleList(
            TransposedConv(wide, narrow, bias=False) for wide, narrow in zip(ladder, ladder[1:], strict=False)
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(narrow) for narrow in ladder[1:])
        self.last = TransposedConv(ladder[-1], channels)

    def forward(
        self, latents: Float[Tensor, "b d"], labels: Int64[Tensor, " b"] | None = None
    ) -> Float[Tensor, "b c h w"]:
        maps = self.dense(self.condition(latents, labels)).unflatten(1, (-1, *self.canvas.base))
        maps = F.relu(self.first(maps.contiguous(memory_format=torch.channels_last)))
        for up, norm in zip(self.up, self.norms, strict=True):
            maps = F.relu(norm(up(maps)))
        return self.canvas.crop(self.last(maps)).tanh()


class StridedDiscriminator(nn.Module):
    """Images (b, c, h, w) in [-1, 1] and, with classes, labels (b,) -> logits (b,), each image on its own."""

    def __init__(
        self, *, channels: int, height: int, width: int, classes: int, base: int, conditioning: str = "projection"
    ) -> None:
        super().__init__()
        self.canvas = Canvas.fit(height, width)
        ladder = channel_ladder(base, self.canvas.levels)
        self.down = nn.ModuleList(
            StridedConv(narrow, wide) for narrow, wide in zip([channels, *ladder], ladder, strict=False)
        )
        rows, columns = self.canvas.base
        self.head = class_head(ladder[-1] * rows * columns, classes, conditioning)

    def features(self, images: Float[Tensor, "b c h w"]) -> Float[Tensor, "b f"]:
        """What the head judges by."""
        maps = self.canvas.pad(images)
        for down in self.down:
            maps = F.leaky_relu(down(maps), 0.2)
        return maps.flatten(1)

    def forward(
        self, images: Float[Tensor, "b c h w"], labels: Int64[Tensor, " b"] | None = None
    ) -> Float[Tensor, " b"]:
        logits: Tensor = self.head(self.features(images), labels)
        return logits

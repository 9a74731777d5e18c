"""A small, fast pair: strided convolutions, projection conditioning, no normalisation in the discriminator.

Latent and class reach every size of the generator, as scales and shifts of its normalised maps, and the image is the
sum of contributions of all sizes. Both cost a tenth of the speed, and bring samples nearer to the data in the same time
(docs/experiments.md).
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional as F

from augan.networks.article import channel_ladder
from augan.nn import Canvas, ConditionedLatent, StridedConv, TransposedConv, class_head

SLOPE = 0.2


class Modulation(nn.Module):
    """Scales and shifts maps by a code: maps * (1 + scale(code)) + shift(code) (arXiv:1810.01365, equation 2).

    Both start small, so that a generator begins as the one without them.
    """

    def __init__(self, code: int, channels: int) -> None:
        super().__init__()
        self.linear = nn.Linear(code, 2 * channels)
        nn.init.normal_(self.linear.weight, std=0.3 * code**-0.5)
        nn.init.zeros_(self.linear.bias)

    def forward(self, maps: Float[Tensor, "b c h w"], code: Float[Tensor, "b d"]) -> Float[Tensor, "b c h w"]:
        scale, shift = self.linear(code)[:, :, None, None].chunk(2, 1)
        return torch.addcmul(shift, maps, 1 + scale)


class StridedGenerator(nn.Module):
    """(b, latent_size) and, with classes, labels (b,) -> images (b, c, h, w) in [-1, 1].

    Dense layer, then transposed convolutions, each behind batch normalisation, modulation and ReLU. A class is a 64-d
    embedding beside the latent. Every size adds to the image by a 1x1 convolution, which is doubled bilinearly and
    added to the next one's (arXiv:1912.04958, section 4.1).
    """

    def __init__(self, *, channels: int, height: int, width: int, classes: int, latent_size: int, base: int) -> None:
        super().__init__()
        self.latent_size, self.classes = latent_size, classes
        self.canvas = Canvas.fit(height, width)
        ladder = channel_ladder(base, self.canvas.levels)[::-1]
        self.condition = ConditionedLatent(latent_size, classes)
        code = self.condition.output_size
        rows, columns = self.canvas.base
        self.dense = nn.Linear(code, ladder[0] * rows * columns)
        self.up = nn.ModuleList(
            TransposedConv(wide, narrow, bias=False) for wide, narrow in zip(ladder, ladder[1:], strict=False)
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(narrow) for narrow in ladder)
        self.modulations = nn.ModuleList(Modulation(code, narrow) for narrow in ladder)
        self.pictures = nn.ModuleList(nn.Conv2d(narrow, channels, 1) for narrow in ladder)
        self.last = TransposedConv(ladder[-1], channels)

    def class_codes(self) -> list[Float[Tensor, "k _"]]:
        """For every size of maps, the scales and the shifts that each class brings, (classes, channels) each."""
        if self.condition.embedding is None:
            return []
        classes = self.condition.embedding.weight
        found: list[Tensor] = []
        for modulation in self.modulations:
            assert isinstance(modulation, Modulation)
            found += (classes @ modulation.linear.weight[:, self.latent_size :].t()).chunk(2, 1)
        return found

    def forward(
        self, latents: Float[Tensor, "b d"], labels: Int64[Tensor, " b"] | None = None
    ) -> Float[Tensor, "b c h w"]:
        code = self.condition(latents, labels)
        maps = self.dense(code).unflatten(1, (-1, *self.canvas.base)).contiguous(memory_format=torch.channels_last)
        picture: Tensor | None = None
        for index, (norm, modulation, own) in enumerate(zip(self.norms, self.modulations, self.pictures, strict=True)):
            if index:
                maps = self.up[index - 1](maps)
            maps = F.relu(modulation(norm(maps), code))
            picture = own(maps) if picture is None else own(maps) + _doubled(picture)
        assert picture is not None
        return self.canvas.crop(self.last(maps) + _doubled(picture)).tanh()


def _doubled(picture: Tensor) -> Tensor:
    return F.interpolate(picture, scale_factor=2, mode="bilinear")


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
        for layer in self.down:
            assert isinstance(layer, StridedConv)
            assert layer.bias is not None
            nn.init.kaiming_normal_(layer.weight, a=SLOPE)
            nn.init.zeros_(layer.bias)
        rows, columns = self.canvas.base
        self.head = class_head(ladder[-1] * rows * columns, classes, conditioning)

    def features(self, images: Float[Tensor, "b c h w"]) -> Float[Tensor, "b f"]:
        """What the head judges by."""
        maps = self.canvas.pad(images)
        for down in self.down:
            maps = F.leaky_relu(down(maps), SLOPE)
        return maps.flatten(1)

    def forward(
        self, images: Float[Tensor, "b c h w"], labels: Int64[Tensor, " b"] | None = None
    ) -> Float[Tensor, " b"]:
        logits: Tensor = self.head(self.features(images), labels)
        return logits

"""R3GAN's block structure without any normalisation, at any width (arXiv:2501.05441, section 4, appendix).

Per block of C channels: 1x1 C -> 2C, 3x3 grouped 2C -> 2C, 1x1 2C -> C, added to its input. Convolutions have no bias;
the leaky ReLUs after the first two own it. The third starts at zero, the first two with a gain that keeps the sum of L
blocks at unit variance. Sixteen channels a group.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional as F

from augan.nn import Canvas, ConditionedLatent, Downsample, Upsample
from augan.nn.embed import require_labels

GROUP = 16
EXPANSION = 2


def stage_widths(base: int, levels: int, widest: int = 4) -> list[int]:
    """Channels from the finest grid (`base`, a multiple of 8) to the coarsest, doubling up to `widest` times base.

    >>> stage_widths(32, 3), stage_widths(768, 3, widest=1)
    ([32, 64, 128, 128], [768, 768, 768, 768])
    """
    base = max(8, 8 * round(base / 8))
    return [min(widest * base, base * 2**level) for level in range(levels + 1)]


def _scaled(layer: nn.Conv2d | nn.Linear, gain: float) -> nn.Module:
    """Weights N(0, gain^2 / fan_in)."""
    nn.init.normal_(layer.weight, std=gain / math.sqrt(layer.weight[0].numel()))
    return layer


class BiasedLeakyReLU(nn.Module):
    """leaky_relu(x + bias, 0.2), with a bias a channel that starts at zero."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, maps: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        return F.leaky_relu(maps + self.bias.to(maps.dtype).view(1, -1, 1, 1), 0.2)


class ResidualBlock(nn.Module):
    """(b, c, h, w) -> (b, c, h, w). `total_blocks` is L, the number of blocks in the whole network."""

    def __init__(self, channels: int, total_blocks: int) -> None:
        super().__init__()
        inner = channels * EXPANSION
        gain = math.sqrt(2 / (1 + 0.2**2)) * total_blocks ** (-1 / 4)
        self.layers = nn.Sequential(
            _scaled(nn.Conv2d(channels, inner, 1, bias=False), gain),
            BiasedLeakyReLU(inner),
            _scaled(nn.Conv2d(inner, inner, 3, padding=1, groups=inner // GROUP, bias=False), gain),
            BiasedLeakyReLU(inner),
            _scaled(nn.Conv2d(inner, channels, 1, bias=False), 0.0),
        )

    def forward(self, maps: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        return maps + self.layers(maps)


def _transition(before: int, after: int) -> nn.Module:
    return nn.Identity() if before == after else _scaled(nn.Conv2d(before, after, 1, bias=False), 1.0)


class ResidualGenerator(nn.Module):
    """(b, latent_size) and, with classes, labels (b,) -> images (b, c, h, w); unbounded, as the paper has it."""

    def __init__(
        self,
        *,
        channels: int,
        height: int,
        width: int,
        classes: int,
        latent_size: int,
        base: int,
        blocks: int,
        widest: int = 4,
    ) -> None:
        super().__init__()
        self.latent_size, self.classes = latent_size, classes
        self.canvas = Canvas.fit(height, width)
        widths = stage_widths(base, self.canvas.levels, widest)[::-1]
        total = blocks * len(widths)
        self.condition = ConditionedLatent(latent_size, classes)
        self.basis = nn.Parameter(torch.randn(widths[0], *self.canvas.base))
        self.dense = _scaled(nn.Linear(self.condition.output_size, widths[0], bias=False), 1.0)
        stages: list[nn.Module] = [nn.Sequential(*(ResidualBlock(widths[0], total) for _ in range(blocks)))]
        for before, after in zip(widths, widths[1:], strict=False):
            here = (ResidualBlock(after, total) for _ in range(blocks))
            stages.append(nn.Sequential(_transition(before, after), Upsample(), *here))
        self.stages = nn.Sequential(*stages)
        self.output = _scaled(nn.Conv2d(widths[-1], channels, 1, bias=False), 1.0)

    def forward(
        self, latents: Float[Tensor, "b d"], labels: Int64[Tensor, " b"] | None = None
    ) -> Float[Tensor, "b c h w"]:
        scale = self.dense(self.condition(latents, labels))
        maps = (self.basis.to(scale.dtype) * scale[:, :, None, None]).contiguous(memory_format=torch.channels_last)
        return self.canvas.crop(self.output(self.stages(maps)))


class ResidualDiscriminator(nn.Module):
    """Images (b, c, h, w) and, with classes, labels (b,) -> logits (b,): <output, embedding(class)> (section 4)."""

    def __init__(
        self, *, channels: int, height: int, width: int, classes: int, base: int, blocks: int, widest: int = 4
    ) -> None:
        super().__init__()
        self.canvas, self.classes = Canvas.fit(height, width), classes
        widths = stage_widths(base, self.canvas.levels, widest)
        total = blocks * len(widths)
        stages: list[nn.Module] = []
        for before, after in zip(widths, widths[1:], strict=False):
            here = (ResidualBlock(before, total) for _ in range(blocks))
            stages.append(nn.Sequential(*here, Downsample(), _transition(before, after)))
        stages.append(nn.Sequential(*(ResidualBlock(widths[-1], total) for _ in range(blocks))))
        self.input = _scaled(nn.Conv2d(channels, widths[0], 1, bias=False), 1.0)
        self.stages = nn.Sequential(*stages)
        top = widths[-1]
        self.pool = _scaled(nn.Conv2d(top, top, self.canvas.base, groups=top, bias=False), 1.0)
        self.output = _scaled(nn.Linear(top, top if classes else 1, bias=False), 1.0)
        self.embedding = nn.Embedding(classes, top) if classes else None
        if self.embedding is not None:
            nn.init.normal_(self.embedding.weight, std=1 / math.sqrt(classes * top))

    def forward(
        self, images: Float[Tensor, "b c h w"], labels: Int64[Tensor, " b"] | None = None
    ) -> Float[Tensor, " b"]:
        require_labels(labels, self.classes)
        features = self.output(self.pool(self.stages(self.input(self.canvas.pad(images)))).flatten(1))
        if self.embedding is None:
            return features.squeeze(1)
        return (features * self.embedding(labels)).sum(1)

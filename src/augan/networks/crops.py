"""Networks for translating one image into the manner of one other (arXiv:2007.15651, section 4.3, "SinCUT").

Blocks of StyleGAN2 (arXiv:1912.04958) without styles: weights of equal learning rate, residual blocks, filters of
[1, 3, 3, 1] / 8 around every change of size, zeros beyond the border. All take and give (b, c, h, w).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from augan.core.errors import UserError
from augan.networks.style import GAIN, EqualConv, EqualLinear
from augan.networks.translation import tapped
from augan.nn import Downsample

TAPS = (1.0, 3.0, 3.0, 1.0)
WIDEST = 12
"""Channels of the discriminator's coarsest maps over those of its finest: 384 and 32 as published."""
LEAST_CROP = 8


def blurred(maps: Float[Tensor, "b c h w"], border: int, gain: float = 1.0) -> Float[Tensor, "b c H W"]:
    """Filtered by [1, 3, 3, 1] / 8 along both axes, with `border` zeros on all sides: H = h + 2 border - 3."""
    channels = maps.shape[1]
    taps = torch.tensor(TAPS, dtype=maps.dtype, device=maps.device) * (math.sqrt(gain) / sum(TAPS))
    columns = taps.view(1, 1, 4, 1).expand(channels, 1, 4, 1)
    rows = taps.view(1, 1, 1, 4).expand(channels, 1, 1, 4)
    maps = F.conv2d(maps, columns, padding=(border, 0), groups=channels)
    return F.conv2d(maps, rows, padding=(0, border), groups=channels)


def _active(maps: Tensor) -> Tensor:
    return F.leaky_relu(maps, 0.2) * GAIN


class ActiveConv(EqualConv):
    """A convolution and a leaky ReLU; `halve` filters first and takes every second place."""

    def __init__(self, inputs: int, outputs: int, kernel: int, halve: bool = False) -> None:
        super().__init__(inputs, outputs, kernel)
        self.halve = halve

    def forward(self, maps: Float[Tensor, "b i h w"]) -> Float[Tensor, "b o H W"]:
        if not self.halve:
            return _active(super().forward(maps))
        maps = blurred(maps, 1 + self.padding)
        return _active(F.conv2d(maps, self.weight * self.scale, self.bias, stride=2))


class StyleBlock(nn.Module):
    """Two convolutions and what went in, over sqrt(2); with `halve`, or other channels, that goes through a third."""

    def __init__(self, inputs: int, outputs: int, halve: bool = False) -> None:
        super().__init__()
        self.inner = nn.Sequential(ActiveConv(inputs, inputs, 3), ActiveConv(inputs, outputs, 3, halve))
        across: list[nn.Module] = [Downsample()] if halve else []
        if halve or inputs != outputs:
            across.append(EqualConv(inputs, outputs, 1, bias=False))
        self.across = nn.Sequential(*across)

    def forward(self, maps: Float[Tensor, "b i h w"]) -> Float[Tensor, "b o H W"]:
        result: Tensor = (self.inner(maps) + self.across(maps)) / GAIN
        return result


class Doubling(nn.Module):
    """A transposed convolution whose outputs have unit variance ("demodulated"), a filter, noise, a leaky ReLU.

    Noise is drawn from torch's global stream while training; in evaluation it is the same for every image of a size.
    """

    def __init__(self, inputs: int, outputs: int, noise: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, 3, 3))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.strength = nn.Parameter(torch.zeros(())) if noise else None
        self.scale = 1 / math.sqrt(inputs * 9)

    def forward(self, maps: Float[Tensor, "b i h w"]) -> Float[Tensor, "b o H W"]:
        weight = self.weight * self.scale
        weight = weight * (weight.square().sum((1, 2, 3), keepdim=True) + 1e-8).rsqrt()
        maps = blurred(F.conv_transpose2d(maps, weight.transpose(0, 1), stride=2), 1, gain=4.0)
        if self.strength is not None:
            maps = maps + self.strength * self._noise(maps)
        return _active(maps + self.bias.view(1, -1, 1, 1))

    def _noise(self, maps: Tensor) -> Tensor:
        count, _, height, width = maps.shape
        if self.training:
            return torch.randn(count, 1, height, width, device=maps.device)
        return torch.randn(1, 1, height, width, generator=torch.Generator().manual_seed(0)).to(maps.device)


class StyleTranslator(nn.Module):
    """A 1x1 convolution, a halving, `blocks` residual blocks, a doubling, a 1x1 convolution; outputs are not bounded.

    Sides must be even. `features` gives what the encoder's layers give, of which the paper takes 0 (the image itself),
    2 and 4.
    """

    multiple = 2

    def __init__(
        self, channels_in: int, channels_out: int, *, blocks: int = 6, width: int = 80, noise: bool = True
    ) -> None:
        super().__init__()
        half, wide = max(1, blocks // 2), 2 * width
        self.encoder = nn.Sequential(
            nn.Identity(),
            ActiveConv(channels_in, width, 1),
            StyleBlock(width, wide, halve=True),
            *[StyleBlock(wide, wide) for _ in range(half)],
        )
        self.decoder = nn.Sequential(
            *[StyleBlock(wide, wide) for _ in range(half)],
            Doubling(wide, width, noise),
            ActiveConv(width, channels_out, 1),
        )
        self.default_taps = (0, 2, min(4, 2 + half))

    def forward(self, images: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h w"]:
        result: Tensor = self.decoder(self.encoder(images))
        return result

    def features(self, images: Float[Tensor, "b c h w"], taps: Sequence[int]) -> list[Tensor]:
        """What the encoder's layers with these numbers give; nothing beyond the last of them is computed."""
        return tapped(self.encoder, images, taps)


class CropDiscriminator(nn.Module):
    """Square crops (b, c, side, side) -> logits (b, 1): the residual discriminator of StyleGAN2, without deviations.

    Raises:
        UserError: `side` is not a power of two from 8 on.
    """

    def __init__(self, channels: int, *, side: int, width: int = 32) -> None:
        super().__init__()
        if side < LEAST_CROP or side & (side - 1):
            raise UserError(f"Crops of {side} pixels do not halve down to 4. Give a power of two, such as crop=64.")
        widths = [min(WIDEST * width, width * 2**level) for level in range(side.bit_length() - 2)]
        top = widths[-1]
        self.layers = nn.Sequential(
            ActiveConv(channels, widths[0], 1),
            *[StyleBlock(narrow, wide, halve=True) for narrow, wide in zip(widths, widths[1:], strict=False)],
            ActiveConv(top, top, 3),
            nn.Flatten(),
        )
        self.dense = EqualLinear(16 * top, top)
        self.output = EqualLinear(top, 1)

    def forward(self, images: Float[Tensor, "b c h w"]) -> Float[Tensor, "b 1"]:
        result: Tensor = self.output(_active(self.dense(self.layers(images))))
        return result

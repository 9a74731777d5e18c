"""Networks from image to image, as published: the U-Net and PatchGAN of pix2pix, the residual generator of CycleGAN.

All take and give (b, c, h, w) in [-1, 1]. With `up="transposed"` and the published widths they are the networks of
arXiv:1611.07004 and arXiv:1703.10593, layer by layer; `up="resize"` doubles maps and then convolves, which leaves no
chequerboards; `up="smooth"` filters before it halves and after it doubles, as in arXiv:2007.15651.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from augan.core.errors import UserError

Up = Literal["transposed", "resize", "smooth"]
Norm = Literal["batch", "instance", "none"]
SLOPE = 0.2
WIDEST = 8
BINOMIAL = (1.0, 3.0, 3.0, 1.0)
NEARLY = 0.98
"""Of an image, what a shortcut carries over: at the ends of the range the tangent would have no slope."""


def norm_layer(norm: Norm, channels: int) -> nn.Module:
    """Batch normalisation, instance normalisation without parameters, or nothing."""
    if norm == "batch":
        return nn.BatchNorm2d(channels)
    return nn.InstanceNorm2d(channels) if norm == "instance" else nn.Identity()


class Smooth(nn.Module):
    """Doubles maps, or halves them, through a binomial filter (arXiv:1904.11486)."""

    kernel: Tensor

    def __init__(self, channels: int, factor: Literal["double", "halve"]) -> None:
        super().__init__()
        self.factor = factor
        taps = torch.tensor((1.0, 2.0, 1.0) if factor == "halve" else BINOMIAL)
        kernel = taps[:, None] * taps / taps.sum() ** 2 * (4.0 if factor == "double" else 1.0)
        self.register_buffer("kernel", kernel.repeat(channels, 1, 1, 1), persistent=False)

    def forward(self, maps: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c H W"]:
        channels, kernel = maps.shape[1], self.kernel.to(maps.dtype)
        if self.factor == "halve":
            return F.conv2d(F.pad(maps, (1, 1, 1, 1), mode="reflect"), kernel, stride=2, groups=channels)
        padded = F.pad(maps, (1, 1, 1, 1), mode="replicate")
        return F.conv_transpose2d(padded, kernel, stride=2, padding=2, groups=channels)[:, :, 1:, 1:][:, :, :-1, :-1]


class Doubled(nn.Module):
    """Each pixel four times."""

    def forward(self, maps: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c H W"]:
        return F.interpolate(maps, scale_factor=2, mode="nearest")


# ---------------------------------------------------------------------- U-Net


class UNetGenerator(nn.Module):
    """The U-Net of pix2pix: `downs` halvings, each with a connection across (arXiv:1611.07004, section 6.1.1).

    Sides must be multiples of 2^downs. The levels between the innermost and the four outermost have dropout, where it
    is asked for.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        *,
        downs: int = 8,
        width: int = 64,
        norm: Norm = "batch",
        dropout: bool = True,
        up: Up = "transposed",
    ) -> None:
        super().__init__()
        if downs < 2:
            raise UserError(f"A U-Net of {downs} halvings is too shallow: images must have at least 4 pixels a side.")
        self.multiple, self.downs = 2**downs, downs
        bias = norm != "batch"
        widths = [width * min(2**level, WIDEST) for level in range(downs)]
        self.down = nn.ModuleList()
        self.up = nn.ModuleList()
        before = channels_in
        for level, wide in enumerate(widths):
            innermost, outermost = level == downs - 1, level == 0
            layers: list[nn.Module] = [] if outermost else [nn.LeakyReLU(SLOPE)]
            layers.append(nn.Conv2d(before, wide, 4, 2, 1, bias=bias))
            if not outermost and not innermost:
                layers.append(norm_layer(norm, wide))
            self.down.append(nn.Sequential(*layers))
            inner = wide if innermost else 2 * wide
            outer = channels_out if outermost else before
            rising: list[nn.Module] = [nn.ReLU(), *_rise(inner, outer, up, bias or outermost)]
            if outermost:
                rising.append(nn.Tanh())
            else:
                rising.append(norm_layer(norm, outer))
                if dropout and WIDEST // 2 <= level < downs - 1:
                    rising.append(nn.Dropout(0.5))
            self.up.append(nn.Sequential(*rising))
            before = wide

    def forward(self, images: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h w"]:
        across = []
        maps = images
        for down in self.down:
            maps = down(maps)
            across.append(maps)
        for level in range(self.downs - 1, -1, -1):
            maps = self.up[level](maps)
            if level:
                maps = torch.cat([across[level - 1], maps], 1)
        return maps


def _rise(narrow: int, wide: int, up: Up, bias: bool) -> list[nn.Module]:
    """Layers that double maps on the way up."""
    if up == "transposed":
        return [nn.ConvTranspose2d(narrow, wide, 4, 2, 1, bias=bias)]
    double: nn.Module = Smooth(narrow, "double") if up == "smooth" else Doubled()
    return [double, nn.Conv2d(narrow, wide, 3, 1, 1, bias=bias)]


# ---------------------------------------------------------------------- residual generator


class ResidualBlock(nn.Module):
    """x + conv(relu(conv(x))), each convolution behind reflected borders and with normalisation."""

    def __init__(self, channels: int, norm: Norm, dropout: bool, bias: bool) -> None:
        super().__init__()
        layers: list[nn.Module] = [
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3, bias=bias),
            norm_layer(norm, channels),
            nn.ReLU(),
        ]
        if dropout:
            layers.append(nn.Dropout(0.5))
        layers += [nn.ReflectionPad2d(1), nn.Conv2d(channels, channels, 3, bias=bias), norm_layer(norm, channels)]
        self.block = nn.Sequential(*layers)

    def forward(self, maps: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        result: Tensor = maps + self.block(maps)
        return result


def tapped(layers: nn.Sequential, images: Float[Tensor, "b c h w"], taps: Sequence[int]) -> list[Tensor]:
    """What the layers with these numbers give; nothing beyond the last of them is computed."""
    found, maps = [], images
    for number, layer in enumerate(layers):
        maps = layer(maps)
        if number in taps:
            found.append(maps)
        if number >= max(taps):
            break
    return found


class ResnetGenerator(nn.Module):
    """A 7x7 convolution, two halvings, `blocks` residual blocks, two doublings, a 7x7 convolution (arXiv:1703.10593).

    Sides must be multiples of 4. With `up="smooth"` its layers are numbered as in arXiv:2007.15651, so that taps 0, 4,
    8, 12 and 16 are the paper's. With `shortcut` it says what is to change: its last maps are added to the images,
    before the hyperbolic tangent that ends it.
    """

    multiple = 4

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        *,
        blocks: int = 9,
        width: int = 64,
        norm: Norm = "instance",
        dropout: bool = False,
        up: Up = "transposed",
        shortcut: bool = False,
    ) -> None:
        super().__init__()
        if shortcut and channels_in != channels_out:
            raise UserError(f"{channels_in} channels cannot be added to {channels_out}: shortcut=false.")
        self.shortcut = shortcut
        bias = norm != "batch"
        layers: list[nn.Module] = [
            nn.ReflectionPad2d(3),
            nn.Conv2d(channels_in, width, 7, bias=bias),
            norm_layer(norm, width),
            nn.ReLU(),
        ]
        for narrow in (width, 2 * width):
            wide = 2 * narrow
            if up == "smooth":
                layers += [nn.Conv2d(narrow, wide, 3, 1, 1, bias=bias), norm_layer(norm, wide), nn.ReLU()]
                layers.append(Smooth(wide, "halve"))
            else:
                layers += [nn.Conv2d(narrow, wide, 3, 2, 1, bias=bias), norm_layer(norm, wide), nn.ReLU()]
        layers += [ResidualBlock(4 * width, norm, dropout, bias) for _ in range(blocks)]
        for wide in (4 * width, 2 * width):
            narrow = wide // 2
            if up == "transposed":
                layers.append(nn.ConvTranspose2d(wide, narrow, 3, 2, 1, output_padding=1, bias=bias))
            else:
                layers.append(Smooth(wide, "double") if up == "smooth" else Doubled())
                layers.append(nn.Conv2d(wide, narrow, 3, 1, 1, bias=bias))
            layers += [norm_layer(norm, narrow), nn.ReLU()]
        layers += [nn.ReflectionPad2d(3), nn.Conv2d(width, channels_out, 7), nn.Tanh()]
        self.layers = nn.Sequential(*layers)
        first = 12 if up == "smooth" else 10  # the first residual block
        middle = (first, first + 4) if blocks > 4 else (first, first + blocks - 1)
        self.default_taps = (0, 4, 8 if up == "smooth" else 7, *middle)

    def forward(self, images: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h w"]:
        if not self.shortcut:
            result: Tensor = self.layers(images)
            return result
        return (self.layers[:-1](images) + torch.atanh(NEARLY * images)).tanh()

    def features(self, images: Float[Tensor, "b c h w"], taps: Sequence[int]) -> list[Tensor]:
        """What the layers with these numbers give; nothing beyond the last of them is computed."""
        return tapped(self.layers, images, taps)


# ---------------------------------------------------------------------- PatchGAN


class PatchDiscriminator(nn.Module):
    """A logit for each overlapping patch: (b, c, h, w) -> (b, 1, h', w'); with 3 layers, patches are 70 x 70."""

    def __init__(
        self, channels: int, *, width: int = 64, layers: int = 3, norm: Norm = "batch", up: Up = "transposed"
    ) -> None:
        super().__init__()
        bias = norm != "batch"
        parts: list[nn.Module] = [*_fall(channels, width, up, True), nn.LeakyReLU(SLOPE)]
        if up == "smooth":
            parts.append(Smooth(width, "halve"))
        narrow = width
        for level in range(1, layers):
            wide = width * min(2**level, WIDEST)
            parts += [*_fall(narrow, wide, up, bias), norm_layer(norm, wide), nn.LeakyReLU(SLOPE)]
            if up == "smooth":
                parts.append(Smooth(wide, "halve"))
            narrow = wide
        wide = width * min(2**layers, WIDEST)
        parts += [nn.Conv2d(narrow, wide, 4, 1, 1, bias=bias), norm_layer(norm, wide), nn.LeakyReLU(SLOPE)]
        parts.append(nn.Conv2d(wide, 1, 4, 1, 1))
        self.layers = nn.Sequential(*parts)

    def forward(self, images: Float[Tensor, "b c h w"]) -> Float[Tensor, "b 1 H W"]:
        result: Tensor = self.layers(images)
        return result


def _fall(narrow: int, wide: int, up: Up, bias: bool) -> list[nn.Module]:
    return [nn.Conv2d(narrow, wide, 4, 1 if up == "smooth" else 2, 1, bias=bias)]


def start_small(network: nn.Module, deviation: float = 0.02) -> nn.Module:
    """Weights of convolutions ~ N(0, 0.02), of batch normalisation ~ N(1, 0.02), biases 0: how these papers start."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.normal_(module.weight, 0.0, deviation)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, deviation)
            nn.init.zeros_(module.bias)
    return network

"""Style-modulated generator and its discriminator (StyleGAN2, arXiv:1912.04958; conditioning of arXiv:2006.06676).

A mapping network turns latent and class into a style, which scales the input channels of every convolution; outputs
are scaled back to unit variance ("demodulation", computed on activations, which gives the same sums as on weights and
is far faster on processors). Images are sums of contributions of all sizes. All weights have the same effective
learning rate.
"""

from __future__ import annotations

import math
from typing import cast

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional as F

from augan.networks.residual import stage_widths
from augan.nn import Canvas, Downsample, Upsample
from augan.nn.embed import require_labels

GAIN = math.sqrt(2)
MAPPING_RATE = 0.01
GROUP = 4


class EqualLinear(nn.Module):
    """A linear layer whose weights N(0, 1) are scaled by 1 / sqrt(fan_in) when used; `rate` slows its learning down."""

    def __init__(self, inputs: int, outputs: int, bias: float = 0.0, rate: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / rate)
        self.bias = nn.Parameter(torch.full((outputs,), bias / rate))
        self.rate, self.scale = rate, rate / math.sqrt(inputs)

    def forward(self, values: Float[Tensor, "b i"]) -> Float[Tensor, "b o"]:
        return F.linear(values, self.weight * self.scale, self.bias * self.rate)


class EqualConv(nn.Module):
    """A convolution whose weights N(0, 1) are scaled by 1 / sqrt(fan_in) when used."""

    def __init__(self, inputs: int, outputs: int, kernel: int, bias: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None
        self.scale, self.padding = 1 / math.sqrt(inputs * kernel**2), kernel // 2

    def forward(self, maps: Float[Tensor, "b i h w"]) -> Float[Tensor, "b o h w"]:
        return F.conv2d(maps, self.weight * self.scale, self.bias, padding=self.padding)


class StyledConv(nn.Module):
    """Modulated convolution, noise, bias, leaky ReLU; `up` doubles the size first."""

    noise: Tensor

    def __init__(self, inputs: int, outputs: int, style: int, size: tuple[int, int], up: bool) -> None:
        super().__init__()
        self.modulation = EqualLinear(style, inputs, bias=1.0)
        self.weight = nn.Parameter(torch.randn(outputs, inputs, 3, 3))
        self.scale = 1 / math.sqrt(inputs * 9)
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.strength = nn.Parameter(torch.zeros(()))
        self.register_buffer("noise", torch.randn(1, 1, *size))
        self.up = Upsample() if up else None

    def forward(self, maps: Float[Tensor, "b i h w"], style: Float[Tensor, "b s"]) -> Float[Tensor, "b o H W"]:
        styles = self.modulation(style)
        weight = self.weight * self.scale
        exact = torch.promote_types(styles.dtype, torch.float32)
        power = F.linear(styles.to(exact).square(), weight.to(exact).square().sum((2, 3)))
        if self.up is not None:
            maps = self.up(maps)
        maps = F.conv2d(maps * styles.to(maps.dtype)[:, :, None, None], weight, padding=1)
        maps = maps * (power + 1e-8).rsqrt().to(maps.dtype)[:, :, None, None]
        noise = torch.randn(len(maps), *self.noise.shape[1:], device=maps.device) if self.training else self.noise
        maps = maps + (noise * self.strength).to(maps.dtype) + self.bias.to(maps.dtype).view(1, -1, 1, 1)
        return F.leaky_relu(maps, 0.2) * GAIN


class ToImage(nn.Module):
    """Modulated 1x1 convolution to the image's channels, without demodulation."""

    def __init__(self, inputs: int, channels: int, style: int) -> None:
        super().__init__()
        self.modulation = EqualLinear(style, inputs, bias=1.0)
        self.convolution = EqualConv(inputs, channels, 1)

    def forward(self, maps: Float[Tensor, "b i h w"], style: Float[Tensor, "b s"]) -> Float[Tensor, "b c h w"]:
        result: Tensor = self.convolution(maps * self.modulation(style).to(maps.dtype)[:, :, None, None])
        return result


class Mapping(nn.Module):
    """(b, latent_size) and labels -> style (b, size): both of unit length on average, then fully connected layers."""

    def __init__(self, latent_size: int, classes: int, size: int, layers: int) -> None:
        super().__init__()
        self.classes = classes
        self.embedding = EqualLinear(classes, size) if classes else None
        widths = [latent_size + (size if classes else 0)] + [size] * layers
        self.layers = nn.ModuleList(
            EqualLinear(a, b, rate=MAPPING_RATE) for a, b in zip(widths, widths[1:], strict=False)
        )

    def forward(self, latents: Float[Tensor, "b d"], labels: Int64[Tensor, " b"] | None) -> Float[Tensor, "b s"]:
        require_labels(labels, self.classes)
        values = _unit(latents)
        if self.embedding is not None:
            assert labels is not None
            chosen = F.one_hot(labels, self.classes).to(latents.dtype)
            values = torch.cat([values, _unit(self.embedding(chosen))], 1)
        for layer in self.layers:
            values = F.leaky_relu(layer(values), 0.2) * GAIN
        return values


def _unit(values: Tensor) -> Tensor:
    return values * (values.square().mean(1, keepdim=True) + 1e-8).rsqrt()


class StyleGenerator(nn.Module):
    """(b, latent_size) and, with classes, labels (b,) -> images (b, c, h, w), unbounded.

    Noise is drawn from torch's global stream while training; in evaluation it is fixed, so that samples are functions
    of latent and class.
    """

    def __init__(
        self,
        *,
        channels: int,
        height: int,
        width: int,
        classes: int,
        latent_size: int,
        base: int,
        widest: int = 4,
        mapping: int = 2,
    ) -> None:
        super().__init__()
        self.latent_size, self.classes = latent_size, classes
        self.canvas = Canvas.fit(height, width)
        widths = stage_widths(base, self.canvas.levels, widest)[::-1]
        style = widths[0]
        rows, columns = self.canvas.base
        self.mapping = Mapping(latent_size, classes, style, mapping)
        self.constant = nn.Parameter(torch.randn(1, widths[0], rows, columns))
        self.first = StyledConv(widths[0], widths[0], style, (rows, columns), up=False)
        self.images = nn.ModuleList([ToImage(widths[0], channels, style)])
        self.stages = nn.ModuleList()
        for before, after in zip(widths, widths[1:], strict=False):
            rows, columns = 2 * rows, 2 * columns
            up = StyledConv(before, after, style, (rows, columns), up=True)
            self.stages.append(nn.ModuleList([up, StyledConv(after, after, style, (rows, columns), up=False)]))
            self.images.append(ToImage(after, channels, style))
        self.up = Upsample()

    def forward(
        self, latents: Float[Tensor, "b d"], labels: Int64[Tensor, " b"] | None = None
    ) -> Float[Tensor, "b c h w"]:
        style = self.mapping(latents, labels)
        maps = self.constant.expand(latents.shape[0], -1, -1, -1).contiguous(memory_format=torch.channels_last)
        maps = self.first(maps, style)
        image = self.images[0](maps, style)
        for stage, to_image in zip(self.stages, list(self.images)[1:], strict=True):
            for convolution in cast(nn.ModuleList, stage):
                maps = convolution(maps, style)
            image = self.up(image) + to_image(maps, style)
        return self.canvas.crop(image)


class StyleDiscriminator(nn.Module):
    """Images (b, c, h, w) and, with classes, labels (b,) -> logits (b,).

    A residual block a stage; the deviation over groups of 4 images is a channel of the coarsest maps, so that the
    logits of an image depend on the others of its group.
    """

    def __init__(
        self,
        *,
        channels: int,
        height: int,
        width: int,
        classes: int,
        base: int,
        widest: int = 4,
        residual: bool = True,
    ) -> None:
        super().__init__()
        self.canvas, self.classes, self.residual = Canvas.fit(height, width), classes, residual
        widths = stage_widths(base, self.canvas.levels, widest)
        self.input = EqualConv(channels, widths[0], 1)
        self.stages = nn.ModuleList()
        for before, after in zip(widths, widths[1:], strict=False):
            parts = [EqualConv(before, before, 3), EqualConv(before, after, 3)]
            if residual:
                parts.append(EqualConv(before, after, 1, bias=False))
            self.stages.append(nn.ModuleList(parts))
        self.down = Downsample()
        top = widths[-1]
        rows, columns = self.canvas.base
        self.last = EqualConv(top + 1, top, 3)
        self.dense = EqualLinear(top * rows * columns, top)
        self.output = EqualLinear(top, top if classes else 1)
        self.mapping = Mapping(0, classes, top, 2) if classes else None

    def forward(
        self, images: Float[Tensor, "b c h w"], labels: Int64[Tensor, " b"] | None = None
    ) -> Float[Tensor, " b"]:
        require_labels(labels, self.classes)
        maps = _active(self.input(self.canvas.pad(images)))
        for stage in self.stages:
            parts = cast(nn.ModuleList, stage)
            inner = _active(parts[1](self.down(_active(parts[0](maps)))))
            maps = (inner + parts[2](self.down(maps))) / GAIN if self.residual else inner
        maps = _active(self.last(torch.cat([maps, _deviation(maps)], 1)))
        features = self.output(_active(self.dense(maps.flatten(1))))
        if self.mapping is None:
            return features.squeeze(1)
        proxy = self.mapping(features.new_empty(len(features), 0), labels)
        return (features * proxy).sum(1) / math.sqrt(features.shape[1])


def _active(maps: Tensor) -> Tensor:
    return F.leaky_relu(maps, 0.2) * GAIN


def _deviation(maps: Float[Tensor, "b c h w"]) -> Float[Tensor, "b 1 h w"]:
    """The mean deviation over groups of images (arXiv:1710.10196, section 3), the same for all cells and images of a
    group. Batches that 4 does not divide are one group."""
    count = len(maps)
    group = GROUP if count % GROUP == 0 else count
    exact = maps.to(torch.promote_types(maps.dtype, torch.float32))
    grouped = exact.view(group, -1, *maps.shape[1:])
    deviation = (grouped.var(0, correction=0) + 1e-8).sqrt().mean((1, 2, 3))
    return deviation.repeat(group).to(maps.dtype).view(-1, 1, 1, 1).expand(-1, 1, *maps.shape[2:])

"""Skip-layer excitation and a discriminator that also reconstructs (FastGAN, arXiv:2101.04775), for small sets.

Generator: every size is made from the one before by nearest-neighbour doubling, a convolution, batch normalisation
and a gated linear unit; channels of fine maps are excited by maps 16 times coarser, or by the coarsest but one where
there are fewer sizes. Discriminator: halvings by two
averaged branches; from its coarse features small decoders rebuild the real images, which keeps it from looking at a
few tell-tale details only. The paper compares reconstructions by a pretrained network; here it is by squared
differences.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional as F

from augan.networks.residual import stage_widths
from augan.nn import Canvas, ConditionedLatent, StridedConv, class_head


class _Up(nn.Module):
    """(b, i, h, w) -> (b, o, 2h, 2w); with `noisy`, two convolutions, each followed by learnt amounts of noise."""

    def __init__(self, inputs: int, outputs: int, noisy: bool) -> None:
        super().__init__()
        widths = [(inputs, outputs), (outputs, outputs)] if noisy else [(inputs, outputs)]
        self.convolutions = nn.ModuleList(nn.Conv2d(a, 2 * b, 3, padding=1, bias=False) for a, b in widths)
        self.norms = nn.ModuleList(nn.BatchNorm2d(2 * b) for _, b in widths)
        self.strengths = nn.Parameter(torch.zeros(len(widths)), requires_grad=noisy)
        self.noisy = noisy

    def forward(self, maps: Float[Tensor, "b i h w"]) -> Float[Tensor, "b o H W"]:
        maps = F.interpolate(maps, scale_factor=2)
        for strength, convolution, norm in zip(self.strengths, self.convolutions, self.norms, strict=True):
            maps = convolution(maps)
            if self.training and self.noisy:  # in both players' turns
                noise = torch.randn(len(maps), 1, *maps.shape[2:], device=maps.device, dtype=maps.dtype)
                maps = maps + strength.to(maps.dtype) * noise
            maps = F.glu(norm(maps), 1)
        return maps


class Excitation(nn.Module):
    """Channel gates for fine maps (b, o, H, W) from coarse ones (b, i, h, w)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.AdaptiveAvgPool2d(4),
            nn.Conv2d(inputs, outputs, 4),
            nn.SiLU(),
            nn.Conv2d(outputs, outputs, 1),
            nn.Sigmoid(),
        )

    def forward(self, coarse: Float[Tensor, "b i h w"], fine: Float[Tensor, "b o H W"]) -> Float[Tensor, "b o H W"]:
        return fine * self.layers(coarse)


class SkipGenerator(nn.Module):
    """(b, latent_size) and, with classes, labels (b,) -> images (b, c, h, w) in [-1, 1]."""

    def __init__(
        self, *, channels: int, height: int, width: int, classes: int, latent_size: int, base: int, widest: int = 8
    ) -> None:
        super().__init__()
        self.latent_size, self.classes = latent_size, classes
        self.canvas = Canvas.fit(height, width)
        widths = stage_widths(base, self.canvas.levels, widest)[::-1]
        self.condition = ConditionedLatent(latent_size, classes)
        rows, columns = self.canvas.base
        self.dense = nn.Linear(self.condition.output_size, 2 * widths[0] * rows * columns, bias=False)
        self.norm = nn.BatchNorm2d(2 * widths[0])
        self.up = nn.ModuleList(
            _Up(before, after, noisy=bool(number % 2))
            for number, (before, after) in enumerate(zip(widths, widths[1:], strict=False))
        )
        reach = min(4, self.canvas.levels - 1) if self.canvas.levels > 2 else 0
        self.reach = reach
        pairs = [(index, index + reach) for index in range(len(widths) - reach)] if reach else []
        self.excitations = nn.ModuleDict({str(fine): Excitation(widths[c], widths[fine]) for c, fine in pairs})
        self.last = nn.Conv2d(widths[-1], channels, 3, padding=1)

    def forward(
        self, latents: Float[Tensor, "b d"], labels: Int64[Tensor, " b"] | None = None
    ) -> Float[Tensor, "b c h w"]:
        maps = self.dense(self.condition(latents, labels)).unflatten(1, (-1, *self.canvas.base))
        seen = [F.glu(self.norm(maps.contiguous(memory_format=torch.channels_last)), 1)]
        for number, up in enumerate(self.up, start=1):
            maps = up(seen[-1])
            if str(number) in self.excitations:
                maps = self.excitations[str(number)](seen[number - self.reach], maps)
            seen.append(maps)
        return self.canvas.crop(self.last(seen[-1])).tanh()


class _Down(nn.Module):
    """(b, i, h, w) -> (b, o, h/2, w/2): the mean of a strided and of a pooled branch."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.strided = StridedConv(inputs, outputs)
        self.mixed = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.pooled = nn.Conv2d(inputs, outputs, 1)

    def forward(self, maps: Float[Tensor, "b i h w"]) -> Float[Tensor, "b o H W"]:
        strided = F.leaky_relu(self.mixed(F.leaky_relu(self.strided(maps), 0.2)), 0.2)
        return (strided + F.leaky_relu(self.pooled(F.avg_pool2d(maps, 2)), 0.2)) / 2


class SkipDiscriminator(nn.Module):
    """Images (b, c, h, w) and, with classes, labels (b,) -> logits (b,), each image on its own."""

    def __init__(
        self,
        *,
        channels: int,
        height: int,
        width: int,
        classes: int,
        base: int,
        widest: int = 8,
        conditioning: str = "projection",
    ) -> None:
        super().__init__()
        self.canvas = Canvas.fit(height, width)
        widths = stage_widths(base, self.canvas.levels, widest)
        self.first = nn.Conv2d(channels, widths[0], 3, padding=1)
        self.down = nn.ModuleList(_Down(a, b) for a, b in zip(widths, widths[1:], strict=False))
        rows, columns = self.canvas.base
        self.head = class_head(widths[-1] * rows * columns, classes, conditioning)
        decoder: list[nn.Module] = []
        inputs = widths[-1]
        for _ in range(max(0, self.canvas.levels - 1)):
            outputs = max(16, inputs // 2)
            decoder += [nn.Upsample(scale_factor=2), nn.Conv2d(inputs, outputs, 3, padding=1), nn.LeakyReLU(0.2)]
            inputs = outputs
        self.decoder = nn.Sequential(*decoder, nn.Conv2d(inputs, channels, 3, padding=1), nn.Tanh())

    def _coarse(self, images: Float[Tensor, "b c h w"]) -> Float[Tensor, "b o y x"]:
        maps = F.leaky_relu(self.first(self.canvas.pad(images)), 0.2)
        for down in self.down:
            maps = down(maps)
        return maps

    def features(self, images: Float[Tensor, "b c h w"]) -> Float[Tensor, "b f"]:
        """What the head judges by."""
        return self._coarse(images).flatten(1)

    def reconstruction_loss(
        self, features: Float[Tensor, "b f"], images: Float[Tensor, "b c h w"]
    ) -> Float[Tensor, ""]:
        """Mean squared difference between the images at half size and what their features are decoded to."""
        rebuilt = self.decoder(features.unflatten(1, (-1, *self.canvas.base)))
        wanted = F.avg_pool2d(self.canvas.pad(images), 2) if self.canvas.levels else self.canvas.pad(images)
        return F.mse_loss(rebuilt.float(), wanted.float())

    def forward(
        self, images: Float[Tensor, "b c h w"], labels: Int64[Tensor, " b"] | None = None
    ) -> Float[Tensor, " b"]:
        logits: Tensor = self.head(self.features(images), labels)
        return logits

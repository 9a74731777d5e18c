"""WaveGAN: a textbook pair for waveforms, with one-dimensional convolutions (arXiv:1802.04208)."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional as F

from augan.nn import ConditionedLatent, ProjectionHead

KERNEL, STRIDE, SHIFT = 25, 4, 2
SLOPE = 0.2
LEAST = 16
"""The coarsest maps have this many samples and more."""


def depth_of(samples: int) -> int:
    """How often a waveform is divided by 4, down to 16 samples and more; at most 5 times."""
    levels = 0
    while levels < 5 and samples / STRIDE ** (levels + 1) >= LEAST:
        levels += 1
    return max(1, levels)


def phase_shuffle(maps: Float[Tensor, "b c t"], most: int = SHIFT) -> Float[Tensor, "b c t"]:
    """Moves each item's maps by up to `most` samples, reflected at the ends (section 3.3)."""
    shifts = torch.randint(-most, most + 1, (len(maps), 1, 1), device=maps.device)
    length = maps.shape[2]
    places = torch.arange(length, device=maps.device)[None, None] + shifts
    places = length - 1 - (length - 1 - places.abs()).abs()
    return maps.gather(2, places.expand(-1, maps.shape[1], -1))


class WaveGenerator(nn.Module):
    """(b, latent_size) and, with classes, labels (b,) -> waveforms (b, c, 1, samples) in [-1, 1].

    Dense layer, then transposed convolutions with 25 taps and stride 4, and ReLU; no normalisation.
    """

    def __init__(self, *, channels: int, height: int, width: int, classes: int, latent_size: int, base: int) -> None:
        super().__init__()
        assert height == 1
        self.latent_size, self.classes, self.samples = latent_size, classes, width
        depth = depth_of(width)
        ladder = [base * 2**level for level in range(depth)][::-1]
        self.start = -(-width // STRIDE**depth)
        self.condition = ConditionedLatent(latent_size, classes)
        self.dense = nn.Linear(self.condition.output_size, ladder[0] * self.start)
        self.up = nn.ModuleList(
            nn.ConvTranspose1d(wide, narrow, KERNEL, STRIDE, KERNEL // 2 - 1, output_padding=1)
            for wide, narrow in zip(ladder, [*ladder[1:], channels], strict=True)
        )

    def forward(
        self, latents: Float[Tensor, "b d"], labels: Int64[Tensor, " b"] | None = None
    ) -> Float[Tensor, "b c 1 samples"]:
        maps = self.dense(self.condition(latents, labels)).unflatten(1, (-1, self.start))
        for up in self.up:
            maps = up(F.relu(maps))
        return maps[:, :, None, : self.samples].tanh()


class WaveDiscriminator(nn.Module):
    """Waveforms (b, c, 1, samples) in [-1, 1] and, with classes, labels (b,) -> logits (b,), each on its own.

    Phase shuffle behind each convolution but the last, in training only.
    """

    def __init__(self, *, channels: int, height: int, width: int, classes: int, base: int) -> None:
        super().__init__()
        assert height == 1
        depth = depth_of(width)
        ladder = [channels, *(base * 2**level for level in range(depth))]
        self.down = nn.ModuleList(
            nn.Conv1d(narrow, wide, KERNEL, STRIDE, KERNEL // 2 - 1)
            for narrow, wide in zip(ladder, ladder[1:], strict=False)
        )
        self.padded = -(-width // STRIDE**depth) * STRIDE**depth
        with torch.no_grad():
            outputs = self._maps(torch.zeros(1, channels, 1, width)).shape[1]
        self.head = ProjectionHead(outputs, classes)

    def _maps(self, waves: Tensor) -> Tensor:
        maps = F.pad(waves.flatten(2), (0, self.padded - waves.shape[3]))
        for index, down in enumerate(self.down):
            maps = F.leaky_relu(down(maps), SLOPE)
            if self.training and index + 1 < len(self.down):
                maps = phase_shuffle(maps)
        return maps.flatten(1)

    def features(self, images: Float[Tensor, "b c 1 samples"]) -> Float[Tensor, "b f"]:
        """What the head judges by."""
        return self._maps(images)

    def forward(
        self, images: Float[Tensor, "b c 1 samples"], labels: Int64[Tensor, " b"] | None = None
    ) -> Float[Tensor, " b"]:
        logits: Tensor = self.head(self.features(images), labels)
        return logits

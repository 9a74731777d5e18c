"""Networks for windows of time series: one-dimensional convolutions on a grid that doubles, of any length."""

from __future__ import annotations

from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional as F

from augan.nn import ConditionedLatent, ProjectionHead

SLOPE = 0.2
COARSEST = 8
"""The coarsest maps have fewer than this many moments, and at least half as many where the window has."""
WIDEST = 4
TAPS = 5


def depth_of(moments: int) -> int:
    """How often a window is halved, until fewer than 8 moments are left."""
    depth = 0
    while -(-moments // 2**depth) >= COARSEST:
        depth += 1
    return depth


def _ladder(base: int, depth: int) -> list[int]:
    """Channels from the finest maps to the coarsest."""
    return [base * min(WIDEST, 2**level) for level in range(depth + 1)]


class _Block(nn.Module):
    """x + conv(lrelu(conv(lrelu(x))))."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv1d(channels, channels, TAPS, padding=TAPS // 2)
        self.second = nn.Conv1d(channels, channels, TAPS, padding=TAPS // 2)

    def forward(self, maps: Float[Tensor, "b c t"]) -> Float[Tensor, "b c t"]:
        change: Tensor = self.second(F.leaky_relu(self.first(F.leaky_relu(maps, SLOPE)), SLOPE))
        return maps + change


class SeriesGenerator(nn.Module):
    """(b, latent_size) and, with classes, labels (b,) -> windows (b, c, 1, moments) in [-1, 1].

    Dense layer to 4 to 7 moments, then blocks between which the moments double; no normalisation.
    """

    def __init__(self, *, channels: int, height: int, width: int, classes: int, latent_size: int, base: int) -> None:
        super().__init__()
        assert height == 1
        self.latent_size, self.classes, self.moments = latent_size, classes, width
        depth = depth_of(width)
        ladder = _ladder(base, depth)[::-1]
        self.start = -(-width // 2**depth)
        self.condition = ConditionedLatent(latent_size, classes)
        self.dense = nn.Linear(self.condition.output_size, ladder[0] * self.start)
        self.blocks = nn.ModuleList(_Block(wide) for wide in ladder)
        self.narrow = nn.ModuleList(nn.Conv1d(wide, less, 1) for wide, less in zip(ladder, ladder[1:], strict=False))
        self.last = nn.Conv1d(ladder[-1], channels, TAPS, padding=TAPS // 2)

    def forward(
        self, latents: Float[Tensor, "b d"], labels: Int64[Tensor, " b"] | None = None
    ) -> Float[Tensor, "b c 1 moments"]:
        maps = self.dense(self.condition(latents, labels)).unflatten(1, (-1, self.start))
        for level, block in enumerate(self.blocks):
            if level:
                maps = self.narrow[level - 1](maps).repeat_interleave(2, 2)
            maps = block(maps)
        found: Tensor = self.last(F.leaky_relu(maps, SLOPE))
        return found[:, :, None, : self.moments].tanh()


class SeriesDiscriminator(nn.Module):
    """Windows (b, c, 1, moments) and, with classes, labels (b,) -> logits (b,), each on its own."""

    def __init__(self, *, channels: int, height: int, width: int, classes: int, base: int) -> None:
        super().__init__()
        assert height == 1
        depth = depth_of(width)
        ladder = _ladder(base, depth)
        self.padded = -(-width // 2**depth) * 2**depth
        self.first = nn.Conv1d(channels, ladder[0], TAPS, padding=TAPS // 2)
        self.blocks = nn.ModuleList(_Block(narrow) for narrow in ladder)
        self.widen = nn.ModuleList(nn.Conv1d(less, wide, 1) for less, wide in zip(ladder, ladder[1:], strict=False))
        self.head = ProjectionHead(ladder[-1] * (self.padded // 2**depth), classes)

    def features(self, images: Float[Tensor, "b c 1 moments"]) -> Float[Tensor, "b f"]:
        """What the head judges by."""
        windows = images.flatten(2)
        maps = self.first(F.pad(windows, (0, self.padded - windows.shape[2])))
        for level, block in enumerate(self.blocks):
            if level:
                maps = self.widen[level - 1](F.avg_pool1d(maps, 2))
            maps = block(maps)
        return F.leaky_relu(maps, SLOPE).flatten(1)

    def forward(
        self, images: Float[Tensor, "b c 1 moments"], labels: Int64[Tensor, " b"] | None = None
    ) -> Float[Tensor, " b"]:
        logits: Tensor = self.head(self.features(images), labels)
        return logits

"""A small conditional GAN for rows of numbers, in memory: what `GANSampler` learns from two-dimensional arrays."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from augan.core.rng import derive
from augan.game import objective
from augan.game.penalties import zero_centered_penalty
from augan.nn import averaged_copy, decay_for, update_average

LATENT = 32
SOFTNESS = 0.2
"""Temperature of the Gumbel-softmax by which categories are drawn (arXiv:1611.01144; 0.2 as in arXiv:1907.00503)."""
WIDTH = 128
BATCH = 64
RATE = 1e-3
GAMMA = 1.0
HALF_LIFE = 2_000


class _Generator(nn.Module):
    def __init__(self, columns: int, classes: int, groups: Sequence[slice] = ()) -> None:
        super().__init__()
        self.groups = tuple(groups)
        self.body = nn.Sequential(
            nn.Linear(LATENT + classes, WIDTH),
            nn.LeakyReLU(0.2),
            nn.Linear(WIDTH, WIDTH),
            nn.LeakyReLU(0.2),
            nn.Linear(WIDTH, columns),
        )

    def forward(self, latents: Tensor, condition: Tensor, random: torch.Generator) -> Tensor:
        rows: Tensor = self.body(torch.cat([latents, condition], 1))
        if not self.groups:
            return rows
        parts = [rows[:, : self.groups[0].start]]
        for group in self.groups:
            logits = rows[:, group]
            uniform = torch.rand(logits.shape, generator=random).clamp_(1e-6, 1 - 1e-6)
            parts.append(((logits - (-uniform.log()).log()) / SOFTNESS).softmax(1))
        return torch.cat(parts, 1)


class _Discriminator(nn.Module):
    def __init__(self, columns: int, classes: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(columns, WIDTH), nn.LeakyReLU(0.2), nn.Linear(WIDTH, WIDTH), nn.LeakyReLU(0.2)
        )
        self.verdict = nn.Linear(WIDTH, 1)
        self.match = nn.Linear(classes, WIDTH, bias=False)  # projection (arXiv:1802.05637)

    def forward(self, rows: Tensor, condition: Tensor) -> Tensor:
        features = self.body(rows)
        match = (features * self.match(condition)).sum(1) / WIDTH**0.5
        result: Tensor = self.verdict(features)[:, 0] + match
        return result


@dataclass(frozen=True, kw_only=True, eq=False)
class Scale:
    """Columns to zero mean and deviation one, and back into the range of the data."""

    mean: Float[np.ndarray, " d"]
    deviation: Float[np.ndarray, " d"]
    low: Float[np.ndarray, " d"]
    high: Float[np.ndarray, " d"]

    @classmethod
    def of(cls, rows: Float[np.ndarray, "n d"], groups: Sequence[slice] = ()) -> Scale:
        """The scale of these rows; a constant column has deviation 1, and `groups` of columns stay as they are."""
        mean, deviation = rows.mean(0), rows.std(0)
        deviation = np.where(deviation > 1e-12, deviation, 1.0)
        for group in groups:
            mean[group], deviation[group] = 0.0, 1.0
        return cls(
            mean=mean,
            deviation=deviation,
            low=rows.min(0),
            high=rows.max(0),
        )

    def forward(self, rows: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
        """As the networks see them."""
        return ((rows - self.mean) / self.deviation).astype(np.float32)

    def back(self, values: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
        """As the data has them, within its range."""
        return np.clip(values.astype(np.float64) * self.deviation + self.mean, self.low, self.high)


class RowsGAN:
    """Rows of a class, once it has learnt."""

    def __init__(self, generator: nn.Module, classes: int, scale: Scale) -> None:
        self.generator, self.classes, self.scale = generator, classes, scale

    @torch.no_grad()
    def make(self, label: int, count: int, seed: int) -> Float[np.ndarray, "n d"]:
        """`count` rows of the class, float64."""
        random = torch.Generator().manual_seed(derive(seed, "rows", label))
        latents = torch.randn(count, LATENT, generator=random)
        condition = torch.zeros(count, self.classes)
        condition[:, label] = 1
        return self.scale.back(self.generator(latents, condition, random).numpy())


def fit_rows(
    rows: Float[np.ndarray, "n d"],
    labels: Int64[np.ndarray, " n"],
    *,
    steps: int,
    minutes: float | None = None,
    seed: int = 0,
    groups: Sequence[slice] = (),
) -> RowsGAN:
    """Trains on rows whose labels are 0 to k - 1, each class drawn equally often.

    `groups` of neighbouring columns, the last ones of a row, are categories: one of each is 1, the others are 0.

    The relativistic game with both zero-centred penalties (arXiv:2501.05441), of `steps` rounds or, if given, of
    `minutes`.
    """
    classes, scale, game = int(labels.max()) + 1, Scale.of(rows, groups), objective("relativistic")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(seed, "rows networks"))
        generator = _Generator(rows.shape[1], classes, groups)
        discriminator = _Discriminator(rows.shape[1], classes)
    average = averaged_copy(generator)
    optimizers = [torch.optim.Adam(player.parameters(), RATE, (0.0, 0.9)) for player in (generator, discriminator)]
    random = torch.Generator().manual_seed(derive(seed, "rows rounds"))
    data, codes = torch.from_numpy(scale.forward(rows)), torch.from_numpy(labels)
    chances = (1.0 / torch.bincount(codes, minlength=classes).clamp_min(1).double())[codes]
    begun, step = time.monotonic(), 0
    while (time.monotonic() - begun < 60 * minutes) if minutes is not None else (step < steps):
        chosen = torch.multinomial(chances, BATCH, replacement=True, generator=random)
        real = data[chosen].requires_grad_()
        condition = nn.functional.one_hot(codes[chosen], classes).float()
        fake = generator(torch.randn(BATCH, LATENT, generator=random), condition, random)
        shown = fake.detach().requires_grad_()
        real_logits, fake_logits = discriminator(real, condition), discriminator(shown, condition)
        loss = game.discriminator_loss(real_logits, fake_logits)
        if step % 4 == 0:
            penalties = zero_centered_penalty(real, real_logits) + zero_centered_penalty(shown, fake_logits)
            loss = loss + 4 * GAMMA / 2 * penalties.mean() / rows.shape[1]
        optimizers[1].zero_grad()
        loss.backward()
        optimizers[1].step()
        with torch.no_grad():
            real_logits = discriminator(data[chosen], condition)
        optimizers[0].zero_grad()
        game.generator_loss(real_logits, discriminator(fake, condition)).backward()
        optimizers[0].step()
        step += 1
        update_average(average, generator, decay_for(HALF_LIFE, BATCH, step * BATCH))
    return RowsGAN(average.eval(), classes, scale)

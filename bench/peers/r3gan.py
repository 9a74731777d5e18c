"""R3GAN (arXiv:2501.05441): its blocks, objective, penalties at every round and schedules for CIFAR-10.

The published preset has 768 channels, too many for minutes on a processor. Here augan's own blocks of that structure
have `WIDTH` channels, two blocks a stage and 16 channels a group, batch 64, bfloat16 as theirs; the schedules (gamma
0.05 to 0.005, rate 2e-4 to 5e-5, beta2 0.9 to 0.99) go over 20 M images, so that a run of minutes stays at their
beginnings, which are used here; the EMA half-life rises as theirs, from 0 to 5 M images. Its adaptive augmentation
begins at 0 and is left out.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import softplus

from augan.core.devices import autocast_dtype
from augan.networks.residual import ResidualDiscriminator, ResidualGenerator
from augan.nn import channels_last
from bench.peers.batches import Batches

LATENT = 64
WIDTH = 128
BATCH = 64
GAMMA = 0.05
HALF_LIFE, BURN_IN = 5e6, 20e6


class R3GAN:
    """See the module."""

    conditional = True
    slow = True

    def __init__(self, images: Tensor, labels: Tensor, classes: int) -> None:
        self.batches, self.seen = Batches(images, labels, BATCH), 0
        shape = {"channels": images.shape[1], "height": images.shape[2], "width": images.shape[3], "classes": classes}
        sizes = {"base": WIDTH, "blocks": 2, "widest": 1}
        self.generator = channels_last(ResidualGenerator(**shape, **sizes, latent_size=LATENT))
        self.discriminator = channels_last(ResidualDiscriminator(**shape, **sizes))
        self.average = copy.deepcopy(self.generator).requires_grad_(False)
        self.optimizer_g = torch.optim.Adam(self.generator.parameters(), 2e-4, (0.0, 0.9))
        self.optimizer_d = torch.optim.Adam(self.discriminator.parameters(), 2e-4, (0.0, 0.9))
        self.dtype = autocast_dtype(torch.device("cpu"))

    def _half_precision(self) -> torch.autocast:
        return torch.autocast("cpu", dtype=self.dtype, enabled=self.dtype is not None)

    def _judge(self, images: Tensor, labels: Tensor) -> Tensor:
        with self._half_precision():
            logits: Tensor = self.discriminator(images, labels)
        return logits.float()

    def _fakes(self, labels: Tensor) -> Tensor:
        with self._half_precision():
            images: Tensor = self.generator(torch.randn(len(labels), LATENT), labels)
        return images.float()

    def step(self) -> int:
        real, labels = self.batches.next()
        real = real.clone().requires_grad_()
        with torch.no_grad():
            fake = self._fakes(labels)
        fake.requires_grad_()
        real_logits, fake_logits = self._judge(real, labels), self._judge(fake, labels)
        (slope_real,) = torch.autograd.grad(real_logits.sum(), real, create_graph=True)
        (slope_fake,) = torch.autograd.grad(fake_logits.sum(), fake, create_graph=True)
        penalty = (slope_real.square().sum((1, 2, 3)) + slope_fake.square().sum((1, 2, 3))).mean()
        loss = softplus(fake_logits - real_logits).mean() + GAMMA / 2 * penalty
        self.optimizer_d.zero_grad()
        loss.backward()
        self.optimizer_d.step()
        real, labels = self.batches.next()
        self.discriminator.requires_grad_(False)
        with torch.no_grad():
            real_logits = self._judge(real, labels)
        loss = softplus(real_logits - self._judge(self._fakes(labels), labels)).mean()
        self.optimizer_g.zero_grad()
        loss.backward()
        self.optimizer_g.step()
        self.discriminator.requires_grad_(True)
        self.seen += len(real)
        self._update_average(len(real))
        return len(real)

    @torch.no_grad()
    def _update_average(self, batch: int) -> None:
        half_life = HALF_LIFE * (1 - math.cos(math.pi * min(self.seen / BURN_IN, 1))) / 2
        decay = 0.5 ** (batch / half_life)
        for ours, theirs in zip(self.average.parameters(), self.generator.parameters(), strict=True):
            ours.lerp_(theirs, 1 - decay)

    def sampler(self) -> Callable[[int, Tensor | None, torch.Generator], Tensor]:
        generator = copy.deepcopy(self.average).eval()

        def draw(count: int, labels: Tensor | None, random: torch.Generator) -> Tensor:
            images: Tensor = generator(torch.randn(count, LATENT, generator=random), labels)
            return images

        return draw

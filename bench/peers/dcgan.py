"""PyTorch's DCGAN example (arXiv:1511.06434): width 64, latent 100, batch 64, Adam 2e-4 (0.5, 0.999), float32.

The example is for 64x64; with 32x32 both networks have one layer less. It knows no classes and no averaging, and
samples with the batch's own statistics.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

from bench.peers.batches import Batches

LATENT = 100
WIDTH = 64


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)


def _generator(channels: int, side: int) -> nn.Module:
    doublings = (side // 4).bit_length() - 1
    width = WIDTH * 2 ** (doublings - 1)
    layers: list[nn.Module] = [nn.ConvTranspose2d(LATENT, width, 4, 1, 0, bias=False)]
    for _ in range(doublings - 1):
        layers += [nn.BatchNorm2d(width), nn.ReLU(True), nn.ConvTranspose2d(width, width // 2, 4, 2, 1, bias=False)]
        width //= 2
    layers += [nn.BatchNorm2d(width), nn.ReLU(True), nn.ConvTranspose2d(width, channels, 4, 2, 1, bias=False)]
    return nn.Sequential(*layers, nn.Tanh()).apply(_initialise)


def _discriminator(channels: int, side: int) -> nn.Module:
    layers: list[nn.Module] = [nn.Conv2d(channels, WIDTH, 4, 2, 1, bias=False), nn.LeakyReLU(0.2, inplace=True)]
    width, side = WIDTH, side // 2
    while side > 4:
        layers += [nn.Conv2d(width, 2 * width, 4, 2, 1, bias=False), nn.BatchNorm2d(2 * width), nn.LeakyReLU(0.2, True)]
        width, side = 2 * width, side // 2
    layers += [nn.Conv2d(width, 1, 4, 1, 0, bias=False), nn.Sigmoid(), nn.Flatten(0)]
    return nn.Sequential(*layers).apply(_initialise)


class DCGAN:
    """See the module."""

    conditional = False
    slow = False

    def __init__(self, images: Tensor, labels: Tensor, classes: int) -> None:
        self.batches = Batches(images, labels, 64)
        channels, side = images.shape[1], images.shape[2]
        self.generator, self.discriminator = _generator(channels, side), _discriminator(channels, side)
        self.optimizer_d = torch.optim.Adam(self.discriminator.parameters(), 2e-4, (0.5, 0.999))
        self.optimizer_g = torch.optim.Adam(self.generator.parameters(), 2e-4, (0.5, 0.999))
        self.loss = nn.BCELoss()

    def step(self) -> int:
        real, _ = self.batches.next()
        one, zero = torch.ones(len(real)), torch.zeros(len(real))
        self.discriminator.zero_grad()
        self.loss(self.discriminator(real), one).backward()
        fake = self.generator(torch.randn(len(real), LATENT, 1, 1))
        self.loss(self.discriminator(fake.detach()), zero).backward()
        self.optimizer_d.step()
        self.generator.zero_grad()
        self.loss(self.discriminator(fake), one).backward()
        self.optimizer_g.step()
        return len(real)

    def sampler(self) -> Callable[[int, Tensor | None, torch.Generator], Tensor]:
        generator = copy.deepcopy(self.generator).train()

        def draw(count: int, labels: Tensor | None, random: torch.Generator) -> Tensor:
            images: Tensor = generator(torch.randn(count, LATENT, 1, 1, generator=random))
            return images

        return draw

"""SNGAN with a projection discriminator, as for CIFAR-10 (arXiv:1802.05957, arXiv:1802.05637).

Residual networks for 32x32: generator of width 256 with class-conditional batch normalisation, discriminator of width
128 with spectral normalisation and class projection; hinge loss; five turns of the discriminator to one of the
generator; batch 64 (128 for the generator's turn); Adam 2e-4 (0, 0.9); no averaging; float32.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from bench.peers.batches import Batches

LATENT = 128


class _ClassNorm(nn.Module):
    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(width, affine=False)
        self.scale, self.shift = nn.Embedding(classes, width), nn.Embedding(classes, width)
        nn.init.ones_(self.scale.weight)
        nn.init.zeros_(self.shift.weight)

    def forward(self, maps: Tensor, labels: Tensor) -> Tensor:
        result: Tensor = self.norm(maps) * self.scale(labels)[:, :, None, None] + self.shift(labels)[:, :, None, None]
        return result


def _glorot(layer: nn.Module, gain: float = 1.0) -> nn.Module:
    nn.init.xavier_uniform_(layer.weight, gain)  # type: ignore[arg-type]
    return layer


class _UpBlock(nn.Module):
    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.first, self.second = (_glorot(nn.Conv2d(width, width, 3, 1, 1), 2**0.5) for _ in range(2))
        self.skip = _glorot(nn.Conv2d(width, width, 1))
        self.norms = nn.ModuleList(_ClassNorm(width, classes) for _ in range(2))

    def forward(self, maps: Tensor, labels: Tensor) -> Tensor:
        inner = F.interpolate(F.relu(self.norms[0](maps, labels)), scale_factor=2)
        inner = self.second(F.relu(self.norms[1](self.first(inner), labels)))
        result: Tensor = inner + self.skip(F.interpolate(maps, scale_factor=2))
        return result


class _Generator(nn.Module):
    def __init__(self, channels: int, side: int, classes: int) -> None:
        super().__init__()
        self.dense = _glorot(nn.Linear(LATENT, 256 * 16))
        self.blocks = nn.ModuleList(_UpBlock(256, classes) for _ in range((side // 4).bit_length() - 1))
        self.norm = nn.BatchNorm2d(256)
        self.last = _glorot(nn.Conv2d(256, channels, 3, 1, 1))

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        maps = self.dense(latents).view(-1, 256, 4, 4)
        for block in self.blocks:
            maps = block(maps, labels)
        result: Tensor = self.last(F.relu(self.norm(maps))).tanh()
        return result


class _DownBlock(nn.Module):
    def __init__(self, inputs: int, width: int, down: bool, first: bool = False) -> None:
        super().__init__()
        self.one = spectral_norm(_glorot(nn.Conv2d(inputs, width, 3, 1, 1), 2**0.5))
        self.two = spectral_norm(_glorot(nn.Conv2d(width, width, 3, 1, 1), 2**0.5))
        self.skip = spectral_norm(_glorot(nn.Conv2d(inputs, width, 1))) if down else None
        self.down, self.first = down, first

    def forward(self, maps: Tensor) -> Tensor:
        inner = self.two(F.relu(self.one(maps if self.first else F.relu(maps))))
        if not self.down:
            result: Tensor = inner + maps
            return result
        assert self.skip is not None
        skip = self.skip(F.avg_pool2d(maps, 2)) if self.first else F.avg_pool2d(self.skip(maps), 2)
        return F.avg_pool2d(inner, 2) + skip


class _Discriminator(nn.Module):
    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.blocks = nn.Sequential(
            _DownBlock(channels, 128, True, first=True),
            _DownBlock(128, 128, True),
            _DownBlock(128, 128, False),
            _DownBlock(128, 128, False),
        )
        self.linear = spectral_norm(_glorot(nn.Linear(128, 1)))
        self.embedding = spectral_norm(_glorot(nn.Embedding(classes, 128)))

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        features = F.relu(self.blocks(images)).sum((2, 3))
        result: Tensor = self.linear(features).squeeze(1) + (features * self.embedding(labels)).sum(1)
        return result


class SNGAN:
    """See the module."""

    conditional = True
    slow = True

    def __init__(self, images: Tensor, labels: Tensor, classes: int) -> None:
        self.batches, self.classes = Batches(images, labels, 64), classes
        self.generator = _Generator(images.shape[1], images.shape[2], classes)
        self.discriminator = _Discriminator(images.shape[1], classes)
        self.optimizer_g = torch.optim.Adam(self.generator.parameters(), 2e-4, (0.0, 0.9))
        self.optimizer_d = torch.optim.Adam(self.discriminator.parameters(), 2e-4, (0.0, 0.9))

    def _fakes(self, count: int) -> tuple[Tensor, Tensor]:
        labels = torch.randint(0, self.classes, (count,))
        return self.generator(torch.randn(count, LATENT), labels), labels

    def step(self) -> int:
        seen = 0
        for _ in range(5):
            real, labels = self.batches.next()
            with torch.no_grad():
                fake, others = self._fakes(len(real))
            loss = F.relu(1 - self.discriminator(real, labels)).mean()
            loss = loss + F.relu(1 + self.discriminator(fake, others)).mean()
            self.optimizer_d.zero_grad()
            loss.backward()
            self.optimizer_d.step()
            seen += len(real)
        fake, others = self._fakes(128)
        loss = -self.discriminator(fake, others).mean()
        self.optimizer_g.zero_grad()
        loss.backward()
        self.optimizer_g.step()
        return seen

    def sampler(self) -> Callable[[int, Tensor | None, torch.Generator], Tensor]:
        generator = copy.deepcopy(self.generator).eval()

        def draw(count: int, labels: Tensor | None, random: torch.Generator) -> Tensor:
            images: Tensor = generator(torch.randn(count, LATENT, generator=random), labels)
            return images

        return draw

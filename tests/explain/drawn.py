"""Generators whose insides are known: a linear one, a painter of sprites by four factors, a film, a hidden one."""

from __future__ import annotations

import torch
from torch import Tensor, nn

import augan
from augan.core.item import ItemSpec

FACTORS = ("left to right", "top to bottom", "size", "colour")


class Linear(nn.Module):
    """Items A z + b."""

    classes = 0

    def __init__(self, matrix: Tensor, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.latent_size, self.shape = matrix.shape[1], shape
        self.layer = nn.Linear(matrix.shape[1], matrix.shape[0])
        self.layer.weight.data, self.layer.bias.data = matrix.clone(), 0.01 * torch.arange(len(matrix)).float()

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.layer(latents).reshape(-1, *self.shape)


def rotation(size: int, seed: int = 0) -> Tensor:
    """An orthogonal matrix."""
    return torch.linalg.qr(torch.randn(size, size, generator=torch.Generator().manual_seed(seed)))[0]


def linear(shape: tuple[int, int, int] = (1, 8, 8), size: int = 6, seed: int = 0) -> augan.Model:
    """A linear generator with singular values 6, 5, ..., 1, over 40."""
    count = shape[0] * shape[1] * shape[2]
    left = rotation(count, seed)[:, :size]
    matrix = left * torch.arange(size, 0, -1).float() / 40 @ rotation(size, seed + 1)
    return augan.Model(Linear(matrix, shape), ItemSpec(channels=shape[0], height=shape[1], width=shape[2]))


class Painter(nn.Module):
    """Soft squares on a dark ground: factors are the sigmoids of the first four of A z; others make faint stripes."""

    classes = 0

    def __init__(self, size: int = 16, side: int = 16, seed: int = 0) -> None:
        super().__init__()
        self.latent_size, self.side = size, side
        self.entry = nn.Linear(size, size, bias=False)
        scales = torch.full((size,), 0.1)
        scales[:4] = torch.tensor([2.0, 1.8, 1.6, 1.4])
        self.entry.weight.data = scales[:, None] * rotation(size, seed)

    def factors(self, latents: Tensor) -> Tensor:
        """(n, 4) in 0 to 1."""
        return torch.sigmoid(self.entry(latents)[:, :4])

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        codes = self.entry(latents)
        factors = torch.sigmoid(codes[:, :4])
        half = (2 + 2 * factors[:, 2])[:, None]
        places = torch.arange(self.side) + 0.5
        sides = []
        for column in (0, 1):
            centre = 4 + 8 * factors[:, column : column + 1]
            sides.append(torch.sigmoid(4 * (half - (places - centre).abs())))
        square = sides[1][:, None, :, None] * sides[0][:, None, None, :]
        red = factors[:, 3]
        colour = torch.stack([red, torch.full_like(red, 0.2), 1 - red], 1)[:, :, None, None]
        stripes = 0.02 * torch.sin(codes[:, 4:].sum(1))[:, None, None, None] * torch.sin(places)[None, None, None]
        return 1.6 * square * colour - 0.8 + stripes


def painter() -> augan.Model:
    """The model of a painter."""
    return augan.Model(Painter(), ItemSpec(channels=3, height=16, width=16))


class Film(nn.Module):
    """(b, 4) -> films (b, 1, 3, 8, 8): a bright bar that moves, by a transposed convolution of the latent."""

    classes, latent_size = 0, 4

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.ConvTranspose3d(4, 8, (3, 4, 4))
        self.second = nn.ConvTranspose3d(8, 1, (3, 4, 4), stride=(1, 2, 2), padding=(1, 1, 1))

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.second(self.first(latents[:, :, None, None, None]).relu()).tanh()


class Hidden(nn.Module):
    """No layer takes its latent as it is."""

    classes, latent_size = 0, 5

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Linear(5, 64)

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        return 0.1 * self.layer(torch.sinh(latents)).reshape(-1, 1, 8, 8)

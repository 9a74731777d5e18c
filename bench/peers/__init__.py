"""Other people's recipes, restated from their papers and their public code's settings, to be run beside augan.

Each is a class with `step()` (one round of its game, returning how many real images its discriminator saw) and
`sampler()` (a copy of what it would sample from now: `(count, labels, generator) -> images in [-1, 1]`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from bench.peers.dcgan import DCGAN
from bench.peers.r3gan import R3GAN
from bench.peers.sngan import SNGAN

Sampler = Callable[[int, Tensor | None, torch.Generator], Tensor]


class Peer(Protocol):
    """What the benchmark needs of a rival."""

    conditional: bool
    slow: bool

    def step(self) -> int: ...

    def sampler(self) -> Sampler: ...


PEERS = {"dcgan": DCGAN, "sngan-projection": SNGAN, "r3gan": R3GAN}

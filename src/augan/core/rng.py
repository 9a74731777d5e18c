"""Random streams that are functions of (seed, names), so that nothing has to be saved to resume them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


def derive(seed: int, *names: str | int) -> int:
    """A 63-bit seed for the stream that `names` name under `seed`; different names give independent streams."""
    text = "\x1f".join([str(int(seed)), *map(str, names)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little") >> 1


def numpy_stream(seed: int, *names: str | int) -> np.random.Generator:
    """A NumPy generator for the named stream."""
    return np.random.default_rng(derive(seed, *names))


def torch_stream(seed: int, *names: str | int, device: torch.device | str = "cpu") -> torch.Generator:
    """A torch generator on `device` for the named stream."""
    return torch.Generator(device=device).manual_seed(derive(seed, *names))


def seed_modules(seed: int, device: torch.device) -> None:
    """Seeds what modules draw of themselves, such as dropout and noise.

    As `torch.manual_seed`, which formats the stack for each kind of device that is not there: of small networks a tenth
    of a round.
    """
    if device.type == "cpu":
        torch.default_generator.manual_seed(seed)
    else:
        torch.manual_seed(seed)


@dataclass(frozen=True)
class Stream:
    """Random numbers for the rows of a batch that several processes share: each draws them for all, and takes its own.

    Attributes:
        generator: in the same state in all processes; None is torch's global one.
        rank, world: of the processes.
        parts: of how many such batches, one after the other, the rows are made up.
    """

    generator: torch.Generator | None = None
    rank: int = 0
    world: int = 1
    parts: int = 1

    @staticmethod
    def of(generator: torch.Generator | Stream | None) -> Stream:
        """A stream is left as it is."""
        return generator if isinstance(generator, Stream) else Stream(generator)

    def pairs(self) -> Stream:
        """For a batch of real items followed by one of generated ones."""
        return Stream(self.generator, self.rank, self.world, 2)

    def rows(self, count: int, draw: Callable[[int, torch.Generator | None], Tensor]) -> Tensor:
        """This process's `count` rows of what `draw(rows, generator)` gives for all."""
        if self.world == 1:
            return draw(count, self.generator)
        whole = draw(count * self.world, self.generator)
        split = whole.view(self.parts, self.world, count // self.parts, *whole.shape[1:])
        return split[:, self.rank].reshape(count, *whole.shape[1:])

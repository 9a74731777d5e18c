"""Batches of a labelled set in memory, as every peer draws them: shuffled anew each pass, the last part dropped."""

from __future__ import annotations

import torch
from torch import Tensor


class Batches:
    """Endless batches of (images in [-1, 1] (b, c, 32k, 32k), labels)."""

    def __init__(self, images: Tensor, labels: Tensor, size: int) -> None:
        self.images, self.labels, self.size = images, labels, min(size, len(images))
        self._order: Tensor = torch.empty(0, dtype=torch.int64)

    def next(self) -> tuple[Tensor, Tensor]:
        """The next batch."""
        if len(self._order) < self.size:
            self._order = torch.randperm(len(self.images))
        chosen, self._order = self._order[: self.size], self._order[self.size :]
        return self.images[chosen], self.labels[chosen]

"""Batches in an order that is a function of (seed, position): resuming needs nothing but the position."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int64, Integer
from torch import Tensor

from augan.core.errors import UserError
from augan.core.item import to_unit
from augan.core.rng import numpy_stream
from augan.data.source import Source

BLOCK_IMAGES = 4096


class IndexStream:
    """An endless shuffled order of `n` items as a pure function of (seed, position).

    With `balance` 0 every epoch of n positions visits each item once. With 0 < balance <= 1 a class of n_c
    items is drawn with probability proportional to n_c ** (1 - balance), so 1 draws all classes equally
    often; within a class items are drawn uniformly.

    Raises:
        UserError: balance is outside [0, 1], or above 0 without labels.
    """

    def __init__(
        self, n: int, seed: int, labels: Integer[np.ndarray, " n"] | None = None, balance: float = 0.0
    ) -> None:
        if n < 1:
            raise UserError(f"An order needs at least one item, got {n}.")
        if labels is not None and len(labels) != n:
            raise ValueError(f"{len(labels)} labels for {n} items")
        if not 0 <= balance <= 1:
            raise UserError(
                f"balance is {balance}, and it goes from 0 (as the data is) to 1 (all classes equally often)."
            )
        if balance > 0 and labels is None:
            raise UserError(
                "balance needs labels, and this data has none. Set balance to 0 or sort images into class folders."
            )
        self.n = n
        self.seed = seed
        self.balance = balance
        self._number = -1
        self._block = np.empty(0, dtype=np.int64)
        self._length = n
        if balance > 0 and labels is not None:
            self._length = BLOCK_IMAGES
            self._by_class = np.argsort(labels, kind="stable").astype(np.int64)
            counts = np.bincount(labels)
            self._starts = np.cumsum(counts) - counts
            self._counts = counts
            weights = np.where(counts > 0, counts.astype(np.float64) ** (1 - balance), 0.0)
            self._bounds = np.cumsum(weights) / weights.sum()

    def take(self, position: int, count: int) -> Int64[np.ndarray, " count"]:
        """The item numbers at positions `position` to `position + count - 1`."""
        if position < 0 or count < 0:
            raise ValueError(f"position and count start at 0, got {position} and {count}")
        out = np.empty(count, dtype=np.int64)
        done = 0
        while done < count:
            number, offset = divmod(position + done, self._length)
            piece = self._get_block(number)[offset : offset + count - done]
            out[done : done + len(piece)] = piece
            done += len(piece)
        return out

    def _get_block(self, number: int) -> np.ndarray:
        """Epoch `number`, or with balance block `number` of draws; the last one is kept."""
        if number != self._number:
            self._block = self._draw(number) if self.balance > 0 else self._shuffle(number)
            self._number = number
        return self._block

    def _shuffle(self, epoch: int) -> np.ndarray:
        return numpy_stream(self.seed, "epoch", epoch).permutation(self.n)

    def _draw(self, number: int) -> np.ndarray:
        which, where = numpy_stream(self.seed, "balanced", number).random((2, self._length))
        # side "right" never lands on a class of no items; the minimum guards against a last bound
        # rounded below 1
        classes = np.searchsorted(self._bounds, which, side="right")
        classes = np.minimum(classes, np.flatnonzero(self._counts)[-1])
        inside = (where * self._counts[classes]).astype(np.int64)
        drawn: np.ndarray = self._by_class[self._starts[classes] + inside]
        return drawn


class Batch(NamedTuple):
    """Images as networks see them, their labels, and which items of the source they are."""

    images: Float[Tensor, "b c *grid"]
    labels: Int64[Tensor, " b"] | None
    indices: Int64[np.ndarray, " b"]


Gathered = tuple[np.ndarray, np.ndarray, np.ndarray | None]


class Loader:
    """Batches of a source by position, the next one prepared in the background meanwhile.

    `batch` is what one process gets; the global batch of `world` processes takes `batch * world` positions,
    and rank r gets the r-th slice of it. `chosen` are the items to draw from; None is all of them. What
    `batch_at` returns depends on its argument only, never on earlier calls.

    >>> with Loader(source, batch=64, seed=0) as loader:  # doctest: +SKIP
    ...     images, labels, indices = loader.batch_at(0)

    Raises:
        UserError: see IndexStream.
    """

    def __init__(
        self,
        source: Source,
        batch: int,
        seed: int,
        balance: float = 0.0,
        *,
        device: torch.device | str = "cpu",
        rank: int = 0,
        world: int = 1,
        prefetch: bool = True,
        chosen: Int64[np.ndarray, " k"] | None = None,
    ) -> None:
        if batch < 1:
            raise UserError(f"batch is {batch}, and it starts at 1.")
        if not 0 <= rank < world:
            raise ValueError(f"rank {rank} is not one of {world}")
        self.source = source
        self.batch = batch
        self.rank = rank
        self.world = world
        self.device = torch.device(device)
        self.chosen = chosen
        labels = source.labels if chosen is None or source.labels is None else source.labels[chosen]
        self.stream = IndexStream(len(source) if chosen is None else len(chosen), seed, labels, balance)
        # rows of a table are drawn by condition, which then stands for the label
        self.draws = source.draws(seed, chosen) if hasattr(source, "draws") else None
        if self.draws is not None and balance:
            raise UserError("data.balance is for images: rows of a table are drawn by what they hold. Leave it at 0.")
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="augan-loader") if prefetch else None
        self._ahead: tuple[int, Future[Gathered]] | None = None

    @property
    def step(self) -> int:
        """How many positions one global batch takes."""
        return self.batch * self.world

    def batch_at(self, position_images: int) -> Batch:
        """The batch whose global batch starts at `position_images` (images seen so far by all processes).

        Images are (b, c, h, w) float32 in [-1, 1], channels last in memory, on the device; labels (b,) int64
        or None.
        """
        if self._pool is None:
            return self._to_batch(self._gather(position_images))
        if self._ahead is not None and self._ahead[0] == position_images:
            future = self._ahead[1]
        else:  # the one worker finishes a wrong guess first: the stream is never used by two threads
            future = self._pool.submit(self._gather, position_images)
        following = position_images + self.step
        self._ahead = (following, self._pool.submit(self._gather, following))
        return self._to_batch(future.result())

    def _gather(self, position: int) -> Gathered:
        """The background's part: reading from disk. No torch here: its thread would bring a thread pool of its own."""
        start = self.rank * self.batch
        if self.draws is not None:
            drawn = self.draws.take(position + start, self.batch)
            return drawn.rows, self.source.items(drawn.rows), drawn.conditions
        indices = self.stream.take(position, self.step)[start : start + self.batch]
        if self.chosen is not None:
            indices = self.chosen[indices]
        return indices, self.source.items(indices), self._labels(indices)

    def _labels(self, indices: np.ndarray) -> np.ndarray | None:
        if hasattr(self.source, "conditions_of"):
            conditions: np.ndarray | None = self.source.conditions_of(indices)
            return conditions
        return None if self.source.labels is None else np.asarray(self.source.labels[indices], dtype=np.int64)

    def items(self, indices: Int64[np.ndarray, " b"]) -> Batch:
        """Given items as a batch."""
        return self._to_batch((indices, self.source.items(indices), self._labels(indices)))

    def _to_batch(self, gathered: Gathered) -> Batch:
        indices, items, known = gathered
        labels = None if known is None else torch.from_numpy(known).to(self.device)
        memory = torch.channels_last if items.ndim == 4 else torch.channels_last_3d
        images = to_unit(items).to(self.device).contiguous(memory_format=memory)
        return Batch(images, labels, indices)

    def close(self) -> None:
        """Stops the background thread. Batches can be asked for afterwards, without prefetching."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
        self._pool, self._ahead = None, None

    def __enter__(self) -> Loader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

"""Raw items of any origin, surveyed once, then turned into uint8 blocks; memory is flat in their number."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, UInt8

from augan.core.errors import UserError
from augan.core.threads import usable_cores
from augan.data.decode import UINT8, Probe, Unreadable, decode, probe
from augan.data.policy import KINDS, Plan, Survey, convert, kind_of

Raw = bytes | np.ndarray | Unreadable
Stream = Callable[[np.ndarray], Iterator[tuple[int, Raw]]]
Block = tuple[int, UInt8[np.ndarray, "b h w c"] | Unreadable]
FLOAT = KINDS.index("float")
LARGEST_POOL = 8


@runtime_checkable
class Feed(Protocol):
    """Raw items, readable in order as often as needed."""

    def __len__(self) -> int: ...

    def name_of(self, index: int) -> str:
        """How to name an item in a message."""
        ...

    def survey(self) -> Survey:
        """The first pass: shapes, kinds and extreme values of all items, and a digest of the raw content."""
        ...

    def blocks(self, plan: Plan, chosen: Bool[np.ndarray, " n"]) -> Iterator[Block]:
        """The second pass, in order: (index of the block's first item, its items or why it failed)."""
        ...


@dataclass(frozen=True)
class ImageFeed:
    """A feed of single images: encoded bytes (folders, zips, Parquet) or arrays (data sets)."""

    count: int
    stream: Stream
    names: Callable[[int], str]

    def __len__(self) -> int:
        return self.count

    def name_of(self, index: int) -> str:
        return self.names(index)

    def survey(self) -> Survey:
        integers = np.zeros((4, self.count), dtype=np.int32)
        extremes = np.zeros((2, self.count), dtype=np.float64)
        bad: dict[int, str] = {}
        digest = hashlib.sha256()
        for index, raw in self.stream(np.ones(self.count, dtype=bool)):
            try:
                if isinstance(raw, Unreadable):
                    raise raw
                digest.update(hashlib.sha256(raw if isinstance(raw, bytes) else _array_bytes(raw)).digest())
                found, (low, high) = _measure(raw)
                integers[:, index] = found.height, found.width, found.channels, found.kind
                extremes[:, index] = low, high
            except Unreadable as error:
                bad[index] = str(error)
                digest.update(f"unreadable: {error}".encode())
        height, width, channels, kind = integers
        low_all, high_all = extremes
        return Survey(
            height=height,
            width=width,
            channels=channels,
            kind=kind,
            low=low_all,
            high=high_all,
            digest=digest.hexdigest(),
            bad=bad,
        )

    def blocks(self, plan: Plan, chosen: Bool[np.ndarray, " n"]) -> Iterator[Block]:
        workers = min(LARGEST_POOL, usable_cores())
        waiting: deque[tuple[int, Future[np.ndarray | Unreadable]]] = deque()
        with ThreadPoolExecutor(workers, thread_name_prefix="augan-decode") as pool:
            try:
                for index, raw in self.stream(chosen):
                    waiting.append((index, pool.submit(_finish, raw, plan)))
                    if len(waiting) >= 4 * workers:  # bounds what is in flight, so that memory stays flat
                        yield _result(*waiting.popleft())
                while waiting:
                    yield _result(*waiting.popleft())
            finally:
                for _, future in waiting:
                    future.cancel()


def _measure(raw: bytes | np.ndarray) -> tuple[Probe, tuple[float, float]]:
    """What an item is, and its extreme values (NaN if one is not finite), decoding only if they matter."""
    if isinstance(raw, bytes):
        found = probe(raw)
        if found.kind == UINT8:
            return found, (0.0, 255.0)
        raw = decode(raw)
    kind = kind_of(raw.dtype)
    assert kind is not None
    found = Probe(raw.shape[0], raw.shape[1], raw.shape[2], kind)
    return found, extremes_of(raw)


def extremes_of(array: np.ndarray) -> tuple[float, float]:
    """(minimum, maximum), or NaN twice where a value is NaN or infinite."""
    low, high = float(array.min()), float(array.max())
    return (low, high) if np.isfinite(low) and np.isfinite(high) else (float("nan"), float("nan"))


def _array_bytes(array: np.ndarray) -> bytes:
    return f"{array.shape}{array.dtype.str}".encode() + np.ascontiguousarray(array).tobytes()


def _finish(raw: Raw, plan: Plan) -> np.ndarray | Unreadable:
    if isinstance(raw, Unreadable):
        return raw
    try:
        array = decode(raw, (plan.height, plan.width)) if isinstance(raw, bytes) else raw
        if min(array.shape[:2]) < 1:
            return Unreadable("no pixels")
        return convert(array, plan, alpha=isinstance(raw, bytes))[None]
    except Unreadable as error:
        return error


def _result(index: int, future: Future[np.ndarray | Unreadable]) -> Block:
    return index, future.result()


@dataclass(frozen=True)
class ArrayFeed:
    """A feed of equally shaped items. `chunks` yields them in order as (b, h, w, c) with c in 1, 3, 4."""

    shape: tuple[int, int, int, int]
    dtype: np.dtype
    chunks: Callable[[], Iterator[np.ndarray]]

    def __len__(self) -> int:
        return self.shape[0]

    def name_of(self, index: int) -> str:
        return f"item {index}"

    def survey(self) -> Survey:
        count, height, width, channels = self.shape
        kind = kind_of(self.dtype)
        assert kind is not None
        low, high = np.zeros(count), np.full(count, 255.0)
        digest = hashlib.sha256(f"{self.shape}{self.dtype.str}".encode())
        start = 0
        for chunk in self.chunks():
            digest.update(np.ascontiguousarray(chunk).data)
            if KINDS[kind] in ("integer", "float"):
                flat = chunk.reshape(len(chunk), -1)
                low[start : start + len(chunk)], high[start : start + len(chunk)] = flat.min(1), flat.max(1)
            start += len(chunk)
        infinite = ~(np.isfinite(low) & np.isfinite(high))
        low[infinite] = high[infinite] = np.nan

        def constant(value: int) -> np.ndarray:
            return np.full(count, value, dtype=np.int32)

        return Survey(
            height=constant(height),
            width=constant(width),
            channels=constant(channels),
            kind=constant(kind),
            low=low,
            high=high,
            digest=digest.hexdigest(),
        )

    def blocks(self, plan: Plan, chosen: Bool[np.ndarray, " n"]) -> Iterator[Block]:
        start = 0
        for chunk in self.chunks():
            rows = chosen[start : start + len(chunk)]
            if rows.any():
                items = np.stack([convert(image, plan) for image in chunk[rows]])
                yield start + int(rows.argmax()), items
            start += len(chunk)


def require_finite(feed: Feed, survey: Survey) -> None:
    """Raises UserError naming how many items hold a NaN or infinity, and the first."""
    broken = np.isnan(survey.low) | np.isnan(survey.high)
    if broken.any():
        first = feed.name_of(int(broken.argmax()))
        raise UserError(
            f"{broken.sum()} of {len(feed)} images hold NaN or infinite values, the first is {first}. "
            "Repair or remove them; numpy.isfinite finds them."
        )

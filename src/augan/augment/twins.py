"""Items that are there twice, exactly or nearly: on both sides of a split they would make a test too easy."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int64

GRID = 8
"""Pictures are compared by the means of at most so many cells a side."""
NEAR_LEVELS = 2.5
"""Root mean squared difference of these cells, in levels of 255, below which pictures are one, stored twice."""
LEAST_CONTRAST = 8.0
"""Pictures whose cells deviate less than this from their mean are compared exactly only."""
BLOCK = 1024


@dataclass(frozen=True, kw_only=True)
class Twins:
    """Pairs (row, row) of items that are the same: exactly, and nearly."""

    exact: Int64[np.ndarray, "n 2"]
    near: Int64[np.ndarray, "m 2"]

    @property
    def pairs(self) -> Int64[np.ndarray, "p 2"]:
        """Both kinds."""
        return np.concatenate([self.exact, self.near])

    def __len__(self) -> int:
        return len(self.exact) + len(self.near)


def twins_between(ours: np.ndarray, theirs: np.ndarray) -> Twins:
    """For each item of `theirs` (m, ...) that is in `ours` (n, ...) already, the pair (row of ours, row of theirs).

    Images, (n, h, w, c) uint8 of one size, are compared nearly, too: another compression of a picture is found, a
    picture moved by some pixels is not. Anything else is compared exactly.
    """
    known = {digest: row for row, digest in reversed(list(enumerate(_digests(ours))))}
    exact = [(known[digest], row) for row, digest in enumerate(_digests(theirs)) if digest in known]
    near: list[tuple[int, int]] = []
    if _pictures(ours) and _pictures(theirs):
        seen = {row for _, row in exact}
        first, second = _cells(ours), _cells(theirs)
        telling = _telling(first), _telling(second)
        for start in range(0, len(second), BLOCK):
            part = second[start : start + BLOCK]
            squared = _squared(part, first)
            squared[:, ~telling[0]] = np.inf
            nearest = squared.argmin(1)
            close = squared[np.arange(len(part)), nearest] < NEAR_LEVELS**2
            for row in np.flatnonzero(close & telling[1][start : start + BLOCK]):
                if start + row not in seen:
                    near.append((int(nearest[row]), int(start + row)))
    return Twins(exact=_rows(exact), near=_rows(near))


def twins_within(items: np.ndarray) -> Twins:
    """Pairs (earlier row, later row) of items that repeat one another."""
    exact: list[tuple[int, int]] = []
    first: dict[bytes, int] = {}
    for row, digest in enumerate(_digests(items)):
        if digest in first:
            exact.append((first[digest], row))
        first.setdefault(digest, row)
    near: list[tuple[int, int]] = []
    if _pictures(items):
        once = np.array(sorted(first.values()), np.int64)
        cells = _cells(items[once])
        rows = np.flatnonzero(_telling(cells))
        cells, once = cells[rows], once[rows]
        for start in range(0, len(once), BLOCK):
            squared = _squared(cells[start : start + BLOCK], cells[start:])
            earlier, later = np.nonzero(np.triu(squared < NEAR_LEVELS**2, 1))
            near += [(int(once[start + a]), int(once[start + b])) for a, b in zip(earlier, later, strict=True)]
    return Twins(exact=_rows(exact), near=_rows(near))


def groups_of(count: int, pairs: Int64[np.ndarray, "p 2"], groups: np.ndarray | None = None) -> Int64[np.ndarray, " n"]:
    """A group number for each of `count` items: the items of a pair, and those of one of `groups`, share it."""
    parent = np.arange(count)

    def root(row: int) -> int:
        while parent[row] != row:
            parent[row] = parent[parent[row]]
            row = int(parent[row])
        return row

    joined = [tuple(pair) for pair in pairs.tolist()]
    if groups is not None:
        _, codes = np.unique(groups, return_inverse=True)
        firsts = {int(code): row for row, code in reversed(list(enumerate(codes)))}
        joined += [(firsts[int(code)], row) for row, code in enumerate(codes)]
    for a, b in joined:
        parent[root(b)] = root(a)
    return np.array([root(row) for row in range(count)], np.int64)


def _rows(pairs: list[tuple[int, int]]) -> Int64[np.ndarray, "n 2"]:
    return np.array(pairs, np.int64).reshape(-1, 2)


def _digests(items: np.ndarray) -> Iterator[bytes]:
    for item in items:
        yield hashlib.blake2b(np.ascontiguousarray(item).tobytes(), digest_size=16).digest()


def _pictures(items: np.ndarray) -> bool:
    return items.ndim == 4 and items.dtype == np.uint8


def _cells(items: np.ndarray) -> Float[np.ndarray, "n d"]:
    """Means over a grid of at most 16 x 16 cells, all channels."""
    found = items.astype(np.float32)
    for axis in (1, 2):
        cuts = np.linspace(0, found.shape[axis], min(GRID, found.shape[axis]) + 1).astype(int)
        sizes = np.diff(cuts).astype(np.float32)
        sums = np.add.reduceat(found, cuts[:-1], axis=axis)
        found = (sums / sizes.reshape([-1 if number == axis else 1 for number in range(4)])).astype(np.float32)
    return found.reshape(len(items), -1)


def _telling(cells: Float[np.ndarray, "n d"]) -> np.ndarray:
    return cells.std(1) >= LEAST_CONTRAST if len(cells) else np.zeros(0, bool)


def _squared(points: Float[np.ndarray, "n d"], others: Float[np.ndarray, "m d"]) -> Float[np.ndarray, "n m"]:
    """Mean squared differences."""
    products = points @ others.T
    found: np.ndarray = (points**2).mean(1)[:, None] + (others**2).mean(1) - 2 * products / points.shape[1]
    return found

"""Items that are there twice are found, and put together; others are not."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from augan.augment.twins import groups_of, twins_between, twins_within


def photographs(count: int = 30, side: int = 32, seed: int = 0) -> np.ndarray:
    """Smooth random pictures with three colours."""
    random = np.random.default_rng(seed)
    small = random.integers(60, 200, (count, 4, 4, 3), dtype=np.uint8)
    return np.stack([np.asarray(Image.fromarray(one).resize((side, side), Image.Resampling.BICUBIC)) for one in small])


def compressed(image: np.ndarray, quality: int = 92) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))


def test_exact_and_near_copies_are_told_apart() -> None:
    ours = photographs()
    theirs = np.concatenate([photographs(5, seed=1), ours[[3]], compressed(ours[7])[None], ours[[3]]])
    found = twins_between(ours, theirs)
    assert found.exact.tolist() == [[3, 5], [3, 7]]
    assert found.near.tolist() == [[7, 6]]
    assert len(found) == len(found.pairs) == 3


def test_other_pictures_are_no_copies() -> None:
    ours = photographs()
    moved, darker = np.roll(ours, 4, axis=2), (ours * 0.8).astype(np.uint8)
    assert not len(twins_between(ours, photographs(seed=1)))
    assert not len(twins_between(ours, moved))
    assert not len(twins_between(ours, darker))
    assert not len(twins_within(ours))


def test_flat_pictures_are_compared_exactly_only() -> None:
    dark = np.full((3, 8, 8, 1), 10, np.uint8)
    dark[1] += 1
    dark[2, 0, 0] = 12
    assert not len(twins_within(dark))
    assert twins_within(np.concatenate([dark, dark[:1]])).exact.tolist() == [[0, 3]]


def test_copies_within_a_set_are_in_one_group() -> None:
    items = photographs(6)
    items = np.concatenate([items, items[[2]], compressed(items[2])[None], items[[2]]])
    found = twins_within(items)
    assert found.exact.tolist() == [[2, 6], [2, 8]]
    assert found.near.tolist() == [[2, 7]]
    groups = groups_of(len(items), found.pairs)
    assert len(np.unique(groups)) == 6
    assert len({int(groups[row]) for row in (2, 6, 7, 8)}) == 1


def test_own_groups_are_joined_with_copies() -> None:
    groups = groups_of(5, np.array([[0, 3]]), np.array(["a", "a", "b", "b", "c"]))
    assert len(np.unique(groups[:4])) == 1
    assert groups[4] != groups[0]
    assert len(np.unique(groups_of(5, np.empty((0, 2), np.int64)))) == 5


@pytest.mark.parametrize("size", [(5, 9), (40, 17), (16, 16)])
def test_any_size_of_picture(size: tuple[int, int]) -> None:
    items = np.random.default_rng(0).integers(0, 256, (4, *size, 1), dtype=np.uint8)
    assert twins_within(items[[0, 1, 2, 1]]).exact.tolist() == [[1, 3]]


def test_rows_of_a_table_are_compared_exactly() -> None:
    rows = np.random.default_rng(0).normal(size=(10, 3))
    assert twins_between(rows, np.concatenate([rows[:2], rows[2:4] + 1e-9])).exact.tolist() == [[0, 0], [1, 1]]

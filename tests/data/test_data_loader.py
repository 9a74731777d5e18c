"""Order is a function of (seed, position); batches are the same however they are asked for."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from data_files import pictures
from hypothesis import given, settings
from hypothesis import strategies as st

from augan import data
from augan.core.errors import UserError
from augan.data.loader import BLOCK_IMAGES

LABELS = np.repeat(np.arange(3), [80, 15, 5])


@pytest.mark.parametrize("balance", [0.0, 0.5, 1.0])
@settings(max_examples=30, deadline=None)
@given(position=st.integers(0, 3 * BLOCK_IMAGES), count=st.integers(0, 300), cut=st.integers(0, 300))
def test_taking_is_pure_in_position(balance: float, position: int, count: int, cut: int) -> None:
    used = data.IndexStream(100, 7, LABELS, balance)
    used.take(cut * 41, 5)
    whole = used.take(position, count)
    cut = min(cut, count)
    fresh = data.IndexStream(100, 7, LABELS, balance)
    parts = np.concatenate([fresh.take(position, cut), fresh.take(position + cut, count - cut)])
    np.testing.assert_array_equal(whole, parts)


def test_every_epoch_visits_each_item_once() -> None:
    stream = data.IndexStream(37, 3)
    epochs = stream.take(0, 37 * 4).reshape(4, 37)
    assert (np.sort(epochs, axis=1) == np.arange(37)).all()
    assert len({tuple(epoch) for epoch in epochs}) == 4
    assert (data.IndexStream(37, 4).take(0, 37) != epochs[0]).any()


@pytest.mark.parametrize("balance", [0.25, 0.5, 1.0])
def test_balance_sets_class_probabilities(balance: float) -> None:
    draws = 40_000
    chosen = data.IndexStream(100, 1, LABELS, balance).take(123, draws)
    weights = np.bincount(LABELS) ** (1 - balance)
    expected = weights / weights.sum()
    found = np.bincount(LABELS[chosen], minlength=3) / draws
    deviation = np.sqrt(expected * (1 - expected) / draws)  # of a binomial share
    assert (np.abs(found - expected) < 4.5 * deviation).all()


def test_balance_is_uniform_within_a_class() -> None:
    draws = 40_000
    counts = np.bincount(data.IndexStream(100, 1, LABELS, 1.0).take(0, draws), minlength=100)
    expected = draws / 3 / np.bincount(LABELS)[LABELS]
    assert (np.abs(counts - expected) < 5 * np.sqrt(expected)).all()


def test_balance_with_absent_classes_and_shuffled_labels() -> None:
    labels = np.array([5, 2, 5, 5, 2, 5])
    chosen = data.IndexStream(6, 0, labels, 1.0).take(0, 5000)
    assert set(chosen.tolist()) == set(range(6))
    assert abs((labels[chosen] == 2).mean() - 0.5) < 0.04


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ((0, 1), "at least one"),
        ((5, 1, None, 0.5), "needs labels"),
        ((5, 1, np.zeros(5, int), 1.5), "from 0 .* to 1"),
    ],
)
def test_wrong_streams(arguments: tuple[object, ...], match: str) -> None:
    with pytest.raises(UserError, match=match):
        data.IndexStream(*arguments)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="start at 0"):
        data.IndexStream(3, 0).take(-1, 2)


def make_source() -> data.ArraySource:
    return data.open((pictures(50, 8, 8), np.arange(50) % 5))


def test_batches() -> None:
    source = make_source()
    with data.Loader(source, 8, 0) as loader:
        images, labels, indices = loader.batch_at(16)
    assert images.shape == (8, 3, 8, 8)
    assert images.dtype == torch.float32
    assert images.is_contiguous(memory_format=torch.channels_last)
    assert -1 <= images.min() < images.max() <= 1
    assert labels is not None
    assert labels.dtype == torch.int64
    assert source.labels is not None
    assert labels.tolist() == source.labels[indices].tolist()
    back = ((images.permute(0, 2, 3, 1) + 1) * 127.5).round().to(torch.uint8).numpy()
    np.testing.assert_array_equal(back, source.items(indices))


def test_prefetch_changes_nothing() -> None:
    source = make_source()
    positions = [0, 8, 16, 16, 40, 48, 0, 1000, 1008]
    plain = data.Loader(source, 8, 3, 1.0, prefetch=False)
    with data.Loader(source, 8, 3, 1.0) as ahead:
        for position in positions:
            expected, found = plain.batch_at(position), ahead.batch_at(position)
            assert torch.equal(expected.images, found.images)
            np.testing.assert_array_equal(expected.indices, found.indices)
    after = ahead.batch_at(8)  # closed: without prefetching
    np.testing.assert_array_equal(after.indices, plain.batch_at(8).indices)


def test_ranks_share_the_global_batch() -> None:
    source = make_source()
    whole = data.Loader(source, 12, 5, prefetch=False).batch_at(24).indices
    parts = [data.Loader(source, 4, 5, rank=r, world=3, prefetch=False).batch_at(24).indices for r in range(3)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_unlabelled_source_and_wrong_loaders() -> None:
    source = data.open(pictures(4))
    with data.Loader(source, 6, 0) as loader:
        assert loader.batch_at(0).labels is None
    with pytest.raises(UserError, match="batch is 0"):
        data.Loader(source, 0, 0)
    with pytest.raises(ValueError, match="rank 2"):
        data.Loader(source, 1, 0, rank=2, world=2)


def test_an_error_while_reading_ahead_is_raised_where_it_is_asked_for() -> None:
    class Failing:
        def __init__(self, inner: data.ArraySource) -> None:
            self.item, self.labels, self.key = inner.item, None, inner.key
            self.name, self.notes, self.inner, self.calls = "f", (), inner, 0

        def __len__(self) -> int:
            return len(self.inner)

        def items(self, indices: np.ndarray) -> np.ndarray:
            self.calls += 1
            if self.calls == 2:
                raise OSError("disk gone")
            return self.inner.items(indices)

    with data.Loader(Failing(make_source()), 4, 0) as loader:
        loader.batch_at(0)
        with pytest.raises(OSError, match="disk gone"):
            loader.batch_at(4)

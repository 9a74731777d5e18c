"""Planted candidates are left out for the reason that they were planted for."""

from __future__ import annotations

import numpy as np
import pytest

from augan.augment import Selection, Side, select
from augan.augment.selection import REASONS

SURE = np.array([0.9, 0.1])


def side(features: np.ndarray, probabilities: np.ndarray | None = None, label: int = 0) -> Side:
    count = len(features)
    return Side(
        features=features,
        labels=np.full(count, label),
        probabilities=np.tile(SURE, (count, 1)) if probabilities is None else probabilities,
    )


@pytest.fixture
def real() -> Side:
    return side(np.random.default_rng(0).normal(size=(200, 4)))


def chosen(real: Side, candidates: Side, wanted: int = 1_000) -> Selection:
    return select(real, candidates, {0: wanted})


def test_candidates_like_the_real_ones_are_kept(real: Side) -> None:
    fresh = side(np.random.default_rng(1).normal(size=(300, 4)))
    found = chosen(real, fresh)
    assert len(found.kept) > 0.85 * 300
    assert set(found.fates) <= {"kept", "far", "copy", "twice"}
    assert (found.fates == "copy").mean() < 0.05


def test_copies_are_left_out(real: Side) -> None:
    assert set(chosen(real, side(real.features + 1e-6)).fates) == {"copy"}


def test_what_lies_far_away_is_left_out(real: Side) -> None:
    assert set(chosen(real, side(real.features + 50)).fates) == {"far"}


def test_what_classifiers_take_for_another_class_is_left_out(real: Side) -> None:
    fresh = np.random.default_rng(1).normal(size=(50, 4))
    found = chosen(real, side(fresh, np.tile(SURE[::-1], (50, 1))))
    assert (found.fates == "unsure").mean() > 0.9


def test_the_same_again_is_left_out(real: Side) -> None:
    point = np.random.default_rng(1).normal(size=(1, 4)) / 4
    found = chosen(real, side(np.repeat(point, 10, 0)))
    assert [str(fate) for fate in found.fates] == ["kept"] + 9 * ["twice"]


def test_no_more_than_wanted_and_every_candidate_has_a_fate(real: Side) -> None:
    fresh = side(np.random.default_rng(1).normal(size=(300, 4)))
    found = chosen(real, fresh, wanted=40)
    assert len(found.kept) == 40
    assert sum(found.rejected[0].values()) + 40 == 300
    assert set(found.rejected[0]) == set(REASONS)
    again = chosen(real, fresh, wanted=40)
    np.testing.assert_array_equal(found.kept, again.kept)


def test_classes_are_judged_on_their_own(real: Side) -> None:
    other = side(real.features + 100, label=1)
    both = Side(
        features=np.concatenate([real.features, other.features]),
        labels=np.concatenate([real.labels, other.labels]),
        probabilities=np.concatenate([real.probabilities, other.probabilities[:, ::-1]]),
    )
    near_the_other = side(np.random.default_rng(1).normal(size=(50, 4)) + 100)
    assert set(select(both, near_the_other, {0: 50}).fates) == {"far"}


def test_too_few_real_items_to_judge_by_keep_everything() -> None:
    few = side(np.zeros((2, 4)))
    assert set(chosen(few, side(np.ones((5, 4)))).fates) == {"kept"}

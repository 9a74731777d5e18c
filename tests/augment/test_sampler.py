"""The sampler keeps imbalanced-learn's and scikit-learn's contracts, and takes images."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from imblearn.pipeline import Pipeline
from imblearn.utils import estimator_checks as imblearn_checks
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.utils import estimator_checks as sklearn_checks

from augan.augment import GANSampler
from augan.augment.rows import Scale, fit_rows
from common import shapes


@imblearn_checks.parametrize_with_checks([GANSampler(max_steps=2, random_state=0)])
def test_imbalanced_learns_checks(estimator: Any, check: Any) -> None:
    check(estimator)


@sklearn_checks.parametrize_with_checks([GANSampler(max_steps=2, random_state=0)])
def test_scikit_learns_checks(estimator: Any, check: Any) -> None:
    check(estimator)


def table(counts: tuple[int, int] = (80, 20)) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    rows = np.concatenate([random.normal(2 * label, 0.5, (count, 3)) for label, count in enumerate(counts)])
    return rows, np.repeat([0, 1], counts)


def test_new_rows_are_of_their_class() -> None:
    rows, labels = table()
    sampler = GANSampler(random_state=0, max_steps=300)
    more, marks = sampler.fit_resample(rows, labels)
    assert Counter(marks) == {0: 80, 1: 80}
    np.testing.assert_array_equal(more[:100], rows)
    new = more[100:]
    assert np.abs(new - 2).mean() < 0.8
    assert LogisticRegression().fit(rows, labels).predict(new).mean() > 0.9
    assert set(sampler.rejected_) == {1}
    assert len(np.unique(new, axis=0)) == 60


def test_same_state_same_items() -> None:
    rows, labels = table()
    first, again, other = (GANSampler(random_state=s, max_steps=5).fit_resample(rows, labels)[0] for s in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_images_are_resampled_in_their_own_form(dtype: Any) -> None:
    images, labels = shapes({"a": 30, "b": 12}, side=8)
    given = images if dtype == np.uint8 else (images / 255).astype(np.float32)
    more, marks = GANSampler(random_state=0, max_steps=2, select=False).fit_resample(given, labels)
    assert (more.shape, more.dtype, Counter(marks)) == ((60, 8, 8, 1), dtype, {0: 30, 1: 30})
    np.testing.assert_array_equal(more[:42], given)
    assert more.min() >= 0
    assert more.max() <= (255 if dtype == np.uint8 else 1)


def test_images_are_selected(cache: Path) -> None:
    images, labels = shapes({"a": 30, "b": 12}, side=8)
    sampler = GANSampler(random_state=0, max_steps=2)
    assert Counter(sampler.fit_resample(images, labels)[1]) == {0: 30, 1: 30}
    assert sum(sampler.rejected_[1].values()) > 0


def test_in_pipelines_with_memory_and_grids(tmp_path: Path) -> None:
    rows, labels = make_classification(80, 4, weights=[0.8], random_state=0)
    pipe = Pipeline(
        [("gan", GANSampler(random_state=0, max_steps=2)), ("model", LogisticRegression())], memory=str(tmp_path)
    )
    grid = GridSearchCV(pipe, [{"gan": ["passthrough"]}, {"gan__sampling_strategy": ["auto", 0.8]}], cv=2)
    assert grid.fit(rows, labels).predict(rows).shape == (80,)
    assert any(tmp_path.rglob("*.pkl"))


def test_nothing_to_do_gives_the_same_back() -> None:
    rows, labels = table((20, 20))
    more, marks = GANSampler(random_state=0).fit_resample(rows, labels)
    np.testing.assert_array_equal(more, rows)
    np.testing.assert_array_equal(marks, labels)


def test_wrong_settings_are_one_line() -> None:
    rows, labels = table()
    with pytest.raises(ValueError, match="not both"):
        GANSampler(max_steps=1, minutes=1.0).fit_resample(rows, labels)
    with pytest.raises(ValueError, match="max_steps"):
        GANSampler(max_steps=0).fit_resample(rows, labels)
    with pytest.raises(ValueError, match="8"):
        GANSampler(max_steps=1).fit_resample(np.zeros((20, 4, 4, 1), np.uint8), np.arange(20) // 15)


def test_rows_stay_in_the_range_of_the_data() -> None:
    rows, labels = table()
    rows[:, 2] = 7.0
    model = fit_rows(rows, labels.astype(np.int64), steps=3, seed=0)
    made = model.make(1, 50, seed=0)
    assert (made >= rows.min(0) - 1e-9).all()
    assert (made <= rows.max(0) + 1e-9).all()
    assert (made[:, 2] == 7.0).all()
    scale = Scale.of(rows)
    np.testing.assert_allclose(scale.back(scale.forward(rows)), rows, atol=1e-5)
    assert len(fit_rows(rows, labels.astype(np.int64), steps=0, minutes=0.001).make(0, 4, 0)) == 4

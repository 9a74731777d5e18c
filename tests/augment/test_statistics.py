"""Closed forms of the statistics behind a verdict."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics

from augan.augment.statistics import balanced_accuracy, brier, calibration_error, difference, holm, macro_f1, recalls


def test_difference_is_the_plain_t_interval_where_splits_share_nothing() -> None:
    values = np.array([0.1, 0.3, 0.2, 0.4])
    found = difference(values, 0.0)
    plain = stats.ttest_1samp(values, 0.0)
    low, high = plain.confidence_interval(0.95)
    assert (found.mean, found.p, found.low, found.high) == pytest.approx((0.25, plain.pvalue, low, high))
    assert found.splits == 4


def test_shared_training_items_widen_the_interval() -> None:
    """By the root of 1 + n test / train (Nadeau and Bengio 2003)."""
    values = np.random.default_rng(0).normal(size=10)
    plain, corrected = difference(values, 0.0), difference(values, 0.25)
    width = (corrected.high - corrected.low) / (plain.high - plain.low)
    assert width == pytest.approx(math.sqrt(1 + 10 * 0.25))
    assert corrected.detectable / plain.detectable == pytest.approx(width)
    assert corrected.p > plain.p


def test_differences_without_variance() -> None:
    assert difference(np.zeros(5), 0.25).p == 1
    assert difference(np.full(5, 0.5), 0.25).p == 0
    with pytest.raises(ValueError, match="at least 2"):
        difference(np.zeros(1), 0.25)


def test_the_detectable_difference_is_found_in_four_of_five_studies() -> None:
    random = np.random.default_rng(0)
    studies = random.normal(size=(2_000, 20))
    wanted = float(np.mean([difference(study, 0.0).detectable for study in studies]))
    hits = np.mean([difference(study + wanted, 0.0).low > 0 for study in studies])
    assert hits == pytest.approx(0.8, abs=0.05)


def test_holm() -> None:
    assert holm({}) == {}
    assert holm({"a": 0.01, "b": 0.04, "c": 0.03}) == pytest.approx({"a": 0.03, "c": 0.06, "b": 0.06})
    assert holm({"a": 0.9, "b": 0.8}) == {"b": 1.0, "a": 1.0}


def test_scores_are_scikit_learns() -> None:
    random = np.random.default_rng(0)
    truth, guess = random.integers(0, 4, 300), random.integers(0, 4, 300)
    assert balanced_accuracy(truth, guess, 4) == pytest.approx(metrics.balanced_accuracy_score(truth, guess))
    assert macro_f1(truth, guess, 4) == pytest.approx(metrics.f1_score(truth, guess, average="macro"))
    np.testing.assert_allclose(recalls(truth, guess, 4), metrics.recall_score(truth, guess, average=None))
    assert np.isnan(recalls(truth, guess, 5)[4])


def test_brier_and_calibration() -> None:
    truth = np.array([0, 1])
    assert brier(truth, np.array([[1.0, 0.0], [0.0, 1.0]])) == 0
    assert brier(truth, np.array([[0.0, 1.0], [1.0, 0.0]])) == 2
    random = np.random.default_rng(0)
    sure = random.uniform(0.5, 1, 20_000)
    right = random.random(20_000) < sure
    probabilities = np.where(right[:, None], np.stack([sure, 1 - sure], 1), np.stack([1 - sure, sure], 1))
    told = np.zeros(20_000, np.int64)
    assert calibration_error(told, probabilities) < 0.02
    boasting = np.where(probabilities > 0.5, 1.0, 0.0)
    assert calibration_error(told, boasting) == pytest.approx(1 - right.mean(), abs=1e-9)

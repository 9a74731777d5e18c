"""Measures of windows: closed forms, and that they rank what is known to be worse as worse."""

from __future__ import annotations

import numpy as np
import pytest

from augan.metrics import series
from augan.metrics.series import (
    Windows,
    apart,
    autocorrelation_distance,
    autocorrelations,
    bootstrap,
    cross_correlation_distance,
    discriminative_score,
    evaluate_windows,
    gaussian,
    marginal_distances,
    nearness,
    noise,
    predictive_score,
    shuffled,
    sides_of,
)


def sines(count: int, seed: int = 0) -> Windows:
    """Two columns, the second a quarter of a period behind the first."""
    random = np.random.default_rng(seed)
    phase = random.uniform(0, 2 * np.pi, (count, 1)) + random.uniform(0.4, 0.8, (count, 1)) * np.arange(24)
    return apart(2**0.5 * np.stack([np.sin(phase), np.cos(phase)], 2) + random.normal(0, 0.05, (count, 24, 2)))


def test_marginal_distance_is_the_shift() -> None:
    values = np.random.default_rng(0).normal(size=(50, 10, 2))
    np.testing.assert_allclose(marginal_distances(values, values + np.array([0.5, -2.0])), [0.5, 2.0])


def test_autocorrelations_of_a_wave() -> None:
    """Of sin(wt + random phase) the correlation at lag l is cos(wl)."""
    phase = np.linspace(0, 2 * np.pi, 400, endpoint=False)[:, None] + 0.5 * np.arange(30)
    found = autocorrelations(np.stack([np.sin(phase), np.cos(phase)], 2), 10)
    lags = 0.5 * np.arange(10)
    np.testing.assert_allclose(found[:, 0, 0], np.cos(lags), atol=1e-9)
    np.testing.assert_allclose(found[:, 0, 1], -np.sin(lags), atol=1e-9)


def test_distances_are_nothing_to_itself_and_signs_count() -> None:
    real = sines(200).values
    assert autocorrelation_distance(real, real) == 0
    assert cross_correlation_distance(real, real) == 0
    turned = real * [1.0, -1.0]
    assert autocorrelation_distance(real, turned) == pytest.approx(0, abs=1e-9)
    assert cross_correlation_distance(real, turned) > 0.5
    assert np.isnan(cross_correlation_distance(real[:, :, :1], real[:, :, :1]))


def test_time_counts_where_windows_differ_in_level() -> None:
    """Two random walks whose steps are alike, about levels of their own."""
    random = np.random.default_rng(0)
    steps = random.normal(size=(2, 300, 24, 1)) + random.normal(0, 0.3, (2, 300, 24, 2))
    real, others = (apart(side) for side in steps.cumsum(2) / 5 + random.normal(0, 3, (2, 300, 1, 2)))
    mixed = shuffled(real).values
    for distance in (autocorrelation_distance, cross_correlation_distance):
        assert distance(real.values, mixed) > 3 * distance(real.values, others.values)


def test_copies_are_near() -> None:
    real, others = sines(200).values, sines(200, seed=1).values
    assert nearness(real, real[:50]) == (pytest.approx(0, abs=1e-3), 1.0)
    assert nearness(real, others)[1] == 0


@pytest.mark.parametrize("make", [shuffled, noise, gaussian, bootstrap])
def test_windows_without_a_generator_keep_what_they_say(make: object) -> None:
    real = sines(400)
    made = make(real)  # type: ignore[operator]
    assert made.values.shape == real.values.shape
    alike = {"shuffled": 1e-9, "noise": 0.05, "gaussian": 0.4, "bootstrap": 0.1}[make.__name__]  # type: ignore[attr-defined]
    assert marginal_distances(real.values, made.values).max() < alike
    moves = autocorrelation_distance(real.values, made.values)
    assert (moves > 0.2) == (make in (shuffled, noise))


def test_shuffled_time_is_worse_than_other_real_windows_in_all_that_is_of_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(series, "STEPS", 100)
    real, others = sines(200), sines(200, seed=1)
    found = evaluate_windows(("a", "b"), sines(200, seed=2), real, others, tested_on_others=False).measures
    for name in ("autocorrelation_distance", "cross_correlation_distance", "discriminative_score", "predictive_score"):
        assert found[name]["shuffled"] > 2 * found[name]["real"], name
        assert found[name]["noise"] > 2 * found[name]["real"], name
        assert found[name]["model"] < 0.5 * found[name]["shuffled"], name
    assert found["discriminative_score"]["shuffled"] > 0.4
    assert found["discriminative_score"]["real"] < 0.15
    assert found["copies"] == {"model": 0, "shuffled": 0, "noise": 0, "gaussian": 0, "bootstrap": 1, "real": 0}


def test_a_network_is_never_tested_on_a_stretch_that_it_learnt_from() -> None:
    groups = np.repeat(np.arange(7), 5)
    half = sides_of(groups, 0)
    assert not set(groups[half]) & set(groups[~half])
    one = Windows(values=sines(20).values, groups=np.zeros(20, np.int64))
    assert np.isnan(discriminative_score(one, sines(20)))


def test_predicting_rewards_what_moves_as_the_real_windows() -> None:
    real, others = sines(300), sines(300, seed=1)
    assert predictive_score(others.values, real.values) < 0.5 * predictive_score(noise(others).values, real.values)


def test_json_has_no_nan(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(series, "STEPS", 2)
    real = Windows(values=sines(12).values[:, :, :1], groups=np.arange(12))
    found = evaluate_windows(("a",), real, real, real, tested_on_others=True).to_json()
    assert found["measures"]["cross_correlation_distance"]["model"] is None

"""Errors and intervals hold what they promise; closed forms, golden numbers, parts and batches."""

from __future__ import annotations

import numpy as np
import pytest

from augan.core.errors import UserError
from augan.metrics import (
    Estimate,
    Moments,
    copying_statistic,
    feature_likelihood,
    frechet_distance,
    frechet_estimate,
    frechet_from_moments,
    frechet_infinity,
    inception_score,
    kernel_distance,
    kernel_distance_of_subsets,
    manifolds,
    nearest_neighbours,
    nearest_ratio,
    realism,
)
from augan.metrics import manifold as manifold_module
from augan.metrics.estimate import mean_of, ratio_of_medians


def normal(n: int, d: int, seed: int, scale: float = 1.0, shift: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, d)) * scale + shift


def test_moments_in_parts_equal_those_of_the_whole() -> None:
    values = normal(501, 7, 0, 3, 1000)  # far from 0, where naive sums of squares lose all digits
    parts = Moments(7)
    for part in np.split(values, [1, 2, 50, 499]):
        parts.add(part)
    parts.add(values[:0])
    assert parts.count == 501
    np.testing.assert_allclose(parts.mean, values.mean(0), rtol=1e-12)
    np.testing.assert_allclose(parts.covariance, np.cov(values, rowvar=False), rtol=1e-9, atol=1e-9)
    with pytest.raises(UserError, match="at least 2"):
        _ = Moments(7).add(values[:1]).covariance


def gaussian_distance(d: int, scale: float, shift: float) -> float:
    """Between N(0, I) and N(shift, scale^2 I)."""
    return d * (shift**2 + (1 - scale) ** 2)


@pytest.mark.parametrize(("scale", "shift"), [(1.0, 0.0), (1.1, 0.5), (0.5, 0.1)])
def test_frechet_of_gaussians_and_its_error(scale: float, shift: float) -> None:
    """Over repetitions: the extrapolation is not biased, plain distances are; the stated errors are the true ones."""
    d, truth = 6, gaussian_distance(6, scale, shift)
    plain, far = [], []
    for seed in range(30):
        a, b = normal(300, d, 2 * seed), normal(300, d, 2 * seed + 1, scale, shift)
        plain.append(frechet_estimate(a, b, seed=seed))
        far.append(frechet_infinity(a, b, plain[-1].error, seed=seed))
    spread = np.std([one.value for one in plain], ddof=1)
    assert np.mean([one.value for one in plain]) > truth + spread / 5
    assert np.mean([one.value for one in far]) == pytest.approx(truth, abs=3.5 * spread / 30**0.5)
    # at the least distance, 0, the jackknife is too careful
    assert 0.75 * spread < np.mean([one.error for one in plain]) < 1.6 * spread
    inside = np.mean([one.low <= truth <= one.high for one in far])
    assert inside >= 0.83


def test_frechet_infinity_alone_finds_the_error() -> None:
    a, b = normal(100, 3, 0), normal(100, 3, 1)
    assert frechet_infinity(a, b) == frechet_infinity(a, b, frechet_estimate(a, b).error)
    with pytest.raises(UserError, match="more than 6 items a side"):
        frechet_infinity(a[:6], b)


def kernel_truth(d: int, scale: float, shift: float, n: int = 400_000) -> float:
    """E k(x, x') + E k(y, y') - 2 E k(x, y) for the cubic kernel, from products u = x.x' / d of independent pairs."""

    def mean(s: float, t: float, m: float, k: float) -> float:
        x, y = normal(n, d, 100, s, m), normal(n, d, 101, t, k)
        return float((((x * y).sum(1) / d + 1) ** 3).mean())

    return mean(1, 1, 0, 0) + mean(scale, scale, shift, shift) - 2 * mean(1, scale, 0, shift)


def test_kernel_distance_is_unbiased_and_its_error_true() -> None:
    d, scale, shift = 5, 1.2, 0.4
    found = [kernel_distance(normal(60, d, 2 * s), normal(80, d, 2 * s + 1, scale, shift)) for s in range(60)]
    values = np.array([one.value for one in found])
    assert values.mean() == pytest.approx(kernel_truth(d, scale, shift), abs=4 * values.std() / 60**0.5)
    assert np.mean([one.error for one in found]) == pytest.approx(values.std(ddof=1), rel=0.3)
    equal = [kernel_distance(normal(30, d, 2 * s), normal(50, d, 2 * s + 1)).value for s in range(60)]
    assert np.mean(equal) == pytest.approx(0, abs=4 * np.std(equal) / 60**0.5)
    with pytest.raises(UserError, match="at least 3"):
        kernel_distance(normal(2, d, 0), normal(9, d, 1))
    with pytest.raises(UserError, match="smaller subset_size"):
        kernel_distance_of_subsets(normal(20, d, 0), normal(9, d, 1), subset_size=10)


def test_kernel_distance_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = normal(101, 4, 0), normal(57, 4, 1)
    whole = kernel_distance(a, b)
    monkeypatch.setattr("augan.metrics.kernel.BLOCK", 16)
    assert kernel_distance(a, b).value == pytest.approx(whole.value, rel=1e-12)
    assert kernel_distance(a, b).error == pytest.approx(whole.error, rel=1e-9)


def test_bootstrap_of_shares_has_the_binomial_error() -> None:
    values = (np.arange(400) < 100).astype(float)
    found = mean_of(values)
    assert found.value == 0.25
    assert found.error == pytest.approx((0.25 * 0.75 / 400) ** 0.5, rel=0.1)
    assert found.low == pytest.approx(0.25 - 1.96 * 0.02165, abs=0.008)
    reals = normal(300, 1, 0)[:, 0]
    assert mean_of(reals).error == pytest.approx(reals.std() / 300**0.5, rel=0.1)
    assert mean_of(np.ones(100)) == Estimate(1.0, 0.0, 0.97, 1.0)
    assert mean_of(np.zeros(100)) == Estimate(0.0, 0.0, 0.0, 0.03)
    assert mean_of(np.full(9, 0.4)).high == pytest.approx(0.4)
    assert mean_of(np.ones(1)) == Estimate(1.0)
    assert Estimate.from_json(found.to_json()) == found


def test_ratio_of_medians() -> None:
    a, b = np.abs(normal(200, 1, 0)[:, 0]) * 2, np.abs(normal(200, 1, 1)[:, 0])
    found = ratio_of_medians(a, b)
    assert found.low is not None
    assert found.high is not None
    assert found.low < 2 < found.high
    assert ratio_of_medians(np.zeros(5), np.zeros(5)).value == 1
    assert ratio_of_medians(np.ones(5), np.zeros(5)) == Estimate(np.inf)


def test_inception_score_of_known_probabilities() -> None:
    sure = np.eye(5)[np.arange(200) % 5]
    order = np.random.default_rng(0).permutation(200)
    assert inception_score(sure[order], splits=1).value == pytest.approx(5)
    assert inception_score(np.full((200, 5), 0.2)).value == pytest.approx(1)
    assert inception_score(np.eye(5)[np.zeros(200, int)]).value == pytest.approx(1)
    with pytest.raises(UserError, match="10 parts needs as many samples, not 9"):
        inception_score(sure[:9])


GOLDEN = {
    "frechet": 1.7891160821977117,
    "kernel": 1.7278014323498114,
    "precision": 0.675,
    "recall": 0.965,
    "density": 0.558,
    "coverage": 0.77,
}
"""Of 200 + 200 fixed items: Fréchet by scipy's matrix root, kernel by whole matrices, the rest by prdc (3 and 5)."""


def golden_items() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.Generator(np.random.PCG64(20))
    return random.standard_normal((200, 5)), random.standard_normal((200, 5)) * 1.4 + 0.4


def test_golden_numbers() -> None:
    a, b = golden_items()
    found = manifolds(a, b)
    values = {name: getattr(found, name).mean() for name in ("precision", "recall", "density", "coverage")}
    values |= {"frechet": frechet_distance(a, b), "kernel": kernel_distance(a, b).value}
    assert values == pytest.approx(GOLDEN, rel=1e-6)


@pytest.mark.parametrize("block", [7, 64, 1000])
def test_manifolds_do_not_depend_on_the_block(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = golden_items()
    expected = manifolds(a, b)
    neighbours = nearest_neighbours(a, a, 4, itself=True)
    monkeypatch.setattr(manifold_module, "BLOCK", block)
    found = manifolds(a, b)
    for name in ("precision", "recall", "density", "coverage"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    again = nearest_neighbours(a, a, 4, itself=True)
    np.testing.assert_allclose(again.distances, neighbours.distances, rtol=1e-12)
    np.testing.assert_array_equal(again.indices, neighbours.indices)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_neighbours_with_repeated_items(dtype: type) -> None:
    """50 unique items, four times each, and all items equal: no slow path gives another answer."""
    few = np.repeat(normal(50, 6, 0), 4, axis=0).astype(dtype)
    other = normal(120, 6, 1).astype(dtype)
    found = nearest_neighbours(few, few, 5, itself=True)
    full = np.sqrt(((few[:, None].astype(np.float64) - few[None]) ** 2).sum(2))
    np.fill_diagonal(full, np.inf)
    np.testing.assert_allclose(found.distances, np.sort(full, 1)[:, :5], rtol=1e-6, atol=1e-9)
    assert (found.indices != np.arange(200)[:, None]).all()
    across = manifolds(few, other)
    exact = np.sqrt(((other[:, None].astype(np.float64) - few[None]) ** 2).sum(2))
    radii = np.sort(full, 1)
    assert np.array_equal(across.precision, (exact <= radii[:, 2] * (1 + 1e-9)).any(1))
    np.testing.assert_allclose(across.density, (exact <= radii[:, 4] * (1 + 1e-9)).sum(1) / 5)
    same = np.ones((300, 6), dtype)
    equal = manifolds(same, same.copy())
    assert equal.precision.all()
    assert equal.coverage.all()
    assert equal.density.mean() == 300 / 5
    apart = manifolds(same, same + dtype(1))
    assert not apart.precision.any()
    assert not apart.recall.any()


def test_nearest_neighbours_across_sets() -> None:
    a, b = normal(70, 3, 0).astype(np.float32), normal(90, 3, 1).astype(np.float32)
    full = np.sqrt(((a[:, None].astype(np.float64) - b[None]) ** 2).sum(2))
    found = nearest_neighbours(a, b, 3)
    np.testing.assert_array_equal(found.indices, np.argsort(full, 1)[:, :3])
    with pytest.raises(UserError, match="3 neighbours need more than 2 items"):
        nearest_neighbours(a, b[:2], 3)
    with pytest.raises(UserError, match="more than 5 items a side"):
        manifolds(a[:5], b)


def test_realism() -> None:
    """Equation 3 of arXiv:1904.06991 by brute force."""
    real, fake = normal(80, 3, 0), normal(30, 3, 1)
    pairs = np.sqrt(((real[:, None] - real[None]) ** 2).sum(2))
    radii = np.sort(pairs, 1)[:, 3]
    kept = radii <= np.median(radii)
    across = np.sqrt(((fake[:, None] - real[None, kept]) ** 2).sum(2))
    np.testing.assert_allclose(realism(fake, real), (radii[kept] / across).max(1), rtol=1e-4)


def test_copying_statistic_of_copies_and_of_new_items() -> None:
    train, new, fresh = (normal(300, 70, seed) for seed in (0, 1, 2))  # more than 64 dimensions: components are taken
    values = [copying_statistic(train, normal(300, 70, 10 + seed), new) for seed in range(10)]
    assert abs(np.mean(values)) < 1.0
    assert copying_statistic(train, train + 1e-3, new) < -10
    assert copying_statistic(train, fresh * 1.5, new) > 10
    with pytest.raises(UserError, match="no part has them"):
        copying_statistic(np.concatenate([train, train + 500]), fresh[:5] + 200, new[:3] - 200)


def test_feature_likelihood() -> None:
    train, new = normal(400, 8, 0), normal(400, 8, 1)
    values = [feature_likelihood(train, normal(200, 8, 10 + seed), new) for seed in range(5)]
    assert abs(np.mean(values)) < 4
    assert feature_likelihood(train, normal(200, 8, 3, 1.5), new) > np.max(values)
    assert feature_likelihood(train, train[:200] + 1e-4, new) > 100
    assert feature_likelihood(train, normal(10, 8, 3), new) > np.max(values)  # too few to be like the data
    constant = np.concatenate([train, np.ones((400, 1))], 1), np.concatenate([new, np.ones((400, 1))], 1)
    assert np.isfinite(feature_likelihood(constant[0], constant[1], constant[1]))
    with pytest.raises(UserError, match="FLD needs"):
        feature_likelihood(train[:3], new, new)


def test_nearest_ratio() -> None:
    train, new = normal(300, 4, 0), normal(300, 4, 1)
    assert nearest_ratio(train, normal(300, 4, 2), new) == pytest.approx(1, abs=0.15)
    assert nearest_ratio(train, normal(300, 4, 2)) == pytest.approx(1, abs=0.2)
    assert nearest_ratio(train, train, new) == 0
    repeated = np.zeros((9, 2))
    assert nearest_ratio(repeated, repeated) == 1
    assert nearest_ratio(repeated, repeated + 1) == np.inf


def test_frechet_from_moments_takes_singular_covariances() -> None:
    singular = np.diag([1.0, 0.0, 4.0])
    assert frechet_from_moments(np.zeros(3), singular, np.zeros(3), np.eye(3)) == pytest.approx(0 + 1 + 1)

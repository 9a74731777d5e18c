"""Closed forms, invariances and directions of the measures."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg

from augan.core.errors import UserError
from augan.metrics import diversity, frechet_distance, manifolds, near_copies, nearest_distances, precision_recall
from augan.metrics.diversity import class_diversity, concentration
from augan.metrics.frechet import frechet_from_moments, moments
from augan.metrics.manifold import neighbour_radii


def normal(n: int, d: int, seed: int = 0, scale: float = 1.0, shift: float = 0.0) -> np.ndarray:
    return (np.random.default_rng(seed).standard_normal((n, d)) * scale + shift).astype(np.float32)


def rotation(d: int, seed: int = 0) -> np.ndarray:
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((d, d)))[0]


def test_frechet_of_one_dimensional_gaussians() -> None:
    """(m1 - m2)^2 + (s1 - s2)^2."""
    value = frechet_from_moments(np.array([1.0]), np.array([[4.0]]), np.array([3.0]), np.array([[25.0]]))
    assert value == pytest.approx((1 - 3) ** 2 + (2 - 5) ** 2)


def test_frechet_of_commuting_covariances() -> None:
    turn, a, b = rotation(5), np.array([1.0, 4, 9, 0, 2]), np.array([4.0, 1, 0, 0, 3])
    value = frechet_from_moments(np.zeros(5), turn * a @ turn.T, np.ones(5), turn * b @ turn.T)
    assert value == pytest.approx(5 + ((a**0.5 - b**0.5) ** 2).sum(), abs=1e-6)  # singular ones included


def test_frechet_agrees_with_the_matrix_root() -> None:
    (mean_a, a), (mean_b, b) = moments(normal(300, 8)), moments(normal(300, 8, 1, 2.0, 0.5) @ rotation(8))
    root = scipy.linalg.sqrtm(a @ b).real
    expected = ((mean_a - mean_b) ** 2).sum() + np.trace(a + b - 2 * root)
    assert frechet_from_moments(mean_a, a, mean_b, b) == pytest.approx(expected, rel=1e-6)


def test_frechet_does_not_see_order_or_rotation() -> None:
    a, b = normal(200, 6), normal(200, 6, 1, 1.5)
    value, turn = frechet_distance(a, b), rotation(6).astype(np.float32)
    assert frechet_distance(a[::-1].copy(), b) == pytest.approx(value, rel=1e-6)
    assert frechet_distance(a @ turn, b @ turn) == pytest.approx(value, rel=1e-4)
    assert frechet_distance(b, a) == pytest.approx(value, rel=1e-6)
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-6)
    with pytest.raises(UserError, match="at least 2"):
        frechet_distance(a[:1], b)


def test_frechet_grows_with_the_shift() -> None:
    real = normal(500, 4)
    values = [frechet_distance(real, normal(500, 4, 1, shift=shift)) for shift in (0.0, 0.5, 1.0, 2.0)]
    assert values == sorted(values)


def test_radii_and_distances_of_points_on_a_line() -> None:
    points = np.array([[0.0], [1.0], [3.0], [7.0]])
    assert neighbour_radii(points, 1).tolist() == [1, 1, 2, 4]
    assert neighbour_radii(points, 2).tolist() == [3, 2, 3, 6]
    assert nearest_distances(np.array([[2.5], [9.0]]), points).tolist() == [0.5, 2.0]
    with pytest.raises(UserError, match="more than 4"):
        neighbour_radii(points, 4)


def test_chunks_agree_with_brute_force() -> None:
    points = normal(1500, 3)
    full = np.sqrt(((points[:, None].astype(np.float64) - points[None]) ** 2).sum(2))
    np.testing.assert_allclose(neighbour_radii(points, 3), np.sort(full, 1)[:, 3], rtol=1e-6)


def test_precision_sees_junk_and_recall_sees_lost_modes() -> None:
    mode_a, mode_b = normal(200, 4), normal(200, 4, 1, shift=20.0)
    real = np.concatenate([mode_a, mode_b])
    same = np.concatenate([normal(200, 4, 2), normal(200, 4, 3, shift=20.0)])
    precision, recall = precision_recall(real, same)
    assert precision > 0.85
    assert recall > 0.85
    lost = precision_recall(real, normal(400, 4, 2))
    assert lost[0] > 0.85
    assert lost[1] < 0.55
    junk = precision_recall(real, np.concatenate([same, normal(400, 4, 4, shift=-50.0)]))
    assert junk[0] < 0.5
    assert junk[1] > 0.8
    assert precision_recall(real, real) == (1.0, 1.0)


def test_diversity() -> None:
    real, labels = normal(400, 5), np.repeat([0, 1], 200)
    assert diversity(real, normal(400, 5, 1)) == pytest.approx(1.0, abs=0.1)
    assert diversity(real, normal(400, 5, 1, scale=0.1)) == pytest.approx(0.1, abs=0.02)
    # one point for each class: far apart from one another, and yet collapsed
    points = np.repeat([[0.0] * 5, [9.0] * 5], 200, axis=0).astype(np.float32)
    assert diversity(real, points) > 0.5
    assert diversity(real, points, labels, labels) == 0
    assert diversity(real, points, labels * 0 + 2, labels) == 0  # no class in common


def test_frechet_of_rotated_and_singular_gaussians() -> None:
    """tr (A B)^(1/2) for A of rank one is the root of v' B v."""
    v, b = np.array([1.0, -2, 0.5]), rotation(3, 1) * np.array([3.0, 1, 0.2]) @ rotation(3, 1).T
    expected = v @ v + np.trace(b) - 2 * np.sqrt(v @ b @ v)
    assert frechet_from_moments(np.zeros(3), np.outer(v, v), np.zeros(3), b) == pytest.approx(expected, rel=1e-6)
    zero = np.zeros((3, 3))
    assert frechet_from_moments(np.zeros(3), zero, np.zeros(3), b) == pytest.approx(np.trace(b))
    assert frechet_from_moments(np.zeros(3), zero, np.ones(3), zero) == 3.0


def test_frechet_of_fewer_items_than_dimensions() -> None:
    a = normal(5, 40)
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-5)
    assert np.isfinite(frechet_distance(a, normal(5, 40, 1)))


def test_precision_and_recall_of_known_points() -> None:
    """Real points 0, 1, 2, ..., 9 on a line: with one neighbour, every ball has radius 1."""
    real = np.arange(10.0)[:, None]
    fake = np.array([[0.5], [9.9], [10.5], [-30.0], [100.0]])
    precision, recall = precision_recall(real, fake, neighbours=1)
    assert precision == 2 / 5
    # the balls of the generated points: 0.5 +- 9.4, 9.9 +- 0.6, 10.5 +- 0.6, -30 +- 30.5, 100 +- 89.5
    assert recall == 10 / 10
    assert precision_recall(real, real[:3] + 0.25, neighbours=1) == (1.0, 0.4)


def test_recall_falls_with_each_lost_mode() -> None:
    modes = [normal(60, 3, seed, shift=30.0 * seed) for seed in range(4)]
    fresh = [normal(60, 3, seed + 10, shift=30.0 * seed) for seed in range(4)]
    recalls = [precision_recall(np.concatenate(modes), np.concatenate(fresh[:kept]))[1] for kept in (4, 3, 2, 1)]
    assert recalls == sorted(recalls, reverse=True)
    assert recalls[0] - recalls[3] > 0.6


def test_precision_of_many_blocks_agrees_with_brute_force() -> None:
    points, support = normal(2500, 3, 1, 1.4), normal(2100, 3)
    found = manifolds(support, points)
    full = np.sqrt(((points[:, None].astype(np.float64) - support[None]) ** 2).sum(2))
    radii, wide = neighbour_radii(support, 3), neighbour_radii(support, 5)
    assert np.array_equal(found.precision, (full <= radii).any(1))
    assert np.array_equal(found.recall, (full <= neighbour_radii(points, 3)[:, None]).any(0))
    np.testing.assert_allclose(found.density, (full <= wide).sum(1) / 5)
    assert np.array_equal(found.coverage, (full <= wide).any(0))


def test_diversity_of_each_class() -> None:
    labels = np.repeat([0, 1], 100)
    real = normal(200, 5, 0)
    fake = normal(200, 5, 1) * np.where(labels == 0, 1.0, 0.1)[:, None].astype(np.float32)
    found = class_diversity(real, fake, labels, labels)
    assert found[0] == pytest.approx(1.0, abs=0.1)
    assert found[1] == pytest.approx(0.1, abs=0.02)


def test_concentration() -> None:
    real = normal(500, 8, 0)
    assert concentration(real, normal(500, 8, 1)) < 0.1
    assert concentration(real, np.repeat(real[:1], 300, axis=0)) == 1.0
    halves = np.concatenate([np.repeat(real[:1], 100, axis=0), real[1:101]])
    assert 0.5 <= concentration(real, halves) < 0.55


def test_diversity_does_not_depend_on_the_order_of_the_data() -> None:
    """Data sets are sorted by class; so are the measured features."""
    modes = np.concatenate([normal(700, 4, seed, shift=40.0 * seed) for seed in range(3)])
    mixed = np.random.default_rng(0).permutation(modes)
    assert diversity(modes, mixed) == pytest.approx(1.0, abs=0.05)
    assert diversity(mixed, modes) == pytest.approx(1.0, abs=0.05)


def test_diversity_of_one_collapsed_class_among_good_ones() -> None:
    real, labels = normal(300, 4), np.repeat([0, 1, 2], 100)
    fake = normal(300, 4, 1)
    fake[labels == 1] = fake[0]
    assert diversity(real, fake, labels, labels) == pytest.approx(2 / 3, abs=0.05)


@pytest.mark.parametrize("repeated", [0, 30, 200])
def test_planted_copies_are_found_also_where_real_images_repeat(repeated: int) -> None:
    real = normal(400, 6)
    real[:repeated] = real[:1]
    fresh = normal(200, 6, 1)
    planted = np.concatenate([fresh[:150], real[300:350]])
    assert near_copies(real, planted).mean() == pytest.approx(0.25, abs=0.04)
    assert near_copies(real, fresh).mean() < 0.05


def test_near_copies_where_all_real_images_are_the_same() -> None:
    real = np.ones((20, 3))
    assert near_copies(real, np.ones((10, 3))).mean() == 1.0
    assert near_copies(real, np.zeros((10, 3))).mean() == 0.0

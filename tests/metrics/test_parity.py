"""The measures against other implementations, on the same features."""

from __future__ import annotations

import numpy as np
import prdc
import pytest
import scipy.linalg
import scipy.special
import scipy.stats
import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d
from torchmetrics.functional.image import (
    multiscale_structural_similarity_index_measure,
    structural_similarity_index_measure,
)
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.inception import InceptionScore
from torchmetrics.image.kid import KernelInceptionDistance

from augan.core.errors import UserError
from augan.metrics import (
    frechet_distance,
    inception_score,
    kernel_distance,
    kernel_distance_of_subsets,
    manifolds,
    ms_ssim,
    ssim,
)
from augan.metrics.memorisation import rank_sum_score
from augan.metrics.pixels import WEIGHTS
from augan.metrics.scores import inception_score_of_parts

SHAPE = (3, 4, 4)
DIMENSIONS = 48


class Flat(nn.Module):
    """Pixels as features, in the form that torchmetrics takes instead of Inception."""

    num_features = DIMENSIONS

    def forward(self, images: Tensor) -> Tensor:
        return images.flatten(1).double()


def images(count: int, seed: int, shift: float = 0.0) -> Tensor:
    random = np.random.default_rng(seed)
    mix = np.random.default_rng(99).standard_normal((DIMENSIONS, DIMENSIONS)) / DIMENSIONS**0.5
    values = random.standard_normal((count, DIMENSIONS)) @ mix + shift
    return torch.from_numpy(values.reshape(count, *SHAPE))


REAL, FAKE = images(700, 0), images(500, 1, 0.2) * 1.1
R, F = (side.flatten(1).numpy() for side in (REAL, FAKE))


def test_frechet_distance_of_torchmetrics() -> None:
    theirs = FrechetInceptionDistance(feature=Flat(), normalize=True).set_dtype(torch.float64)
    for part in REAL.split(300):
        theirs.update(part, real=True)
    for part in FAKE.split(300):
        theirs.update(part, real=False)
    assert frechet_distance(R, F) == pytest.approx(float(theirs.compute()), rel=1e-5)


def test_frechet_distance_of_the_published_definition() -> None:
    """The trace by eigenvalues of the product, as torch-fidelity has it, and by the matrix root, as TTUR has it."""
    a, b = np.cov(R, rowvar=False), np.cov(F, rowvar=False)
    shift = R.mean(0) - F.mean(0)
    by_values = np.sqrt(np.linalg.eigvals(a @ b).astype(complex)).real.sum()
    by_root = np.trace(scipy.linalg.sqrtm(a @ b)).real
    for cross in (by_values, by_root):
        expected = shift @ shift + np.trace(a) + np.trace(b) - 2 * cross
        assert frechet_distance(R, F) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("count", [10, 47, 48, 49, 200])
def test_frechet_distance_of_few_items(count: int) -> None:
    """Singular covariances: the trace from the items' products equals that from regularised covariances."""
    a, b = np.cov(R[:count], rowvar=False), np.cov(F[:count], rowvar=False)
    shift = R[:count].mean(0) - F[:count].mean(0)
    values, vectors = np.linalg.eigh(a)
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    cross = np.sqrt(np.linalg.eigvalsh(root @ b @ root).clip(1e-30)).sum()
    expected = shift @ shift + np.trace(a) + np.trace(b) - 2 * cross
    assert frechet_distance(R[:count], F[:count]) == pytest.approx(expected, rel=1e-5)


def test_kernel_distance_of_torchmetrics() -> None:
    """One subset of all items: no random choice is left."""
    count = 500
    theirs = KernelInceptionDistance(feature=Flat(), subsets=1, subset_size=count, normalize=True)
    theirs.set_dtype(torch.float64)
    theirs.update(REAL[:count], real=True)
    theirs.update(FAKE, real=False)
    expected = float(theirs.compute()[0])
    assert kernel_distance(R[:count], F).value == pytest.approx(expected, rel=1e-5)
    mean, deviation = kernel_distance_of_subsets(R[:count], F, subsets=3, subset_size=count)
    assert mean == pytest.approx(expected, rel=1e-5)
    assert deviation == pytest.approx(0, abs=1e-12)


def test_kernel_distance_of_the_published_definition() -> None:
    """The unbiased MMD^2 with sums over the whole matrices, as torch-fidelity has it."""

    def kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return (x @ y.T / x.shape[1] + 1.0) ** 3

    xx, yy, xy = kernel(R, R), kernel(F, F), kernel(R, F)
    n, m = len(R), len(F)
    expected = (xx.sum() - np.trace(xx)) / (n * (n - 1)) + (yy.sum() - np.trace(yy)) / (m * (m - 1)) - 2 * xy.mean()
    assert kernel_distance(R, F).value == pytest.approx(expected, rel=1e-5)
    random = np.random.default_rng(4)
    subsets = []
    for _ in range(5):
        i, j = (random.choice(len(side), 100, replace=False) for side in (R, F))
        a, b, c = kernel(R[i], R[i]), kernel(F[j], F[j]), kernel(R[i], F[j])
        subsets.append((a.sum() - np.trace(a) + b.sum() - np.trace(b)) / (100 * 99) - 2 * c.mean())
    mean, deviation = kernel_distance_of_subsets(R, F, subsets=5, subset_size=100, seed=4)
    assert mean == pytest.approx(np.mean(subsets), rel=1e-5)
    assert deviation == pytest.approx(np.std(subsets), rel=1e-5)


class Logits(nn.Module):
    num_features = 10

    def forward(self, values: Tensor) -> Tensor:
        return values.flatten(1)[:, :10].double() * 3


def test_inception_score_of_torchmetrics(monkeypatch: pytest.MonkeyPatch) -> None:
    """It shuffles by the global stream; the order is taken away from both."""
    theirs = InceptionScore(feature=Logits(), splits=10)
    theirs.update(FAKE)
    monkeypatch.setattr(torch, "randperm", lambda n, **_: torch.arange(n))
    mean, deviation = theirs.compute()
    probabilities = Logits()(FAKE).softmax(1).numpy()
    ours = inception_score_of_parts(probabilities, 10)
    assert ours.mean() == pytest.approx(float(mean), rel=1e-5)
    assert ours.std(ddof=1) == pytest.approx(float(deviation), rel=1e-4)


def test_inception_score_of_the_published_definition() -> None:
    logits = np.random.default_rng(0).standard_normal((203, 7)) * 2
    logs = scipy.special.log_softmax(logits, axis=1)
    expected = []
    for part in range(10):
        chosen = slice(part * 203 // 10, (part + 1) * 203 // 10)
        p, log_p = np.exp(logs[chosen]), logs[chosen]
        expected.append(np.exp((p * (log_p - np.log(p.mean(0)))).sum(1).mean()))
    np.testing.assert_allclose(inception_score_of_parts(np.exp(logs), 10), expected, rtol=1e-9)
    order = np.random.default_rng(5).permutation(203)
    shuffled = inception_score_of_parts(np.exp(logs)[order], 10).mean()
    assert inception_score(np.exp(logs), seed=5).value == pytest.approx(shuffled)


@pytest.mark.parametrize("neighbours", [1, 3, 5])
@pytest.mark.parametrize(("n", "m"), [(700, 500), (60, 2300), (2300, 60)])
def test_manifolds_of_prdc(neighbours: int, n: int, m: int, capsys: pytest.CaptureFixture[str]) -> None:
    real, fake = (side.flatten(1).numpy() for side in (images(n, 2), images(m, 3, 0.05)))
    theirs = prdc.compute_prdc(real, fake, neighbours)
    ours = manifolds(real, fake, neighbours, neighbours)
    for name, value in theirs.items():
        assert getattr(ours, name).mean() == pytest.approx(value, rel=1e-5), name


def test_manifolds_of_float32_features() -> None:
    """Decisions that float32 products cannot make are made in float64: results are those of exact distances."""
    random = np.random.default_rng(0)
    real = (random.standard_normal((900, 64)) * 0.01 + 50).astype(np.float32)  # far from the origin
    fake = (random.standard_normal((800, 64)) * 0.0105 + 50).astype(np.float32)
    exact = manifolds(real.astype(np.float64), fake.astype(np.float64))
    full = np.sqrt(((fake[:, None].astype(np.float64) - real[None]) ** 2).sum(2))
    radii = np.sort(np.sqrt(((real[:, None].astype(np.float64) - real[None]) ** 2).sum(2)), 1)
    ours = manifolds(real, fake)
    np.testing.assert_array_equal(ours.precision, (full <= radii[:, 3]).any(1))
    np.testing.assert_allclose(ours.density, (full <= radii[:, 5]).sum(1) / 5)
    np.testing.assert_array_equal(ours.coverage, (full <= radii[:, 5]).any(0))
    np.testing.assert_array_equal(ours.recall, exact.recall)


def test_ssim_of_torchmetrics() -> None:
    from torchmetrics.functional.image import structural_similarity_index_measure

    random = torch.Generator().manual_seed(0)
    a, b = (torch.rand(3, 3, 24, 20, generator=random, dtype=torch.float64) for _ in range(2))
    theirs = structural_similarity_index_measure(a, b, data_range=1.0, reduction="none")
    padded = [torch.nn.functional.pad(side, (5, 5, 5, 5), mode="reflect") for side in (a, b)]  # as they do
    torch.testing.assert_close(ssim(*padded), theirs, atol=1e-6, rtol=1e-5)
    with pytest.raises(UserError, match="11 pixels"):
        ssim(a[:, :, :9], b[:, :, :9])


def test_ms_ssim_of_torchmetrics() -> None:
    random = torch.Generator().manual_seed(0)
    a = torch.rand(3, 3, 180, 190, generator=random, dtype=torch.float64)
    b = (a + 0.3 * torch.rand(3, 3, 180, 190, generator=random, dtype=torch.float64)).clamp(0, 1)
    expected = torch.ones(3, dtype=torch.float64)
    x, y = a, b
    for scale, weight in enumerate(WEIGHTS):
        options = {"data_range": 1.0, "reduction": "none"}
        _, contrast = structural_similarity_index_measure(x, y, return_contrast_sensitivity=True, **options)
        _, whole = structural_similarity_index_measure(x, y, return_full_image=True, **options)
        inner = whole[:, :, 5:-5, 5:-5].mean((1, 2, 3))  # where the window fits; theirs has a padded border, too
        expected *= (contrast if scale < 4 else inner) ** weight
        x, y = avg_pool2d(x, 2), avg_pool2d(y, 2)
    np.testing.assert_allclose(ms_ssim(a, b).numpy(), expected.numpy(), rtol=1e-5)
    theirs = multiscale_structural_similarity_index_measure(a, b, data_range=1.0, reduction="none")
    np.testing.assert_allclose(ms_ssim(a, b).numpy(), theirs.numpy(), rtol=5e-3)


def test_rank_sums_of_scipy() -> None:
    random = np.random.default_rng(0)
    for a, b in (
        (random.standard_normal(50), random.standard_normal(70) + 0.3),
        (random.integers(0, 5, 40).astype(float), random.integers(0, 6, 30).astype(float)),  # ties
    ):
        u = scipy.stats.mannwhitneyu(a, b).statistic
        n, m = len(a), len(b)
        assert rank_sum_score(a, b) == pytest.approx((u - n * m / 2) / np.sqrt(n * m * (n + m + 1) / 12))

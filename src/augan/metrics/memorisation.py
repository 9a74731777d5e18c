"""Has the generator learnt its training images by heart? Nearest neighbours, and comparisons with held-out images.

A sample may lie near a training image because the training images lie dense there. So each measure compares with what
new real images do: held-out ones where there are some, else training images among themselves.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from augan.core.errors import UserError
from augan.metrics.estimate import ratio_of_medians
from augan.metrics.manifold import nearest_distances, nearest_neighbours, neighbour_radii

Features = Float[np.ndarray, "_ d"]
MOST_FOR_LIMIT = 2_000


def evenly(features: Features, limit: int) -> Features:
    """At most `limit` items from first to last: data sets are often sorted by class."""
    if len(features) <= limit:
        return features
    return features[np.linspace(0, len(features) - 1, limit).round().astype(np.int64)]


def near_copies(real: Features, fake: Features) -> Float[np.ndarray, " n"]:
    """1 for each sample nearer to a real item than the closest hundredth of real items are to one another, else 0.

    Real items that repeat another one exactly do not set that limit: else it would be 0, and no copy would be seen.
    """
    values = evenly(real, MOST_FOR_LIMIT)
    radii = neighbour_radii(values, 1)
    smallest = 1e-4 * max(float(radii.max()), 1e-12)
    apart = radii[radii > smallest]
    limit = max(smallest, float(np.quantile(apart, 0.01)) if len(apart) else 0.0)
    return (nearest_distances(fake, values) < limit).astype(np.float64)


def authenticity(train: Features, fake: Features) -> Float[np.ndarray, " n"]:
    """1 for each sample that is farther from its nearest training item than that item is from its own nearest one,
    else 0 (arXiv:2102.08921, section 4, as a rule of nearest neighbours). A share of a half or so is usual for new
    images, and 0 means copies; compare with the share for held-out images."""
    found = nearest_neighbours(fake, train)
    own = neighbour_radii(train, 1)
    return (own[found.indices[:, 0]] < found.distances[:, 0]).astype(np.float64)


def nearest_ratio(train: Features, fake: Features, holdout: Features | None = None) -> float:
    """Median distance from a sample to its nearest training item, over the same for held-out images.

    1 is expected of new images, 0 of copies; far above 1 means samples that look like nothing in the data. Without
    held-out images, training items take their place, each measured to the nearest other one.
    """
    return ratio_of_medians(*nearest_of_both(train, fake, holdout)).value


def nearest_of_both(
    train: Features, fake: Features, holdout: Features | None
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " m"]]:
    """Distances to the nearest training item: of samples, and of held-out images or training items among themselves."""
    theirs = neighbour_radii(train, 1) if holdout is None else nearest_distances(holdout, train)
    return nearest_distances(fake, train), theirs


CELLS = 3
LEAST_IN_CELL = 20
COMPONENTS = 64


def copying_statistic(train: Features, fake: Features, holdout: Features, seed: int = 0) -> float:
    """C_T, the three-sample test for data-copying (arXiv:2004.05675, section 4); below about -3 is copying.

    In each of 3 cells of the training items (k-means), distances of samples and of held-out images to their nearest
    training item are compared by the Mann-Whitney U, as a z-score; C_T is its mean weighted by the held-out images of
    a cell. Below 0: samples lie nearer to training items than new images do; above 0: farther off (underfitting).
    Features of more than 64 dimensions are reduced to their 64 principal components first. Cells with fewer than 20
    samples, or no held-out image, are left out.

    Raises:
        UserError: no cell has enough samples.
    """
    train, fake, holdout = _principal(train, fake, holdout)
    centres = _cells(train, min(CELLS, len(train)), seed)
    cell_of = [nearest_neighbours(side, centres).indices[:, 0] for side in (fake, holdout)]
    distances = [nearest_distances(side, train) for side in (fake, holdout)]
    total = weights = 0.0
    for cell in range(len(centres)):
        ours, theirs = (values[cells == cell] for values, cells in zip(distances, cell_of, strict=True))
        if len(ours) < min(LEAST_IN_CELL, len(fake)) or not len(theirs):
            continue
        total += len(theirs) * rank_sum_score(ours, theirs)
        weights += len(theirs)
    if not weights:
        raise UserError(
            f"C_T needs at least {LEAST_IN_CELL} samples and a held-out image in a part of the data; no part has them."
        )
    return total / weights


def rank_sum_score(a: Float[np.ndarray, " n"], b: Float[np.ndarray, " m"]) -> float:
    """The Mann-Whitney U of a over b as a z-score: above 0 where values of a are greater; equal values share ranks."""
    n, m = len(a), len(b)
    _, inverse, counts = np.unique(np.concatenate([a, b]), return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    u = float(ranks[:n].sum()) - n * (n + 1) / 2
    return (u - n * m / 2) / math.sqrt(n * m * (n + m + 1) / 12)


def _principal(train: Features, *others: Features) -> list[Float[np.ndarray, "_ k"]]:
    """All sides in the first principal components of the training items."""
    if train.shape[1] <= COMPONENTS:
        return [train, *others]
    values = torch.from_numpy(train).double()
    mean = values.mean(0)
    _, vectors = torch.linalg.eigh((values - mean).T @ (values - mean))
    axes = vectors[:, -COMPONENTS:]
    return [((torch.from_numpy(side).double() - mean) @ axes).numpy() for side in (train, *others)]


def _cells(features: Features, count: int, seed: int, rounds: int = 50) -> Features:
    """Centres by k-means with the seeding of k-means++ (Lloyd 1982; Arthur and Vassilvitskii 2007)."""
    random = np.random.default_rng(seed)
    values = features.astype(np.float64)
    centres = values[random.integers(len(values))][None]
    while len(centres) < count:
        squared = nearest_distances(values, centres) ** 2
        if squared.sum() == 0:
            return centres
        centres = np.concatenate([centres, values[random.choice(len(values), p=squared / squared.sum())][None]])
    before: Int64[np.ndarray, " n"] | None = None
    for _ in range(rounds):
        cell = nearest_neighbours(values, centres).indices[:, 0]
        if before is not None and np.array_equal(cell, before):
            break
        before = cell
        centres = np.stack(
            [values[cell == k].mean(0) if (cell == k).any() else centres[k] for k in range(len(centres))]
        )
    return centres


FIT_STEPS = 50
FIT_RATE = 0.5
LOG_VARIANCES = (-40.0, 40.0)
BACKGROUND = 0.9**2
SPLITS = 3
MOST_FOR_LIKELIHOOD = 4_000


def feature_likelihood(train: Features, fake: Features, holdout: Features, seed: int = 0) -> float:
    """FLD, the feature-likelihood divergence (arXiv:2302.04440); 0 is best, and it grows with poor, few and copied
    samples.

    A round Gaussian stands at each sample; their widths are fitted to the training items, and the value is the mean
    negative log-likelihood of held-out images a dimension, less that of Gaussians at one half of the training items
    fitted to the other half, times 100. A sample that copies a training item gets a narrow Gaussian, which gives
    held-out images nothing. Features are scaled by the held-out images' mean and deviation first. As in the authors'
    code, a wide Gaussian about the training mean takes part in the fit, so that no item is without a likelihood. The
    halves are drawn three times, and their mean is taken: one draw is a matter of luck where images are few. Of more
    than 4,000 items on a side, 4,000 are drawn.

    Raises:
        UserError: fewer than 4 training items, or fewer than 2 held-out or generated ones.
    """
    if len(train) < 4 or min(len(fake), len(holdout)) < 2:
        raise UserError("FLD needs at least 4 training images, 2 held-out ones and 2 samples.")
    random = np.random.default_rng(seed)
    drawn = [side[np.sort(random.permutation(len(side))[:MOST_FOR_LIKELIHOOD])] for side in (train, fake, holdout)]
    sides = [torch.from_numpy(side).double() for side in drawn]
    mean, deviation = sides[2].mean(0), sides[2].std(0)
    deviation = torch.where(deviation > 1e-12, deviation, 1.0)
    known, samples, new = ((side - mean) / deviation for side in sides)
    half = min(len(samples), len(known) // 2)
    best = []
    for split in range(SPLITS):
        order = torch.from_numpy(np.random.default_rng([seed, split]).permutation(len(known)))
        centres, rest = known[order[:half]], known[order[half:]]
        best.append(_negative_likelihood(new, centres, _fitted_log_variances(centres, rest)))
    ours = _negative_likelihood(new, samples, _fitted_log_variances(samples, known))
    return 100 * (ours - sum(best) / SPLITS)


def _fitted_log_variances(centres: Tensor, items: Tensor) -> Tensor:
    """Log-variances of Gaussians at `centres` that maximise the likelihood of `items` (Adam, 50 steps)."""
    squared = torch.cdist(items, centres) ** 2
    dimensions = items.shape[1]
    background = BACKGROUND * ((items - items.mean(0)) ** 2).sum(1, keepdim=True)
    widths = ((squared.amin(0) + 1e-3) / dimensions).log().requires_grad_()
    wide = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([widths, wide], lr=FIT_RATE)
    history: list[float] = []
    for step in range(FIT_STEPS):
        terms = _log_density(squared, widths, dimensions) - math.log(len(centres))
        joined = torch.cat([terms, _log_density(background, wide, dimensions)], 1)
        loss = -joined.logsumexp(1).mean() / dimensions
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            widths.clamp_(*LOG_VARIANCES)
        history.append(float(loss.detach()))
        if step > 5 and max(abs(history[-1] - value) for value in history[-6:-1]) < 5e-4:
            break
    return widths.detach()


def _log_density(squared: Tensor, log_variances: Tensor, dimensions: int) -> Tensor:
    return -0.5 * (squared / log_variances.exp() + dimensions * (log_variances + math.log(2 * math.pi)))


def _negative_likelihood(items: Tensor, centres: Tensor, log_variances: Tensor) -> float:
    """Mean negative log-likelihood of `items` a dimension."""
    dimensions = items.shape[1]
    terms = _log_density(torch.cdist(items, centres) ** 2, log_variances, dimensions)
    return float(-(terms.logsumexp(1) - math.log(len(centres))).mean() / dimensions)

"""Kernel distance: the squared maximum mean discrepancy of two sets of features."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from augan.core.errors import UserError
from augan.metrics.estimate import Estimate, with_error

Features = Float[np.ndarray, "_ d"]
BLOCK = 2_048


def kernel_distance(a: Features, b: Features) -> Estimate:
    """Unbiased MMD^2 with the cubic kernel (x.y / d + 1)^3 (arXiv:1801.01401, section 3), over all pairs.

    0 is expected for equal distributions, whatever the counts; values around 0 may be negative. The mean of
    `kernel_distance_of_subsets` estimates the same number with more noise. The standard error is the delete-one
    jackknife over both samples, which has a closed form in the sums of the kernel matrices' rows.

    Raises:
        UserError: fewer than 3 items on a side.
    """
    if min(len(a), len(b)) < 3:
        raise UserError(f"The kernel distance needs at least 3 items a side, and there are {min(len(a), len(b))}.")
    x, y = (torch.from_numpy(np.ascontiguousarray(side)).double() for side in (a, b))
    n, m = len(x), len(y)
    within_x, within_y = _sums_within(x), _sums_within(y)
    across_x, across_y = _sums_across(x, y)
    xx, yy, xy = float(within_x.sum()), float(within_y.sum()), float(across_x.sum())
    value = xx / (n * (n - 1)) + yy / (m * (m - 1)) - 2 * xy / (n * m)
    without_x = (xx - 2 * within_x) / ((n - 1) * (n - 2)) + yy / (m * (m - 1)) - 2 * (xy - across_x) / ((n - 1) * m)
    without_y = xx / (n * (n - 1)) + (yy - 2 * within_y) / ((m - 1) * (m - 2)) - 2 * (xy - across_y) / (n * (m - 1))
    variance = sum(
        (count - 1) / count * float(((values - values.mean()) ** 2).sum())
        for count, values in ((n, without_x), (m, without_y))
    )
    return with_error(value, variance**0.5)


def _kernel(x: Tensor, y: Tensor) -> Tensor:
    return (x @ y.T).div_(x.shape[1]).add_(1).pow_(3)


def _blocks(count: int) -> list[slice]:
    return [slice(start, min(start + BLOCK, count)) for start in range(0, count, BLOCK)]


def _sums_within(x: Tensor) -> Tensor:
    """For each item, the sum of the kernel over all others; each pair of blocks once."""
    sums = torch.zeros(len(x), dtype=x.dtype)
    for rows in _blocks(len(x)):
        for columns in _blocks(len(x)):
            if columns.start < rows.start:
                continue
            values = _kernel(x[rows], x[columns])
            if rows == columns:
                values.fill_diagonal_(0)
            else:
                sums[columns] += values.sum(0)
            sums[rows] += values.sum(1)
    return sums


def _sums_across(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """For each item of either set, the sum of the kernel over the other set."""
    of_x, of_y = torch.zeros(len(x), dtype=x.dtype), torch.zeros(len(y), dtype=y.dtype)
    for rows in _blocks(len(x)):
        for columns in _blocks(len(y)):
            values = _kernel(x[rows], y[columns])
            of_x[rows] += values.sum(1)
            of_y[columns] += values.sum(0)
    return of_x, of_y


def kernel_distance_of_subsets(
    a: Features, b: Features, *, subsets: int = 100, subset_size: int = 1_000, seed: int = 0
) -> tuple[float, float]:
    """(mean, standard deviation) of the unbiased MMD^2 over random subsets: the usual way to report KID.

    The standard deviation is that of one subset, not of the mean: subsets overlap. `kernel_distance` has a standard
    error.

    Raises:
        UserError: a side has fewer items than a subset.
    """
    if min(len(a), len(b)) < subset_size:
        raise UserError(
            f"Subsets of {subset_size} items cannot be drawn from {min(len(a), len(b))}: give a smaller subset_size."
        )
    random = np.random.default_rng(seed)
    values = []
    for _ in range(subsets):
        x, y = (side[random.choice(len(side), subset_size, replace=False)] for side in (a, b))
        values.append(kernel_distance(x, y).value)
    return float(np.mean(values)), float(np.std(values))

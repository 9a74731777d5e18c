"""A number with how sure it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

Z = 1.959963984540054
"""The 97.5 % quantile of the normal distribution: two-sided intervals of 95 %."""
RESAMPLES = 1_000


@dataclass(frozen=True)
class Estimate:
    """A measured value; where it could be had, its standard error and its 95 % confidence interval.

    The error comes from resampling the images that were compared. It does not hold what a second training run, another
    seed or another feature space would change.
    """

    value: float
    error: float | None = None
    low: float | None = None
    high: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON; `from_json` is its inverse."""
        return {key: value for key, value in asdict(self).items() if value is not None}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Estimate:
        """The estimate that `to_json` wrote."""
        return cls(**value)


def with_error(value: float, error: float, least: float = -np.inf, most: float = np.inf) -> Estimate:
    """`value` with the normal interval of its standard error, cut to the measure's own range."""
    return Estimate(value, error, max(least, value - Z * error), min(most, value + Z * error))


def mean_of(values: Float[np.ndarray, " n"], seed: int = 0) -> Estimate:
    """The mean of a value an item, with the percentile bootstrap over items (Efron and Tibshirani 1993, chapter 13).

    Equal values (all 0, all 1) give no interval by resampling; for shares of n items the rule of three is used then:
    the other end is 3 / n away.
    """
    value, count = float(values.mean()), len(values)
    if count < 2:
        return Estimate(value)
    if np.ptp(values) == 0:
        if value in (0.0, 1.0):
            reach = min(1.0, 3.0 / count)
            return Estimate(value, 0.0, max(0.0, value - reach), min(1.0, value + reach))
        return Estimate(value, 0.0, value, value)
    levels, frequencies = np.unique(values, return_counts=True)
    random = np.random.default_rng(seed)
    if len(levels) <= 64:  # shares and counts: the bootstrap draws how often each value comes
        means = random.multinomial(count, frequencies / count, RESAMPLES) @ levels / count
    else:
        means = np.array([values[random.integers(0, count, count)].mean() for _ in range(RESAMPLES)])
    low, high = np.quantile(means, [0.025, 0.975])
    return Estimate(value, float(means.std(ddof=1)), float(low), float(high))


def ratio_of_medians(a: Float[np.ndarray, " n"], b: Float[np.ndarray, " m"], seed: int = 0) -> Estimate:
    """median(a) / median(b), with the percentile bootstrap over both; 1 where both are 0, infinite where only b is."""
    random = np.random.default_rng(seed)

    def ratio(x: np.ndarray, y: np.ndarray) -> float:
        above, below = float(np.median(x)), float(np.median(y))
        return above / below if below else (np.inf if above else 1.0)

    drawn = np.array(
        [ratio(a[random.integers(0, len(a), len(a))], b[random.integers(0, len(b), len(b))]) for _ in range(RESAMPLES)]
    )
    if not np.isfinite(drawn).all():
        return Estimate(ratio(a, b))
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Estimate(ratio(a, b), float(drawn.std(ddof=1)), float(low), float(high))


def jackknife(
    statistic: Callable[[np.ndarray, np.ndarray], float], counts: tuple[int, int], groups: int = 10, seed: int = 0
) -> float:
    """Standard error of `statistic(kept of the first, kept of the second)` by leaving out a group at a time.

    The two samples are cut at random into `groups` parts, and each is left out of both: the delete-a-group jackknife
    (Efron and Tibshirani 1993, chapter 11). Resampling with replacement is of no use for distances between samples:
    repeated items look like a smaller sample, and bias them upwards.

    Args:
        statistic: of two arrays of indices.
        counts: how many items there are on each side.
    """
    random = np.random.default_rng(seed)
    parts = [np.array_split(random.permutation(count), groups) for count in counts]
    values = []
    for left_out in range(groups):
        kept = [np.sort(np.concatenate([part for k, part in enumerate(side) if k != left_out])) for side in parts]
        values.append(statistic(kept[0], kept[1]))
    return float(np.sqrt((groups - 1) / groups * ((np.array(values) - np.mean(values)) ** 2).sum()))

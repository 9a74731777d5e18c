"""Is one way of training better than another? Paired differences over splits, with intervals that know that training
sets overlap."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int64

CONFIDENCE = 0.95
POWER = 0.8
BINS = 10


@dataclass(frozen=True, kw_only=True)
class Difference:
    """The mean of paired differences over splits, and what can be said of it.

    Attributes:
        mean: the mean difference.
        low, high: its interval at 95 % by the corrected resampled t test (Nadeau and Bengio 2003, section 4): splits
            share training items, and the variance grows by the test set's size over the training set's.
        p: two-sided probability of so large a mean where there is no difference.
        detectable: the true difference that this many splits, of this variance, would find in 4 of 5 studies.
        splits: how many there were.
    """

    mean: float
    low: float
    high: float
    p: float
    detectable: float
    splits: int


def difference(values: Float[np.ndarray, " n"], test_over_train: float) -> Difference:
    """The corrected resampled t interval of paired differences, one a split.

    Raises:
        ValueError: fewer than 2 splits.
    """
    from scipy.stats import t

    count = len(values)
    if count < 2:
        raise ValueError(f"a difference needs at least 2 splits, got {count}")
    mean, freedom = float(values.mean()), count - 1
    error = math.sqrt((1 / count + test_over_train) * float(values.var(ddof=1)))
    reach = float(t.ppf((1 + CONFIDENCE) / 2, freedom))
    same = float(mean == 0)
    p = 2 * float(t.sf(abs(mean) / error, freedom)) if error else same
    return Difference(
        mean=mean,
        low=mean - reach * error,
        high=mean + reach * error,
        p=p,
        detectable=(reach + float(t.ppf(POWER, freedom))) * error,
        splits=count,
    )


def holm(probabilities: Mapping[str, float]) -> dict[str, float]:
    """Probabilities adjusted for being several (Holm 1979): each may be held against 5 % by itself.

    >>> holm({"a": 0.01, "b": 0.04, "c": 0.03})
    {'a': 0.03, 'c': 0.06, 'b': 0.06}
    """
    adjusted: dict[str, float] = {}
    largest = 0.0
    ordered = sorted(probabilities.items(), key=lambda pair: pair[1])
    for rank, (name, value) in enumerate(ordered):
        largest = max(largest, min(1.0, (len(ordered) - rank) * value))
        adjusted[name] = largest
    return adjusted


def recalls(truth: Int64[np.ndarray, " n"], guess: Int64[np.ndarray, " n"], classes: int) -> Float[np.ndarray, " k"]:
    """The share of each class's items that were found; NaN for a class without items."""
    found = np.full(classes, np.nan)
    for label in range(classes):
        members = truth == label
        if members.any():
            found[label] = float((guess[members] == label).mean())
    return found


def balanced_accuracy(truth: Int64[np.ndarray, " n"], guess: Int64[np.ndarray, " n"], classes: int) -> float:
    """The mean of the classes' recalls."""
    return float(np.nanmean(recalls(truth, guess, classes)))


def macro_f1(truth: Int64[np.ndarray, " n"], guess: Int64[np.ndarray, " n"], classes: int) -> float:
    """The mean over the classes in `truth` of 2 TP / (2 TP + FP + FN)."""
    scores = []
    for label in range(classes):
        if (truth == label).any():
            both = int(((truth == label) & (guess == label)).sum())
            scores.append(2 * both / int((truth == label).sum() + (guess == label).sum()))
    return float(np.mean(scores))


def brier(truth: Int64[np.ndarray, " n"], probabilities: Float[np.ndarray, "n k"]) -> float:
    """Mean squared distance of probabilities from the truth, summed over classes: 0 is best, 2 is worst."""
    wanted = np.eye(probabilities.shape[1])[truth]
    return float(((probabilities - wanted) ** 2).sum(1).mean())


def calibration_error(truth: Int64[np.ndarray, " n"], probabilities: Float[np.ndarray, "n k"]) -> float:
    """Mean distance between how sure guesses are and how often they are right, over 10 equal parts by sureness."""
    sure, right = probabilities.max(1), probabilities.argmax(1) == truth
    parts = np.array_split(np.argsort(sure, kind="stable"), BINS)
    gaps = [len(part) * abs(float(sure[part].mean()) - float(right[part].mean())) for part in parts if len(part)]
    return float(sum(gaps) / len(truth))

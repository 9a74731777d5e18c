"""Means over seeds with intervals, and differences of two models' means."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

CONFIDENCE = 0.95
PLACES = 20_001


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A mean and its 95 % interval by Student's t; without bounds where there is one value only."""

    mean: float
    low: float | None
    high: float | None

    @property
    def sign(self) -> int:
        """1 or -1 where the whole interval lies on that side of 0, else 0 (also without bounds)."""
        if self.low is None or self.high is None:
            return 0
        return int(self.low > 0) - int(self.high < 0)

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def student(freedom: float) -> float:
    """The q with P(|T| < q) = 0.95 for Student's t.

    With t = sqrt(n) tan(a), the density is proportional to cos(a)^(n - 1) on (-pi / 2, pi / 2).

    >>> round(student(2), 4), round(student(30), 4)
    (4.3027, 2.0423)
    """
    angles = np.linspace(0, math.pi / 2, PLACES)
    density = np.cos(angles) ** (freedom - 1)
    steps = (density[1:] + density[:-1]) / 2
    inside = np.concatenate([[0.0], np.cumsum(steps)]) / steps.sum()
    return math.sqrt(freedom) * math.tan(float(np.interp(CONFIDENCE, inside, angles)))


def interval(values: Sequence[float]) -> Interval:
    """Of the mean of one value a seed."""
    found, count = np.asarray(values, np.float64), len(values)
    mean = float(found.mean())
    if count < 2:
        return Interval(mean=mean, low=None, high=None)
    reach = student(count - 1) * float(found.std(ddof=1)) / math.sqrt(count)
    return Interval(mean=mean, low=mean - reach, high=mean + reach)


def difference(a: Sequence[float], b: Sequence[float]) -> Interval:
    """Of mean(a) - mean(b), without assuming equal variances (Welch 1947)."""
    mean = float(np.mean(a) - np.mean(b))
    if min(len(a), len(b)) < 2:
        return Interval(mean=mean, low=None, high=None)
    parts = [float(np.var(side, ddof=1)) / len(side) for side in (a, b)]
    total = sum(parts)
    if not total:
        return Interval(mean=mean, low=mean, high=mean)
    freedom = total**2 / sum(part**2 / (len(side) - 1) for part, side in zip(parts, (a, b), strict=True))
    reach = student(freedom) * math.sqrt(total)
    return Interval(mean=mean, low=mean - reach, high=mean + reach)

"""Which synthetic items are worth learning from: sure of their class, near the real ones, not on them, not twice.

Every rule takes its limit from what real items do among themselves, so that none has a number to tune by hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int64

from augan.metrics import nearest_distances, nearest_neighbours, neighbour_radii

UNSURE = 0.1
FAR = 0.95
NEAR = 0.01
NEIGHBOURS = 3
REASONS = ("unsure", "far", "copy", "twice", "spare")
"""Why candidates are left out: not sure of their class; far from its real items; as near to one as copies are; as near
to a candidate taken before; more than are wanted."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Side:
    """Items of one kind: (n, d) features, (n,) classes, (n, k) class probabilities.

    Probabilities of real items must come from classifiers that did not learn from them.
    """

    features: Float[np.ndarray, "n d"]
    labels: Int64[np.ndarray, " n"]
    probabilities: Float[np.ndarray, "n k"]

    def of(self, label: int) -> Side:
        """The items of one class."""
        rows = self.labels == label
        return Side(features=self.features[rows], labels=self.labels[rows], probabilities=self.probabilities[rows])

    @property
    def sureness(self) -> Float[np.ndarray, " n"]:
        """The probability of each item's own class."""
        found: np.ndarray = self.probabilities[np.arange(len(self.labels)), self.labels]
        return found


@dataclass(frozen=True, kw_only=True, eq=False)
class Selection:
    """What was kept.

    Attributes:
        kept: row numbers of the candidates to use, class by class.
        fates: for each candidate "kept" or a reason of `REASONS`.
        rejected: for each class how many candidates each reason left out.
    """

    kept: Int64[np.ndarray, " k"]
    fates: np.ndarray
    rejected: dict[int, dict[str, int]]


def select(real: Side, candidates: Side, wanted: Mapping[int, int], seed: int = 0) -> Selection:
    """Chooses up to `wanted[label]` candidates of each class.

    A candidate must be

    - as sure of its class as all but the least sure tenth of the class's real items;
    - no farther from its third nearest real item of the class than 95 % of these are from theirs;
    - farther from its nearest real item than the closest hundredth of real items are from theirs;
    - farther than that from every candidate that is kept already.

    Of more than are wanted, a random part is kept, that variety stays as it is.
    """
    fates = np.full(len(candidates.labels), "kept", dtype=object)
    kept, rejected = [], {}
    random = np.random.default_rng(seed)
    for label in sorted(wanted):
        rows = np.flatnonzero(candidates.labels == label)
        fates[rows] = _fates(real.of(label), candidates.of(label), wanted[label], random)
        kept.append(rows[fates[rows] == "kept"])
        rejected[label] = {reason: int((fates[rows] == reason).sum()) for reason in REASONS}
    chosen = np.concatenate([*kept, np.empty(0, np.int64)])
    return Selection(kept=chosen.astype(np.int64), fates=fates, rejected=rejected)


def copy_limits(real: Side) -> dict[int, float]:
    """For each class the distance below which an item is called a copy of a real one: the closest hundredth of real
    items are no farther from one another, exact repetitions aside."""
    return {int(label): _copy_limit(real.of(int(label)).features) for label in np.unique(real.labels)}


def _copy_limit(features: Float[np.ndarray, "n d"]) -> float:
    if len(features) <= NEIGHBOURS:
        return 0.0
    nearest = neighbour_radii(features, 1)
    apart = nearest[nearest > 1e-6 * max(float(nearest.max()), 1e-12)]
    return float(np.quantile(apart, NEAR)) if len(apart) else 0.0


def _fates(real: Side, candidates: Side, wanted: int, random: np.random.Generator) -> np.ndarray:
    count = len(candidates.labels)
    fates = np.full(count, "kept", dtype=object)
    if len(real.labels) > NEIGHBOURS:
        radii = neighbour_radii(real.features, NEIGHBOURS)
        support = nearest_neighbours(candidates.features, real.features, NEIGHBOURS).distances[:, -1]
        fates[support > np.quantile(radii, FAR)] = "far"
        limit = _copy_limit(real.features)
        fates[nearest_distances(candidates.features, real.features) < limit] = "copy"
        fates[candidates.sureness < np.quantile(real.sureness, UNSURE)] = "unsure"
        _drop_twins(candidates.features, fates, limit)
    left = np.flatnonzero(fates == "kept")
    spare = random.permutation(left)[wanted:]
    fates[spare] = "spare"
    return fates


def _drop_twins(features: Float[np.ndarray, "n d"], fates: np.ndarray, limit: float) -> None:
    """Marks candidates nearer than `limit` to one that is kept and comes before them."""
    left = np.flatnonzero(fates == "kept")
    values = features[left].astype(np.float64)
    squares = (values**2).sum(1)
    for place in range(1, len(left)):
        earlier = np.flatnonzero(fates[left[:place]] == "kept")
        squared = squares[earlier] + squares[place] - 2 * values[earlier] @ values[place]
        if len(earlier) and squared.min() < limit**2:
            fates[left[place]] = "twice"

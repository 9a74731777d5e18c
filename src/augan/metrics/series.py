"""Windows of time series against real ones: how columns are distributed, how they move in time and together, what
networks learn from them, copies; and windows that need no generator, to be beaten.

The discriminative and the predictive score are those of TimeGAN (Yoon and others, NeurIPS 2019) with networks of its
size: convolutions in place of one recurrent network, for speed, and both repeated on the other half of the windows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional as F

from augan.core.rng import derive, numpy_stream
from augan.metrics.manifold import nearest_distances

MOST_WINDOWS = 1_000
"""Windows on either side, at most."""
QUANTILES = 1_000
LAGS = 8
"""Up to which two columns are compared; a column with itself at all lags."""
STEPS, BATCH = 200, 64
COPY = 1e-3
Values = Float[np.ndarray, "_ t c"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Windows:
    """Windows in deviations from the mean of each real column, the stretch of time that each is of, and perhaps its
    class. Windows of different stretches share no moment."""

    values: Values
    groups: Int64[np.ndarray, " n"]
    labels: Int64[np.ndarray, " n"] | None = None

    def __len__(self) -> int:
        return len(self.values)

    def take(self, rows: np.ndarray) -> Windows:
        """These windows."""
        labels = None if self.labels is None else self.labels[rows]
        return Windows(values=self.values[rows], groups=self.groups[rows], labels=labels)


def apart(values: Values, labels: Int64[np.ndarray, " n"] | None = None) -> Windows:
    """Windows of which none overlaps another."""
    return Windows(values=values, groups=np.arange(len(values)), labels=labels)


# ---------------------------------------------------------------------- numbers


def marginal_distances(real: Values, fake: Values) -> Float[np.ndarray, " c"]:
    """For each column the Wasserstein distance of its numbers, whenever they are: in deviations; 0 is best."""
    at = (np.arange(QUANTILES) + 0.5) / QUANTILES
    quantiles = [np.quantile(side.reshape(-1, side.shape[2]), at, axis=0) for side in (real, fake)]
    return np.asarray(np.abs(quantiles[0] - quantiles[1]).mean(0))


def autocorrelations(values: Values, lags: int) -> Float[np.ndarray, "lags c c"]:
    """r[l, i, j]: the correlation of column i with column j `l` moments later, over all windows, l = 0 to lags - 1.

    Means and deviations are those of all moments; a column that does not move has 0.
    """
    centred = values - values.mean((0, 1))
    deviation = centred.std((0, 1))
    scaled = centred / np.where(deviation > 0, deviation, 1)
    moments = values.shape[1]
    found = [np.einsum("nti,ntj->ij", scaled[:, : moments - lag], scaled[:, lag:]) for lag in range(lags)]
    counts = len(values) * (moments - np.arange(lags))
    return np.stack(found) / counts[:, None, None]


def _level(values: Values) -> Values:
    """Deviations from the mean of each column in each window."""
    found: Values = values - values.mean(1, keepdims=True)
    return found


def autocorrelation_distance(real: Values, fake: Values) -> float:
    """Mean difference of autocorrelations over columns and lags from 1 to three quarters of the window.

    Of deviations from each window's own mean: where windows differ in level, as seasons do, moments are correlated in
    any order.
    """
    lags = max(2, 3 * real.shape[1] // 4)
    gap = autocorrelations(_level(real), lags) - autocorrelations(_level(fake), lags)
    return float(np.abs(np.diagonal(gap[1:], axis1=1, axis2=2)).mean())


def cross_correlation_distance(real: Values, fake: Values) -> float:
    """Mean difference of the correlations of two columns, at lags of -8 to 8, likewise; NaN for one column."""
    count = real.shape[2]
    if count < 2:
        return float("nan")
    lags = min(LAGS + 1, real.shape[1] - 1)
    gap = np.abs(autocorrelations(_level(real), lags) - autocorrelations(_level(fake), lags))
    return float(gap[:, ~np.eye(count, dtype=bool)].mean())


def nearness(real: Values, fake: Values) -> tuple[float, float]:
    """The median distance of a window to the nearest real one, as deviations a number, and the share of copies."""
    size = (real.shape[1] * real.shape[2]) ** 0.5
    flat = [side.reshape(len(side), -1).astype(np.float32) / size for side in (fake, real)]
    found = nearest_distances(*flat)
    return float(np.median(found)), float((found < COPY).mean())


# ---------------------------------------------------------------------- what networks learn


class _Judge(nn.Module):
    """Windows (n, t, c) -> scores (n, k), by convolutions over time and their mean and largest answer."""

    def __init__(self, columns: int, answers: int) -> None:
        super().__init__()
        self.first, self.second = nn.Conv1d(columns, 32, 5, padding=2), nn.Conv1d(32, 32, 5, padding=2)
        self.last = nn.Linear(64, answers)

    def forward(self, windows: Float[Tensor, "n t c"]) -> Float[Tensor, "n k"]:
        maps = F.avg_pool1d(F.leaky_relu(self.first(windows.transpose(1, 2)), 0.2), 2)
        maps = F.leaky_relu(self.second(maps), 0.2)
        found: Tensor = self.last(torch.cat([maps.mean(2), maps.amax(2)], 1))
        return found


def _classify(train: Values, marks: np.ndarray, test: Values, classes: int, seed: int) -> Int64[np.ndarray, " m"]:
    """The classes that a small network gives `test`, after 200 steps on `train`, of whose classes each is equally
    frequent."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        judge = _Judge(train.shape[2], classes)
    random = torch.Generator().manual_seed(seed)
    windows, labels = _tensor(train), torch.from_numpy(marks)
    chances = (1.0 / torch.bincount(labels, minlength=classes).clamp_min(1).double())[labels]
    optimizer = torch.optim.AdamW(judge.parameters(), 2e-3, weight_decay=1e-2)
    for _ in range(STEPS):
        chosen = torch.multinomial(chances, BATCH, replacement=True, generator=random)
        loss = F.cross_entropy(judge(windows[chosen]), labels[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        return np.asarray(judge(_tensor(test)).argmax(1).numpy())


def _tensor(values: Values) -> Float[Tensor, "n t c"]:
    return torch.from_numpy(values.astype(np.float32))


def sides_of(groups: Int64[np.ndarray, " n"], seed: int) -> np.ndarray:
    """(n,) bool: half of the groups, at random."""
    known = np.unique(groups)
    order = numpy_stream(seed, "halves of windows").permutation(len(known))
    return np.isin(groups, known[order[: len(known) // 2]])


def discriminative_score(real: Windows, fake: Windows, seed: int = 0) -> float:
    """How far above chance a network tells real from generated windows that it has not seen: 0 (not at all) to 0.5.

    |balanced accuracy - 1/2|, of a network that learnt from half of the stretches of each side and is tested on the
    others, and the other way round; NaN where a side has one stretch only.
    """
    if min(len(np.unique(side.groups)) for side in (real, fake)) < 2:
        return float("nan")
    halves, right = [sides_of(side.groups, seed) for side in (real, fake)], []
    for fold in (0, 1):
        learnt = [half if fold else ~half for half in halves]
        train = np.concatenate([real.values[learnt[0]], fake.values[learnt[1]]])
        marks = np.repeat([0, 1], [int(learnt[0].sum()), int(learnt[1].sum())])
        for label, (side, known) in enumerate(zip((real, fake), learnt, strict=True)):
            given = _classify(train, marks, side.values[~known], 2, derive(seed, "judge", fold) % 2**31)
            right.append(float((given == label).mean()))
    return abs(float(np.mean(right)) - 0.5)


class _Predictor(nn.Module):
    """Moments (n, t, c) -> for each the next one: a recurrent network says how it differs."""

    def __init__(self, columns: int) -> None:
        super().__init__()
        self.memory, self.last = nn.GRU(columns, 32, batch_first=True), nn.Linear(32, columns)

    def forward(self, windows: Float[Tensor, "n t c"]) -> Float[Tensor, "n t c"]:
        found: Tensor = windows + self.last(self.memory(windows)[0])
        return found


def predictive_score(train: Values, test: Values, seed: int = 0) -> float:
    """Mean absolute error, in deviations, of the next moment of `test`, predicted by a network that learnt from
    `train`; lower is better."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(seed, "predictor") % 2**31)
        network = _Predictor(train.shape[2])
    random = torch.Generator().manual_seed(derive(seed, "predictor batches") % 2**31)
    windows = _tensor(train)
    optimizer = torch.optim.Adam(network.parameters(), 5e-3)
    for _ in range(STEPS):
        chosen = windows[torch.randint(len(windows), (BATCH,), generator=random)]
        loss = (network(chosen[:, :-1]) - chosen[:, 1:]).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
    known = _tensor(test)
    with torch.no_grad():
        return float((network(known[:, :-1]) - known[:, 1:]).abs().mean())


def class_accuracy(train: Windows, test: Windows, classes: int, seed: int = 0) -> float:
    """Balanced accuracy on `test` of a network that learnt classes from `train`."""
    assert train.labels is not None
    assert test.labels is not None
    given = _classify(train.values, train.labels, test.values, classes, derive(seed, "classes") % 2**31)
    return float(np.mean([(given[test.labels == label] == label).mean() for label in np.unique(test.labels)]))


# ---------------------------------------------------------------------- windows without a generator


def shuffled(real: Windows, seed: int = 0) -> Windows:
    """Real windows with their moments in random order, the same for all columns of a window."""
    random = numpy_stream(seed, "shuffled moments")
    order = random.permuted(np.tile(np.arange(real.values.shape[1]), (len(real), 1)), axis=1)
    return Windows(values=np.take_along_axis(real.values, order[:, :, None], 1), groups=real.groups, labels=real.labels)


def noise(real: Windows, seed: int = 0) -> Windows:
    """Each number drawn on its own from those of its column."""
    random = numpy_stream(seed, "independent numbers")
    flat = real.values.reshape(-1, real.values.shape[2])
    rows = random.integers(len(flat), size=flat.shape)
    return apart(np.take_along_axis(flat, rows, 0).reshape(real.values.shape), real.labels)


def gaussian(real: Windows, seed: int = 0) -> Windows:
    """Windows of a normal distribution with the mean and the covariance of all numbers of a real window; of each class
    its own."""
    random, found = numpy_stream(seed, "gaussian windows"), np.empty_like(real.values)
    marks = np.zeros(len(real), np.int64) if real.labels is None else real.labels
    for label in np.unique(marks):
        own = real.values[marks == label]
        flat = own.reshape(len(own), -1)
        centred = flat - flat.mean(0)
        drawn = random.standard_normal((len(own), len(own))) @ centred / max(1, len(own) - 1) ** 0.5
        found[marks == label] = (drawn + flat.mean(0)).reshape(own.shape)
    return apart(found, real.labels)


def bootstrap(real: Windows, seed: int = 0) -> Windows:
    """Real windows, drawn again."""
    return real.take(numpy_stream(seed, "bootstrap of windows").integers(len(real), size=len(real)))


TRIVIAL = {"shuffled": shuffled, "noise": noise, "gaussian": gaussian, "bootstrap": bootstrap}
"""Beside the model."""


# ---------------------------------------------------------------------- all together


@dataclass(frozen=True, kw_only=True)
class SeriesEvaluation:
    """What `evaluate` finds for windows of time series.

    Attributes:
        measures: for each measure its value for 'model', for what needs no generator ('shuffled', 'noise', 'gaussian',
            'bootstrap'), and for 'real' windows of other stretches of time.
        columns: marginal distances, one by one.
        windows: how many were compared. notes: how it was measured.
    """

    measures: Mapping[str, Mapping[str, float]]
    columns: Mapping[str, float]
    windows: Mapping[str, int]
    notes: tuple[str, ...]

    @property
    def sides(self) -> list[str]:
        """What was measured: the model, the trivial windows, and real ones."""
        return list(next(iter(self.measures.values())))

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> SeriesEvaluation:
        """What `to_json` wrote, whatever else is beside it."""
        measures = {
            name: {side: math.nan if number is None else number for side, number in sides.items()}
            for name, sides in value["measures"].items()
        }
        return cls(measures=measures, columns=value["columns"], windows=value["windows"], notes=tuple(value["notes"]))

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON; null for what is not measured."""
        found = asdict(self)
        found["measures"] = {
            name: {side: None if np.isnan(value) else value for side, value in sides.items()}
            for name, sides in found["measures"].items()
        }
        return found


def evaluate_windows(
    names: tuple[str, ...],
    fake: Windows,
    real: Windows,
    others: Windows,
    *,
    tested_on_others: bool,
    classes: int = 0,
    seed: int = 0,
) -> SeriesEvaluation:
    """Measures windows, and beside them the trivial ones, against `real` ones.

    `others` are real ones of other stretches of time. What networks learn from windows is tested on them, and 'real' is
    what `real` gives, if `tested_on_others`; else the other way round.
    """
    sides = {"model": fake, **{name: make(real, seed) for name, make in TRIVIAL.items()}, "real": others}
    test = others if tested_on_others else real
    measures: dict[str, dict[str, float]] = {}
    for side, windows in sides.items():
        learnt = real if side == "real" and tested_on_others else windows
        near, copies = nearness(real.values, windows.values)
        found = {
            "marginal_distance": float(marginal_distances(real.values, windows.values).mean()),
            "autocorrelation_distance": autocorrelation_distance(real.values, windows.values),
            "cross_correlation_distance": cross_correlation_distance(real.values, windows.values),
            "discriminative_score": discriminative_score(real, windows, seed),
            "predictive_score": predictive_score(learnt.values, test.values, seed),
            "nearest_distance": near,
            "copies": copies,
        }
        if classes > 1 and learnt.labels is not None and test.labels is not None:
            found["accuracy_of_classifier"] = class_accuracy(learnt, test, classes, seed)
        for name, value in found.items():
            measures.setdefault(name, {})[side] = value
    still = float(np.abs(np.diff(test.values, axis=1)).mean())
    where = "the held-out windows" if tested_on_others else "the windows that all sides are compared with"
    return SeriesEvaluation(
        measures=measures,
        columns=dict(zip(names, marginal_distances(real.values, fake.values).tolist(), strict=True)),
        windows={"model": len(fake), "against": len(real), "real": len(others)},
        notes=(
            f"What networks learn is tested on {where}; to say that nothing changes has a predictive score of "
            f"{still:.3f}.",
        ),
    )

"""Rows of a table against real ones: columns, pairs of columns, what a classifier learns from them, copies.

Column shapes and pair trends follow SDMetrics' definitions (its quality report), on encoded rows: numbers and dates are
compared as they are written, categories by their values.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int, Int64

from augan.core.optional import require
from augan.core.rng import numpy_stream
from augan.core.table import Codes, TableSpec, values_of
from augan.metrics.manifold import nearest_distances
from augan.metrics.rows import row_features

BINS = 10
MOST_PAIRS = 2_000
MOST_ROWS = 4_000
"""Rows on either side whose distances are measured, at most."""
FOLDS = 5
TREES = 200
COPY = 1e-4
Numbers = Float[np.ndarray, "_"]
Places = Int[np.ndarray, "_"]


def ks_complement(real: Numbers, fake: Numbers) -> float:
    """1 - sup |F_real - F_fake| of the empirical distributions of what is not NaN; NaN where a side has nothing."""
    real, fake = np.sort(real[~np.isnan(real)]), np.sort(fake[~np.isnan(fake)])
    if not len(real) or not len(fake):
        return float("nan")
    everything = np.concatenate([real, fake])
    below = [np.searchsorted(side, everything, "right") / len(side) for side in (real, fake)]
    return 1 - float(np.abs(below[0] - below[1]).max())


def tv_complement(real: Places, fake: Places) -> float:
    """1 - 1/2 sum |p_real - p_fake| over values, numbered from 0."""
    size = int(max(real.max(initial=0), fake.max(initial=0))) + 1
    shares = [np.bincount(side, minlength=size) / max(1, len(side)) for side in (real, fake)]
    return 1 - 0.5 * float(np.abs(shares[0] - shares[1]).sum())


def correlation_similarity(real: Float[np.ndarray, "_ 2"], fake: Float[np.ndarray, "_ 2"]) -> float:
    """1 - |r_real - r_fake| / 2 with Pearson's r over rows without NaN; NaN where a column is constant."""
    found = []
    for side in (real, fake):
        known = side[~np.isnan(side).any(1)]
        if len(known) < 2 or (np.ptp(known, axis=0) == 0).any():
            return float("nan")
        found.append(np.corrcoef(known.T)[0, 1])
    return 1 - abs(float(found[0] - found[1])) / 2


def binned(real: Numbers, fake: Numbers) -> tuple[Places, Places]:
    """Both in ten equal bins of the real range, the outer ones open; NaN is an eleventh."""
    edges = np.histogram_bin_edges(real[~np.isnan(real)], bins=BINS)[1:-1]

    def places(values: Numbers) -> Places:
        return np.where(np.isnan(values), BINS, np.digitize(values, edges))

    return places(real), places(fake)


def column_shapes(spec: TableSpec, real: Codes, fake: Codes) -> dict[str, float]:
    """For each column how alike its distributions are, 0 to 1.

    Of numbers and dates the Kolmogorov-Smirnov complement, without missing cells; of categories the total variation
    complement, with missing as a value.
    """
    found = {}
    for index, block in enumerate(spec.blocks):
        if block.number is None:
            score = tv_complement(real.places[:, index], fake.places[:, index])
        else:
            score = ks_complement(values_of(spec, real, index), values_of(spec, fake, index))
        found[spec.columns[block.column].name] = score
    return found


def pair_trends(spec: TableSpec, real: Codes, fake: Codes) -> dict[tuple[str, str], float]:
    """For each pair of columns how alike their joint distributions are, 0 to 1.

    Of two columns of numbers or dates the correlation similarity, of others the total variation complement of pairs of
    values, numbers in ten bins.

    Of more than 2,000 pairs, 2,000 at random.
    """
    count = len(spec.blocks)
    numbers = {
        index: (values_of(spec, real, index), values_of(spec, fake, index))
        for index, block in enumerate(spec.blocks)
        if block.number is not None
    }
    places = {
        index: binned(*numbers[index])
        if index in numbers
        else (real.places[:, index].astype(np.int64), fake.places[:, index].astype(np.int64))
        for index in range(count)
    }
    pairs = list(itertools.combinations(range(count), 2))
    if len(pairs) > MOST_PAIRS:
        chosen = np.sort(numpy_stream(0, "pairs").permutation(len(pairs))[:MOST_PAIRS])
        pairs = [pairs[place] for place in chosen]
    found = {}
    for first, second in pairs:
        if first in numbers and second in numbers:
            sides = [np.stack([numbers[first][side], numbers[second][side]], 1) for side in (0, 1)]
            score = correlation_similarity(*sides)
        else:
            size = int(max(places[second][side].max(initial=0) for side in (0, 1))) + 1
            score = tv_complement(*(places[first][side] * size + places[second][side] for side in (0, 1)))
        found[_name(spec, first), _name(spec, second)] = score
    return found


def _name(spec: TableSpec, index: int) -> str:
    return spec.columns[spec.blocks[index].column].name


# ---------------------------------------------------------------------- what a classifier learns


def label_codes(spec: TableSpec, codes: Codes) -> Int64[np.ndarray, " n"]:
    """The class of each row."""
    return codes.places[:, spec.blocks.index(spec.asked[0])].astype(np.int64)


def without_label(spec: TableSpec, codes: Codes) -> Float[np.ndarray, "n d"]:
    """`row_features` of the other columns."""
    index = spec.blocks.index(spec.asked[0])
    kept = [place for place in range(len(spec.blocks)) if place != index]
    rest = TableSpec(columns=tuple(spec.columns[spec.blocks[place].column] for place in kept))
    return row_features(rest, Codes(numbers=codes.numbers[:, kept], places=codes.places[:, kept]))


def efficacy(spec: TableSpec, train: Codes, test: Codes, seed: int = 0) -> dict[str, float]:
    """How well classifiers that learnt from `train` do on `test`: `auc`, of one class against the rest, the mean over
    classes, and `accuracy`; each the mean of a logistic regression's and a random forest's.

    Classes that are not in `train` are never guessed; where it has one class only, AUC is 0.5.
    """
    require("sklearn", "tables", "Measuring tables")
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    marks, truth = label_codes(spec, train), label_codes(spec, test)
    known = np.unique(marks)
    found: dict[str, list[float]] = {"auc": [], "accuracy": []}
    for classifier in (LogisticRegression(max_iter=1_000), RandomForestClassifier(TREES, random_state=seed, n_jobs=1)):
        shares = np.zeros((len(test), len(spec.class_names or ())))
        if len(known) == 1:
            shares[:, known[0]] = 1
        else:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                classifier.fit(without_label(spec, train), marks)
            shares[:, known] = classifier.predict_proba(without_label(spec, test))
        found["auc"].append(mean_auc(shares, truth))
        found["accuracy"].append(float((shares.argmax(1) == truth).mean()))
    return {name: float(np.mean(values)) for name, values in found.items()}


def mean_auc(shares: Float[np.ndarray, "n k"], truth: Int64[np.ndarray, " n"]) -> float:
    """The area under the curve of each class against the rest, the mean over classes that are there and not alone."""
    areas = []
    for label in np.unique(truth):
        own = truth == label
        if own.all():
            continue
        ranks = _ranks(shares[:, label])
        wins = ranks[own].sum() - own.sum() * (own.sum() + 1) / 2
        areas.append(float(wins / (own.sum() * (~own).sum())))
    return float(np.mean(areas)) if areas else 0.5


def _ranks(values: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """From 1; equal values share the mean of theirs."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[inverse]


def efficacy_of_real(spec: TableSpec, real: Codes, seed: int = 0) -> dict[str, float]:
    """The same of real rows on others of them, the mean of five folds."""
    order = numpy_stream(seed, "folds of rows").permutation(len(real))
    found = []
    for fold in range(FOLDS):
        test = order[fold::FOLDS]
        found.append(efficacy(spec, real.take(np.setdiff1d(order, test)), real.take(test), seed))
    return {name: float(np.mean([one[name] for one in found])) for name in found[0]}


# ---------------------------------------------------------------------- all together


@dataclass(frozen=True, kw_only=True)
class TableEvaluation:
    """What `evaluate` finds for a table.

    Attributes:
        measures: for each measure its value for 'model', and beside it for 'independent', which draws each column on
            its own, for 'bootstrap', which draws real rows again, and for 'real' rows that were not learnt from.
        columns: column shapes, one by one. notes: how it was measured.
        rows: how many were compared.
    """

    measures: Mapping[str, Mapping[str, float]]
    columns: Mapping[str, float]
    rows: Mapping[str, int]
    notes: tuple[str, ...]

    @property
    def sides(self) -> list[str]:
        """What was measured: the model, the trivial ways, and real rows where they were."""
        sides = [side for side in ("model", "independent", "bootstrap") if side in self.measures["column_shapes"]]
        return sides + (["real"] if any("real" in values for values in self.measures.values()) else [])

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> TableEvaluation:
        """What `to_json` wrote, whatever else is beside it."""
        return cls(
            measures=value["measures"], columns=value["columns"], rows=value["rows"], notes=tuple(value["notes"])
        )


def independent(real: Codes, count: int, seed: int = 0) -> Codes:
    """Each column drawn on its own from real rows."""
    random = numpy_stream(seed, "independent columns")
    rows = random.integers(len(real), size=(count, real.places.shape[1]))
    columns = np.arange(real.places.shape[1])
    return Codes(numbers=real.numbers[rows, columns], places=real.places[rows, columns])


def bootstrap(real: Codes, count: int, seed: int = 0) -> Codes:
    """Real rows, drawn again."""
    return real.take(numpy_stream(seed, "bootstrap of rows").integers(len(real), size=count))


def evaluate_codes(
    spec: TableSpec, fake: Codes, real: Codes, holdout: Codes | None = None, seed: int = 0
) -> TableEvaluation:
    """Measures rows, and beside them the trivial baselines, against real ones."""
    sides = {
        "model": fake,
        "independent": independent(real, len(fake), seed),
        "bootstrap": bootstrap(real, len(fake), seed),
    }
    if holdout is not None:
        sides["real"] = holdout
    measures: dict[str, dict[str, float]] = {}

    def note(side: str, found: Mapping[str, float]) -> None:
        for name, value in found.items():
            measures.setdefault(name, {})[side] = value

    shapes = column_shapes(spec, real, fake)
    for side, codes in sides.items():
        note(side, {"column_shapes": _mean(column_shapes(spec, real, codes))})
        note(side, {"pair_trends": _mean(pair_trends(spec, real, codes))})
        note(side, _nearness(spec, real, codes, seed))
    if spec.label is not None:
        test = real if holdout is None else holdout
        for side in ("model", "independent", "bootstrap"):
            note(side, _trained(efficacy(spec, sides[side], test, seed)))
        note("real", _trained(efficacy_of_real(spec, real, seed) if holdout is None else efficacy(spec, real, test)))
    where = "the rows that were learnt from, for 'real' in five folds" if holdout is None else "the held-out rows"
    notes = () if spec.label is None else (f"Classifiers of '{spec.label}' are tested on {where}.",)
    rows = {"model": len(fake), "against": len(real)} | ({} if holdout is None else {"holdout": len(holdout)})
    return TableEvaluation(measures=measures, columns=shapes, rows=rows, notes=notes)


def _trained(found: Mapping[str, float]) -> dict[str, float]:
    return {f"{name}_of_classifier": value for name, value in found.items()}


def _mean(scores: Mapping[Any, float]) -> float:
    known = [score for score in scores.values() if not np.isnan(score)]
    return float(np.mean(known)) if known else float("nan")


def _nearness(spec: TableSpec, real: Codes, codes: Codes, seed: int) -> dict[str, float]:
    """The median distance to the nearest real row, and the share of rows that are one."""
    known = real.take(numpy_stream(seed, "nearest rows").permutation(len(real))[:MOST_ROWS])
    rows = codes.take(np.arange(min(len(codes), MOST_ROWS)))
    found = nearest_distances(row_features(spec, rows), row_features(spec, known))
    return {"nearest_distance": float(np.median(found)), "copies": float((found < COPY).mean())}

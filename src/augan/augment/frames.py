"""The study of a table: the arms of arrays, SMOTE for mixed columns, rows of a GAN that learnt from the same rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int64

from augan.augment.makers import train_on
from augan.augment.study import Arm, Indices
from augan.augment.supply import OVERSUPPLY, filled_up, judged_rows
from augan.augment.tables import EstimatorTask
from augan.checkpoint.tables import TableModel
from augan.core.errors import UserError
from augan.core.optional import require
from augan.core.rng import derive
from augan.core.table import collapse
from augan.data.tables import TableSource
from augan.metrics.rows import SHARE
from augan.metrics.tables import without_label

Rows = Float[np.ndarray, "n d"]
Fit = Callable[[TableSource, int], TableModel]
SMOTENC = Arm(meaning="points between neighbours, categories by their majority (SMOTENC)")
ROWS = Arm(meaning="rows of a GAN, as many as the smaller classes lack", generative=True, base="real")
SELECTED = Arm(
    meaning="those of three times as many that a classifier of real rows takes", generative=True, base="real"
)
NEIGHBOURS = 5


def fit_rows_gan(*, minutes: float | None = None, steps: int | None = None, settings: Sequence[str] = ()) -> Fit:
    """What `FrameTask` asks for: a GAN trained on each training part, for `minutes` or for 64 times `steps` rows."""

    def fit(train: TableSource, seed: int) -> TableModel:
        model = train_on(train, minutes=minutes, steps=steps, seed=seed, settings=["training.snapshots=1", *settings])
        assert isinstance(model, TableModel)
        return model

    return fit


class FrameTask(EstimatorTask):
    """Rows of a table with a label, as `augan.metrics.row_features` of the other columns.

    Args:
        source: a table with a label.
        fit: (training part, seed) -> a model of rows; called once for each part.
        classifier: of scikit-learn; None for a random forest.
    """

    def __init__(
        self, source: TableSource, fit: Fit, *, classifier: Any = None, groups: np.ndarray | None = None
    ) -> None:
        labels = source.labels
        if labels is None:
            raise UserError(f"{source.name} has no label: say which column is the class, --label COLUMN.")
        if classifier is None:
            from sklearn.ensemble import RandomForestClassifier

            classifier = RandomForestClassifier()
        items = without_label(source.spec, source.codes)
        super().__init__(items, labels, source.item.class_names or (), classifier, {}, groups)
        self.source, self.fit, self.key = source, fit, source.key
        self._groups_of_places = _groups(source)
        more = {} if not self._groups_of_places else {"smotenc": SMOTENC}
        self.arms: Mapping[str, Arm] = {**self.arms, **more, "gan": ROWS, "gan-selected": SELECTED}
        self._train: Indices = np.empty(0, np.int64)
        self._split = -1
        self._models: dict[tuple[int, int], TableModel] = {}

    def features_of(self, other: TableSource) -> Rows:
        """Other rows, encoded as these, as the classifier sees them."""
        return without_label(self.source.spec, other.codes)

    def learn(self, arm: str, train: Indices, seed: int, split: int) -> Callable[[np.ndarray], np.ndarray]:
        """Fits the classifier on what the arm makes of the training rows."""
        self._train, self._split = train, split
        return super().learn(arm, train, seed, split)

    def _resampled(self, arm: str, items: np.ndarray, labels: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
        if arm == "smotenc":
            return self._between(items, labels, seed)
        if arm in ("gan", "gan-selected"):
            return self._generated(arm, items, labels, seed)
        return super()._resampled(arm, items, labels, seed)

    def _between(self, items: Rows, labels: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """SMOTENC on rows with a number for each category, and back to places."""
        from imblearn import over_sampling

        fewest = int(np.bincount(labels)[np.unique(labels)].min())
        groups = self._groups_of_places
        plain = np.setdiff1d(np.arange(items.shape[1]), np.concatenate([np.arange(g.start, g.stop) for g in groups]))
        if fewest < 2 or not len(plain):  # without a number SMOTENC has no distances
            return items, labels
        cells = np.concatenate([items[:, plain], *(items[:, group].argmax(1)[:, None] for group in groups)], axis=1)
        categories = list(range(len(plain), cells.shape[1]))
        sampler = over_sampling.SMOTENC(categories, k_neighbors=min(NEIGHBOURS, fewest - 1), random_state=seed)
        more, marks = sampler.fit_resample(cells, labels)
        rows = np.zeros((len(more), items.shape[1]), items.dtype)
        rows[:, plain] = more[:, : len(plain)]
        for index, group in enumerate(groups):
            places = more[:, len(plain) + index].astype(np.int64)
            rows[np.arange(len(more)), group.start + places] = SHARE
        return rows, marks

    def _generated(self, arm: str, items: Rows, labels: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
        counts = np.bincount(labels, minlength=len(self.class_names))
        wanted = {label: int(counts.max() - count) for label, count in enumerate(counts) if 0 < count < counts.max()}
        if not wanted:
            return items, labels
        model = self._model()
        supply = 1 if arm == "gan" else OVERSUPPLY
        made, asked = [], []
        for label, count in wanted.items():
            rows = model.sample(supply * count, [label], derive(seed, "rows", label) % 2**31).numpy()[:, :, 0, 0]
            made.append(without_label(self.source.spec, collapse(self.source.spec, rows)))
            asked.append(np.full(supply * count, label, np.int64))
        new, marks = np.concatenate(made), np.concatenate(asked)
        if arm == "gan-selected":
            known = np.unique(labels)
            places = np.searchsorted(known, labels), np.searchsorted(known, marks)
            sides = judged_rows(items, places[0], new, places[1], seed)
            chosen, _ = filled_up(
                *sides, {int(np.searchsorted(known, key)): count for key, count in wanted.items()}, seed
            )
            new, marks = new[chosen], marks[chosen]
        return np.concatenate([items, new]), np.concatenate([labels, marks])

    def _model(self) -> TableModel:
        """Of this split and training part; trained once."""
        key = self._split, len(self._train)
        if key not in self._models:
            part = self.source.subset(self._train, f"{self.key}-{self._split}-{len(self._train)}")
            self._models = {key: self.fit(part, derive(0, "rows of split", self._split) % 2**31)}
        return self._models[key]


def choose_rows(
    source: TableSource, model: TableModel, added: Mapping[str, int], seed: int, truncation: float = 1.0
) -> tuple[dict[str, Int64[np.ndarray, " _"]], dict[str, dict[str, Any]]]:
    """Numbers of the model's rows that are worth learning from, class by class, and how they were chosen.

    As the arm 'gan-selected' does: of three times as many as are wanted those that `augan.augment.select` keeps, and
    where too few pass, others that come first. Of each class the latter says how many were `made`, how many that were
    taken `passed`, and how many each reason left out.

    Args:
        source: a table with a label, encoded as the model has it.
    """
    require("sklearn", "tables", "Selecting rows")
    names = source.item.class_names or ()
    wanted = {names.index(name): count for name, count in added.items() if count}
    parts: list[Rows] = []
    asked: list[Int64[np.ndarray, " _"]] = []
    for label, count in wanted.items():
        first = sum(map(len, parts))  # a candidate's number is its place among all of them
        drawn = model.sample(OVERSUPPLY * count, [names[label]], seed, truncation, first).numpy()
        parts.append(without_label(source.spec, collapse(source.spec, drawn[:, :, 0, 0])))
        asked.append(np.full(len(drawn), label, np.int64))
    assert source.labels is not None
    known, own = np.unique(source.labels, return_inverse=True)
    real, made = judged_rows(
        without_label(source.spec, source.codes),
        own.astype(np.int64),
        np.concatenate(parts),
        np.searchsorted(known, np.concatenate(asked)),
        seed,
    )
    places = {int(np.searchsorted(known, label)): count for label, count in wanted.items()}
    chosen, rejected = filled_up(real, made, places, seed)
    numbers: dict[str, Int64[np.ndarray, " _"]] = {}
    how: dict[str, dict[str, Any]] = {}
    for place, count in places.items():
        name, reasons = names[known[place]], rejected[place]
        numbers[name] = np.sort(chosen[made.labels[chosen] == place])
        candidates = OVERSUPPLY * count
        passed = candidates - sum(reasons.values())
        how[name] = {"made": candidates, "passed": passed, "left_out": reasons}
    return numbers, how


def _groups(source: TableSource) -> tuple[slice, ...]:
    """Where in the features each category stands; whether a number is missing is no category of its own."""
    start, found = 0, []
    for block in source.spec.blocks:
        column = source.spec.columns[block.column]
        if column.name == source.spec.label:
            continue
        size = column.places if block.number is None else 1 + (column.missing > 0)
        if block.number is None:
            found.append(slice(start, start + size))
        start += size
    return tuple(found)

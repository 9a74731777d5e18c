"""The protocol: the same splits, steps and seeds for every way of training ("arm"), outcomes kept as they come."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int64

from augan.augment.statistics import balanced_accuracy, brier, calibration_error, macro_f1, recalls
from augan.core.errors import UserError
from augan.core.files import read_json, write_json
from augan.core.optional import require
from augan.core.rng import derive

Indices = Int64[np.ndarray, " _"]
LEAST_IN_CLASS = 20
CONTROL = "control"
"""The A/A control: its base arm with other seeds, which can be no better than it."""


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One way of training a classifier.

    Attributes:
        meaning: it in a few words.
        generative: whether it learns from items of a trained generator.
        base: the arm that is the same without synthetic items; its own name if there is none.
        reference: a generative arm that is there to be beaten, beside the arms without a generator.
        beside: arms without which this one proves nothing: they are measured wherever it is.
    """

    meaning: str
    generative: bool = False
    base: str = ""
    reference: bool = False
    beside: tuple[str, ...] = ()

    @property
    def contends(self) -> bool:
        """Whether a verdict may speak for it."""
        return self.generative and not self.reference


@runtime_checkable
class Task(Protocol):
    """Items with labels, and what can be done with them."""

    labels: Int64[np.ndarray, " n"]
    class_names: tuple[str, ...]
    groups: np.ndarray | None
    arms: Mapping[str, Arm]
    key: str
    described: Mapping[str, Any]
    """What decides outcomes beside the data and the plan, as plain values: outcomes are kept for it only."""

    def items(self, indices: Indices) -> np.ndarray:
        """(b,) indices to (b, ...)."""
        ...

    def learn(self, arm: str, train: Indices, seed: int, split: int) -> Callable[[np.ndarray], np.ndarray]:
        """Learns from the items `train`, and gives class probabilities (m, k) of any items (m, ...)."""
        ...

    def about(self, split: int) -> dict[str, Any]:
        """What is known of the generator of a split: rejections, memorisation."""
        ...


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How much is measured: `folds` parts of the items in `repeats` divisions, `seeds` trainings in each."""

    folds: int = 5
    repeats: int = 1
    seeds: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.folds, self.repeats * self.folds) < 2 or self.seeds < 1:
            raise UserError("A study needs at least 2 folds and 1 seed.")

    @property
    def splits(self) -> int:
        """How many pairs of training and test set there are."""
        return self.folds * self.repeats

    @property
    def test_over_train(self) -> float:
        """The size of a test set over that of its training set."""
        return 1 / (self.folds - 1)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How one arm did on one split with one seed.

    Attributes:
        balanced_accuracy, macro_f1: 0 to 1; brier: 0 to 2; calibration: 0 to 1, expected calibration error.
        recalls: of each class; NaN is None.
    """

    arm: str
    split: int
    seed: int
    balanced_accuracy: float
    macro_f1: float
    brier: float
    calibration: float
    recalls: tuple[float | None, ...]

    @classmethod
    def of(cls, arm: str, split: int, seed: int, truth: np.ndarray, probabilities: np.ndarray) -> Outcome:
        """The scores of probabilities (n, k)."""
        classes, guess = probabilities.shape[1], probabilities.argmax(1)
        found = recalls(truth, guess, classes)
        return cls(
            arm=arm,
            split=split,
            seed=seed,
            balanced_accuracy=balanced_accuracy(truth, guess, classes),
            macro_f1=macro_f1(truth, guess, classes),
            brier=brier(truth, probabilities),
            calibration=calibration_error(truth, probabilities),
            recalls=tuple(None if np.isnan(value) else float(value) for value in found),
        )


@dataclass(frozen=True, kw_only=True)
class Record:
    """All outcomes of a study, and what was said of generators, a row a split."""

    plan: Plan
    outcomes: tuple[Outcome, ...]
    about: tuple[dict[str, Any], ...] = ()
    arms: Mapping[str, Arm] = field(default_factory=dict)
    class_names: tuple[str, ...] = ()

    def scores(self, arm: str, measure: str = "balanced_accuracy") -> Float[np.ndarray, " n"]:
        """One number a split: means over seeds."""
        found: dict[int, list[float]] = {}
        for outcome in self.outcomes:
            if outcome.arm == arm:
                found.setdefault(outcome.split, []).append(float(getattr(outcome, measure)))
        return np.array([np.mean(found[split]) for split in sorted(found)])

    def recalls(self, arm: str) -> Float[np.ndarray, " k"]:
        """Of each class, means over splits and seeds."""
        rows = [outcome.recalls for outcome in self.outcomes if outcome.arm == arm]
        values = np.array([[np.nan if value is None else value for value in row] for row in rows], float)
        found: np.ndarray = np.nanmean(values, axis=0)
        return found

    @property
    def measured(self) -> list[str]:
        """Arms with an outcome on every split."""
        wanted = self.plan.splits
        return [name for name in self.arms if len(self.scores(name)) == wanted]


def splits_of(
    labels: Int64[np.ndarray, " n"], plan: Plan, groups: np.ndarray | None = None
) -> Iterator[tuple[Indices, Indices]]:
    """(train, test) indices: stratified, and with groups no group on both sides.

    Raises:
        UserError: a class with fewer items, or groups, than folds.
    """
    require("sklearn", "augment", "A study of augmentation")
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    counts = np.bincount(labels)
    if counts[counts > 0].min() < plan.folds:
        raise UserError(
            f"A class has {counts[counts > 0].min()} items, fewer than the {plan.folds} folds. Give fewer folds."
        )
    for repeat in range(plan.repeats):
        state = derive(plan.seed, "split", repeat) % 2**32
        if groups is None:
            folds = StratifiedKFold(plan.folds, shuffle=True, random_state=state).split(labels, labels)
        else:
            folds = StratifiedGroupKFold(plan.folds, shuffle=True, random_state=state).split(labels, labels, groups)
        for train, test in folds:
            missing = np.setdiff1d(np.unique(labels), labels[train])
            if len(missing):
                raise UserError(
                    "All items of a class are in one group, or repeat one another, so that no split has it on both "
                    "sides. Give fewer folds, or other groups."
                )
            yield train.astype(np.int64), test.astype(np.int64)


def conduct(
    task: Task,
    plan: Plan,
    arms: Sequence[str],
    *,
    cells: Path | None = None,
    tell: Callable[[Outcome], None] = lambda outcome: None,
) -> Record:
    """Trains and tests every arm on every split.

    With `cells`, a folder, each outcome is a file there, and one that is there already is not measured again.
    """
    outcomes: list[Outcome] = []
    about: list[dict[str, Any]] = []
    for split, (train, test) in enumerate(splits_of(task.labels, plan, task.groups)):
        for arm in arms:
            for seed in range(plan.seeds):
                path = None if cells is None else cells / f"{arm}-{split}-{seed}.json"
                outcome = _kept(path)
                if outcome is None:
                    learnt = task.learn(arm, train, derive(plan.seed, "arm", split, seed), split)
                    outcome = Outcome.of(arm, split, seed, task.labels[test], learnt(task.items(test)))
                    if path is not None:
                        write_json(path, asdict(outcome))
                outcomes.append(outcome)
                tell(outcome)
        about.append(_about(task, split, cells))
    return Record(plan=plan, outcomes=tuple(outcomes), about=tuple(about), arms=task.arms, class_names=task.class_names)


def _kept(path: Path | None) -> Outcome | None:
    if path is None or not path.exists():
        return None
    document = read_json(path)
    return Outcome(**{**document, "recalls": tuple(document["recalls"])})


def _about(task: Task, split: int, cells: Path | None) -> dict[str, Any]:
    """From this process's training, or from the one that wrote the cells."""
    path = None if cells is None else cells / f"about-{split}.json"
    found = task.about(split)
    if not found and path is not None and path.exists():
        return dict(read_json(path))
    if found and path is not None:
        write_json(path, found)
    return found

"""Arms for any classifier with `fit` and `predict_proba`, and any sampler with `fit_resample`."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from augan.augment.study import CONTROL, Arm, Indices
from augan.core.errors import UserError
from augan.core.optional import require
from augan.core.rng import derive

REAL = Arm(meaning="the real items as they are")
WEIGHTS = Arm(meaning="items weighted by the inverse of class sizes")
OVERSAMPLING = Arm(meaning="items of smaller classes repeated")
BETWEEN = Arm(meaning="points between neighbours (SMOTE)")


class EstimatorTask:
    """Items of any shape with labels, a classifier, and samplers to judge.

    Args:
        items: (n, ...) array; labels: (n,) 0 to k - 1.
        classifier: has fit and predict_proba; it is cloned for each training, and seeded where it has a random_state.
        samplers: by name; each has fit_resample; cloned and seeded likewise.
    """

    def __init__(
        self,
        items: np.ndarray,
        labels: np.ndarray,
        class_names: tuple[str, ...],
        classifier: Any,
        samplers: Mapping[str, Any],
        groups: np.ndarray | None = None,
    ) -> None:
        require("imblearn", "augment", "A study of arrays")
        for name, sampler in samplers.items():
            if not hasattr(sampler, "fit_resample"):
                raise UserError(f"Sampler '{name}' has no fit_resample.")
        for method in ("fit", "predict_proba"):
            if not hasattr(classifier, method):
                raise UserError(f"The classifier {type(classifier).__name__} has no {method}.")
        self._items, self.labels, self.class_names = items, labels, class_names
        self.classifier, self.samplers, self.groups = classifier, dict(samplers), groups
        self.key = hashlib.sha256(np.ascontiguousarray(items).tobytes() + labels.tobytes()).hexdigest()
        arms: dict[str, Arm] = {
            "real": REAL,
            CONTROL: Arm(meaning="'real' once more with other seeds: what chance gives", base="real"),
            "oversampling": OVERSAMPLING,
        }
        if "sample_weight" in inspect.signature(classifier.fit).parameters:
            arms["weights"] = WEIGHTS
        if items.ndim == 2:
            arms["smote"] = BETWEEN
        for name in samplers:
            if name in arms:
                raise UserError(f"A sampler cannot be called '{name}': that is another arm.")
            arms[name] = Arm(meaning=f"items of {type(samplers[name]).__name__}", generative=True, base="real")
        self.arms: Mapping[str, Arm] = arms
        self.described: Mapping[str, Any] = {
            "classifier": repr(classifier),
            "samplers": {name: repr(one) for name, one in samplers.items()},
        }

    def items(self, indices: Indices) -> np.ndarray:
        """The items with these numbers."""
        return self._items[indices]

    def learn(self, arm: str, train: Indices, seed: int, split: int) -> Callable[[np.ndarray], np.ndarray]:
        """Fits the classifier on what the arm's sampler makes of the training items."""
        seed = (derive(seed, "control") if arm == CONTROL else seed) % 2**31
        items, labels = self._resampled(arm, self._items[train], self.labels[train], seed)
        weights = {}
        if arm == "weights":
            counts = np.bincount(labels)
            weights = {"sample_weight": (len(labels) / (len(np.unique(labels)) * counts))[labels]}
        learnt = _seeded(self.classifier, seed).fit(items, labels, **weights)
        known = np.asarray(learnt.classes_, np.int64) if hasattr(learnt, "classes_") else np.unique(labels)

        def judge(others: np.ndarray) -> np.ndarray:
            found = np.zeros((len(others), len(self.class_names)))
            found[:, known] = learnt.predict_proba(others)
            return found

        return judge

    def about(self, split: int) -> dict[str, Any]:
        """Nothing is known of other people's samplers."""
        return {}

    def _resampled(self, arm: str, items: np.ndarray, labels: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
        if arm in self.samplers:
            return self._checked(arm, _seeded(self.samplers[arm], seed).fit_resample(items, labels))
        if arm == "oversampling":
            from imblearn.over_sampling import RandomOverSampler

            rows = np.arange(len(items))[:, None]
            chosen, more = RandomOverSampler(random_state=seed).fit_resample(rows, labels)
            return items[chosen[:, 0]], more
        if arm == "smote":
            from imblearn.over_sampling import SMOTE

            fewest = int(np.bincount(labels)[np.unique(labels)].min())
            if fewest < 2:
                return items, labels
            sampler = SMOTE(k_neighbors=min(5, fewest - 1), random_state=seed)
            return self._checked(arm, sampler.fit_resample(items, labels))
        return items, labels

    def _checked(self, arm: str, made: Any) -> tuple[np.ndarray, np.ndarray]:
        items, labels = np.asarray(made[0]), np.asarray(made[1])
        if len(items) != len(labels) or items.shape[1:] != self._items.shape[1:]:
            raise UserError(
                f"Sampler '{arm}' gave items of shape {items.shape} and {len(labels)} labels for items of shape "
                f"{self._items.shape[1:]}."
            )
        return items, labels


def _seeded(estimator: Any, seed: int) -> Any:
    """A clone whose every random_state is set."""
    from sklearn.base import clone

    copy = clone(estimator)
    states = [name for name in copy.get_params() if name == "random_state" or name.endswith("__random_state")]
    return copy.set_params(**dict.fromkeys(states, seed))

"""An imbalanced-learn sampler whose new items come from a GAN that learnt from the items it is given."""

from __future__ import annotations

import numbers
from collections import OrderedDict
from typing import Any, ClassVar

import numpy as np
from imblearn.over_sampling.base import BaseOverSampler
from imblearn.utils import check_target_type
from jaxtyping import Int64
from scipy import sparse
from sklearn.utils import check_array, check_consistent_length, check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import validate_data

from augan.augment.columns import Columns, categories_of
from augan.augment.makers import GANMaker, Judges, train_on
from augan.augment.rows import fit_rows
from augan.augment.supply import OVERSUPPLY, Chosen, filled_up, judged_rows
from augan.core.errors import UserError

DEFAULT_STEPS = 1_000
Labels = Int64[np.ndarray, " n"]


class GANSampler(BaseOverSampler):  # type: ignore[misc]  # imbalanced-learn has no types
    """Over-samples by a GAN: 2-D arrays (dense, sparse), DataFrames, and images, 4-D, uint8 or float.

    Columns of a DataFrame that are not numbers (text, categories, booleans) are categories: a new row has one of the
    values that are there.

    The GAN sees all classes and is asked for the smaller ones. Of three candidates for each item that is wanted, those
    are taken that a classifier of the real items believes, that lie near real items and on none of them
    (`augan.augment.select`); where too few pass, others fill up. Follows imbalanced-learn's contract: works in its
    Pipeline, in GridSearchCV, and with `memory=`.

    Args:
        sampling_strategy: as for every over-sampler of imbalanced-learn.
        random_state: an int, a RandomState or None. The same int gives the same items on one machine, unless `minutes`
            is given.
        max_steps: rounds of the game, of 64 items each; None for 1,000.
        minutes: time for the game, instead of `max_steps`.
        select: whether candidates are selected.
        categorical_features: which columns are categories: 'auto' for those of a DataFrame that are not numbers, or
            names, places or a mask.

    Attributes:
        sampling_strategy_: an OrderedDict, how many items of each class are made.
        rejected_: for each class that is filled up, how many candidates each reason left out.

    Raises:
        ValueError: as imbalanced-learn's own samplers; images smaller than 8 pixels; a column of dates, or of numbers
            of which some are missing.

    Example:
        >>> from imblearn.pipeline import make_pipeline
        >>> make_pipeline(GANSampler(random_state=0), LogisticRegression()).fit(X, y)  # doctest: +SKIP
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **BaseOverSampler._parameter_constraints,
        "max_steps": [Interval(numbers.Integral, 1, None, closed="left"), None],
        "minutes": [Interval(numbers.Real, 0, None, closed="neither"), None],
        "select": ["boolean"],
        "categorical_features": ["array-like", StrOptions({"auto"})],
    }

    def __init__(
        self,
        *,
        sampling_strategy: Any = "auto",
        random_state: Any = None,
        max_steps: Any = None,
        minutes: Any = None,
        select: Any = True,
        categorical_features: Any = "auto",
    ) -> None:
        super().__init__(sampling_strategy=sampling_strategy)
        self.random_state = random_state
        self.max_steps = max_steps
        self.minutes = minutes
        self.select = select
        self.categorical_features = categorical_features

    def _check_X_y(self, X: Any, y: Any, accept_sparse: Any = None) -> tuple[Any, Any, bool]:
        self._columns: Columns | None = None
        if getattr(X, "ndim", 2) == 2 and not sparse.issparse(X) and hasattr(X, "shape"):
            chosen = categories_of(X, self.categorical_features)
            if chosen.any():
                y, binarize = check_target_type(y, indicate_one_vs_all=True)
                validate_data(self, X=X, y=y, reset=True, skip_check_array=True)
                check_consistent_length(X, y)
                names = tuple(str(name) for name in getattr(X, "columns", range(X.shape[1])))
                cells = np.asarray(X, object)
                self._columns = Columns.of(cells, names, chosen)
                return cells, y, binarize
        if getattr(X, "ndim", 2) != 4:
            return super()._check_X_y(X, y, accept_sparse)
        y, binarize = check_target_type(y, indicate_one_vs_all=True)
        X = check_array(X, allow_nd=True, ensure_2d=False, dtype=None)
        check_consistent_length(X, y)
        return X, y, binarize

    def _fit_resample(self, X: Any, y: Any) -> tuple[Any, Any]:
        if self.max_steps is not None and self.minutes is not None:
            raise ValueError("Give max_steps or minutes, not both.")
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        classes, labels = np.unique(y, return_inverse=True)
        wanted = OrderedDict(
            (int(np.flatnonzero(classes == name)[0]), int(count))
            for name, count in self.sampling_strategy_.items()
            if count
        )
        self.rejected_: dict[Any, dict[str, int]] = {}
        if not wanted:
            return X.copy(), y.copy()
        make = self._images if X.ndim == 4 else self._rows
        new, chosen, rejected = make(X, labels.astype(np.int64), wanted, seed)
        self.rejected_ = {classes[label]: reasons for label, reasons in rejected.items()}
        y_new = classes[chosen].astype(y.dtype, copy=False)
        if sparse.issparse(X):
            return sparse.vstack([X, type(X)(new)], format=X.format), np.concatenate([y, y_new])
        return np.concatenate([X, new]), np.concatenate([y, y_new])

    # ------------------------------------------------------------------ rows

    def _rows(self, X: Any, labels: Labels, wanted: dict[int, int], seed: int) -> tuple[Any, Chosen, Any]:
        dense = X.toarray() if sparse.issparse(X) else np.asarray(X)
        rows = dense.astype(np.float64) if self._columns is None else self._columns.encode(dense)
        steps, groups = self.max_steps or DEFAULT_STEPS, () if self._columns is None else self._columns.groups
        model = fit_rows(rows, labels, steps=steps, minutes=self.minutes, seed=seed, groups=groups)
        candidates = {label: model.make(label, self._supply(count), seed) for label, count in wanted.items()}
        made = np.concatenate(list(candidates.values()))
        asked = np.concatenate([np.full(len(items), label) for label, items in candidates.items()]).astype(np.int64)
        chosen: Chosen = np.arange(len(made))
        rejected: dict[int, Any] = {}
        if self.select:
            scaled = [model.scale.forward(part).astype(np.float64) for part in (rows, made)]
            sides = judged_rows(scaled[0], labels, scaled[1], asked, seed)
            chosen, rejected = filled_up(*sides, wanted, seed)
        new = made[chosen]
        if self._columns is not None:
            return self._columns.decode(new), asked[chosen], rejected
        if np.issubdtype(dense.dtype, np.integer):
            new = new.round()
        return new.astype(dense.dtype), asked[chosen], rejected

    # ------------------------------------------------------------------ images

    def _images(self, X: Any, labels: Labels, wanted: dict[int, int], seed: int) -> tuple[Any, Chosen, Any]:
        from augan.apply.layouts import to_stored
        from augan.data import open as open_source

        try:
            source = open_source((X, labels), size=None, min_images_per_class=0)
        except UserError as error:
            raise ValueError(str(error)) from error
        maker = GANMaker(self._train(source, seed))
        candidates = {label: maker.make(label, self._supply(count), seed) for label, count in wanted.items()}
        made = np.concatenate(list(candidates.values()))
        asked = np.concatenate([np.full(len(items), label) for label, items in candidates.items()]).astype(np.int64)
        chosen: Chosen = np.arange(len(made))
        rejected: dict[int, Any] = {}
        if self.select:
            judges = Judges(source, seed)
            chosen, rejected = filled_up(judges.real, judges.side(made, asked), wanted, seed)
        assert source.origin is not None
        return to_stored(made[chosen], source.item, source.origin).astype(X.dtype), asked[chosen], rejected

    def _train(self, source: Any, seed: int) -> Any:
        steps = None if self.minutes is not None else self.max_steps or DEFAULT_STEPS
        return train_on(source, minutes=self.minutes, steps=steps, seed=seed)

    def _supply(self, count: int) -> int:
        return OVERSUPPLY * count if self.select else count

"""A model of windows of time series."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from augan.checkpoint.model import Model
from augan.core.optional import require
from augan.core.series import STEP, WINDOW, SeriesColumn, SeriesSpec


class SeriesModel(Model):
    """Windows of time series, reproducibly: window i of a seed is always the same, however many are drawn."""

    @property
    def spec(self) -> SeriesSpec:
        """What its columns are."""
        assert self.item.series is not None
        return self.item.series

    def windows(
        self, n: int, classes: Sequence[str | int] | None = None, seed: int = 0, truncation: float = 1.0, first: int = 0
    ) -> Float[np.ndarray, "n t c"]:
        """n windows of the columns that change, in the data's units, with its decimals and within its range.

        Raises:
            UserError: see `Model.sample`.
        """
        return self.spec.decode(as_windows(self.sample(n, classes, seed, truncation, first).numpy()))

    def frame(
        self, n: int, classes: Sequence[str | int] | None = None, seed: int = 0, truncation: float = 1.0, first: int = 0
    ) -> Any:
        """The same as a DataFrame with a row a moment: `window`, `step`, the data's columns, and the label.

        Raises:
            UserError: see `Model.sample`.
        """
        labels = self.labels(n, classes, first, seed)
        found = self.windows(n, classes, seed, truncation, first)
        names = None if labels is None else [(self.item.class_names or ())[int(label)] for label in labels]
        return frame_of_windows(self.spec, found, names, first)


def as_windows(items: np.ndarray) -> np.ndarray:
    """Items (n, c, 1, t) as windows (n, t, c)."""
    return items[:, :, 0].transpose(0, 2, 1)


def frame_of_windows(
    spec: SeriesSpec, windows: Float[np.ndarray, "n t c"], labels: Sequence[str] | None = None, first: int = 0
) -> Any:
    """Windows in the data's units as a DataFrame with a row a moment; windows are numbered from `first`."""
    pd = require("pandas", "tables", "Writing tables")
    count, moments = windows.shape[:2]
    cells: dict[str, Any] = {
        WINDOW: np.repeat(np.arange(first, first + count), moments),
        STEP: np.tile(np.arange(moments), count),
    }
    learnt = iter(range(windows.shape[2]))
    for column in spec.columns:
        cells[column.name] = column.value if column.constant else _typed(column, windows[:, :, next(learnt)].ravel())
    if labels is not None:
        cells[spec.label or "label"] = np.repeat(np.array(labels, dtype=object), moments)
    return pd.DataFrame(cells)


def _typed(column: SeriesColumn, numbers: Float[np.ndarray, " n"]) -> np.ndarray:
    """Whole numbers as the data had them; others as float64."""
    whole = column.dtype.startswith(("int", "uint", "bool")) and column.decimals == 0
    return numbers.astype(column.dtype) if whole else numbers

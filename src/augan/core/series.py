"""What the columns of a time series are, and how a window of moments becomes numbers in [-1, 1] and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float, Float32

from augan.core.table import Value

REACH = 0.9
"""The lowest and the highest number of a column are at -0.9 and 0.9: a generator's tanh comes near 1, and not to it."""
WINDOW, STEP = "window", "step"
"""Columns of written windows: which one a row is of, and which of its moments."""


@dataclass(frozen=True, kw_only=True)
class SeriesColumn:
    """One column of a time series.

    Attributes:
        dtype: of the cells as they were read; what is written has it again, where it can hold it.
        low, high: of its cells. mean, deviation: of the same.
        decimals: digits after the point that its numbers have at most; None for more than 6.
        constant: whether it never changes: it is written back as it was, `value`, and not learnt.
    """

    name: str
    dtype: str
    low: float = 0.0
    high: float = 0.0
    mean: float = 0.0
    deviation: float = 1.0
    decimals: int | None = None
    constant: bool = False
    value: Value = None


@dataclass(frozen=True, kw_only=True)
class SeriesSpec:
    """The columns of a time series in the data's order, and how windows were cut out of it.

    Attributes:
        label: the column that is the class; None without classes. Of arrays with labels it is 'label'.
        series, time: the columns that say which series a row is of, and when; None where there are none.
        stride: moments from the start of a window to that of the next.
        fill: holes of up to so many moments were filled.
    """

    columns: tuple[SeriesColumn, ...]
    label: str | None = None
    series: str | None = None
    time: str | None = None
    stride: int = 1
    fill: int = 3

    @cached_property
    def learnt(self) -> tuple[SeriesColumn, ...]:
        """The columns that change, in order: the channels of an item."""
        return tuple(column for column in self.columns if not column.constant)

    def encode(self, values: Float[np.ndarray, "*n c"]) -> Float32[np.ndarray, "*n c"]:
        """Numbers of the learnt columns to -0.9 (the column's lowest) to 0.9 (its highest); beyond for others."""
        low, high = self._ends()
        return (REACH * (2 * (values - low) / (high - low) - 1)).astype(np.float32)

    def decode(self, values: Float[np.ndarray, "*n c"]) -> Float[np.ndarray, "*n c"]:
        """The inverse, float64, within the range of the data and with as many decimals."""
        low, high = self._ends()
        found = np.clip((values.astype(np.float64) / REACH + 1) / 2 * (high - low) + low, low, high)
        for place, column in enumerate(self.learnt):
            if column.decimals is not None:
                found[..., place] = found[..., place].round(column.decimals)
        return found

    def _ends(self) -> tuple[np.ndarray, np.ndarray]:
        return (np.array([column.low for column in self.learnt]), np.array([column.high for column in self.learnt]))

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> SeriesSpec:
        """The spec that `to_json` wrote."""
        return cls(**{**value, "columns": tuple(SeriesColumn(**column) for column in value["columns"])})

"""Tables whose columns hold numbers or categories, as rows of numbers and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

Cells = np.ndarray
"""(n, d) of any dtype."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Columns:
    """Which columns of a table are categories, and their values.

    A row of numbers has the columns of numbers first, in their order, then a column for each value of each category,
    of which one is 1 and the others are 0.

    Attributes:
        names: how the columns are called, for messages.
        values: for each column its values, where it is a category; None for a column of numbers. A missing value is a
            value of its own.
        whole: for each column whether it is of whole numbers.
    """

    names: tuple[str, ...]
    values: tuple[np.ndarray | None, ...]
    whole: tuple[bool, ...]

    @classmethod
    def of(cls, cells: Cells, names: tuple[str, ...], categories: np.ndarray) -> Columns:
        """The columns of a table, (n, d), of which those with True in `categories`, (d,), are categories.

        Raises:
            ValueError: a column of numbers holds something else, or a number that is missing or infinite; it is named.
        """
        import pandas as pd

        values: list[np.ndarray | None] = []
        for place, is_category in enumerate(categories):
            if is_category:
                known = pd.factorize(cells[:, place], use_na_sentinel=False)[1]
                values.append(np.asarray(known, object))
                continue
            _numbers(cells[:, place], names[place])
            values.append(None)
        whole = [all(isinstance(cell, int | np.integer) for cell in column) for column in cells.T]
        return cls(names=names, values=tuple(values), whole=tuple(whole))

    @property
    def groups(self) -> tuple[slice, ...]:
        """Where in a row of numbers each category stands."""
        start, found = sum(value is None for value in self.values), []
        for value in self.values:
            if value is not None:
                found.append(slice(start, start + len(value)))
                start += len(value)
        return tuple(found)

    def encode(self, cells: Cells) -> Float[np.ndarray, "n e"]:
        """Rows of numbers, float64."""
        import pandas as pd

        numbers = [
            _numbers(cells[:, place], self.names[place]) for place, value in enumerate(self.values) if value is None
        ]
        hot = [
            np.eye(len(value))[pd.Index(value).get_indexer(cells[:, place])]
            for place, value in enumerate(self.values)
            if value is not None
        ]
        return np.concatenate([column[:, None] for column in numbers] + hot, axis=1)

    def decode(self, rows: Float[np.ndarray, "n e"]) -> Cells:
        """Cells, (n, d) objects: numbers, rounded where all are whole, and of each category its likeliest value."""
        cells = np.empty((len(rows), len(self.values)), object)
        numbers, groups = 0, iter(self.groups)
        for place, value in enumerate(self.values):
            if value is None:
                cells[:, place] = rows[:, numbers].round() if self.whole[place] else rows[:, numbers]
                numbers += 1
            else:
                cells[:, place] = value[rows[:, next(groups)].argmax(1)]
        return cells


def categories_of(table: Any, asked: Any) -> np.ndarray:
    """(d,) whether each column of an array or a DataFrame is a category.

    Args:
        asked: 'auto' for the columns of a DataFrame that are not numbers; otherwise names, places or a mask.

    Raises:
        ValueError: a name or place that is not there; columns of dates.
    """
    width, frame = table.shape[1], hasattr(table, "dtypes")
    names = list(table.columns) if frame else list(range(width))
    if isinstance(asked, str):
        found = np.zeros(width, bool)
        for place, dtype in enumerate(table.dtypes if frame else ()):
            kind = getattr(dtype, "kind", "O")
            if kind in "mM":
                raise ValueError(
                    f"Column '{names[place]}' holds dates: turn it into numbers, or leave it out, or name it in "
                    "categorical_features."
                )
            found[place] = kind not in "iuf"
        return found
    chosen = np.asarray(asked)
    if chosen.dtype == bool:
        if chosen.shape != (width,):
            raise ValueError(f"categorical_features has {chosen.size} entries for {width} columns.")
        return chosen
    found = np.zeros(width, bool)
    for name in chosen.tolist():
        if name not in names and not (isinstance(name, int) and -width <= name < width):
            raise ValueError(f"categorical_features: there is no column {name!r}.")
        found[names.index(name) if name in names else name] = True
    return found


def _numbers(cells: np.ndarray, name: str) -> Float[np.ndarray, " n"]:
    try:
        numbers = cells.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"Column '{name}' holds more than numbers ({error}). Name it in categorical_features."
        ) from error
    if not np.isfinite(numbers).all():
        count = int((~np.isfinite(numbers)).sum())
        raise ValueError(f"Column '{name}' has {count} missing or infinite numbers. Fill them in, or leave it out.")
    return numbers

"""What the columns of a table are, and how a row becomes numbers in [-1, 1] and back (CTGAN, arXiv:1907.00503).

A column of numbers has one number, its place within a mode of a Gaussian mixture, and then a place for each mode, of
which one is 1; a missing value is a mode of its own. A category has a place for each of its values. Columns follow one
another in the table's order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Float32, Int32, Int64

Kind = Literal["number", "date", "category", "constant", "left out"]
Value = str | int | float | bool | None
SPREAD = 4.0
"""Deviations of a mode that -1 and 1 stand for (section 4.2)."""
REACH = 0.99
OTHER = "other"
"""What stands for the values of a huge category that are too rare to have a place of their own."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column of a table.

    Attributes:
        name, kind: a constant column is written back as it was; one that is left out is not.
        dtype: of the cells as they were read; what is written has it again.
        values, counts: of a category, in order, and how often each was there; None is a missing cell. Of a constant its
            only value.
        means, deviations, weights: of the modes of a column of numbers or dates.
        mean, deviation, low, high: of all its cells that are there.
        decimals: digits after the point that its numbers have at most; None for more than 6.
        missing: how many cells of it were empty.
        unit: of dates since 1970: "D" or "s". form: how dates were written, as strftime has it; None where they were
            no text.
    """

    name: str
    kind: Kind
    dtype: str
    values: tuple[Value, ...] = ()
    counts: tuple[int, ...] = ()
    means: tuple[float, ...] = ()
    deviations: tuple[float, ...] = ()
    weights: tuple[float, ...] = ()
    mean: float = 0.0
    deviation: float = 1.0
    low: float = 0.0
    high: float = 0.0
    decimals: int | None = None
    missing: int = 0
    unit: str | None = None
    form: str | None = None

    @property
    def scalar(self) -> bool:
        """Whether it has a number of its own in an encoded row."""
        return self.kind in ("number", "date")

    @property
    def places(self) -> int:
        """How many places it has of which one is 1."""
        if self.kind == "category":
            return len(self.values)
        return len(self.means) + (self.missing > 0) if self.scalar else 0

    def labels(self) -> tuple[str, ...]:
        """The values of a category as text."""
        return tuple(text_of(value) for value in self.values)


def text_of(value: Value) -> str:
    """A cell as text, as a class is called: whole numbers without a point, a missing one 'missing'."""
    if value is None:
        return "missing"
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


@dataclass(frozen=True, kw_only=True)
class Block:
    """Where a column stands in an encoded row: `number` is the place of its number or None, `hot` the others."""

    column: int
    number: int | None
    hot: slice


@dataclass(frozen=True, kw_only=True)
class TableSpec:
    """All columns of a table, in its order, and which of them is the class of a row."""

    columns: tuple[Column, ...]
    label: str | None = None

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """Where the columns stand that are learnt from."""
        found, start = [], 0
        for index, column in enumerate(self.columns):
            if not column.places:
                continue
            number = start if column.scalar else None
            start += column.scalar
            found.append(Block(column=index, number=number, hot=slice(start, start + column.places)))
            start += column.places
        return tuple(found)

    @property
    def width(self) -> int:
        """Numbers in an encoded row."""
        return self.blocks[-1].hot.stop

    @cached_property
    def asked(self) -> tuple[Block, ...]:
        """The categories, whose values can be asked for: the class first, then the others in order."""
        found = [block for block in self.blocks if self.columns[block.column].kind == "category"]
        return tuple(sorted(found, key=lambda block: self.columns[block.column].name != self.label))

    @cached_property
    def conditions(self) -> tuple[tuple[str, Value], ...]:
        """(column, value) of everything that can be asked for; the first ones are the classes."""
        return tuple(
            (self.columns[block.column].name, value)
            for block in self.asked
            for value in self.columns[block.column].values
        )

    @cached_property
    def first_conditions(self) -> tuple[int, ...]:
        """The number of the first condition of each asked column, and at the end how many there are."""
        sizes = [self.columns[block.column].places for block in self.asked]
        return tuple(int(value) for value in np.cumsum([0, *sizes]))

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """The values of the column that is the class."""
        return None if self.label is None else self.column(self.label).labels()

    def column(self, name: str) -> Column:
        """The column of this name."""
        return next(column for column in self.columns if column.name == name)

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> TableSpec:
        """The spec that `to_json` wrote."""
        lists = ("values", "counts", "means", "deviations", "weights")
        columns = (Column(**{**one, **{name: tuple(one[name]) for name in lists}}) for one in value["columns"])
        return cls(columns=tuple(columns), label=value["label"])


@dataclass(frozen=True, kw_only=True, eq=False)
class Codes:
    """Rows in little room: for each block its number (0 where it has none) and which of its places is 1."""

    numbers: Float32[np.ndarray, "n blocks"]
    places: Int32[np.ndarray, "n blocks"]

    def __len__(self) -> int:
        return len(self.places)

    def take(self, rows: np.ndarray) -> Codes:
        """These rows."""
        return Codes(numbers=self.numbers[rows], places=self.places[rows])


def expand(spec: TableSpec, codes: Codes) -> Float32[np.ndarray, "n width"]:
    """Encoded rows."""
    rows = np.zeros((len(codes), spec.width), np.float32)
    firsts = np.array([block.hot.start for block in spec.blocks])
    rows[np.arange(len(codes))[:, None], firsts + codes.places] = 1
    numbers = {index: block.number for index, block in enumerate(spec.blocks) if block.number is not None}
    rows[:, list(numbers.values())] = codes.numbers[:, list(numbers)]
    return rows


def collapse(spec: TableSpec, rows: Float[np.ndarray, "n width"]) -> Codes:
    """The inverse of `expand`; of several places that are not 0, the largest counts."""
    numbers = np.zeros((len(rows), len(spec.blocks)), np.float32)
    places = np.zeros((len(rows), len(spec.blocks)), np.int32)
    for index, block in enumerate(spec.blocks):
        places[:, index] = rows[:, block.hot].argmax(1)
        if block.number is not None:
            numbers[:, index] = rows[:, block.number]
    return Codes(numbers=numbers, places=places)


def values_of(spec: TableSpec, codes: Codes, index: int) -> Float[np.ndarray, " n"]:
    """The numbers of block `index`, a column of numbers or dates (in its unit); NaN where they are missing."""
    column = spec.columns[spec.blocks[index].column]
    places = codes.places[:, index]
    means, deviations = np.array([*column.means, np.nan]), np.array([*column.deviations, np.nan])
    found = means[places] + SPREAD * deviations[places] * codes.numbers[:, index].astype(np.float64)
    found = np.clip(found, column.low, column.high)
    return found if column.decimals is None else found.round(column.decimals)


def place_in_modes(
    column: Column, values: Float[np.ndarray, " n"], draw: Float[np.ndarray, " n"]
) -> tuple[Float32[np.ndarray, " n"], Int32[np.ndarray, " n"]]:
    """The number and the place of each value; NaN is missing. A mode is chosen by its share of the density there and a
    uniform draw, as the paper has it."""
    means, deviations = np.array(column.means), np.array(column.deviations)
    known = ~np.isnan(values)
    places = np.full(len(values), len(means), np.int32)
    numbers = np.zeros(len(values), np.float32)
    here = values[known]
    scores = np.log(np.array(column.weights)) - np.log(deviations) - ((here[:, None] - means) / deviations) ** 2 / 2
    shares = np.exp(scores - scores.max(1, keepdims=True))
    bounds = np.cumsum(shares / shares.sum(1, keepdims=True), axis=1)
    chosen = np.minimum((draw[known, None] > bounds).sum(1), len(means) - 1)
    places[known] = chosen
    within = (here - means[chosen]) / (SPREAD * deviations[chosen])
    numbers[known] = np.clip(within, -REACH, REACH)
    return numbers, places


def condition_places(spec: TableSpec) -> Int64[np.ndarray, " k"]:
    """For each condition the place in an encoded row that it makes 1."""
    return np.concatenate(
        [np.empty(0, np.int64), *(np.arange(block.hot.start, block.hot.stop, dtype=np.int64) for block in spec.asked)]
    )

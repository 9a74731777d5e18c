"""A model of rows of a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor, nn

from augan.checkpoint.model import LATENTS, Model
from augan.core.errors import UserError, unknown_name
from augan.core.item import ItemSpec
from augan.core.table import TableSpec, collapse, text_of
from augan.data.columns import decode, plain

TRIES = 200
"""Rows drawn, at most, for each row in which several things are asked for."""
AT_ONCE = 4_096


class TableModel(Model):
    """Rows of a table, reproducibly: row i of a seed is always the same, however many are drawn.

    What can be asked for are the values of category columns: the classes by their names, others as 'column=value'.
    Where nothing is asked for, rows are drawn by a value of a random column, as often as the data has it, as in
    training (arXiv:1907.00503, section 4.3).
    """

    def __init__(
        self, generator: nn.Module, item: ItemSpec, device: torch.device | str = "cpu", origin: Path | None = None
    ) -> None:
        super().__init__(generator, item, device, origin)
        self._chances = _chances(self.spec)
        self._names = _names(self.spec)

    @property
    def spec(self) -> TableSpec:
        """What its columns are."""
        assert self.item.table is not None
        return self.item.table

    def class_indices(self, classes: Sequence[str | int] | None) -> list[int] | None:
        """Numbers of conditions for classes or 'column=value'; all classes, or all conditions, for None.

        Raises:
            UserError: an unknown one (the known ones are listed), or a table without categories.
        """
        if not self.conditional:
            if classes is not None:
                raise UserError("This table has no categories: no value can be asked for.")
            return None
        if classes is None:
            return list(range(self.item.classes or len(self.spec.conditions)))
        if not len(classes):
            raise UserError("The list of classes is empty. Leave it out for rows as the data has them.")
        return [self._condition(name) for name in classes]

    def _condition(self, name: str | int) -> int:
        if isinstance(name, int | np.integer):
            if not 0 <= name < len(self.spec.conditions):
                raise UserError(f"Number {name} is out of range: 0 to {len(self.spec.conditions) - 1}.")
            return int(name)
        if name in self._names:
            return self._names[name]
        column = name.split("=")[0]
        known = [text for text in self._names if "=" not in name or text.startswith(f"{column}=")]
        raise unknown_name("value", name, known or self._names)

    def labels(
        self, n: int, classes: Sequence[str | int] | None = None, first: int = 0, seed: int = 0
    ) -> Int64[Tensor, " n"] | None:
        """Conditions of rows `first` to `first + n - 1`: `classes` in turn, or drawn as often as the data has them."""
        if classes is not None or not self.conditional:
            return super().labels(n, classes, first, seed)
        blocks = range(first // LATENTS, -(-(first + n) // LATENTS))
        rows = [
            np.searchsorted(
                self._chances,
                np.random.default_rng([seed & 0xFFFFFFFF, seed >> 32, block, 1]).random(LATENTS),
                side="right",
            )
            for block in blocks
        ]
        drawn = np.concatenate(rows) if rows else np.empty(0, np.int64)
        drawn = np.minimum(drawn, len(self._chances) - 1).astype(np.int64)
        return torch.from_numpy(drawn[first - blocks.start * LATENTS :][:n])

    def rows(
        self, n: int, classes: Sequence[str | int] | None = None, seed: int = 0, truncation: float = 1.0, first: int = 0
    ) -> Any:
        """n rows as a DataFrame with the columns and types of the table.

        Raises:
            UserError: see `Model.sample`.
        """
        found = self.sample(n, classes, seed, truncation, first).numpy()
        return decode(self.spec, collapse(self.spec, found[:, :, 0, 0]))

    def rows_where(self, n: int, asked: Mapping[str, str], seed: int = 0) -> Any:
        """n rows in which all of these columns have these values, as a DataFrame.

        The rarest value is asked of the generator, and of what it makes those rows stay that have the others, too: they
        are distributed as the generator has them.

        Raises:
            UserError: an unknown column or value, or a combination that the generator hardly ever makes.
        """
        import pandas as pd

        wanted = [self._condition(f"{column}={value}") for column, value in asked.items()]
        rarest = min(wanted, key=lambda condition: self._counts[condition])
        parts: list[Any] = []
        found = drawn = 0
        while found < n:
            if drawn >= TRIES * n + AT_ONCE:
                text = " and ".join(f"{column}={value}" for column, value in asked.items())
                raise UserError(
                    f"Of {drawn:,} rows that were drawn, {found} have {text}: too few for {n}. Ask for fewer rows, or "
                    "for less at once."
                )
            rows = self.rows(AT_ONCE, [rarest], seed, first=drawn)
            drawn += AT_ONCE
            fits = np.ones(len(rows), bool)
            for condition in wanted:
                column, value = self.spec.conditions[condition]
                fits &= np.array([text_of(plain(cell)) == text_of(value) for cell in rows[column]])
            parts.append(rows[fits])
            found += int(fits.sum())
        return pd.concat(parts)[:n].reset_index(drop=True)

    @property
    def _counts(self) -> list[int]:
        return [count for block in self.spec.asked for count in self.spec.columns[block.column].counts]


def _names(spec: TableSpec) -> dict[str, int]:
    """What a condition may be called: 'column=value', and a class by its value alone."""
    names = {f"{column}={text_of(value)}": number for number, (column, value) in enumerate(spec.conditions)}
    classes = spec.class_names or ()
    return names | {name: number for number, name in enumerate(classes)}


def _chances(spec: TableSpec) -> np.ndarray:
    """Up to each condition, the share of drawn rows: columns alike, values as often as the data has them."""
    shares = [np.array(spec.columns[block.column].counts, np.float64) for block in spec.asked]
    shares = [share / share.sum() / len(shares) for share in shares]
    return np.cumsum(np.concatenate(shares)) if shares else np.empty(0)

"""Rows of tables as files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from augan.checkpoint.tables import TableModel
from augan.core.errors import UserError
from augan.core.files import atomic_file, require_absent, require_space
from augan.core.optional import require

ENDINGS = (".csv", ".tsv", ".parquet", ".npz")
CELL_BYTES = 16


def write_rows(
    model: TableModel,
    count: int,
    path: Path,
    classes: Sequence[str | int] | None = None,
    where: Sequence[str] = (),
    truncation: float = 1.0,
    seed: int = 0,
    tick: Callable[[int], None] = lambda done: None,
) -> Path:
    """Writes `count` rows, with the columns of the table that was learnt from: .csv, .tsv, .parquet, or .npz with an
    array a column.

    Raises:
        UserError: `path` exists, another ending, an unknown class, column or value, `classes` and `where` at once.
    """
    require_ending(path)
    require_absent(path)
    require_space(path, CELL_BYTES * count * len(model.spec.columns))
    if where:
        if classes is not None or truncation != 1:
            raise UserError("--where stands alone: leave --classes and --truncation out.")
        frame = model.rows_where(count, _parsed(where), seed)
    else:
        frame = model.rows(count, classes, seed, truncation)
    write_frame(frame, path)
    tick(count)
    return path


def require_ending(path: Path) -> None:
    """Raises UserError unless a table can be written to a file of this name."""
    if path.suffix.lower() not in ENDINGS:
        raise UserError(f"Cannot write rows as '{path.suffix or 'a folder'}'. Use {', '.join(ENDINGS)}.")


def write_frame(frame: Any, path: Path) -> None:
    """A DataFrame in the form that the file's ending says, whole or not at all."""
    ending = path.suffix.lower()
    if ending == ".parquet":
        require("pyarrow.parquet", "parquet", "Writing Parquet files")
    with atomic_file(path) as temporary:
        if ending == ".parquet":
            frame.to_parquet(temporary, index=False)
        elif ending == ".npz":
            with open(temporary, "wb") as file:
                np.savez(file, allow_pickle=False, **{name: _array(frame[name]) for name in frame.columns})
        else:
            frame.to_csv(temporary, index=False, sep="\t" if ending == ".tsv" else ",")


def _array(cells: Any) -> np.ndarray:
    """A column without objects: numbers as they are, everything else as text, empty where it is missing."""
    if cells.dtype.kind in "iufb":
        return np.asarray(cells.to_numpy())
    return np.array(["" if missing else str(cell) for cell, missing in zip(cells, cells.isna(), strict=True)])


def _parsed(where: Sequence[str]) -> dict[str, str]:
    asked: dict[str, str] = {}
    for text in where:
        column, mark, value = text.partition("=")
        if not mark:
            raise UserError(f"--where {text}: COLUMN=VALUE is expected.")
        asked[column] = value
    return asked

"""How samples lie on a sheet."""

from __future__ import annotations

from collections.abc import Sequence

from augan.checkpoint import Model
from augan.core.errors import UserError

SHEET_LIMIT = 1_000


def sheet_layout(
    model: Model, count: int, classes: Sequence[str | int] | None, noun: str
) -> tuple[list[int] | None, int, list[str] | None]:
    """(classes to draw, columns, names of rows) of `count` samples: a row a class where that comes out even.

    Raises:
        UserError: more than a sheet holds, or an unknown class.
    """
    if count > SHEET_LIMIT:
        raise UserError(f"A sheet holds at most {SHEET_LIMIT} {noun}, not {count}. Use .npz or a folder for more.")
    chosen = model.class_indices(classes)
    names = model.item.class_names or ()
    if chosen is None or count < len(chosen) or count % len(chosen):
        return chosen, round(count**0.5) or 1, None
    columns = count // len(chosen)
    return [index for index in chosen for _ in range(columns)], columns, [names[index] for index in chosen]

"""A bigger copy of a table: real rows untouched, synthetic ones below them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int64

from augan.apply.augment import Augmented, plan_additions
from augan.apply.tables import ENDINGS, write_frame
from augan.checkpoint import Model
from augan.checkpoint.tables import TableModel
from augan.core.errors import UserError
from augan.core.files import require_absent, write_json
from augan.core.optional import require
from augan.data import class_counts
from augan.data.kinds import NOUNS
from augan.data.tables import TableSource, source_of


def check_rows_out(path: Path) -> None:
    """Raises UserError unless a bigger table can be written to `path`, and its manifest beside it."""
    if path.suffix.lower() not in ENDINGS[:-1]:
        raise UserError(f"Cannot write a table as '{path.suffix or 'a folder'}'. Use {', '.join(ENDINGS[:-1])}.")
    require_absent(path)
    require_absent(_manifest_of(path))


def _manifest_of(path: Path) -> Path:
    return path.with_suffix(".manifest.json")


def augment_rows(
    source: TableSource,
    model: Model,
    out: Path,
    *,
    strategy: str,
    seed: int = 0,
    truncation: float = 1.0,
    numbers: Mapping[str, Int64[np.ndarray, " _"]] | None = None,
    selection: Mapping[str, Any] | None = None,
) -> Augmented:
    """Writes the real rows as they are, and rows of `model` below them, as many of each class as `strategy` asks for.

    The manifest beside it says of which rows of the file which class, seed and numbers are: row `number` is
    `model.rows(1, [class], seed, first=number)`. Columns that the model leaves out are empty.

    Args:
        numbers: for each class which rows to take; None takes them as they come.
        selection: how these were chosen, for each class; goes into the manifest.

    Raises:
        UserError: nothing to add, `out` exists, or the model is of another table.
    """
    model = require_rows(model)
    check_rows_out(out)
    pd = require("pandas", "tables", "Writing tables")
    source = source_of(source.frame, model.spec, source.name, source.path)
    added = plan_additions(source, strategy)
    if numbers is None:
        ends = np.cumsum(list(added.values()))
        numbers = {name: np.arange(end - added[name], end) for name, end in zip(added, ends.tolist(), strict=True)}
    parts, items, start = [source.frame], [], len(source)
    for name, chosen in numbers.items():
        if not len(chosen):
            continue
        first, end = int(chosen.min()), int(chosen.max()) + 1
        made = model.rows(end - first, [name] if name else None, seed, truncation, first)
        parts.append(made.iloc[chosen - first])
        own = {"rows": [start, start + len(chosen)], "class": name or None, "seed": seed, "numbers": chosen.tolist()}
        items.append(own)
        start += len(chosen)
    frame = pd.concat(parts, ignore_index=True)[list(source.frame.columns)]
    manifest = {
        "data": {"name": source.name, "key": source.key, "real": class_counts(source) or len(source)},
        "generator": model.hash,
        "strategy": strategy,
        "truncation": truncation,
        **({} if selection is None else {"selection": dict(selection)}),
        "items": items,
    }
    write_frame(frame, out)
    write_json(_manifest_of(out), manifest)
    added = {name: len(chosen) for name, chosen in numbers.items()}
    return Augmented(out=out, manifest=_manifest_of(out), real=class_counts(source), added=added)


def require_rows(model: Model) -> TableModel:
    """The model of rows that this is.

    Raises:
        UserError: it makes something else.
    """
    if not isinstance(model, TableModel):
        raise UserError(
            f"The run makes {NOUNS[model.item.kind]}, and this is a table. Give a run that learnt from a table."
        )
    return model

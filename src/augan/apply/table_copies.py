"""A bigger copy of a table: real rows untouched, synthetic ones below them."""

from __future__ import annotations

from pathlib import Path

from augan.apply.augment import Augmented, plan_additions
from augan.apply.tables import ENDINGS, write_frame
from augan.checkpoint import Model
from augan.checkpoint.tables import TableModel
from augan.core.errors import UserError
from augan.core.files import require_absent, write_json
from augan.core.optional import require
from augan.data import class_counts
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
    source: TableSource, model: Model, out: Path, *, strategy: str, seed: int = 0, truncation: float = 1.0
) -> Augmented:
    """Writes the real rows as they are, and rows of `model` below them, as many of each class as `strategy` asks for.

    The manifest beside it says of which rows of the file which class, seed and first number are
    (`model.rows(count, [class], seed, first=first)` makes them again). Columns that the model leaves out are empty.

    Raises:
        UserError: nothing to add, `out` exists, or the model is of another table.
    """
    if not isinstance(model, TableModel):
        raise UserError("The run makes images, and this is a table. Give a run that learnt from a table.")
    check_rows_out(out)
    pd = require("pandas", "tables", "Writing tables")
    source = source_of(source.frame, model.spec, source.name, source.path)
    added = plan_additions(source, strategy)
    parts, items, start = [source.frame], [], len(source)
    first = 0
    for name, count in added.items():
        if not count:
            continue
        parts.append(model.rows(count, [name] if name else None, seed, truncation, first))
        items.append({"rows": [start, start + count], "class": name or None, "seed": seed, "first": first})
        start, first = start + count, first + count
    frame = pd.concat(parts, ignore_index=True)[list(source.frame.columns)]
    manifest = {
        "data": {"name": source.name, "key": source.key, "real": class_counts(source) or len(source)},
        "generator": model.hash,
        "strategy": strategy,
        "truncation": truncation,
        "items": items,
    }
    write_frame(frame, out)
    write_json(_manifest_of(out), manifest)
    return Augmented(out=out, manifest=_manifest_of(out), real=class_counts(source), added=added)

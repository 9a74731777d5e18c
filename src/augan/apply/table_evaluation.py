"""A model of rows, or any other table, measured against a table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from augan.checkpoint import find_checkpoint, load_item, load_model
from augan.checkpoint.tables import TableModel
from augan.core.errors import UserError
from augan.core.table import Codes, TableSpec, collapse
from augan.data.tables import frame_of, is_table, open_frame, source_of
from augan.metrics import TableEvaluation, evaluate_codes


def is_run(path: Any) -> bool:
    """Whether `path` is a run or checkpoint folder rather than data."""
    if not isinstance(path, str | Path):
        return False
    run = all((Path(path) / name).is_file() for name in ("config.json", "data.json"))
    return run or (Path(path) / "model.json").is_file()


def concerns_tables(target: Any, against: Any) -> bool:
    """Whether this is to be measured as rows.

    Raises:
        UserError: one side is a table, and the other is not.
    """
    if is_run(target):
        rows = load_item(find_checkpoint(Path(target))).kind == "table"
    else:
        rows = isinstance(target, TableModel) or is_table(target)
    if rows != is_table(against):
        raise UserError("One side is a table and the other is not: they cannot be compared.")
    return rows


def evaluate_tables(
    target: Any, against: Any, *, holdout: Any = None, label: str | None = None, seed: int = 0
) -> TableEvaluation:
    """Measures rows against those of a table.

    A model is asked for as many rows as there are. With `holdout`, real rows that were not learnt from, classifiers of
    the label are tested on these.

    Raises:
        UserError: columns or values that the other side has not; `label` for a model, which knows its own.
    """
    model = load_model(target) if is_run(target) else target
    spec: TableSpec
    fake: Codes
    if isinstance(model, TableModel):
        if label not in (None, model.spec.label):
            raise UserError(f"The label of the model is {model.spec.label}, and was chosen when it was trained.")
        spec = model.spec
        real = source_of(frame_of(against), spec, "against").codes
        fake = collapse(spec, model.sample(len(real), seed=seed).numpy()[:, :, 0, 0])
    else:
        source = open_frame(frame_of(against), label, "against")
        spec, real = source.spec, source.codes
        fake = source_of(frame_of(target), spec, "target").codes
    held = None if holdout is None else source_of(frame_of(holdout), spec, "holdout").codes
    return evaluate_codes(spec, fake, real, held, seed)

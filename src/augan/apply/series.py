"""Windows of time series as files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from augan.apply.sheets import sheet_layout
from augan.apply.tables import write_frame
from augan.checkpoint.series import SeriesModel, as_windows
from augan.core.errors import UserError
from augan.core.files import atomic_file, require_absent, require_space
from augan.core.plots import save_plots

ENDINGS = (".csv", ".tsv", ".parquet", ".npz", ".png")
CELL_BYTES = 20


def write_windows(
    model: SeriesModel,
    count: int,
    path: Path,
    classes: Sequence[str | int] | None = None,
    truncation: float = 1.0,
    seed: int = 0,
    tick: Callable[[int], None] = lambda done: None,
) -> Path:
    """Writes `count` windows: .csv, .tsv and .parquet with a row a moment (`window`, `step`, the data's columns, the
    label), .npz with `windows` (n, moments, columns), `columns` and perhaps `labels` and `class_names`, .png as plots.

    Raises:
        UserError: `path` exists, another ending, an unknown class.
    """
    ending = path.suffix.lower()
    if ending not in ENDINGS:
        raise UserError(f"Cannot write windows as '{path.suffix or 'a folder'}'. Use {', '.join(ENDINGS)}.")
    require_absent(path)
    require_space(path, CELL_BYTES * count * model.item.width * (2 + len(model.spec.columns)))
    if ending == ".png":
        chosen, columns, names = sheet_layout(model, count, classes, "windows")
        made = as_windows(model.sample(count, chosen, seed, truncation).numpy())
        save_plots(path, made, columns, names)
    elif ending == ".npz":
        arrays = {
            "windows": model.windows(count, classes, seed, truncation),
            "columns": np.array([column.name for column in model.spec.learnt]),
        }
        labels = model.labels(count, classes)
        if labels is not None:
            arrays |= {"labels": labels.numpy(), "class_names": np.array(model.item.class_names)}
        with atomic_file(path) as temporary, open(temporary, "wb") as file:
            np.savez(file, allow_pickle=False, **arrays)
    else:
        write_frame(model.frame(count, classes, seed, truncation), path)
    tick(count)
    return path

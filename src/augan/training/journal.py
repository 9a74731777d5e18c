"""The run folder, as a run in progress writes it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from augan.checkpoint import Model
from augan.checkpoint.series import SeriesModel, as_windows
from augan.checkpoint.tables import TableModel
from augan.core.config import to_dict
from augan.core.files import (
    atomic_file,
    atomic_folder,
    disk_errors,
    remove_parts,
    require_absent,
    require_space,
    write_json,
)
from augan.core.item import from_unit
from augan.core.pictures import save_sheet
from augan.core.plots import save_plots
from augan.core.reels import save_frames, save_mosaic
from augan.core.sounds import SoundSpec, decode, in_a_row, pictures_of, write_wav
from augan.data import Source, class_counts
from augan.training.config import RunConfig
from augan.training.sinks import Sinks

SHEET_COLUMNS = 10
SHEET_CLASSES = 12
SHEET_CLIPS = 8
SHOWN_ROWS = 20
WINDOW_ROWS = 3


class Journal:
    """Writes settings, readings, sheets and the outcome."""

    def __init__(self, folder: Path, source: Source | None = None, sinks: Sinks | None = None) -> None:
        """`source`: real items to be shown beside generated ones, where the sheets of its kind have such.

        `sinks` hear every line of `metrics.jsonl`.
        """
        self.folder, self.source, self.sinks = folder, source, sinks or Sinks([], print)

    def begin(self, config: RunConfig, source: Source, learned: int) -> None:
        """Makes the folder, whole or not at all. `learned`: how many parameters checkpoints will hold.

        Raises:
            UserError: there is something already, or too little space.
        """
        require_absent(self.folder, "Go on with it by --resume, or choose another --out.")
        require_space(self.folder, 3 * 16 * learned + 20_000_000)  # three checkpoints of weights and moments, sheets
        with atomic_folder(self.folder) as temporary:
            (temporary / "samples").mkdir()
            write_json(temporary / "data.json", _described(source))
            write_json(temporary / "config.json", to_dict(config))  # its presence makes this a run

    def reopen(self) -> None:
        """The run goes on: it has no outcome yet, and what a killed process left half-written goes."""
        (self.folder / "result.json").unlink(missing_ok=True)
        remove_parts(self.folder)

    def add(self, row: dict[str, Any]) -> None:
        """A line of `metrics.jsonl`."""
        path = self.folder / "metrics.jsonl"
        with disk_errors(path), open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        self.sinks.each("add", row)

    def sheet(self, model: Model, images_seen: int) -> Path:
        """A sheet of samples, a row a class (the first 12), or a table of 20 rows; where it is."""
        if isinstance(model, TableModel):
            path = self.folder / "samples" / f"{images_seen:09d}.csv"
            with disk_errors(path):
                model.rows(SHOWN_ROWS).to_csv(path, index=False)
            return path
        path = self.folder / "samples" / f"{images_seen:09d}.png"
        if model.item.kind == "video":
            return draw_clips(path, model)
        if isinstance(model, SeriesModel):
            return draw_windows(path, model, self.source)
        names = model.item.class_names if model.conditional else None
        shown = (names or ())[:SHEET_CLASSES]
        rows = len(shown) or 8
        classes = [name for name in shown for _ in range(SHEET_COLUMNS)] or None
        items = from_unit(model.sample(rows * SHEET_COLUMNS, classes), model.item.dtype)
        if model.item.sound is not None:
            items = self._sounds(path, items, model.item.sound)
        save_sheet(path, items, SHEET_COLUMNS, shown or None)
        return path

    def _sounds(self, path: Path, items: np.ndarray, spec: SoundSpec) -> np.ndarray:
        """Writes the first sound of each row, one after another, beside the sheet; gives pictures of all."""
        heard = decode(items[::SHEET_COLUMNS], spec).numpy()
        with atomic_file(path.with_suffix(".wav")) as temporary:
            write_wav(temporary, in_a_row(heard, spec.rate_hz), spec.rate_hz)
        return pictures_of(items, spec)

    def end(self, result: dict[str, Any]) -> None:
        """Writes the outcome."""
        write_json(self.folder / "result.json", result)


def draw_clips(path: Path, model: Model) -> Path:
    """A sheet of frames, a clip a row, and a GIF of clips beside one another; where the sheet is."""
    names = model.item.class_names if model.conditional else None
    shown = list((names or ())[:SHEET_CLASSES])
    rows = [name for name in shown for _ in range(max(1, SHEET_CLIPS // len(shown)))] or None
    clips = from_unit(model.sample(len(rows) if rows else SHEET_CLIPS, rows))
    save_frames(path, clips, rows)
    save_mosaic(path.with_suffix(".gif"), clips, model.item.frames_per_sec)
    return path


def draw_windows(path: Path, model: SeriesModel, source: Source | None = None) -> Path:
    """Plots of generated windows, a row a class (the first 12), each above a row of real ones; where they are."""
    names = (model.item.class_names or ())[:SHEET_CLASSES] if model.conditional else ()
    rows: list[str | None] = list(names) or [None] * WINDOW_ROWS
    classes = [name for name in names for _ in range(SHEET_COLUMNS)] or None
    made = as_windows(model.sample(SHEET_COLUMNS * len(rows), classes).numpy())
    if source is None:
        save_plots(path, made, SHEET_COLUMNS, list(names) or None)
        return path
    parts, titles = [], []
    for number, name in enumerate(rows):
        fitting = (
            np.arange(len(source))
            if name is None or source.labels is None
            else np.flatnonzero(source.labels == names.index(name))
        )
        places = np.linspace(0, len(fitting) - 1, SHEET_COLUMNS * len(rows) if name is None else SHEET_COLUMNS)
        chosen = fitting[places.astype(np.int64)]
        if name is None:  # a row of its own among all
            chosen = chosen[number :: len(rows)]
        parts += [made[number * SHEET_COLUMNS :][:SHEET_COLUMNS], source.items(chosen)[:, 0]]
        titles += ["made" if name is None else name, "real" if name is None else f"real {name}"]
    save_plots(path, np.concatenate(parts), SHEET_COLUMNS, titles)
    return path


def _described(source: Source) -> dict[str, Any]:
    return {
        "name": source.name,
        "key": source.key,
        "images": len(source),
        "item": source.item.to_json(),
        "classes": class_counts(source),
        "notes": list(source.notes),
    }

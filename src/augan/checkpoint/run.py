"""A run is a folder that anyone can read.

config.json      every setting
data.json        what the data was: shape, classes, counts, content key, notes
metrics.jsonl    a line every few seconds, and one for each measure
samples/         a sheet at each snapshot
checkpoints/     last and best (see augan.checkpoint.store)
result.json      the outcome, once training has ended
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from augan.checkpoint.model import Model, load_model
from augan.checkpoint.store import CheckpointStore
from augan.core.errors import UserError
from augan.core.files import read_json
from augan.core.notebook import card


class Run:
    """Reads a run folder."""

    def __init__(self, path: Path | str, written_here: bool = True) -> None:
        """Raises UserError if `path` is not a run folder; `written_here` is False where another machine may hold it."""
        self.path = Path(path)
        if written_here and not (self.path / "config.json").exists():
            there = "has no config.json" if self.path.exists() else "does not exist"
            raise UserError(f"{self.path} is not a run: it {there}. `augan runs FOLDER` lists the runs in a folder.")

    @property
    def config(self) -> dict[str, Any]:
        """The resolved configuration."""
        config: dict[str, Any] = read_json(self.path / "config.json")
        return config

    @property
    def data(self) -> dict[str, Any]:
        """What the data was."""
        data: dict[str, Any] = read_json(self.path / "data.json")
        return data

    @property
    def store(self) -> CheckpointStore:
        """Its checkpoints."""
        return CheckpointStore(self.path)

    def metrics(self) -> Iterator[dict[str, Any]]:
        """The lines of metrics.jsonl; a line that was cut off by a crash is left out."""
        path = self.path / "metrics.jsonl"
        if not path.exists():
            return
        with open(path, encoding="utf-8", errors="replace") as file:
            for line in file:
                try:
                    row = json.loads(line)
                except json.JSONDecodeError:
                    continue  # after a crash, a resumed run goes on behind the cut line
                if isinstance(row, dict):
                    yield row

    def result(self) -> dict[str, Any] | None:
        """The outcome, or None while training has not ended."""
        path = self.path / "result.json"
        result: dict[str, Any] | None = read_json(path) if path.exists() else None
        return result

    def quality(self) -> dict[str, Any] | None:
        """The best measure so far, or None."""
        measured = [row["quality"] for row in self.metrics() if "quality" in row]
        return min(measured, key=lambda row: row["frechet"]) if measured else None

    def load(self, which: str = "best", device: str = "cpu") -> Model:
        """The model of the 'best' or the 'last' checkpoint."""
        return load_model(self.path, which=which, device=device)

    def summary(self) -> dict[str, Any]:
        """One line of `augan runs`; a run with damaged files has the state 'damaged'."""
        try:
            return self._summary()
        except (UserError, AttributeError, KeyError, TypeError, ValueError):
            unknown = {"data": "", "recipe": "", "images_seen": 0, "state": "damaged", "quality": None}
            return {"run": str(self.path), **unknown}

    def _repr_html_(self) -> str:
        """In a notebook: the line of `augan runs`, and the newest sheet of samples."""
        found = self.summary()
        quality = found["quality"] or {}
        facts = {
            "data": found["data"],
            "recipe": found["recipe"],
            "images seen": found["images_seen"],
            "state": found["state"],
            "Fréchet distance": quality.get("frechet"),
            "label agreement": quality.get("agreement"),
        }
        sheets = sorted((self.path / "samples").glob("*.png"))
        return card(f"augan run {self.path}", facts, sheets[-1] if sheets else None)

    def _summary(self) -> dict[str, Any]:
        last = self.store.last()
        result = self.result()
        return {
            "run": str(self.path),
            "data": self.data["name"],
            "recipe": self.config["recipe"],
            "images_seen": int(last.name) if last else 0,
            "state": result["state"] if result else "not finished",
            "quality": self.quality(),
        }


def find_runs(folder: Path) -> list[Run]:
    """The runs in `folder` and one level below, oldest first.

    Raises:
        UserError: the folder does not exist.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} does not exist or is not a folder.")
    configs = [*folder.glob("config.json"), *folder.glob("*/config.json"), *folder.glob("*/*/config.json")]
    runs = [path for path in configs if (path.parent / "data.json").exists()]
    return [Run(path.parent) for path in sorted(runs, key=lambda path: path.stat().st_mtime)]

"""Checkpoints on disk: safetensors and JSON, written whole or not at all, never pickled.

checkpoints/000064000/            the number is how many real images were seen
    model.safetensors             the averaged generator
    model.json                    its contract: everything needed to use it
    training.safetensors          both players, both optimisers
    training.json                 counters and other small state
checkpoints/index.json            which is last, which is best
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from augan.core.errors import UserError
from augan.core.files import atomic_folder, read_json, write_json


class CheckpointStore:
    """The checkpoints of one run. Keeps the last one, the best one, and the last that is known to be good."""

    def __init__(self, run: Path) -> None:
        self.folder = run / "checkpoints"

    def save(
        self,
        images_seen: int,
        tensors: Mapping[str, Mapping[str, Tensor]],
        documents: Mapping[str, Any],
        best: bool,
        good: bool = False,
    ) -> Path:
        """Writes one checkpoint; `tensors` and `documents` map file stems to contents. Removes what is not kept."""
        name = f"{images_seen:09d}"
        path = self.folder / name
        if not path.exists():  # else the same moment is saved again, and only the index can be new
            with atomic_folder(path) as temporary:
                for stem, values in tensors.items():
                    plain = {key: value.detach().cpu().contiguous().clone() for key, value in values.items()}
                    _write_tensors(plain, temporary / f"{stem}.safetensors")
                for stem, document in documents.items():
                    write_json(temporary / f"{stem}.json", document)
        index = {**self._index(), "last": name}
        if best or "best" not in index:
            index["best"] = name
        if good:
            index["good"] = name
        write_json(self.folder / "index.json", index)
        for other in self._complete():
            if other.name not in index.values():
                shutil.rmtree(other, ignore_errors=True)
        return path

    def last(self) -> Path | None:
        """The newest complete checkpoint, or None."""
        complete = self._complete()
        return complete[-1] if complete else None

    def best(self) -> Path | None:
        """The checkpoint with the best measure, or the newest where that is not known; None where there is none."""
        name = self._index().get("best")
        path = self.folder / name if name else None
        return path if path is not None and (path / "model.json").exists() else self.last()

    def good(self) -> Path | None:
        """The newest checkpoint that was made at a mark of the run and found well, or None."""
        name = self._index().get("good")
        return self.folder / name if name else None

    def forget_after(self, images_seen: int) -> None:
        """Removes checkpoints newer than `images_seen`: a run that went back will come there anew."""
        kept = [path for path in self._complete() if int(path.name) <= images_seen]
        index = {key: name for key, name in self._index().items() if int(name) <= images_seen}
        if kept:
            index["last"] = kept[-1].name
        if self.folder.exists():
            write_json(self.folder / "index.json", index)
        for path in self._complete():
            if path not in kept:
                shutil.rmtree(path, ignore_errors=True)

    def _index(self) -> dict[str, str]:
        try:
            index = read_json(self.folder / "index.json")
        except UserError:  # none yet, or damaged: the checkpoints themselves say which is last
            index = {}
        return {
            key: index[key]
            for key in ("last", "best", "good")
            if isinstance(index, dict) and isinstance(index.get(key), str) and (self.folder / index[key]).is_dir()
        }

    def _complete(self) -> list[Path]:
        """Complete checkpoints, oldest first; unfinished ones have a leading dot."""
        return sorted(path for path in self.folder.glob("[0-9]*") if path.is_dir())


def _write_tensors(tensors: dict[str, Tensor], path: Path) -> None:
    try:
        save_file(tensors, path)
    except SafetensorError as error:  # it wraps the operating system's own error
        number = re.search(r"os error (\d+)", str(error))
        if number is None:
            raise
        raise OSError(int(number[1]), str(error), str(path)) from error


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file.

    Raises:
        UserError: missing or damaged.
    """
    try:
        return load_file(path)
    except FileNotFoundError as error:
        raise UserError(f"{path} is missing.") from error
    except SafetensorError as error:
        raise UserError(f"{path} is damaged ({error}).") from error


def pack(values: Mapping[str, Any], prefix: str = "") -> tuple[dict[str, Tensor], Any]:
    """Splits nested dicts and lists into (named tensors, the same structure as JSON with tensors named in place)."""
    tensors: dict[str, Tensor] = {}

    def walk(value: Any, name: str) -> Any:
        if isinstance(value, Tensor):
            tensors[name] = value
            return {"__tensor__": name}
        if isinstance(value, Mapping):
            return {"__items__": [[key, walk(item, f"{name}.{key}")] for key, item in value.items()]}
        if isinstance(value, list | tuple):
            return [walk(item, f"{name}.{index}") for index, item in enumerate(value)]
        return value

    return tensors, walk(values, prefix)


def unpack(structure: Any, tensors: Mapping[str, Tensor]) -> Any:
    """The inverse of `pack` (tuples come back as lists)."""
    if isinstance(structure, dict):
        if "__tensor__" in structure:
            return tensors[structure["__tensor__"]]
        return {key: unpack(item, tensors) for key, item in structure["__items__"]}
    if isinstance(structure, list):
        return [unpack(item, tensors) for item in structure]
    return structure

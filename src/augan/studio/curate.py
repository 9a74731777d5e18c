"""Reviewing synthetic images by hand: what was decided is kept beside the runs, and the accepted ones are exported.

A decision is about image `index` of a class, a seed and a truncation of one generator (by the hash of its weights):
`model.sample(1, classes=[class], seed=seed, truncation=truncation, first=index)` makes it again, and a run that is
trained further starts with a clean sheet.
"""

from __future__ import annotations

import threading
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from augan.checkpoint import Model
from augan.core.errors import UserError
from augan.core.files import (
    atomic_file,
    atomic_folder,
    read_json,
    require_absent,
    require_folder_names,
    require_space,
    to_json,
    write_json,
)
from augan.core.item import from_unit
from augan.core.version import __version__
from augan.studio.explore import png

WORDS = ("accept", "reject")
ALL = ""
"""The one class of a model that knows none."""
MOST = 100_000


class Curation:
    """The decisions on samples of one generator at one seed and truncation.

    Attributes:
        decisions: for each class, which image (its number) was decided how: 'accept' or 'reject'.
    """

    _lock = threading.Lock()

    def __init__(self, folder: Path, model: Model, run: str, seed: int = 0, truncation: float = 1.0) -> None:
        """`folder` holds decisions on all runs. Raises UserError for a wrong seed or truncation."""
        if seed < 0 or not 0 < truncation <= 1:
            raise UserError(f"Seed {seed} and truncation {truncation:g}: 0 or more, and above 0 up to 1.")
        self.model, self.run, self.seed, self.truncation = model, run, seed, truncation
        name = f"{run.replace('/', '~')}-{model.hash[:16]}-{seed}-{truncation:g}.curation.json"
        self.path = folder / name
        self.decisions: dict[str, dict[int, str]] = self._read()

    def _read(self) -> dict[str, dict[int, str]]:
        if not self.path.exists():
            return {}
        stored = read_json(self.path)["decisions"]
        return {name: {int(index): word for index, word in found.items()} for name, found in stored.items()}

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes that can be reviewed."""
        return tuple(self.model.item.class_names or ()) if self.model.conditional else (ALL,)

    def decide(self, name: str, changes: Mapping[int, str | None]) -> None:
        """Takes decisions on images of a class; None takes one back. Written at once.

        Raises:
            UserError: an unknown class or word, a negative number.
        """
        self.model.class_indices([name] if self.model.conditional else None)
        wrong = [word for word in changes.values() if word is not None and word not in WORDS]
        if wrong or any(not 0 <= index < MOST for index in changes):
            raise UserError(f"A decision is one of {', '.join(WORDS)} on an image from 0 to {MOST - 1:,}.")
        with self._lock:
            self.decisions = self._read()  # another page may have decided meanwhile
            own = self.decisions.setdefault(name if self.model.conditional else ALL, {})
            for index, word in changes.items():
                if word is None:
                    own.pop(index, None)
                else:
                    own[index] = word
            write_json(self.path, {"run": self.run, "generator": self.model.hash, **self._facts()})

    def _facts(self) -> dict[str, Any]:
        return {"seed": self.seed, "truncation": self.truncation, "decisions": self._sorted()}

    def _sorted(self) -> dict[str, dict[int, str]]:
        return {name: dict(sorted(self.decisions[name].items())) for name in sorted(self.decisions)}

    def counts(self) -> dict[str, dict[str, int]]:
        """Accepted and rejected images of each class."""
        return {
            name: {word: sum(found == word for found in self.decisions.get(name, {}).values()) for word in WORDS}
            for name in self.classes
        }

    def chosen(self, word: str = "accept") -> list[tuple[str, int]]:
        """(class, number) of what was decided so, class by class."""
        return [
            (name, index)
            for name in self.classes
            for index, found in sorted(self.decisions.get(name, {}).items())
            if found == word
        ]


def export_curated(curation: Curation, out: Path) -> dict[str, Any]:
    """Writes the accepted images as PNG, in a folder a class, with `manifest.json`; `out` names a .zip or a folder.

    Returns the manifest. It lists each image with its class, seed, number and generator, and what was rejected.

    Raises:
        UserError: nothing was accepted, `out` exists or ends otherwise.
    """
    accepted = curation.chosen()
    if not accepted:
        raise UserError("Nothing was accepted yet: accept some images, and export then.")
    if out.suffix not in ("", ".zip"):
        raise UserError(f"Cannot write '{out.suffix}'. Give a folder name or one that ends in .zip.")
    require_absent(out, "Choose another name.")
    item = curation.model.item
    require_space(out, len(accepted) * int(np.prod(item.shape)))
    if curation.model.conditional:
        require_folder_names({name for name, _ in accepted})
    manifest = _manifest(curation, accepted)
    if out.suffix:
        with atomic_file(out) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
            _write_all(curation, accepted, archive.writestr)
            archive.writestr("manifest.json", to_json(manifest))
    else:
        with atomic_folder(out) as temporary:

            def write(name: str, content: bytes) -> None:
                (temporary / name).parent.mkdir(exist_ok=True)
                (temporary / name).write_bytes(content)

            _write_all(curation, accepted, write)
            write_json(temporary / "manifest.json", manifest)
    return manifest


def _manifest(curation: Curation, accepted: list[tuple[str, int]]) -> dict[str, Any]:
    generator = curation.model.hash
    common = {"seed": curation.seed, "generator": generator[:16]}
    return {
        "run": curation.run,
        "generator": generator,
        "truncation": curation.truncation,
        "augan": __version__,
        "reviewed": curation.counts() if curation.model.conditional else curation.counts()[ALL],
        "items": [
            {"file": _file(name, index), "class": name or None, "index": index, **common} for name, index in accepted
        ],
        "rejected": [{"class": name or None, "index": index} for name, index in curation.chosen("reject")],
    }


def _file(name: str, index: int) -> str:
    return f"{name}/synthetic-{index:06d}.png" if name else f"synthetic-{index:06d}.png"


def _write_all(curation: Curation, accepted: list[tuple[str, int]], write: Callable[[str, bytes], None]) -> None:
    for (name, index), image in zip(accepted, _images(curation, accepted), strict=True):
        write(_file(name, index), png(image))


def _images(curation: Curation, accepted: list[tuple[str, int]]) -> Iterator[np.ndarray]:
    """The accepted images one after another, drawn in the blocks in which they were shown."""
    model, block = curation.model, -1
    drawn = np.empty(0)
    last = None
    for name, index in accepted:
        if (name, index // model.block) != (last, block):
            last, block = name, index // model.block
            classes = [name] if model.conditional else None
            first = block * model.block
            drawn = from_unit(model.sample(model.block, classes, curation.seed, curation.truncation, first))
        yield drawn[index % model.block]

"""Sentences to files: generated ones, and a bigger, balanced copy of labelled ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from augan.core.errors import UserError
from augan.core.files import atomic_file, require_absent, require_space
from augan.text.model import BLOCK, Classes, TextModel

SUFFIXES = (".txt", ".tsv", ".jsonl")
Tick = Callable[[int], None]
MOST_BYTES = 8
"""A token takes about so many bytes in a file."""


def generate_text(
    model: TextModel,
    count: int,
    out: Path | str,
    *,
    classes: Classes = None,
    temperature: float = 1.0,
    seed: int = 0,
    tick: Tick = lambda done: None,
) -> Path:
    """Writes `count` sentences to `out`, whose name decides the form.

    .txt: a sentence a line; .tsv: sentence<TAB>label; .jsonl: {"text": ..., "label": ...} a line, the label only of
    models with classes.

    Raises:
        UserError: `out` exists, an unknown ending or class, .tsv of a model without classes.
    """
    path = Path(out)
    if count < 1:
        raise UserError(f"--count {count}: at least 1 sentence must be generated.")
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise UserError(f"{path}: sentences are written to {', '.join(SUFFIXES)}. Choose another --out.")
    if suffix == ".tsv" and not model.conditional:
        raise UserError(f"{path}: a .tsv has labels, and this generator has none. Choose .txt or .jsonl.")
    require_absent(path)
    require_space(path, count * model.item.length * MOST_BYTES)
    model.sample(1, classes, seed, temperature)  # wrong classes or temperatures fail before anything is written
    with atomic_file(path) as temporary, open(temporary, "w", encoding="utf-8", newline="\n") as file:
        for first in range(0, count, BLOCK):
            size = min(BLOCK, count - first)
            for sentence, label in drawn(model, size, classes, temperature, seed, first):
                file.write(_line(sentence, label, suffix) + "\n")
            tick(first + size)
    return path


def drawn(
    model: TextModel, count: int, classes: Classes, temperature: float, seed: int, first: int = 0
) -> list[tuple[str, str | None]]:
    """Sentences with the names of their classes."""
    rows = model.sample(count, classes, seed, temperature, first)
    labels = model.labels(count, classes, first)
    names = [None] * count if labels is None else [(model.item.class_names or ())[label] for label in labels.tolist()]
    return [(model.item.vocabulary.sentence(row), name) for row, name in zip(rows, names, strict=True)]


def _line(sentence: str, label: str | None, suffix: str) -> str:
    if suffix == ".jsonl":
        document: dict[str, Any] = {"text": sentence} | ({} if label is None else {"label": label})
        return json.dumps(document, ensure_ascii=False)
    return f"{sentence}\t{label}" if suffix == ".tsv" else sentence

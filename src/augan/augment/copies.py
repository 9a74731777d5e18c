"""A bigger, balanced copy of labelled sentences, if a study shows that it helps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from augan.apply import Augmented, images_to_add
from augan.augment.sentences import lift_text
from augan.augment.study import Outcome
from augan.core.errors import UserError
from augan.core.files import require_absent, write_json, write_text
from augan.text import Lines, TextModel, load_text, read_lines, train
from augan.training import Observer

GENERATORS = 2
"""A study trains so many on each training part."""


def augment_text(
    data: Any,
    out: Path | str,
    *,
    run: Path | str | TextModel | None = None,
    strategy: str = "auto",
    minutes: float = 5.0,
    seed: int = 0,
    temperature: float = 1.0,
    settings: Sequence[str] = (),
    force: bool = False,
    folds: int = 5,
    cells: Path | str | None = None,
    verdict: Path | str | None = None,
    folder: Callable[[], Path],
    observer: Observer | None = None,
    tell: Callable[[Outcome], None] = lambda outcome: None,
) -> Augmented:
    """Writes all real sentences, and generated ones behind them, to a .tsv (a .txt without labels), as `augment` does.

    Without `run` and `force`, labelled text is studied first; where the study does not say HELPS, nothing is written.
    Then a language model learns all of the text into `folder()`. The manifest beside the file lists the generated lines
    with what makes them again.

    Raises:
        UserError: nothing to add, another ending, `out` exists, classes that the run does not know.
    """
    path = Path(out)
    require_absent(path)
    lines = read_lines(data)
    counts = dict(sorted(Counter(lines.labels or ()).items()))
    wanted = _wanted(lines, counts, path, strategy)
    study = None
    if run is None and lines.labels is not None and not force:
        each = minutes / (GENERATORS * folds + 1)
        minutes = each
        found = lift_text(data, minutes=each, settings=settings, folds=folds, seed=seed, cells=cells, tell=tell)
        study = found.to_json()
        if verdict is not None:
            write_json(Path(verdict), study)
        if found.verdict.word != "HELPS":
            return Augmented(out=None, manifest=None, real=counts, added={}, study=study)
    if run is None:
        made = train(data, minutes=minutes, out=folder(), settings=settings, seed=seed, observer=observer)
        run = made.path
    model = run if isinstance(run, TextModel) else load_text(run)
    manifest = _write(lines, model, path, wanted, seed, temperature)
    return Augmented(out=path, manifest=manifest, real=counts, added=wanted, study=study)


def _wanted(lines: Lines, counts: dict[str, int], path: Path, strategy: str) -> dict[str, int]:
    """How many sentences of each class are to be generated."""
    ending, total = ".tsv" if counts else ".txt", len(lines.sentences)
    if path.suffix.lower() != ending:
        raise UserError(f"{path}: a copy of this text is a {ending} file. Choose another --out.")
    if not counts and not (strategy.isascii() and strategy.isdigit()):
        raise UserError(
            f"{lines.name} has no labels, so there are no classes to balance. Give --strategy N, more than {total}."
        )
    wanted = images_to_add(counts or {"": total}, strategy, "sentences")
    if not any(wanted.values()):
        raise UserError(f"Nothing to add: {lines.name} has what --strategy {strategy} asks for. Try --strategy all.")
    return wanted


def _write(lines: Lines, model: TextModel, path: Path, wanted: dict[str, int], seed: int, temperature: float) -> Path:
    """The copy, real lines as they were, and its manifest."""
    manifest = path.with_name(f"{path.name}.manifest.json")
    require_absent(manifest)
    labels = [""] * len(lines.sentences) if lines.labels is None else [f"\t{label}" for label in lines.labels]
    written = [sentence + label for sentence, label in zip(lines.sentences, labels, strict=True)]
    listed = []
    for name, number in wanted.items():
        classes = [name] if name else None
        for index, sentence in enumerate(model.sentences(number, classes, seed, temperature)):
            written.append(sentence + (f"\t{name}" if name else ""))
            listed.append({"line": len(written), "class": name or None, "seed": seed, "index": index})
    write_text(path, "\n".join(written) + "\n")
    write_json(manifest, {"generator": model.hash, "temperature": temperature, "items": listed})
    return manifest

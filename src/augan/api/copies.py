"""Bigger, balanced copies of data of any kind, where a study shows that they help."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from augan import text
from augan.api.reading import open_reading, reading_for
from augan.api.runs import new_run_folder, only_images, train
from augan.apply import Augmented, check_out, plan_additions
from augan.apply import augment as _augment
from augan.apply.table_copies import augment_rows, check_rows_out
from augan.checkpoint import Model, load_model
from augan.core.errors import UserError
from augan.core.files import require_absent
from augan.data import Source, class_counts
from augan.data.kinds import NOUNS
from augan.data.tables import TableSource
from augan.data.windows import SeriesSource
from augan.training import Observer


def augment(
    data: Any,
    out: Path | str,
    *,
    run: Path | str | Model | text.TextModel | None = None,
    strategy: str = "auto",
    minutes: float = 5.0,
    seed: int = 0,
    truncation: float = 1.0,
    size: int | str | None = None,
    strict: bool = False,
    settings: Sequence[str] = (),
    force: bool = False,
    select: bool | None = None,
    holdout: Any = None,
    groups: Any = None,
    folds: int = 5,
    steps: int | None = None,
    flip: bool = False,
    cells: Path | str | None = None,
    label: str | None = None,
    report: Path | str | None = None,
    verdict: Path | str | None = None,
    observer: Observer | None = None,
    tick: Callable[[int], None] = lambda done: None,
    tell: Callable[[Any], None] = lambda outcome: None,
) -> Augmented:
    """A bigger, balanced copy of a data set, in its own layout, if it makes a better classifier (docs/augmentation.md).

    Without `run`, labelled data is studied first (`augan.lift`): where the study does not say HELPS, nothing is
    written, and the result's `out` is None. Otherwise a GAN is trained on all of the data, into a new folder under
    ./runs, and its selected samples are added. `minutes` are divided among the study's GANs and autoencoders and that
    one. With `run`, for data without labels, and with `force` where neither report nor verdict nor holdout is asked
    for, there is no study, and samples are added as they come; rows of a table with a label are selected all the same.

    Args:
        force: write whatever the study says.
        select: whether samples are selected; None goes by the above.
        holdout, groups, folds, steps, flip, cells: of the study, see `augan.augment.lift`.
        label: the column of a table that is the class; a `run` knows its own.
        report: where to write the study as a page; verdict: as JSON.
        tell: is told each of the study's outcomes.

    Raises:
        UserError: see `augan.apply.augment` and `augan.augment.lift`; a study is asked of a `run` or of unlabelled
            data.
    """
    if text.is_text(data, "table" if label else None):
        from augan.augment.copies import augment_text

        only_images(size=size, holdout=holdout, groups=groups, report=report, select=select)
        return augment_text(
            data,
            out,
            run=_text_model(run),
            strategy=strategy,
            minutes=minutes,
            seed=seed,
            temperature=truncation,
            settings=settings,
            force=force,
            folds=folds,
            cells=cells,
            verdict=verdict,
            folder=lambda: new_run_folder(Path(str(data)).stem),
            observer=observer,
            tell=tell,
        )
    target = Path(out)
    require_absent(target)
    options = {"report": report, "verdict": verdict, "holdout": holdout}
    asked = [name for name, value in options.items() if value is not None]
    if run is not None and asked:
        raise UserError(
            f"--{asked[0]} asks for a test, which needs GANs that have not seen the test items, and the run has seen "
            "all. Leave --run out: the test trains its own."
        )
    if isinstance(run, text.TextModel):
        raise UserError("This model makes sentences, and the data is not text. Give a run on data of the same kind.")
    model = run if isinstance(run, Model) else None if run is None else load_model(run)
    source = open_reading(data, reading_for(model, settings, size, strict, label))
    if isinstance(source, SeriesSource):
        raise UserError(
            "A bigger copy of time series is not written: windows that overlap would stand beside new ones. New "
            "windows come from `augan train` and `augan generate`."
        )
    if isinstance(source, TableSource):
        check_rows_out(target)
    else:
        check_out(source, target)
    plan_additions(source, strategy)  # a wrong strategy fails before minutes of training
    if asked and not class_counts(source):
        raise UserError(
            f"--{asked[0]} asks for a test, and {source.name} has no labels: there is no classifier to help."
        )
    by_default = bool(class_counts(source)) and isinstance(source, TableSource)
    writing: dict[str, Any] = {"strategy": strategy, "seed": seed, "truncation": truncation, "tick": tick}
    if model is not None:
        return _copy(source, model, target, by_default if select is None else select, **writing)
    study = None
    if class_counts(source) and (asked or not force):
        from augan.augment import gate

        minutes = gate.share_of_each(minutes, folds, holdout is not None)
        study = gate.prove(
            source,
            strategy,
            minutes=minutes,
            holdout=holdout,
            groups=groups,
            folds=folds,
            steps=steps,
            flip=flip,
            force=force,
            seed=seed,
            settings=settings,
            cells=cells,
            report=None if report is None else Path(report),
            verdict=None if verdict is None else Path(verdict),
            tell=tell,
        )
        if study.verdict.word != "HELPS" and not force:
            return Augmented(out=None, manifest=None, real=class_counts(source), added={}, study=study.to_json())
    folder = new_run_folder(source.name)
    model = train(source, minutes=minutes, out=folder, settings=settings, seed=seed, observer=observer).load()
    chosen = (by_default or study is not None) if select is None else select
    found = _copy(source, model, target, chosen, **writing)
    return found if study is None else replace(found, study=study.to_json())


def _text_model(run: Any) -> Any:
    """Raises UserError for a model of images, where sentences are to be added."""
    if isinstance(run, Model):
        raise UserError(f"This model makes {NOUNS[run.item.kind]}, and the data is text. Give a run on text.")
    return run


def _copy(source: Source, model: Model, out: Path, select: bool, **writing: Any) -> Augmented:
    """A bigger copy of images or rows, with selected samples or as they come."""
    if select:
        from augan.augment import gate

        return gate.write_selected(source, model, out, **writing)
    if isinstance(source, TableSource):
        writing.pop("tick")
        return augment_rows(source, model, out, **writing)
    return _augment(source, model, out, **writing)

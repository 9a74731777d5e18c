"""More data only where it helps: a study, and a copy of the data that is written if the study says so."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from augan.apply import Augmented, check_model, plan_additions
from augan.apply import augment as write_copy
from augan.apply.table_copies import augment_rows, check_rows_out, require_rows
from augan.augment.frames import choose_rows, fit_rows_gan
from augan.augment.lift import Lift, lift
from augan.augment.makers import Labels, choose_samples, fit_autoencoder, fit_gan
from augan.augment.pictures import ARMS
from augan.augment.report import write_lift_report
from augan.augment.study import Outcome
from augan.checkpoint import Model
from augan.core.errors import UserError
from augan.core.files import require_absent, write_json
from augan.data import Source, class_counts
from augan.data.tables import TableSource, source_of

FOLDS = 5
AUTOENCODER = 0.25
"""An autoencoder's time as a share of a GAN's."""


def share_of_each(minutes: float, folds: int, holdout: bool) -> float:
    """What each GAN gets of the time of a test of so many folds and of the copy that may follow.

    A second opinion on held-out data trains once more what its arm needs: a GAN, as a rule.
    """
    return minutes / ((1 + AUTOENCODER) * folds + 1 + holdout)


def prove(
    source: Source,
    strategy: str,
    *,
    minutes: float,
    holdout: Any = None,
    groups: Any = None,
    folds: int = FOLDS,
    steps: int | None = None,
    flip: bool = False,
    force: bool = False,
    seed: int = 0,
    settings: Sequence[str] = (),
    cells: Path | str | None = None,
    report: Path | None = None,
    verdict: Path | None = None,
    tell: Callable[[Outcome], None] = lambda outcome: None,
) -> Lift:
    """The study of what `strategy` would add; writes a report and a verdict if asked.

    Each split's GAN has `minutes`, its autoencoder a quarter of that. The arm 'gan-swept' is left to `lift`: it takes a
    second GAN a split, and its choices were no better than the other arms (docs/experiments.md).

    Raises:
        UserError: see `lift` and `plan_additions`; a file is there already.
    """
    for path in (report, verdict):
        if path is not None:
            require_absent(path, "Choose another name, or remove it first.")
    found = lift(
        source,
        **_of_kind(source, strategy, minutes, settings),
        groups=groups,
        holdout=holdout,
        minutes=minutes,
        folds=folds,
        steps=steps,
        flip=flip,
        force=force,
        seed=seed,
        cells=cells,
        also={"settings": list(settings)},
        tell=tell,
    )
    if report is not None:
        write_lift_report(found, report)
    if verdict is not None:
        write_json(verdict, found.to_json())
    return found


def _of_kind(source: Source, strategy: str, minutes: float, settings: Sequence[str]) -> dict[str, Any]:
    """What a study of images is told beside; one of rows fills the smaller classes up, whatever the strategy."""
    if isinstance(source, TableSource):
        return {"fit": fit_rows_gan(minutes=minutes, settings=settings)}
    left_out = ("gan-swept", "vae") if source.item.kind == "video" else ("gan-swept",)
    return {
        "fit": fit_gan(minutes=minutes, settings=settings),
        "autoencoder": fit_autoencoder(minutes=AUTOENCODER * minutes),
        "arms": [name for name in ARMS if name not in left_out],
        "wanted": scaled_additions(source, plan_additions(source, strategy)),
    }


def scaled_additions(source: Source, added: Mapping[str, int]) -> Callable[[Labels], Mapping[int, int]]:
    """What a part of the data gets: as much for each of its items as all of the data do for each of theirs."""
    counts = list(class_counts(source).values())
    per_item = [added.get(name, 0) / max(1, count) for name, count in class_counts(source).items()]

    def wanted(labels: Labels) -> Mapping[int, int]:
        found = np.bincount(labels, minlength=len(counts))
        return {label: round(per_item[label] * int(count)) for label, count in enumerate(found) if count}

    return wanted


def write_selected(
    source: Source,
    model: Model,
    out: Path,
    *,
    strategy: str,
    seed: int = 0,
    truncation: float = 1.0,
    tick: Callable[[int], None] = lambda done: None,
) -> Augmented:
    """A copy of the data with selected samples beside.

    Of images fewer than `strategy` asks for where too few pass; of rows others fill up, as in the study's arm.

    Raises:
        UserError: see `augan.apply.augment`; data without labels.
    """
    if not class_counts(source):
        raise UserError(f"{source.name} has no labels, by which samples are selected. Leave --select out.")
    if isinstance(source, TableSource):
        return _write_selected_rows(source, model, out, strategy, seed, truncation)
    check_model(source, model)
    added = plan_additions(source, strategy)
    numbers, rejected = choose_samples(source, model, added, seed, truncation)
    return write_copy(
        source,
        model,
        out,
        strategy=strategy,
        seed=seed,
        truncation=truncation,
        numbers=numbers,
        rejected=rejected,
        tick=tick,
    )


def _write_selected_rows(
    source: TableSource, model: Model, out: Path, strategy: str, seed: int, truncation: float
) -> Augmented:
    rows_model = require_rows(model)
    check_rows_out(out)
    known = source_of(source.frame, rows_model.spec, source.name, source.path)
    numbers, how = choose_rows(known, rows_model, plan_additions(known, strategy), seed, truncation)
    return augment_rows(
        source, model, out, strategy=strategy, seed=seed, truncation=truncation, numbers=numbers, selection=how
    )

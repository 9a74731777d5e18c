"""A model of windows of time series, or any other windows, measured against real ones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from augan.apply.table_evaluation import is_run
from augan.checkpoint import find_checkpoint, load_item, load_model
from augan.checkpoint.series import SeriesModel
from augan.core.errors import UserError
from augan.core.item import ItemSpec
from augan.core.rng import numpy_stream
from augan.core.series import SeriesSpec
from augan.data.series import is_series, open_series
from augan.data.tables import is_frame
from augan.data.windows import SeriesSource, Windowing
from augan.metrics.series import MOST_WINDOWS, SeriesEvaluation, Windows, apart, evaluate_windows
from augan.metrics.windows import in_deviations

LEAST_BLOCKS = 4
ARRAYS = (".npy", ".npz")


def concerns_series(target: Any, kind: str | None) -> bool:
    """Whether this is to be measured as windows of time series."""
    if is_run(target):
        return load_item(find_checkpoint(Path(target))).kind == "series"
    return isinstance(target, SeriesModel | SeriesSource) or is_series(target, kind, Windowing())


def evaluate_series(
    target: Any, against: Any, *, holdout: Any = None, label: str | None = None, seed: int = 0
) -> SeriesEvaluation:
    """Measures windows against real ones, which are cut as the model's were, or as long as those of `target`.

    Real windows are divided by series or stretches of time, so that windows on two sides share no moment: the sides are
    compared with one half, and 'real' is the other. With `holdout`, they are compared with all, and 'real' is that.

    Raises:
        UserError: other columns or classes; too few moments to be divided.
    """
    model = load_model(target) if is_run(target) else target
    if isinstance(model, SeriesModel):
        if label not in (None, model.spec.label):
            raise UserError(f"The label of the model is {model.spec.label}, and was chosen when it was trained.")
        item = model.item
        real = like(against, item)
    else:
        given = model if isinstance(model, SeriesSource) else open_series(model, Windowing(), label, "target")
        windowing = Windowing(window=given.window)
        real = against if isinstance(against, SeriesSource) else open_series(against, windowing, label, "against")
        item = real.item
    if holdout is None:
        first, others = _halves(real, item, seed)
    else:
        first, others = (_measured(side, item, seed) for side in (real, like(holdout, item)))
    if isinstance(model, SeriesModel):
        fake = _drawn(model, first, seed)
    else:
        fake = _measured(given if isinstance(model, SeriesSource) else like(model, item), item, seed)
        fake = fake.take(np.arange(min(len(fake), len(first))))
    names = tuple(column.name for column in _spec(item).learnt)
    return evaluate_windows(
        names, fake, first, others, tested_on_others=holdout is not None, classes=item.classes, seed=seed
    )


def _spec(item: ItemSpec) -> SeriesSpec:
    assert item.series is not None
    return item.series


def like(data: Any, item: ItemSpec) -> SeriesSource:
    """Data as windows with the columns, scales and classes of `item`.

    Raises:
        UserError: it has not the columns; other classes.
    """
    spec = _spec(item)
    if not isinstance(data, SeriesSource):
        windowing, label = Windowing(window=item.width, stride=spec.stride, fill=spec.fill), None
        if is_frame(data) or (isinstance(data, str | Path) and Path(data).suffix.lower() not in ARRAYS):
            windowing, label = replace(windowing, series=spec.series, time=spec.time), spec.label
        return open_series(data, windowing, label, "data", item)
    return data


def _agreeing(source: SeriesSource, item: ItemSpec) -> SeriesSource:
    """Raises UserError for windows that cannot be compared with such items."""
    ours, theirs = ([column.name for column in spec.learnt] for spec in (source.spec, _spec(item)))
    if (ours, source.window) != (theirs, item.width):
        raise UserError(
            f"Windows of {source.window} moments with columns {', '.join(ours)} cannot be compared with ones of "
            f"{item.width} with columns {', '.join(theirs)}."
        )
    if source.item.class_names not in (None, item.class_names):
        raise UserError(f"{source.name} has other classes than those that it is compared with.")
    return source


def _halves(real: SeriesSource, item: ItemSpec, seed: int) -> tuple[Windows, Windows]:
    """Two halves of the stretches of time.

    Raises:
        UserError: there are too few.
    """
    blocks = real.blocks()
    known = np.unique(blocks[blocks >= 0])
    if len(known) < LEAST_BLOCKS:
        raise UserError(
            f"{real.name} is too short to be measured by halves: windows of {real.window} moments need "
            f"{2 * LEAST_BLOCKS * real.window} moments or {LEAST_BLOCKS} series. Give other real ones by --holdout."
        )
    order = numpy_stream(seed, "halves of stretches").permutation(len(known))
    first = np.isin(blocks, known[order[::2]])
    second = (blocks >= 0) & ~first
    return _measured(real, item, seed, first), _measured(real, item, seed, second)


def _measured(source: SeriesSource, item: ItemSpec, seed: int, rows: np.ndarray | None = None) -> Windows:
    """At most 1,000 windows (of those marked in `rows`) at random, in deviations of the columns of `item`."""
    blocks = _agreeing(source, item).blocks()
    chosen = np.flatnonzero(blocks >= 0 if rows is None else rows)
    chosen = np.sort(numpy_stream(seed, "measured windows").permutation(chosen)[:MOST_WINDOWS])
    values = in_deviations(_spec(item), source.windows(chosen))
    return Windows(
        values=values, groups=blocks[chosen], labels=None if source.labels is None else source.labels[chosen]
    )


def _drawn(model: SeriesModel, real: Windows, seed: int) -> Windows:
    """As many as there are real ones, of their classes."""
    classes: list[str | int] | None = None
    labels = real.labels if model.conditional else None
    if labels is not None:
        classes = [int(label) for label in labels]
    return apart(in_deviations(model.spec, model.windows(len(real), classes, seed)), labels)

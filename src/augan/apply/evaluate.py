"""A model, or any other set of images, measured against a data set."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn

from augan import data as datasets
from augan.apply.clipmeasures import check_space, with_clip_measures
from augan.apply.report import write_report
from augan.apply.series_evaluation import concerns_series, evaluate_series
from augan.apply.table_evaluation import concerns_tables, evaluate_tables, is_run
from augan.apply.table_report import write_table_report
from augan.checkpoint import Model, Run, load_model
from augan.core.devices import choose_device
from augan.core.errors import UserError
from augan.core.files import require_absent
from augan.core.item import ItemSpec, from_unit, to_unit
from augan.data import ArraySource, Source, as_pictures, cache_folder, open_like, picture_item, to_pictures
from augan.metrics import (
    MOST_SHOWN,
    Comparison,
    Evaluation,
    FeatureSpace,
    SeriesEvaluation,
    Side,
    TableEvaluation,
    accuracy_scores,
    cached_features,
    evaluation_of,
    open_space,
)
from augan.metrics.evaluation import Origin

COUNT = 2_000
Space = str | Path | nn.Module | FeatureSpace
Tick = Callable[[int], None]


def evaluate(
    target: Any,
    against: Any,
    *,
    holdout: Any = None,
    features: Space = "in-domain",
    count: int = COUNT,
    size: int | str | None = None,
    accuracy_score: bool = False,
    device: str = "cpu",
    seed: int = 0,
    html: Path | str | None = None,
    kind: str | None = None,
    label: str | None = None,
    tick: Tick = lambda done: None,
) -> Evaluation | SeriesEvaluation | TableEvaluation:
    """Measures `target` against real data; tables and time series as `augan.metrics.TableEvaluation` and
    `augan.metrics.SeriesEvaluation` say.

    Args:
        target: a model, a run folder, or images in any form that `augan.open` reads (no GAN needs to be involved).
        against: the real data, likewise: what the generator has learnt from. For a model it is opened at the model's
            size.
        holdout: real images that the generator has not seen, for the measures of copying.
        features: 'in-domain', 'bundled', 'inception', 'dinov2', 'clip', an .onnx or TorchScript file, a module or a
            FeatureSpace.
        count: images on each side, at most; a model is asked for as many as there are real ones, in the real classes'
            proportions.
        size: S or "HxW": both sides are resized to it; needed where they differ.
        accuracy_score: also train classifiers on samples and on real images (`augan.metrics.accuracy_scores`).
        device: that computes features and samples: auto, cpu, cuda or mps.
        seed: of the choice of images, of the model's samples and of resampling.
        html: where to write a report with pictures.
        kind: what an item is, for data whose files do not tell; a model knows.
        label: of two tables, the column that is the class; a model of rows knows it.
        tick: hears how many images' features are there.

    Raises:
        UserError: sizes or channels differ, fewer than 6 images on a side, unknown classes, a feature space that
            cannot be had, `html` that exists.
    """
    windows = concerns_series(target, kind)
    if windows or concerns_tables(target, against):
        if size is not None or accuracy_score or features != "in-domain" or (windows and html is not None):
            raise UserError(
                f"A {'series' if windows else 'table'} is measured as it is: --features, --size, --accuracy-score"
                f"{' and --html are' if windows else ' are'} for images."
            )
        if windows:
            return evaluate_series(target, against, holdout=holdout, label=label, seed=seed)
        return _rows(target, against, holdout, html, label, seed)
    if html is not None:
        require_absent(Path(html))
    sides = _open_sides(target, against, holdout, size, count, seed, device, kind)
    clips = sides.real.source.item.kind == "video"
    if clips:
        check_space(features)
    space = open_space(features, sides.real.source, sides.real.source.key, cache_folder()).to(choose_device(device))
    count_up = _Total(tick)
    comparison = Comparison(
        space=space,
        real=sides.real.side(space, count_up.start()),
        fake=sides.fake.side(space, count_up.start()),
        holdout=None if sides.holdout is None else sides.holdout.side(space, count_up.start()),
        class_names=sides.real.source.item.class_names,
        seed=seed,
    )
    held_out = None if sides.holdout is None else sides.holdout.origin
    evaluation = evaluation_of(comparison, sides.real.origin, sides.fake.origin, held_out, sides.notes)
    if clips:
        both = (comparison.real.features, comparison.fake.features)
        real = sides.real
        evaluation = with_clip_measures(evaluation, space, real.source, real.rows, both, sides.fake.first, seed)
    if accuracy_score:
        evaluation = _with_accuracy(evaluation, sides, seed)
    if html is not None:
        write_report(evaluation, comparison, Path(html))
    return evaluation


class _Total:
    """Adds the counts of several sides up."""

    def __init__(self, tick: Tick) -> None:
        self.tick, self.before, self.now = tick, 0, 0

    def start(self) -> Tick:
        """The counter of the next side."""
        self.before = self.now
        return self._hear

    def _hear(self, done: int) -> None:
        self.now = self.before + done
        self.tick(self.now)


@dataclass(frozen=True, kw_only=True)
class _Images:
    """Chosen items of a source, in a random order; labels in the numbers of the real classes."""

    source: Source
    rows: np.ndarray
    labels: np.ndarray | None
    origin: Origin

    def side(self, space: FeatureSpace, tick: Tick) -> Side:
        """Their features, from the cache if they are there."""
        content = f"{self.origin.content} {self.origin.selection}"
        features = cached_features(
            space, content, lambda: space.features_of(self.source, self.rows, tick), cache_folder()
        )
        return Side(features=features, labels=self.labels, images=self._fetch(np.arange(MOST_SHOWN)), fetch=self._fetch)

    def first(self, count: int) -> np.ndarray:
        """The first of them."""
        return self.source.items(self.rows[:count])

    def _fetch(self, positions: np.ndarray) -> np.ndarray:
        return _pictures(self.source.items(self.rows[positions[positions < len(self.rows)]]))

    def as_source(self, class_names: tuple[str, ...] | None) -> Source:
        """They alone, with the real classes' numbers."""
        item = replace(self.source.item, class_names=class_names if self.labels is not None else None)
        array = self.source.items(self.rows)
        return ArraySource(array=array, item=item, key=self.origin.content, labels=self.labels)


def _rows(target: Any, against: Any, holdout: Any, html: Path | str | None, label: str | None, seed: int) -> Any:
    """Tables against one another, as a page as well if asked."""
    if html is not None:
        require_absent(Path(html))
    found = evaluate_tables(target, against, holdout=holdout, label=label, seed=seed)
    if html is not None:
        names = [side if isinstance(side, str | Path) else "a table" for side in (target, against)]
        write_table_report(found, Path(html), f"{names[0]} against {names[1]}")
    return found


def _pictures(items: np.ndarray) -> np.ndarray:
    """Items to be looked at: images as they are, of clips the middle frame."""
    return items if items.ndim == 4 else items[:, items.shape[1] // 2]


@dataclass(frozen=True, kw_only=True)
class _Samples:
    """What a model draws, in the classes of the chosen real images."""

    model: Model
    labels: np.ndarray | None
    classes: list[str | int] | None
    seed: int
    origin: Origin

    def side(self, space: FeatureSpace, tick: Tick) -> Side:
        """Their features, from the cache if they are there."""
        content = f"{self.origin.content} {self.origin.selection}"
        features = cached_features(space, content, lambda: self._features(space, tick), cache_folder())
        return Side(features=features, labels=self.labels, images=_pictures(self.first(MOST_SHOWN)), fetch=self._fetch)

    def _features(self, space: FeatureSpace, tick: Tick) -> np.ndarray:
        parts, done = [], 0
        for images, _ in self.model.stream(self.origin.images, self.classes, self.seed, batch=256):
            parts.append(space.features(to_unit(self._pictures(images))))
            done += len(images)
            tick(done)
        return np.concatenate(parts)

    def first(self, count: int) -> np.ndarray:
        """The first of them; those that are shown are drawn once."""
        return self._drawn[:count] if count <= MOST_SHOWN else self._images(count)

    @cached_property
    def _drawn(self) -> np.ndarray:
        return self._images(MOST_SHOWN)

    def _images(self, count: int) -> np.ndarray:
        batches = self.model.stream(min(count, self.origin.images), self.classes, self.seed)
        return np.concatenate([self._pictures(images) for images, _ in batches])

    def _pictures(self, values: Tensor) -> np.ndarray:
        """As they would be on disk; of waveforms, their spectrograms."""
        return to_pictures(from_unit(values, self.model.item.dtype), self.model.item)

    def _fetch(self, positions: np.ndarray) -> np.ndarray:
        found = [self._pictures(self.model.sample(1, self.classes, self.seed, first=int(place))) for place in positions]
        return (
            _pictures(np.concatenate(found)) if found else np.empty((0, *self.model.item.stored_shape[-3:]), np.uint8)
        )

    def as_source(self, class_names: tuple[str, ...] | None) -> Source:
        """They alone, with the real classes' numbers."""
        item = replace(picture_item(self.model.item), class_names=class_names if self.labels is not None else None)
        array = self._images(self.origin.images)
        return ArraySource(array=array, item=item, key=self.origin.content, labels=self.labels)


@dataclass(frozen=True, kw_only=True)
class _Sides:
    real: _Images
    fake: _Images | _Samples
    holdout: _Images | None
    notes: tuple[str, ...]


def _open_sides(
    target: Any,
    against: Any,
    holdout: Any,
    size: int | str | None,
    count: int,
    seed: int,
    device: str,
    kind: str | None,
) -> _Sides:
    """All sides at one size, with the chosen images; notes say what was resized."""
    if is_run(target):
        path: str | None = str(target)
        model: Model | None = load_model(target, device=device)
    else:
        path, model = None, target if isinstance(target, Model) else None
    if model is not None:
        if size is not None:
            raise UserError("A model draws images of one size: --size is for comparing two sets of images.")
        real = _open_like(against, model.item, cutting_of(path, model.item))
        fake_source = None
    else:
        real = datasets.open(against, size=size, kind=kind)
        sounds = real.item.sound is not None
        fake_source = open_like(target, real.item) if sounds else datasets.open(target, size=size, kind=kind)
        _require_same_item(fake_source, real)
    chosen = _choose(real, against, None, count, seed)
    notes = [*_resized(chosen)]
    fake: _Images | _Samples
    if model is not None:
        fake = _samples(model, path, real, chosen, seed)
    else:
        assert fake_source is not None
        fake = _choose(fake_source, target, real.item.class_names, count, seed)
        notes += _resized(fake)
    held_out = None
    if holdout is not None:
        other = _open_like(holdout, real.item, cutting_of(path, real.item))
        held_out = _choose(other, holdout, real.item.class_names, count, seed)
        notes += _resized(held_out)
    if chosen.labels is None and fake.labels is not None:
        fake = replace(fake, labels=None)
        notes.append("The real images have no labels: those of the other side are not used.")
    return _Sides(real=chosen, fake=fake, holdout=held_out, notes=tuple(notes))


def cutting_of(path: Path | str | None, item: ItemSpec) -> datasets.Cutting | None:
    """How clips were cut for a run, or to the length that a model has; None for images."""
    if item.frames is None:
        return None
    try:
        settings = {} if path is None else Run(Path(path)).config["data"]
    except UserError:
        settings = {}  # a checkpoint without its run
    names = ("frames_per_sec", "step")
    return datasets.Cutting(frames=item.frames, **{name: settings[name] for name in names if name in settings})


def _open_like(data: Any, item: ItemSpec, cutting: datasets.Cutting | None) -> Source:
    source = open_like(data, item, cutting=cutting)
    _require_same_item(source, item)
    return source


def _length(item: ItemSpec) -> str:
    return "single images" if item.frames is None else f"clips of {item.frames} frames"


def _require_same_item(source: Source, other: Source | ItemSpec) -> None:
    item = other if isinstance(other, ItemSpec) else other.item
    if source.item.frames != item.frames:
        raise UserError(
            f"{source.name} has {_length(source.item)} and the other side {_length(item)}: they cannot be compared."
        )
    if source.item.channels != item.channels:
        raise UserError(
            f"{source.name} has {source.item.channels} channels and the other side {item.channels}: "
            "they cannot be compared. Convert one of them."
        )
    if source.item.shape != item.shape:
        raise UserError(
            f"{source.name} has {source.item.width}x{source.item.height} pixels and the other side "
            f"{item.width}x{item.height}. Give --size {item.height}x{item.width} to resize both in the same way; "
            "the report states it."
        )


def _choose(source: Source, given: Any, names: tuple[str, ...] | None, count: int, seed: int) -> _Images:
    """At most `count` images at random; `names` are the real classes, None for the real images themselves."""
    source = as_pictures(source)
    rows = np.random.default_rng(seed).permutation(len(source))[:count]
    labels, own = source.labels, source.item.class_names
    chosen = None if labels is None or not own else labels[rows]
    if chosen is not None and own and names is not None:
        chosen = _translate(chosen, own, names)
    elif names is None and own is None:
        chosen = None
    stored = getattr(getattr(source, "origin", None), "sizes", None)
    here, before = f"{source.item.width}x{source.item.height}", None
    if stored is not None and (stored.distinct > 1 or stored.median != (source.item.height, source.item.width)):
        before = f"{stored.median[1]}x{stored.median[0]}" + (" (median)" if stored.distinct > 1 else "")
    origin = Origin(
        name=source.name,
        path=str(given) if isinstance(given, str | Path) else None,
        content=source.key,
        selection=hashlib.sha256(rows.astype("<i8").tobytes()).hexdigest()[:16],
        images=len(rows),
        of=len(source),
        size=here,
        stored_size=before,
    )
    return _Images(source=source, rows=rows, labels=chosen, origin=origin)


def _resized(images: _Images) -> list[str]:
    origin = images.origin
    if origin.stored_size is None:
        return []
    return [f"{origin.name}: resized from {origin.stored_size} to {origin.size} when it was read."]


def _samples(model: Model, path: str | None, real: Source, chosen: _Images, seed: int) -> _Samples:
    classes: list[str | int] | None = None
    labels: np.ndarray | None = None
    names = real.item.class_names
    if model.conditional and chosen.labels is not None and names:
        labels = chosen.labels
        classes = [names[label] for label in labels]
    text = f"seed {seed} of {' '.join(map(str, classes or ()))}"
    origin = Origin(
        name=Path(path).name if path else "model",
        path=path,
        content=model.hash,
        selection=hashlib.sha256(text.encode()).hexdigest()[:16],
        images=len(chosen.rows),
        of=None,
        size=f"{model.item.width}x{model.item.height}",
    )
    return _Samples(model=model, labels=labels, classes=classes, seed=seed, origin=origin)


def _with_accuracy(evaluation: Evaluation, sides: _Sides, seed: int) -> Evaluation:
    """The evaluation with accuracy scores, or with the reason why there are none."""
    names = sides.real.source.item.class_names
    held_out = None if sides.holdout is None else sides.holdout.as_source(names)
    try:
        scores = accuracy_scores(sides.real.as_source(names), sides.fake.as_source(names), held_out, seed=seed)
    except UserError as reason:
        return replace(evaluation, omitted=evaluation.omitted | {"accuracy_of_synthetic": str(reason)})
    return replace(evaluation, measures=evaluation.measures | scores)


def _translate(labels: np.ndarray, names: tuple[str, ...], known: tuple[str, ...]) -> np.ndarray:
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise UserError(f"The real data does not have these classes: {', '.join(unknown)}. It has {', '.join(known)}.")
    return np.array([known.index(name) for name in names], dtype=np.int64)[labels]

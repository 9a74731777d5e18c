"""Arms for images: what a small classifier learns from, with and without synthetic ones."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int64, UInt8

from augan.augment.selection import Selection, Side, select
from augan.augment.study import CONTROL, Arm, Indices
from augan.baselines import Lesson, train_classifier
from augan.checkpoint import Model
from augan.core.config import override
from augan.core.item import from_unit, to_unit
from augan.core.rng import derive, numpy_stream
from augan.data import Source, class_counts, subset
from augan.metrics import InDomainSpace, train_extractor
from augan.recipes import Budget, recipe_config
from augan.training import Trainer

OVERSUPPLY = 3
"""Candidates made for each synthetic image that is wanted."""
COPIES = 0.1
"""From this share of copies among candidates on, a generator is said to know its images by heart."""
MIXUP_ALPHA = 0.2
SMOTE_NEIGHBOURS = 5
CROSS_FOLDS = 2
BATCH = 64

ARMS: dict[str, Arm] = {
    "real": Arm(meaning="the real images as they are"),
    "classical": Arm(meaning="cropped, moved and changed in contrast at random"),
    CONTROL: Arm(meaning="'classical' once more with other seeds: what chance gives", base="classical"),
    "weights": Arm(meaning="classical, losses weighted by the inverse of class sizes"),
    "deferred": Arm(meaning="classical, such weights in the last fifth of the steps (DRW)"),
    "oversampling": Arm(meaning="classical, classes drawn equally often"),
    "smote": Arm(meaning="classical, classes filled up with images between neighbours"),
    "mixup": Arm(meaning="classical, pairs mixed, and deferred weights (mixup-DRW)"),
    "gan-raw": Arm(meaning="real images and samples as they come", generative=True, base="real"),
    "gan-selected": Arm(meaning="real images and selected samples", generative=True, base="real"),
    "gan-classical": Arm(meaning="classical, selected samples beside", generative=True, base="classical"),
    "gan-first": Arm(meaning="classical, selected samples in the first half", generative=True, base="classical"),
    "gan-mixup": Arm(meaning="mixup-DRW, selected samples beside", generative=True, base="mixup"),
}
CHEAP = tuple(name for name, arm in ARMS.items() if not arm.generative)
GENERATIVE = tuple(name for name, arm in ARMS.items() if arm.generative)


@runtime_checkable
class Maker(Protocol):
    """Makes items of a class, once it has learnt from a training set."""

    def make(self, label: int, count: int, seed: int) -> UInt8[np.ndarray, "n h w c"]:
        """`count` images of the class."""
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Synthetic:
    """What a maker gave for one training set.

    Attributes:
        images, labels: all candidates; selection: which of them are used.
        wanted: how many of each class.
    """

    images: UInt8[np.ndarray, "n h w c"]
    labels: Int64[np.ndarray, " n"]
    selection: Selection
    wanted: Mapping[int, int]

    def raw(self) -> tuple[np.ndarray, np.ndarray]:
        """As many of each class as are wanted, unselected."""
        rows = np.concatenate([np.flatnonzero(self.labels == label)[:n] for label, n in self.wanted.items()])
        return self.images[rows], self.labels[rows]

    def selected(self) -> tuple[np.ndarray, np.ndarray]:
        """The selected ones."""
        return self.images[self.selection.kept], self.labels[self.selection.kept]

    def memorised(self) -> list[str]:
        """What speaks for copies of training images, in sentences."""
        share = float((self.selection.fates == "copy").mean()) if len(self.labels) else 0.0
        if share <= COPIES:
            return []
        return [
            f"The generator copies: {share:.0%} of its images are as near to a training image as 1 % of real images "
            "are to another."
        ]


class PictureTask:
    """A source with labels, a classifier of `steps` steps, and a way to fit a maker to a part of the source.

    Args:
        fit: (training part, seed) -> Maker.
        ratio: synthetic images of a class beside the largest class's real ones: at 1, each class is raised to the
            size of the largest class and, where it is as large already, gets as many as it has.
        flip: whether mirrored images keep their label.
    """

    def __init__(
        self,
        source: Source,
        fit: Callable[[Source, int], Maker] | None,
        *,
        steps: int = 1000,
        ratio: float = 1.0,
        flip: bool = False,
        groups: np.ndarray | None = None,
    ) -> None:
        assert source.labels is not None
        self.source, self.fit, self.steps, self.ratio, self.flip = source, fit, steps, ratio, flip
        self.labels = source.labels.astype(np.int64)
        self.class_names = source.item.class_names or ()
        self.groups, self.key = groups, source.key
        self.arms: Mapping[str, Arm] = ARMS if fit is not None else {name: ARMS[name] for name in CHEAP}
        self._made: tuple[int, Synthetic] | None = None
        self._about: dict[int, dict[str, Any]] = {}

    def probabilities(self, arm: str, train: Indices, seed: int, split: int) -> Callable[[Indices], np.ndarray]:
        """Trains the small classifier on the arm's lesson."""
        images, labels = self.source.items(train), self.labels[train]
        if arm == CONTROL:
            seed = derive(seed, "control") % 2**32
        lesson = self._lesson(arm, images, labels, train, seed, split)
        learnt = train_classifier(lesson, self.steps, seed)
        return lambda indices: learnt.predict_proba(self.source.items(indices))

    def about(self, split: int) -> dict[str, Any]:
        """Rejections of the split's generator."""
        return self._about.get(split, {})

    # ------------------------------------------------------------------ lessons

    def _lesson(
        self, arm: str, images: np.ndarray, labels: np.ndarray, train: Indices, seed: int, split: int
    ) -> Lesson:
        plain = Lesson(images=images, targets=np.eye(len(self.class_names))[labels])
        classical = replace(plain, views=True, flip=self.flip)
        inverse = _inverse_frequencies(labels, len(self.class_names))
        mixed = replace(classical, mixup=MIXUP_ALPHA, deferred=inverse)
        without: dict[str, Callable[[], Lesson]] = {
            "real": lambda: plain,
            "classical": lambda: classical,
            CONTROL: lambda: classical,
            "weights": lambda: replace(classical, weights=inverse[labels]),
            "deferred": lambda: replace(classical, deferred=inverse),
            "oversampling": lambda: replace(classical, chances=inverse[labels]),
            "smote": lambda: _joined(classical, *_between(images, labels, seed)),
            "mixup": lambda: mixed,
        }
        if arm in without:
            return without[arm]()
        made = self._synthetic(train, split)
        if arm == "gan-raw":
            return _joined(plain, *made.raw())
        if arm == "gan-first":
            return replace(classical, deferred=inverse, before=_joined(classical, *made.selected()))
        beside = {"gan-selected": plain, "gan-classical": classical, "gan-mixup": mixed}
        return _joined(beside[arm], *made.selected())

    # ------------------------------------------------------------------ synthetic images

    def _synthetic(self, train: Indices, split: int) -> Synthetic:
        if self._made is None or self._made[0] != split:
            self._made = None  # the one before need not stay in memory meanwhile
            assert self.fit is not None
            part = subset(self.source, train)
            made = synthesise(part, self.fit(part, split), self.ratio, seed=split)
            self._made = (split, made)
            self._about[split] = {
                "memorised": made.memorised(),
                "rejected": {self.class_names[label]: found for label, found in made.selection.rejected.items()},
                "kept": {
                    self.class_names[label]: int((made.labels[made.selection.kept] == label).sum())
                    for label in made.wanted
                },
            }
        return self._made[1]


def wanted_of(labels: Int64[np.ndarray, " n"], ratio: float) -> dict[int, int]:
    """How many synthetic images each class gets: what it lacks to the largest class, and at least `ratio` times its
    own; times `ratio`."""
    counts = np.bincount(labels)
    largest = int(counts.max())
    return {label: round(ratio * max(largest - count, count)) for label, count in enumerate(counts.tolist()) if count}


def synthesise(train: Source, maker: Maker, ratio: float, seed: int = 0) -> Synthetic:
    """Makes more candidates than are wanted, and selects by features and classifiers that know the real images only."""
    assert train.labels is not None
    labels = np.asarray(train.labels, np.int64)
    wanted = wanted_of(labels, ratio)
    images = np.concatenate([maker.make(label, OVERSUPPLY * count, seed) for label, count in wanted.items()])
    asked = np.concatenate([np.full(OVERSUPPLY * count, label) for label, count in wanted.items()]).astype(np.int64)
    real, candidates = judged(train, images, asked, seed)
    return Synthetic(images=images, labels=asked, selection=select(real, candidates, wanted, seed), wanted=wanted)


def judged(train: Source, images: np.ndarray, asked: np.ndarray, seed: int) -> tuple[Side, Side]:
    """Real and synthetic images as two classifiers see them, each of which learnt from one half of the real ones.

    A real image is judged by the classifier that did not learn from it, a synthetic one by both. Features are those
    of the first one's network; the halves share every class.
    """
    labels = np.asarray(train.labels, np.int64)
    half = _halves(labels, seed)
    spaces = [train_extractor(subset(train, np.flatnonzero(half != part)), seed=seed) for part in range(CROSS_FOLDS)]
    real = train.items(np.arange(len(train)))
    features = [_features(space, real) for space in spaces]
    made = [_features(space, images) for space in spaces]
    own = np.where(half[:, None] == 0, spaces[0].probabilities(features[0]), spaces[1].probabilities(features[1]))
    theirs = (spaces[0].probabilities(made[0]) + spaces[1].probabilities(made[1])) / CROSS_FOLDS
    return (
        Side(features=np.concatenate(features, 1), labels=labels, probabilities=own),
        Side(features=np.concatenate(made, 1), labels=asked, probabilities=theirs),
    )


def _features(space: InDomainSpace, images: np.ndarray) -> Float[np.ndarray, "n d"]:
    return space.features(to_unit(images))


def _halves(labels: np.ndarray, seed: int) -> Int64[np.ndarray, " n"]:
    """0 or 1 for each item, evenly within each class."""
    half = np.zeros(len(labels), np.int64)
    for label in np.unique(labels):
        members = numpy_stream(seed, "halves", int(label)).permutation(np.flatnonzero(labels == label))
        half[members[::2]] = 1
    return half


def _inverse_frequencies(labels: np.ndarray, classes: int) -> Float[np.ndarray, " k"]:
    """n / (k n_class); 0 for a class that is not there."""
    counts = np.bincount(labels, minlength=classes)
    return np.where(counts > 0, len(labels) / (np.maximum(counts, 1) * (counts > 0).sum()), 0.0)


def _joined(lesson: Lesson, images: np.ndarray, labels: np.ndarray) -> Lesson:
    """A lesson with more images."""
    targets = np.eye(lesson.targets.shape[1])[labels]
    return replace(
        lesson,
        images=np.concatenate([lesson.images, images]),
        targets=np.concatenate([lesson.targets, targets]),
    )


def _between(images: np.ndarray, labels: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """SMOTE on pixels (Chawla et al. 2002): smaller classes are filled up with points between an image and one of its
    five nearest neighbours of the class."""
    counts = np.bincount(labels)
    made, marks = [images[:0]], [labels[:0]]
    flat = images.reshape(len(images), -1).astype(np.float32)
    for label in np.flatnonzero(counts):
        missing = int(counts.max() - counts[label])
        members = np.flatnonzero(labels == label)
        if not missing or len(members) < 2:
            continue
        random = numpy_stream(seed, "smote", int(label))
        values = flat[members]
        squared = (values**2).sum(1)[:, None] + (values**2).sum(1) - 2 * values @ values.T
        np.fill_diagonal(squared, np.inf)
        near = np.argsort(squared, axis=1)[:, : min(SMOTE_NEIGHBOURS, len(members) - 1)]
        start = random.integers(len(members), size=missing)
        other = near[start, random.integers(near.shape[1], size=missing)]
        share = random.random((missing, 1), dtype=np.float32)
        points = values[start] + share * (values[other] - values[start])
        made.append(points.round().astype(np.uint8).reshape(missing, *images.shape[1:]))
        marks.append(np.full(missing, label, labels.dtype))
    return np.concatenate(made), np.concatenate(marks)


class GANMaker:
    """Samples of a conditional model; classes are numbered as in its training part."""

    def __init__(self, model: Model) -> None:
        self.model = model

    def make(self, label: int, count: int, seed: int) -> UInt8[np.ndarray, "n h w c"]:
        """Samples of the class."""
        parts = [from_unit(images) for images, _ in self.model.stream(count, [label], seed, batch=256)]
        item = self.model.item
        return np.concatenate([np.empty((0, item.height, item.width, item.channels), np.uint8), *parts])


def train_on(
    source: Source,
    *,
    minutes: float | None = None,
    steps: int | None = None,
    seed: int = 0,
    settings: Sequence[str] = (),
    recipe: str = "auto",
) -> Model:
    """The model of a GAN that learnt from a source for `minutes`, or `steps` rounds, in a folder that is gone
    afterwards."""
    images = None if steps is None else steps * BATCH
    config = recipe_config(
        recipe, source.item, len(source), class_counts(source), Budget(minutes=minutes, images=images)
    )
    config = override(config, [f"seed={seed}", *settings])
    with tempfile.TemporaryDirectory() as name:
        return Trainer(source, config, Path(name) / "run").run().load()


def fit_gan(
    *, minutes: float | None = None, steps: int | None = None, settings: Sequence[str] = (), recipe: str = "auto"
) -> Callable[[Source, int], Maker]:
    """What `PictureTask` asks for: a GAN trained on each training part."""

    def fit(train: Source, seed: int) -> Maker:
        return GANMaker(train_on(train, minutes=minutes, steps=steps, seed=seed, settings=settings, recipe=recipe))

    return fit

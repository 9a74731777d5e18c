"""Arms for images, sounds and clips: what a small classifier learns from, with and without synthetic ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float

from augan.augment.films import clip_arms
from augan.augment.foreign import ABROAD, Foreign
from augan.augment.makers import Fit, Gallery, Images, Labels, Synthetic, synthesise, wanted_of
from augan.augment.sounds import CHANGES, require_no_flip, sound_arms
from augan.augment.statistics import balanced_accuracy, brier
from augan.augment.study import CONTROL, Arm, Indices
from augan.baselines import Change, Lesson, train_classifier
from augan.core.rng import derive, numpy_stream
from augan.data import Source, subset

MIXUP_ALPHA = 0.2
SMOTE_NEIGHBOURS = 5
STEPS = {"image": 1000, "video": 300}
"""Steps of the classifier by kind; of other kinds as of images."""
INNER = 4
"""One part in so many of the training items judges the ways of use among which 'gan-swept' chooses."""

ARMS: dict[str, Arm] = {
    "real": Arm(meaning="the real images as they are"),
    "classical": Arm(meaning="cropped, moved and changed in contrast at random"),
    CONTROL: Arm(meaning="'classical' once more with other seeds: what chance gives", base="classical"),
    "weights": Arm(meaning="classical, losses weighted by the inverse of class sizes"),
    "deferred": Arm(meaning="classical, such weights in the last fifth of the steps (DRW)"),
    "oversampling": Arm(meaning="classical, classes drawn equally often"),
    "smote": Arm(meaning="classical, classes filled up with images between neighbours"),
    "mixup": Arm(meaning="classical, pairs mixed, and deferred weights (mixup-DRW)"),
    "vae": Arm(
        meaning="classical, samples of an autoencoder beside", generative=True, base="classical", reference=True
    ),
    "gan-raw": Arm(meaning="real images and samples as they come", generative=True, base="real"),
    "gan-selected": Arm(meaning="real images and selected samples", generative=True, base="real"),
    "gan-classical": Arm(meaning="classical, selected samples beside", generative=True, base="classical"),
    "gan-soft": Arm(meaning="the same, labelled by what classifiers believe", generative=True, base="classical"),
    "gan-first": Arm(meaning="classical, selected samples in the first half", generative=True, base="classical"),
    "gan-mixup": Arm(meaning="mixup-DRW, selected samples beside", generative=True, base="mixup"),
    "gan-smote": Arm(meaning="classical, filled up by SMOTE, selected samples beside", generative=True, base="smote"),
    "gan-then-smote": Arm(meaning="selected samples in the first half, SMOTE in all", generative=True, base="smote"),
    "gan-swept": Arm(meaning="the use that an inner split likes best", generative=True, base="classical"),
}
CHEAP = tuple(name for name, arm in ARMS.items() if not arm.generative)
GENERATIVE = tuple(name for name, arm in ARMS.items() if arm.generative)


@dataclass(frozen=True, kw_only=True)
class Use:
    """A way to learn from selected samples beside real images.

    Attributes:
        base: the arm without them.
        share: of the selected samples; weight: of each one's loss.
        soft: whether they are labelled by what classifiers of real images believe.
        first: whether they are there in the first half of the steps only.
    """

    base: str = "classical"
    share: float = 1.0
    weight: float = 1.0
    soft: bool = False
    first: bool = False


USES: dict[str, Use] = {
    "gan-selected": Use(base="real"),
    "gan-classical": Use(),
    "gan-soft": Use(soft=True),
    "gan-first": Use(base="deferred", first=True),
    "gan-mixup": Use(base="mixup"),
    "gan-smote": Use(base="smote"),
    "gan-then-smote": Use(base="smote", first=True),
}
SWEPT = (
    Use(),
    Use(weight=0.3),
    Use(share=0.3),
    Use(soft=True, weight=0.5),
    Use(base="deferred", first=True),
    Use(base="mixup", weight=0.3),
)
"""Among these 'gan-swept' chooses."""


class PictureTask:
    """A source of images, sounds or clips with labels, and a way to fit a maker to a part of it.

    Args:
        steps: of the classifier; None for 1,000, of clips 300.
        fit: (training part, seed) -> Maker of the arms with a GAN.
        autoencoder: the same for the arm 'vae'; None leaves it out.
        wanted: how many synthetic images each class of a training part gets, by its labels; None: at `ratio` 1, each
            class is raised to the size of the largest class and, where it is as large already, gets as many as it has.
        flip: whether mirrored images keep their label.
        foreign: labelled images of another domain, for the arms 'foreign' and 'translated'.
    """

    def __init__(
        self,
        source: Source,
        fit: Fit | None,
        *,
        autoencoder: Fit | None = None,
        steps: int | None = None,
        ratio: float = 1.0,
        wanted: Callable[[Labels], Mapping[int, int]] | None = None,
        flip: bool = False,
        groups: np.ndarray | None = None,
        foreign: Foreign | None = None,
    ) -> None:
        assert source.labels is not None
        self.source, self.fit, self.autoencoder = source, fit, autoencoder
        self.steps, self.flip = steps or STEPS.get(source.item.kind, STEPS["image"]), flip
        self.changes: Mapping[str, Change] = {}
        arms = ARMS
        if source.item.sound is not None:
            require_no_flip(flip)
            self.changes, arms = CHANGES, sound_arms(ARMS)
        if source.item.kind == "video":
            arms = clip_arms(ARMS)
        self.wanted = wanted or (lambda labels: wanted_of(labels, ratio))
        self.labels = source.labels.astype(np.int64)
        self.class_names = source.item.class_names or ()
        self.groups, self.key = groups, source.key
        added = {self.class_names[label]: count for label, count in self.wanted(self.labels).items()}
        self.described: Mapping[str, Any] = {"steps": self.steps, "flip": flip, "added": added}
        names = [name for name in arms if fit is not None or not arms[name].generative]
        self.arms: Mapping[str, Arm] = {name: arms[name] for name in names if name != "vae" or autoencoder is not None}
        self.gallery: Gallery | None = None
        self.foreign, self._translated = foreign, (-1, np.empty(0, np.uint8))
        if foreign is not None:
            self.arms, self.described = {**self.arms, **ABROAD}, {**self.described, **foreign.described}
        self._made: dict[str, tuple[int, Synthetic]] = {}
        self._about: dict[int, dict[str, Any]] = {}

    def items(self, indices: Indices) -> Images:
        """The images with these numbers."""
        return self.source.items(indices)

    def learn(self, arm: str, train: Indices, seed: int, split: int) -> Callable[[Images], np.ndarray]:
        """Trains the small classifier on the arm's lesson."""
        images, labels = self.source.items(train), self.labels[train]
        if arm == CONTROL:
            seed = derive(seed, "control") % 2**32
        if arm == "gan-swept":
            lesson = self._swept(images, labels, train, seed, split)
        else:
            lesson = self._lesson(arm, images, labels, train, seed, split)
        return train_classifier(lesson, self.steps, seed).predict_proba

    def about(self, split: int) -> dict[str, Any]:
        """Rejections of the split's generator, and what speaks for copies."""
        return self._about.get(split, {})

    # ------------------------------------------------------------------ lessons

    def _lesson(self, arm: str, images: Images, labels: Labels, train: Indices, seed: int, split: int) -> Lesson:
        if arm == "gan-raw":
            return self._joined(self._plain("real", images, labels, seed), *self._synthetic("gan", train, split).raw())
        if arm == "vae":
            return self._joined(
                self._plain("classical", images, labels, seed), *self._synthetic(arm, train, split).raw()
            )
        if arm in ABROAD:
            return self._joined(self._plain("classical", images, labels, seed), *self._abroad(arm, train, split))
        if arm in USES:
            return self._used(USES[arm], images, labels, self._synthetic("gan", train, split), seed)
        return self._plain(arm, images, labels, seed)

    def _plain(self, arm: str, images: Images, labels: Labels, seed: int) -> Lesson:
        """The lesson of an arm without a generator."""
        plain = Lesson(images=images, targets=np.eye(len(self.class_names))[labels])
        classical = replace(plain, views=True, flip=self.flip, change=self.changes.get("classical"))
        if arm in self.changes:
            return replace(classical, change=self.changes[arm])
        inverse = _inverse_frequencies(labels, len(self.class_names))
        lessons: dict[str, Callable[[], Lesson]] = {
            "real": lambda: plain,
            "classical": lambda: classical,
            CONTROL: lambda: classical,
            "weights": lambda: replace(classical, weights=inverse[labels]),
            "deferred": lambda: replace(classical, deferred=inverse),
            "oversampling": lambda: replace(classical, chances=inverse[labels]),
            "smote": lambda: self._joined(classical, *_between(images, labels, seed)),
            "mixup": lambda: replace(classical, mixup=MIXUP_ALPHA, deferred=inverse),
        }
        return lessons[arm]()

    def _used(self, use: Use, images: Images, labels: Labels, made: Synthetic, seed: int) -> Lesson:
        """Real images, and selected samples in this way."""
        kept = made.selection.kept
        if use.share < 1:
            random = numpy_stream(seed, "share")
            kept = np.sort(random.permutation(kept)[: round(use.share * len(kept))])
        beliefs = made.beliefs[kept] if use.soft else None
        base = self._plain(use.base, images, labels, seed)
        given = (made.images[kept], made.labels[kept])
        if use.first:
            return replace(base, before=self._joined(replace(base, deferred=None), *given, use.weight, beliefs))
        return self._joined(base, *given, use.weight, beliefs)

    def _swept(self, images: Images, labels: Labels, train: Indices, seed: int, split: int) -> Lesson:
        """The lesson of the use that does best on a quarter of the training items, at half the steps.

        The uses are judged with samples of a generator that has not seen that quarter.
        """
        inner = _inner_part(labels, seed)
        made = self._made_from("gan", train[~inner], derive(seed, "inner") % 2**31, train[inner])
        scores = []
        for use in SWEPT:
            lesson = self._used(use, images[~inner], labels[~inner], made, seed)
            found = train_classifier(lesson, max(1, self.steps // 2), seed).predict_proba(images[inner])
            truth, classes = labels[inner], len(self.class_names)
            scores.append((balanced_accuracy(truth, found.argmax(1), classes), -brier(truth, found)))
        best = SWEPT[max(range(len(SWEPT)), key=lambda row: scores[row])]
        lesson = self._used(best, images, labels, self._synthetic("gan", train, split), seed)
        self._about.setdefault(split, {})["use"] = {**vars(best)}
        return lesson

    def _joined(
        self,
        lesson: Lesson,
        images: Images,
        labels: Labels,
        weight: float = 1.0,
        beliefs: Float[np.ndarray, "n k"] | None = None,
    ) -> Lesson:
        """A lesson with more images, whose losses count `weight`."""
        targets = np.eye(lesson.targets.shape[1])[labels] if beliefs is None else beliefs
        weights = lesson.weights
        if weights is None and weight != 1:
            weights = np.ones(len(lesson.images))
        if weights is not None:
            weights = np.concatenate([weights, np.full(len(images), weight)])
        return replace(
            lesson,
            images=np.concatenate([lesson.images, images]),
            targets=np.concatenate([lesson.targets, targets]),
            weights=weights,
        )

    # ------------------------------------------------------------------ synthetic images

    def _abroad(self, arm: str, train: Indices, split: int) -> tuple[Images, Labels]:
        """Images of the other domain, as they are or translated."""
        assert self.foreign is not None
        if arm == "foreign":
            return self.foreign.images, self.foreign.labels
        if self._translated[0] != split:
            self._translated = (split, self.foreign.translated(subset(self.source, train), split))
        return self._translated[1], self.foreign.labels

    def _synthetic(self, kind: str, train: Indices, split: int) -> Synthetic:
        """What the split's maker makes; kept until another split asks."""
        if kind not in self._made or self._made[kind][0] != split:
            self._made.pop(kind, None)  # the one before need not stay in memory meanwhile
            made = self._made_from(kind, train, split, np.setdiff1d(np.arange(len(self.labels)), train))
            self._made[kind] = (split, made)
            if kind == "gan":
                self._about.setdefault(split, {}).update(made.about(self.class_names))
                self.gallery = self.gallery or made.gallery
        return self._made[kind][1]

    def _made_from(self, kind: str, train: Indices, seed: int, held: Indices) -> Synthetic:
        """What a new maker makes that learnt from the items `train`; those of `held` tell copies from likeness."""
        fit = self.autoencoder if kind == "vae" else self.fit
        assert fit is not None
        part, new = subset(self.source, train), (self.source.items(held), self.labels[held])
        return synthesise(part, fit(part, seed), self.wanted(self.labels[train]), seed, new)


def _inner_part(labels: Labels, seed: int) -> np.ndarray:
    """Whether each item judges: a quarter of each class, and at least one of two."""
    chosen = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        members = numpy_stream(seed, "inner", int(label)).permutation(np.flatnonzero(labels == label))
        chosen[members[: max(1, len(members) // INNER) if len(members) > 1 else 0]] = True
    return chosen


def _inverse_frequencies(labels: Labels, classes: int) -> Float[np.ndarray, " k"]:
    """n / (k n_class); 0 for a class that is not there."""
    counts = np.bincount(labels, minlength=classes)
    return np.where(counts > 0, len(labels) / (np.maximum(counts, 1) * (counts > 0).sum()), 0.0)


def _between(images: Images, labels: Labels, seed: int) -> tuple[Images, Labels]:
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

"""What makes items of a class, and what is made of them for one training set: candidates, selection, copies."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int64, UInt8

from augan.augment.selection import Selection, Side, copy_limits, select
from augan.baselines import fit_vae
from augan.checkpoint import Model
from augan.core.config import override
from augan.core.errors import UserError
from augan.core.item import from_unit, stills, to_unit
from augan.core.rng import derive, numpy_stream
from augan.data import Source, class_counts, subset
from augan.metrics import (
    InDomainSpace,
    authenticity,
    copying_statistic,
    nearest_distances,
    nearest_neighbours,
    train_space,
)
from augan.recipes import Budget, recipe_config
from augan.training import Trainer

OVERSUPPLY = 3
"""Candidates made for each synthetic image that is wanted."""
COPIES = 0.1
"""From this share of copies among candidates on, beyond what new real images have, a generator is said to know its
images by heart."""
COPYING = -3.0
"""Values of C_T below are copying (arXiv:2004.05675)."""
HALF = 0.5
CROSS_FOLDS = 2
BATCH = 64
ROUNDS = 4
"""Times that candidates are made where too few pass."""
SHOWN = 8
"""Images of a kind and class in a gallery."""

Images = UInt8[np.ndarray, "_ ... _ _ _"]
"""Images (n, h, w, c), or clips (n, t, h, w, c)."""
Labels = Int64[np.ndarray, " _"]


@runtime_checkable
class Maker(Protocol):
    """Makes items of a class, once it has learnt from a training set."""

    def make(self, label: int, count: int, seed: int) -> Images:
        """`count` images of the class."""
        ...


class GANMaker:
    """Samples of a conditional model; classes are numbered as in its training part."""

    def __init__(self, model: Model) -> None:
        self.model = model

    def make(self, label: int, count: int, seed: int) -> Images:
        """Samples of the class."""
        parts = [from_unit(images) for images, _ in self.model.stream(count, [label], seed, batch=256)]
        return np.concatenate([np.empty((0, *self.model.item.stored_shape), np.uint8), *parts])


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


Fit = Callable[[Source, int], Maker]
"""(training part, seed) -> what has learnt from it."""


def fit_gan(
    *, minutes: float | None = None, steps: int | None = None, settings: Sequence[str] = (), recipe: str = "auto"
) -> Fit:
    """What `PictureTask` asks for: a GAN trained on each training part."""

    def fit(train: Source, seed: int) -> Maker:
        return GANMaker(train_on(train, minutes=minutes, steps=steps, seed=seed, settings=settings, recipe=recipe))

    return fit


def fit_autoencoder(*, minutes: float | None = None, steps: int | None = None) -> Fit:
    """The same with a variational autoencoder."""
    return lambda train, seed: fit_vae(train, minutes=minutes, steps=steps, seed=seed)


# ---------------------------------------------------------------------- judging


class Judges:
    """Real and synthetic images as two classifiers see them, each of which learnt from one half of the real ones.

    A real image is judged by the classifier that did not learn from it, any other one by both. Features are those of
    both networks; the halves share every class.

    Attributes:
        real: the training images.
    """

    def __init__(self, train: Source, seed: int) -> None:
        if train.labels is None:
            raise UserError(f"{train.name} has no labels: there are no classes to judge.")
        labels = np.asarray(train.labels, np.int64)
        half = _halves(labels, seed)
        parts = [subset(train, np.flatnonzero(half != part)) for part in range(CROSS_FOLDS)]
        self.spaces: list[InDomainSpace] = [train_space(part, seed) for part in parts]
        features, theirs = self._seen(train.items(np.arange(len(train))))
        own = np.where(half[:, None] == 0, theirs[0], theirs[1])
        self.real = Side(features=features, labels=labels, probabilities=own)

    def side(self, images: Images, labels: Labels) -> Side:
        """Images that neither classifier learnt from, with the classes they are meant to have."""
        features, theirs = self._seen(images)
        return Side(features=features, labels=labels, probabilities=(theirs[0] + theirs[1]) / CROSS_FOLDS)

    def _seen(self, images: Images) -> tuple[Float[np.ndarray, "n d"], list[Float[np.ndarray, "_ k"]]]:
        features = [space.features(to_unit(images)) for space in self.spaces]
        theirs = [space.probabilities(mine) for space, mine in zip(self.spaces, features, strict=True)]
        return np.concatenate(features, 1), theirs


def _halves(labels: Labels, seed: int) -> Labels:
    """0 or 1 for each item, evenly within each class."""
    half = np.zeros(len(labels), np.int64)
    for label in np.unique(labels):
        members = numpy_stream(seed, "halves", int(label)).permutation(np.flatnonzero(labels == label))
        half[members[::2]] = 1
    return half


@dataclass(frozen=True, kw_only=True)
class Copying:
    """Training, held-out and synthetic images, three ways.

    Attributes:
        copies: share of candidates as near to a training image of their class as 1 % of training images are to another.
        copies_held_out: the same share of held-out images; None without any.
        authentic, authentic_held_out: shares farther from their nearest training image than that is from its own
            nearest one (arXiv:2102.08921).
        statistic: C_T (arXiv:2004.05675); below -3 is copying; None where there is too little to say.
    """

    copies: float
    copies_held_out: float | None
    authentic: float
    authentic_held_out: float | None
    statistic: float | None

    def findings(self) -> list[str]:
        """What speaks for learning by heart, in sentences."""
        found = []
        if self.copies > COPIES + (self.copies_held_out or 0.0):
            found.append(
                f"The generator copies: {self.copies:.0%} of its images are as near to a training image as 1 % of "
                "real images are to another."
            )
        if (
            self.statistic is not None
            and self.authentic_held_out is not None
            and self.statistic < COPYING
            and self.authentic < HALF * self.authentic_held_out
        ):
            found.append(
                f"Samples lie nearer to training images than new real images do: C_T is {self.statistic:.1f}, below "
                f"{COPYING:g}, and {self.authentic:.0%} of them are authentic ({self.authentic_held_out:.0%} of new "
                "images)."
            )
        return found

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def copying_of(real: Side, made: Side, held: Side | None, fates: np.ndarray, seed: int) -> Copying:
    """How near candidates and held-out images lie to the training images."""
    statistic = None
    if held is not None and len(held.labels):
        try:
            statistic = copying_statistic(real.features, made.features, held.features, seed)
        except UserError:  # no part of the data has enough of both
            statistic = None
    return Copying(
        copies=float((fates == "copy").mean()) if len(fates) else 0.0,
        copies_held_out=None if held is None or not len(held.labels) else _copies(real, held),
        authentic=float(authenticity(real.features, made.features).mean()) if len(made.labels) else 1.0,
        authentic_held_out=(
            None if held is None or not len(held.labels) else float(authenticity(real.features, held.features).mean())
        ),
        statistic=statistic,
    )


def _copies(real: Side, others: Side) -> float:
    """The share of items that `select` would call copies."""
    near = [
        nearest_distances(others.of(label).features, real.of(label).features) < limit
        for label, limit in copy_limits(real).items()
    ]
    return float(np.concatenate(near).mean()) if near else 0.0


# ---------------------------------------------------------------------- making


@dataclass(frozen=True, kw_only=True, eq=False)
class Gallery:
    """Pictures of one training set's synthetic images, class by class, for people to look at.

    Attributes:
        class_names: of the rows.
        kept, real: for each class up to 8 selected images, and the training image nearest to each; of clips, the
            middle frames.
        rejected: for each class pairs of (reason, up to 8 images).
    """

    class_names: tuple[str, ...]
    kept: tuple[Images, ...]
    real: tuple[Images, ...]
    rejected: tuple[tuple[tuple[str, Images], ...], ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Synthetic:
    """What a maker gave for one training set.

    Attributes:
        images, labels: all candidates; selection: which of them are used.
        beliefs: (n, k) class probabilities of the candidates, by classifiers of real images.
        wanted: how many of each class.
        copying: how near they lie to the training images.
        gallery: some of them.
    """

    images: Images
    labels: Labels
    beliefs: Float[np.ndarray, "n k"]
    selection: Selection
    wanted: Mapping[int, int]
    copying: Copying
    gallery: Gallery

    def raw(self) -> tuple[Images, Labels]:
        """As many of each class as are wanted, unselected."""
        rows = np.concatenate([np.flatnonzero(self.labels == label)[:n] for label, n in self.wanted.items()])
        return self.images[rows], self.labels[rows]

    def selected(self) -> tuple[Images, Labels]:
        """The selected ones."""
        return self.images[self.selection.kept], self.labels[self.selection.kept]

    def about(self, class_names: Sequence[str]) -> dict[str, Any]:
        """Counts and copies, for JSON."""
        kept = self.labels[self.selection.kept]
        return {
            "memorised": self.copying.findings(),
            "copying": self.copying.to_json(),
            "rejected": {class_names[label]: found for label, found in self.selection.rejected.items()},
            "kept": {class_names[label]: int((kept == label).sum()) for label in self.wanted},
        }


def wanted_of(labels: Labels, ratio: float) -> dict[int, int]:
    """How many synthetic images each class gets: what it lacks to the largest class, and at least `ratio` times its
    own; times `ratio`."""
    counts = np.bincount(labels)
    largest = int(counts.max())
    return {label: round(ratio * max(largest - count, count)) for label, count in enumerate(counts.tolist()) if count}


def synthesise(
    train: Source, maker: Maker, wanted: Mapping[int, int], seed: int = 0, held: tuple[Images, Labels] | None = None
) -> Synthetic:
    """Makes more candidates than are wanted, and selects by features and classifiers that know the real images only.

    `held`: new real images with their classes, for the three-way comparison of copying.
    """
    judges = Judges(train, seed)
    images = np.concatenate([maker.make(label, OVERSUPPLY * count, seed) for label, count in wanted.items()])
    asked = np.concatenate([np.full(OVERSUPPLY * count, label) for label, count in wanted.items()]).astype(np.int64)
    candidates = judges.side(images, asked)
    selection = select(judges.real, candidates, wanted, seed)
    others = None if held is None or not len(held[0]) else judges.side(*held)
    return Synthetic(
        images=images,
        labels=asked,
        beliefs=candidates.probabilities,
        selection=selection,
        wanted=wanted,
        copying=copying_of(judges.real, candidates, others, selection.fates, seed),
        gallery=_gallery(train, images, judges.real, candidates, selection),
    )


def _gallery(train: Source, images: Images, real: Side, made: Side, selection: Selection) -> Gallery:
    names, kept, nearest, rejected = train.item.class_names or (), [], [], []
    labels = sorted(selection.rejected)
    for label in labels:
        rows = np.flatnonzero(made.labels == label)
        chosen = rows[selection.fates[rows] == "kept"][:SHOWN]
        kept.append(stills(images[chosen]))
        members = np.flatnonzero(real.labels == label)
        found = nearest_neighbours(made.features[chosen], real.features[members], 1).indices[:, 0]
        nearest.append(stills(train.items(members[found])))
        reasons = [reason for reason in selection.rejected[label] if reason != "spare"]
        pairs = [(reason, stills(images[rows[selection.fates[rows] == reason][:SHOWN]])) for reason in reasons]
        rejected.append(tuple(pair for pair in pairs if len(pair[1])))
    return Gallery(
        class_names=tuple(names[label] for label in labels),
        kept=tuple(kept),
        real=tuple(nearest),
        rejected=tuple(rejected),
    )


def save_gallery(gallery: Gallery, path: Path) -> None:
    """Writes a gallery as .npz."""
    arrays: dict[str, np.ndarray] = {"class_names": np.array(gallery.class_names)}
    for row, (kept, real, rejected) in enumerate(zip(gallery.kept, gallery.real, gallery.rejected, strict=True)):
        arrays |= {f"kept {row}": kept, f"real {row}": real}
        arrays |= {f"rejected {row} {reason}": images for reason, images in rejected}
    np.savez_compressed(path, **arrays)  # type: ignore[arg-type]


def load_gallery(path: Path) -> Gallery:
    """Reads it again."""
    with np.load(path, allow_pickle=False) as archive:
        names = tuple(str(name) for name in archive["class_names"])
        rows = range(len(names))
        rejected = []
        for row in rows:
            start = f"rejected {row} "
            found = [key for key in archive.files if key.startswith(start)]
            rejected.append(tuple((key.removeprefix(start), archive[key]) for key in found))
        return Gallery(
            class_names=names,
            kept=tuple(archive[f"kept {row}"] for row in rows),
            real=tuple(archive[f"real {row}"] for row in rows),
            rejected=tuple(rejected),
        )


# ---------------------------------------------------------------------- choosing samples of one model


def choose_samples(
    source: Source, model: Model, added: Mapping[str, int], seed: int, truncation: float = 1.0
) -> tuple[dict[str, Int64[np.ndarray, " _"]], dict[str, dict[str, int]]]:
    """Numbers of the model's samples that pass the selection, class by class: (numbers, why others did not).

    Up to four rounds of candidates are made where too few pass; fewer than are wanted may be left.
    """
    names = source.item.class_names or ()
    judges = Judges(source, seed)
    numbers: dict[str, Any] = {}
    rejected: dict[str, dict[str, int]] = {}
    first = 0
    for name, count in added.items():
        label = names.index(name)
        sides: list[Side] = []
        kept = np.empty(0, np.int64)
        for _ in range(ROUNDS if count else 0):
            drawn = OVERSUPPLY * count
            for images, _ in model.stream(
                drawn, [name], seed, truncation, first + sum(len(side.labels) for side in sides), 256
            ):
                sides.append(judges.side(from_unit(images), np.full(len(images), label, np.int64)))
            candidates = Side(
                features=np.concatenate([side.features for side in sides]),
                labels=np.concatenate([side.labels for side in sides]),
                probabilities=np.concatenate([side.probabilities for side in sides]),
            )
            selection = select(judges.real, candidates, {label: count}, derive(seed, name) % 2**32)
            kept, rejected[name] = selection.kept, selection.rejected[label]
            if len(kept) == count:
                break
        numbers[name] = first + np.sort(kept)
        first += sum(len(side.labels) for side in sides)
    return numbers, rejected

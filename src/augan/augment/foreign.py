"""Labelled images of another domain beside the training items, as they are and translated: two more arms of a study.

More images alone may help, so that the arm with translations has to beat that with the same images untranslated.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from augan.augment.makers import Images, Labels
from augan.augment.study import Arm
from augan.augment.twins import twins_between
from augan.checkpoint import Run
from augan.core.config import override
from augan.core.errors import UserError
from augan.core.rng import derive
from augan.data import Source, class_counts
from augan.data import open as open_source
from augan.translate import Sides, TranslationModel, TranslationTrainer, channels_like, load, translation_config

ABROAD: dict[str, Arm] = {
    "foreign": Arm(meaning="classical, images of another domain beside, as they are"),
    "translated": Arm(
        meaning="classical, the same images beside, translated", generative=True, base="classical", beside=("foreign",)
    ),
}
"""The arms that a study has where it is given images of another domain."""


@runtime_checkable
class Translates(Protocol):
    """Brings images of another domain into this one."""

    def translate(self, images: Images) -> Images:
        """(n, h, w, c) uint8 to (n, h, w, d) uint8."""
        ...


TranslationFit = Callable[[Source, Source, int], Translates]
"""(images of the other domain, training part, seed) -> what has learnt from both, and from nothing else."""


@dataclass(frozen=True, kw_only=True)
class OneWay:
    """A model that is only asked for one direction."""

    model: TranslationModel

    def translate(self, images: Images) -> Images:
        """From a to b, or the only way there is."""
        return self.model.translate(images, "a2b" if "a2b" in self.model.directions else None)


@dataclass(frozen=True, kw_only=True)
class UnpairedFit:
    """Trains a translation on each training part; see `fit_translation`."""

    minutes: float | None
    steps: int | None
    recipe: str
    settings: tuple[str, ...]

    def __call__(self, foreign: Source, train: Source, seed: int) -> Translates:
        """The translation from `foreign` to `train`."""
        config = override(translation_config(self.recipe, images=1, seed=seed), [*self.settings, "snapshots=1"])
        if config.paired or config.crop:
            raise UserError(f"{self.recipe} is for pairs or for single images: choose cut, fastcut or cyclegan.")
        images = None if self.steps is None else self.steps * config.batch
        config = replace(config, images=images, minutes=self.minutes if images is None else None)
        sides = Sides(a=foreign, b=train, paired=False)
        with tempfile.TemporaryDirectory() as name:
            run = TranslationTrainer(sides, config, Path(name) / "run").run()
            return OneWay(model=load(run.path))


def fit_translation(
    *, minutes: float | None = None, steps: int | None = None, recipe: str = "cut", settings: tuple[str, ...] = ()
) -> UnpairedFit:
    """A translation for `lift`, trained for `minutes`, or `steps` rounds, on all images of the other domain and on the
    training part alone: it sees no item that tests it.

    Raises:
        UserError: neither minutes nor steps, or both.
    """
    if (minutes is None) == (steps is None):
        raise UserError("Give a budget for the translation: either minutes or steps, and not both.")
    return UnpairedFit(minutes=minutes, steps=steps, recipe=recipe, settings=tuple(settings))


@dataclass(frozen=True, kw_only=True, eq=False)
class Foreign:
    """Labelled images of another domain, and how they are translated.

    Attributes:
        source: as they are, at the size of the data.
        images: the same with as many channels as the data; labels: in the data's class numbers.
        translate: a translation that was trained elsewhere, or what trains one on each training part.
        described: what decides outcomes; notes: what the reader should know.
    """

    source: Source
    images: Images
    labels: Labels
    translate: Translates | TranslationFit
    described: Mapping[str, Any]
    notes: tuple[str, ...]

    def translated(self, train: Source, seed: int) -> Images:
        """The images in the domain of a training part.

        Raises:
            UserError: they come out in another number, size or with other channels.
        """
        translate = (
            self.translate if isinstance(self.translate, Translates) else self.translate(self.source, train, seed)
        )
        made = translate.translate(self.source.items(np.arange(len(self.source))))
        if made.shape != self.images.shape or made.dtype != np.uint8:
            raise UserError(
                f"The translation gave {made.dtype} of shape {made.shape}; uint8 of {self.images.shape} is expected."
            )
        return made


def open_foreign(data: Source, foreign: Any, translate: Any) -> Foreign:
    """Images of another domain at the size of the data; `translate` as in `lift`.

    Raises:
        UserError: no labels, classes that the data has not, a translation that is none or has learnt from the data.
    """
    labels = None
    if isinstance(foreign, tuple):
        foreign, labels = foreign
    size = f"{data.item.height}x{data.item.width}"
    source = open_source(foreign if labels is None else (foreign, labels), size=size)
    if source.labels is None:
        raise UserError(f"The images of another domain, {source.name}, have no labels: an arm of a study needs them.")
    names, theirs = data.item.class_names or (), source.item.class_names or ()
    marks = np.asarray(source.labels, np.int64)
    unknown = [theirs[label] for label in np.unique(marks) if theirs[label] not in names]
    if unknown:
        raise UserError(
            f"The images of another domain have a class '{unknown[0]}' that the data has not. The data has: "
            f"{', '.join(names[:20])}."
        )
    translate, mark, note = _translation(data, source, translate)
    codes = np.array([names.index(name) if name in names else -1 for name in theirs], np.int64)
    return Foreign(
        source=source,
        images=channels_like(source.items(np.arange(len(source))), data.item.channels),
        labels=codes[marks],
        translate=translate,
        described={"foreign": {"data": source.key, "translation": mark, "added": class_counts(source)}},
        notes=(note,),
    )


def _translation(data: Source, source: Source, given: Any) -> tuple[Translates | TranslationFit, str, str]:
    """What translates, a mark of it for the settings, and a note of what it may have seen."""
    if isinstance(given, str | Path | Run):
        path = given.path if isinstance(given, Run) else Path(given)
        if (path / "data.json").exists() and Run(path).data.get("key") == str(derive(0, source.key, data.key)):
            raise UserError(
                f"{path} was trained on this very data, items that test it included. Leave the translation out, so "
                "that one is trained on each training part, or give one of other images."
            )
        given = load(path)
    if isinstance(given, TranslationModel):
        given, mark = OneWay(model=given), f"model {given.hash}"
    elif isinstance(given, Translates):
        mark = f"translate of {type(given).__name__}"
    elif callable(given):
        note = f"The translation is trained on each training part and all {len(source):,} images of {source.name}."
        if isinstance(given, UnpairedFit):
            return given, repr(given), note
        return given, f"fit {getattr(given, '__name__', type(given).__name__)}", note
    else:
        raise UserError("A translation is a run, a model, something with `translate`, or a function that fits one.")
    note = "The translation was not trained in this study. That it has seen none of the data is taken on trust."
    return given, mark, note


def require_apart(foreign: Foreign, items: Images, what: str, force: bool) -> tuple[str, ...]:
    """A note on images of the other domain that are among `items` (what they are), too.

    Raises:
        UserError: there are any, and `force` is not set.
    """
    if items.shape[1:] != foreign.images.shape[1:]:
        return ()
    found = twins_between(items, foreign.images)
    if not len(found):
        return ()
    text = f"{len(found):,} images of the other domain are in {what}, too, exactly or nearly."
    if not force:
        raise UserError(f"{text} They would teach what is tested: take them out, or --force.")
    return (text,)

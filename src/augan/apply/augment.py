"""A bigger, balanced copy of a data set: real items untouched, synthetic ones beside them, each one listed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int64

from augan.apply.layouts import check_out, write_layout
from augan.apply.strategy import images_to_add
from augan.checkpoint import Model
from augan.core.errors import UserError
from augan.core.item import from_unit, to_unit
from augan.data import Source, cache_folder, class_counts
from augan.data.kinds import NOUNS
from augan.metrics import InDomainSpace, in_domain_space, nearest_distances

BATCH = 64


@dataclass(frozen=True, kw_only=True)
class Augmented:
    """What was written.

    Attributes:
        out: the copy; manifest: the list of its synthetic items (inside a folder or zip, beside an array). Both are
            None where nothing was written, as a study did not show that it helps.
        real: real items of each class; added: synthetic ones.
        study: what a study showed, as plain values; None where there was none.
    """

    out: Path | None
    manifest: Path | None
    real: dict[str, int]
    added: dict[str, int]
    study: Mapping[str, Any] | None = None

    @property
    def verdict(self) -> str | None:
        """HELPS, NO EVIDENCE or HURTS; None without a study."""
        return None if self.study is None else str(self.study["verdict"]["word"])

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        paths = {name: None if path is None else str(path) for name, path in vars(self).items() if name in PATHS}
        return {**asdict(self), **paths, "verdict": self.verdict}


PATHS = ("out", "manifest")


def plan_additions(source: Source, strategy: str) -> dict[str, int]:
    """Synthetic items to add for each class; without labels, all items are one class, and a number is needed.

    Raises:
        UserError: see `images_to_add`; no labels and no number; nothing to add.
    """
    counts, noun = class_counts(source) or {"": len(source)}, NOUNS[source.item.kind]
    if not class_counts(source) and not (strategy.isascii() and strategy.isdigit()):
        raise UserError(
            f"{source.name} has no labels, so there are no classes to balance. Give --strategy N, the number of {noun} "
            f"that the copy is to have (more than {len(source)})."
        )
    added = images_to_add(counts, strategy, noun)
    if not any(added.values()):
        raise UserError(f"Nothing to add: {source.name} has what --strategy {strategy} asks for. Try --strategy all.")
    return added


def check_model(source: Source, model: Model) -> None:
    """Raises UserError if the model does not make items of this data."""
    ours, theirs = source.item, model.item
    if ours.kind != theirs.kind:
        raise UserError(
            f"The run makes {NOUNS[theirs.kind]}, and {source.name} was opened as {NOUNS[ours.kind]}. Give a run "
            "of the same kind."
        )
    if ours.frames != theirs.frames:
        made, had = ("images" if n is None else f"clips of {n} frames" for n in (theirs.frames, ours.frames))
        raise UserError(f"The run makes {made}, and {source.name} was opened as {had}.")
    if ours.channels != theirs.channels:
        raise UserError(f"The run makes images with {theirs.channels} channels, and {source.name} has {ours.channels}.")
    if (ours.height, ours.width) != (theirs.height, theirs.width):
        raise UserError(
            f"The run makes images of {theirs.height}x{theirs.width}, and {source.name} is opened at "
            f"{ours.height}x{ours.width}. Open it with size='{theirs.height}x{theirs.width}'."
        )
    if source.labels is not None and not model.conditional:
        raise UserError("The run was trained without classes, and cannot fill single classes. Train a conditional one.")
    missing = set(ours.class_names or ()) - set(theirs.class_names or ())
    if missing:
        raise UserError(f"The run does not know these classes of {source.name}: {', '.join(sorted(missing))}.")


def augment(
    source: Source,
    model: Model,
    out: Path | str,
    *,
    strategy: str = "auto",
    seed: int = 0,
    truncation: float = 1.0,
    numbers: Mapping[str, Int64[np.ndarray, " _"]] | None = None,
    rejected: Mapping[str, Mapping[str, int]] | None = None,
    tick: Callable[[int], None] = lambda done: None,
) -> Augmented:
    """Writes a copy of `source` with synthetic items of `model` added to its classes.

    Every synthetic item is in the manifest with its class, seed and index (`model.sample(1, classes=[class],
    seed=seed, first=index)` makes it again), the generator's hash, and scores: the probability that a classifier of
    the real data gives its class, and its distance to the nearest real item in that classifier's features.

    Args:
        numbers: for each class, which samples to take, ascending; None takes as many as `strategy` asks for as they
            come.
        rejected: for each class how many others were left out, and why; goes into the manifest.

    Raises:
        UserError: nothing to add, `out` exists, or model and data do not fit.
    """
    path = Path(out)
    check_out(source, path)
    check_model(source, model)
    added = plan_additions(source, strategy)
    if numbers is None:
        ends = np.cumsum(list(added.values()))
        numbers = {
            name: np.arange(end - count, end) for (name, count), end in zip(added.items(), ends.tolist(), strict=True)
        }
    added = {name: len(chosen) for name, chosen in numbers.items()}
    count = sum(added.values())
    if not count:
        raise UserError("No sample passed the selection: each is unsure of its class, far from real ones or a copy.")
    extractor = in_domain_space(source, source.key, cache_folder())
    items: list[dict[str, Any]] = []
    batches = _Batches(model, source, numbers, seed, truncation, extractor, items, tick)

    def manifest(names: list[str]) -> dict[str, Any]:
        return {
            "data": {"name": source.name, "key": source.key, "real": class_counts(source) or len(source)},
            "generator": model.hash,
            "strategy": strategy,
            "truncation": truncation,
            **({} if rejected is None else {"rejected": {name: dict(why) for name, why in rejected.items()}}),
            "features": {"name": extractor.name, "hash": extractor.hash, "accuracy": extractor.accuracy},
            "items": [{"file": name, **item} for name, item in zip(names, items, strict=True)],
        }

    written = write_layout(source, path, count, batches, manifest)
    return Augmented(out=path, manifest=written, real=class_counts(source), added=added)


class _Batches:
    """Synthetic items class by class, scored on the way."""

    def __init__(
        self,
        model: Model,
        source: Source,
        numbers: Mapping[str, Int64[np.ndarray, " _"]],
        seed: int,
        truncation: float,
        extractor: InDomainSpace,
        items: list[dict[str, Any]],
        tick: Callable[[int], None],
    ) -> None:
        self.model, self.source, self.numbers, self.seed, self.truncation = (
            model,
            source,
            numbers,
            seed,
            truncation,
        )
        self.extractor, self.items, self.tick = extractor, items, tick
        self.labelled = source.labels is not None and source.item.class_names is not None
        chosen = np.arange(len(source))[:: max(1, len(source) // 5000)]
        self.real_features = extractor.features_of(source, chosen)

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
        generator, done = self.model.hash, 0
        for name, chosen in self.numbers.items():
            if not len(chosen):
                continue
            label = self.source.item.class_names.index(name) if self.labelled else None  # type: ignore[union-attr]
            classes = [name] if self.labelled else None  # the model may number its classes otherwise
            first, end = int(chosen[0]), int(chosen[-1]) + 1
            for images, _ in self.model.stream(end - first, classes, self.seed, self.truncation, first, BATCH):
                here = chosen[(chosen >= first) & (chosen < first + len(images))]
                levels = from_unit(images)[here - first]
                first += len(images)
                if not len(levels):
                    continue
                self._score(levels, label, name, generator, here)
                labels = None if label is None else np.full(len(levels), label, dtype=np.int64)
                done += len(levels)
                self.tick(done)
                yield levels, labels

    def _score(self, levels: np.ndarray, label: int | None, name: str, generator: str, here: np.ndarray) -> None:
        features = self.extractor.features(to_unit(levels))
        distances = nearest_distances(features, self.real_features)
        sure = None if label is None else self.extractor.probabilities(features)[:, label]
        for row in range(len(levels)):
            scores = {"nearest_real": round(float(distances[row]), 4)}
            if sure is not None:
                scores["class_probability"] = round(float(sure[row]), 4)
            self.items.append(
                {
                    "class": None if label is None else name,
                    "seed": self.seed,
                    "index": int(here[row]),
                    "generator": generator[:16],
                    "scores": scores,
                }
            )

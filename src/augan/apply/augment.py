"""A bigger, balanced copy of a data set: real items untouched, synthetic ones beside them, each one listed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from augan.apply.layouts import check_out, write_layout
from augan.apply.strategy import images_to_add
from augan.checkpoint import Model
from augan.core.errors import UserError
from augan.core.item import from_unit, to_unit
from augan.data import Source, cache_folder, class_counts
from augan.metrics import InDomainSpace, cached_extractor, nearest_distances

BATCH = 64


@dataclass(frozen=True, kw_only=True)
class Augmented:
    """What was written.

    Attributes:
        out: the copy; manifest: the list of its synthetic items (inside a folder or zip, beside an array).
        real: real items of each class; added: synthetic ones.
    """

    out: Path
    manifest: Path
    real: dict[str, int]
    added: dict[str, int]

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**asdict(self), "out": str(self.out), "manifest": str(self.manifest)}


def plan_additions(source: Source, strategy: str) -> dict[str, int]:
    """Synthetic items to add for each class; without labels, all items are one class, and a number is needed.

    Raises:
        UserError: see `images_to_add`; no labels and no number; nothing to add.
    """
    counts = class_counts(source) or {"": len(source)}
    if not class_counts(source) and not (strategy.isascii() and strategy.isdigit()):
        raise UserError(
            f"{source.name} has no labels, so there are no classes to balance. Give --strategy N, the number of images "
            f"that the copy is to have (more than {len(source)})."
        )
    added = images_to_add(counts, strategy)
    if not any(added.values()):
        raise UserError(f"Nothing to add: {source.name} has what --strategy {strategy} asks for. Try --strategy all.")
    return added


def check_model(source: Source, model: Model) -> None:
    """Raises UserError if the model does not make items of this data."""
    ours, theirs = source.item, model.item
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
    tick: Callable[[int], None] = lambda done: None,
) -> Augmented:
    """Writes a copy of `source` with synthetic items of `model` added to its classes.

    Every synthetic item is in the manifest with its class, seed and index (`model.sample(1, classes=[class],
    seed=seed, first=index)` makes it again), the generator's hash, and scores: the probability that a classifier of
    the real data gives its class, and its distance to the nearest real item in that classifier's features.

    Raises:
        UserError: nothing to add, `out` exists, or model and data do not fit.
    """
    path = Path(out)
    check_out(source, path)
    check_model(source, model)
    added = plan_additions(source, strategy)
    count = sum(added.values())
    extractor = cached_extractor(source, source.key, cache_folder())
    items: list[dict[str, Any]] = []
    batches = _Batches(model, source, added, seed, truncation, extractor, items, tick)

    def manifest(names: list[str]) -> dict[str, Any]:
        return {
            "data": {"name": source.name, "key": source.key, "real": class_counts(source) or len(source)},
            "generator": model.hash,
            "strategy": strategy,
            "truncation": truncation,
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
        added: dict[str, int],
        seed: int,
        truncation: float,
        extractor: InDomainSpace,
        items: list[dict[str, Any]],
        tick: Callable[[int], None],
    ) -> None:
        self.model, self.source, self.added, self.seed, self.truncation = (
            model,
            source,
            added,
            seed,
            truncation,
        )
        self.extractor, self.items, self.tick = extractor, items, tick
        self.labelled = source.labels is not None and source.item.class_names is not None
        chosen = np.arange(len(source))[:: max(1, len(source) // 5000)]
        self.real_features = extractor.features_of(source, chosen)

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
        generator, first = self.model.hash, 0
        for name, count in self.added.items():
            label = self.source.item.class_names.index(name) if self.labelled else None  # type: ignore[union-attr]
            classes = [name] if self.labelled else None  # the model may number its classes otherwise
            for images, _ in self.model.stream(count, classes, self.seed, self.truncation, first, BATCH):
                levels = from_unit(images)
                self._score(levels, label, name, generator, first)
                labels = None if label is None else np.full(len(levels), label, dtype=np.int64)
                first += len(levels)
                self.tick(first)
                yield levels, labels

    def _score(self, levels: np.ndarray, label: int | None, name: str, generator: str, first: int) -> None:
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
                    "index": first + row,
                    "generator": generator[:16],
                    "scores": scores,
                }
            )

"""A model, or any other set of images, measured against a data set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from augan import data as datasets
from augan.checkpoint import Model, load_model
from augan.core.errors import UserError
from augan.core.item import ItemSpec, from_unit, to_unit
from augan.data import Source, cache_folder
from augan.metrics import Quality, cached_extractor, measure

COUNT = 2_000


def is_run(path: Any) -> bool:
    """Whether `path` is a run or checkpoint folder rather than data."""
    if not isinstance(path, str | Path):
        return False
    run = all((Path(path) / name).is_file() for name in ("config.json", "data.json"))
    return run or (Path(path) / "model.json").is_file()


def evaluate(target: Any, against: Any, *, count: int = COUNT, seed: int = 0) -> Quality:
    """Measures `target` against real data, in the feature space of the real data.

    Args:
        target: a model, a run folder, or images in any form that `augan.open` reads (no GAN needs to be involved).
        against: the real data, likewise. It is opened at the target's size.
        count: images on each side, at most; a model is asked for as many as there are real ones, in the real classes'
            proportions.
        seed: of the choice of images and of the model's samples.

    Raises:
        UserError: sizes or channels differ, fewer than 5 images on a side, unknown classes.
    """
    if is_run(target):
        target = load_model(target)
    if isinstance(target, Model):
        real = _open_like(against, target.item)
        return _evaluate_model(target, real, count, seed)
    real = datasets.open(against)
    return _evaluate_images(_open_like(target, real.item), real, count, seed)


def _open_like(data: Any, item: ItemSpec) -> Source:
    source = datasets.open(data, size=(item.height, item.width))
    if source.item.channels != item.channels:
        raise UserError(
            f"{source.name} has {source.item.channels} channels and the other side {item.channels}: "
            "they cannot be compared. Convert one of them."
        )
    return source


def _chosen(source: Source, count: int, seed: int) -> np.ndarray:
    order: np.ndarray = np.random.default_rng(seed).permutation(len(source))[:count]
    return np.sort(order)


def _evaluate_model(model: Model, real: Source, count: int, seed: int) -> Quality:
    extractor = cached_extractor(real, real.key, cache_folder())
    chosen = _chosen(real, count, seed)
    features = extractor.features_of(real, chosen)
    classes: list[str | int] | None = None
    labels: np.ndarray | None = None
    if model.conditional and real.labels is not None and real.item.class_names:
        labels = real.labels[chosen]
        classes = [real.item.class_names[label] for label in labels]
    batches = model.stream(len(chosen), classes, seed, batch=256)
    fake = np.concatenate([extractor.features(to_unit(from_unit(images))) for images, _ in batches])
    return measure(extractor, features, fake, labels, labels)


def _evaluate_images(fake: Source, real: Source, count: int, seed: int) -> Quality:
    extractor = cached_extractor(real, real.key, cache_folder())
    sides, labels = [], []
    for source in (real, fake):
        chosen = _chosen(source, count, seed)
        sides.append(extractor.features_of(source, chosen))
        labels.append(None if source.labels is None else source.labels[chosen])
    if labels[1] is not None and real.item.class_names and fake.item.class_names:
        labels[1] = _translate(labels[1], fake.item.class_names, real.item.class_names)
    return measure(extractor, sides[0], sides[1], labels[0], labels[1] if labels[0] is not None else None)


def _translate(labels: np.ndarray, names: tuple[str, ...], known: tuple[str, ...]) -> np.ndarray:
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise UserError(f"The real data does not have these classes: {', '.join(unknown)}. It has {', '.join(known)}.")
    return np.array([known.index(name) for name in names], dtype=np.int64)[labels]

"""A second opinion from data that took no part in the study: opened, checked for leaks, judged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int64

from augan.augment.study import Task
from augan.augment.twins import Twins, twins_between
from augan.core.errors import UserError
from augan.core.item import stills
from augan.core.rng import derive, numpy_stream
from augan.data import Source, open_like

RESAMPLES = 2_000
ITEMS_NAMED = 3
ALL = 1_000_000
"""The number of the split whose training part is everything: it seeds that split's GAN, and no other split has it."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Holdout:
    """Items with class numbers of the data, and a name for each in messages."""

    items: np.ndarray
    labels: Int64[np.ndarray, " n"]
    names: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class SecondOpinion:
    """How an arm and its rival do on held-out data, both trained on all of the data.

    Attributes:
        items: how many were judged; arm, rival: what was compared.
        arm_score, rival_score: balanced accuracies, means over seeds.
        mean, low, high: their difference with a 95 % interval, by 2,000 bootstraps of the held-out items of each class.
    """

    items: int
    arm: str
    rival: str
    arm_score: float
    rival_score: float
    mean: float
    low: float
    high: float


def open_holdout(source: Source, holdout: Any) -> Holdout:
    """Held-out images or clips at the size of the data.

    Raises:
        UserError: no labels, other channels, classes that the data has not.
    """
    labels = None
    if isinstance(holdout, tuple):
        holdout, labels = holdout
    other = open_like(holdout if labels is None else (holdout, labels), source.item, min_images_per_class=0)
    if other.labels is None:
        raise UserError(f"The holdout {other.name} has no labels: a test needs them.")
    if other.item.channels != source.item.channels:
        raise UserError(
            f"The holdout has {other.item.channels} channels, and {source.name} has {source.item.channels}."
        )
    names, theirs = source.item.class_names or (), other.item.class_names or ()
    marks = np.asarray(other.labels, np.int64)
    present = [theirs[label] for label in np.unique(marks)]
    codes = _codes(present, names)
    place = {name: code for name, code in zip(present, codes, strict=True)}
    origin = getattr(other, "origin", None)
    members = origin.members if origin is not None and origin.members else ()
    return Holdout(
        items=other.items(np.arange(len(other))),
        labels=np.array([place[theirs[label]] for label in marks], np.int64),
        names=tuple(members) or tuple(f"item {row}" for row in range(len(marks))),
    )


def array_holdout(items: np.ndarray, class_names: tuple[str, ...], holdout: Any) -> Holdout:
    """Held-out arrays (X, y).

    Raises:
        UserError: not a pair, other shapes, classes that the data has not.
    """
    if not isinstance(holdout, tuple) or len(holdout) != 2:
        raise UserError("The holdout of an array is a pair (X, y).")
    theirs, marks = np.asarray(holdout[0]), np.asarray(holdout[1])
    if theirs.shape[1:] != items.shape[1:]:
        raise UserError(f"The holdout has items of shape {theirs.shape[1:]}, and the data of {items.shape[1:]}.")
    if len(theirs) != len(marks):
        raise UserError(f"The holdout has {len(theirs)} items and {len(marks)} labels.")
    found, back = np.unique(marks, return_inverse=True)
    codes = np.array(_codes([str(name) for name in found], class_names), np.int64)
    return Holdout(items=theirs, labels=codes[back], names=tuple(f"item {row}" for row in range(len(marks))))


def _codes(names: list[str], known: tuple[str, ...]) -> list[int]:
    unknown = [name for name in names if name not in known]
    if unknown:
        raise UserError(
            f"The holdout has a class '{unknown[0]}' that the data has not. The data has: {', '.join(known[:20])}."
        )
    return [known.index(name) for name in names]


def check_leaks(items: np.ndarray, holdout: Holdout, force: bool) -> tuple[str, ...]:
    """A note on held-out items that are in the data, too.

    Raises:
        UserError: there are any, and `force` is not set.
    """
    found: Twins = twins_between(stills(items), stills(holdout.items))
    if not len(found):
        return ()
    named = [holdout.names[row] for row in found.pairs[:ITEMS_NAMED, 1]]
    text = (
        f"{len(found)} of {len(holdout.items)} held-out items are in the data, too ({len(found.exact)} exactly, "
        f"{len(found.near)} nearly): {', '.join(named)}{', ...' if len(found) > ITEMS_NAMED else ''}."
    )
    if not force and items.ndim >= 4:  # equal rows of a table may be two cases
        raise UserError(f"{text} Take them out of the holdout, or --force.")
    return (text,)


def second_opinion(task: Task, holdout: Holdout, arm: str, rival: str, seeds: int, seed: int) -> SecondOpinion:
    """Trains both on all of the data, `seeds` times, and compares them on the held-out items."""
    train = np.arange(len(task.labels), dtype=np.int64)
    right: dict[str, np.ndarray] = {}
    for name in (arm, rival):
        hits = []
        for number in range(seeds):
            learnt = task.learn(name, train, derive(seed, "held out", number), ALL)
            hits.append(learnt(holdout.items).argmax(1) == holdout.labels)
        right[name] = np.mean(hits, axis=0)
    random = numpy_stream(seed, "held out")
    scores: dict[str, list[float]] = {arm: [], rival: []}
    draws = np.zeros(RESAMPLES)
    classes = np.unique(holdout.labels)
    for label in classes:
        members = np.flatnonzero(holdout.labels == label)
        for name, found in scores.items():
            found.append(float(right[name][members].mean()))
        gain = (right[arm] - right[rival])[members]
        draws += gain[random.integers(len(members), size=(RESAMPLES, len(members)))].mean(1) / len(classes)
    low, high = np.quantile(draws, (0.025, 0.975))
    arm_score, rival_score = float(np.mean(scores[arm])), float(np.mean(scores[rival]))
    return SecondOpinion(
        items=len(holdout.labels),
        arm=arm,
        rival=rival,
        arm_score=arm_score,
        rival_score=rival_score,
        mean=arm_score - rival_score,
        low=float(low),
        high=float(high),
    )

"""The small classifier learns, and learns from what a lesson says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from augan.baselines import Lesson, train_classifier
from common import shapes


@pytest.fixture(scope="module")
def lesson() -> Lesson:
    images, labels = shapes({"a": 40, "b": 40})
    return Lesson(images=images, targets=np.eye(2)[labels])


def right(lesson: Lesson, images: np.ndarray, labels: np.ndarray, steps: int = 40) -> float:
    return float((train_classifier(lesson, steps).predict(images) == labels).mean())


def test_it_learns(lesson: Lesson) -> None:
    images, labels = shapes({"a": 40, "b": 40}, seed=1)
    assert right(lesson, images, labels) > 0.95
    assert right(replace(lesson, views=True, mixup=0.2), images, labels, 60) > 0.9


def test_it_is_deterministic_and_gives_probabilities(lesson: Lesson) -> None:
    first, again, other = (train_classifier(lesson, 3, seed).predict_proba(lesson.images) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    np.testing.assert_allclose(first.sum(1), 1, rtol=1e-5)


def test_weights_chances_and_lessons_before_matter(lesson: Lesson) -> None:
    """Images without weight, or that are never drawn, teach nothing: their labels may be anything."""
    lie = np.concatenate([lesson.images, lesson.images])
    targets = np.concatenate([lesson.targets, lesson.targets[:, ::-1]])
    truth = np.repeat([1.0, 0.0], len(lesson.images))
    labels = lesson.targets.argmax(1)
    mixed = Lesson(images=lie, targets=targets)
    assert right(replace(mixed, weights=truth + 1e-9), lesson.images, labels) > 0.95
    assert right(replace(mixed, chances=truth), lesson.images, labels) > 0.95
    lied_before = replace(lesson, before=replace(lesson, targets=lesson.targets[:, ::-1]))
    assert right(lied_before, lesson.images, labels, 80) > 0.9


def test_deferred_weights_and_mirroring_run(lesson: Lesson) -> None:
    found = train_classifier(replace(lesson, deferred=np.array([1.0, 3.0]), flip=True), 10)
    assert np.isfinite(found.predict_proba(lesson.images)).all()

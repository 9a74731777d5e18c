"""Judges, three-way copying, galleries, and the choice among one model's samples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import augan
from augan.augment.makers import (
    Judges,
    Synthetic,
    choose_samples,
    load_gallery,
    save_gallery,
    synthesise,
    wanted_of,
)
from augan.core.errors import UserError
from augan.data import ArraySource
from common import shapes

COUNTS = {"a": 60, "b": 40}


class Drawer:
    """Gives new images of the same kind, or training images with a little noise."""

    def __init__(self, train: ArraySource | None = None) -> None:
        self.train = train

    def make(self, label: int, count: int, seed: int) -> np.ndarray:
        if self.train is None:
            return shapes({"a": count, "b": count}, seed=seed + 77)[0][label * count : (label + 1) * count]
        assert self.train.labels is not None
        random = np.random.default_rng(seed)
        members = random.choice(np.flatnonzero(self.train.labels == label), count)
        noise = random.integers(-2, 3, (count, 16, 16, 1))
        return (self.train.items(members).astype(int) + noise).clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def source(cache: Path) -> ArraySource:
    found = augan.open(shapes(COUNTS))
    assert isinstance(found, ArraySource)
    return found


@pytest.fixture(scope="module")
def both(source: ArraySource) -> tuple[Synthetic, Synthetic]:
    """(new images, noisy copies), with held-out images."""
    assert source.labels is not None
    wanted, held = wanted_of(source.labels, 1.0), shapes({"a": 30, "b": 30}, seed=5)
    return synthesise(source, Drawer(), wanted, 0, held), synthesise(source, Drawer(source), wanted, 0, held)


def test_new_images_are_not_called_copies_and_noisy_copies_are(both: tuple[Synthetic, Synthetic]) -> None:
    new, copies = both
    assert new.copying.findings() == []
    assert copies.copying.findings()
    assert copies.copying.authentic < 0.2 < new.copying.authentic
    assert copies.copying.statistic is not None
    assert new.copying.statistic is not None
    assert copies.copying.statistic < new.copying.statistic
    assert new.copying.copies_held_out is not None
    assert set(new.about(("0", "1"))) == {"memorised", "copying", "rejected", "kept"}


def test_selection_and_beliefs_fit_the_candidates(both: tuple[Synthetic, Synthetic]) -> None:
    new, _ = both
    assert new.beliefs.shape == (len(new.images), 2)
    np.testing.assert_allclose(new.beliefs.sum(1), 1, atol=1e-5)
    images, labels = new.selected()
    assert len(images) == len(labels) == len(new.selection.kept)
    assert (np.bincount(labels) <= [new.wanted[0], new.wanted[1]]).all()


def test_a_gallery_is_read_as_it_was_written(both: tuple[Synthetic, Synthetic], tmp_path: Path) -> None:
    for made in both:
        save_gallery(made.gallery, tmp_path / "gallery.npz")
        again = load_gallery(tmp_path / "gallery.npz")
        assert again.class_names == made.gallery.class_names
        for name in ("kept", "real"):
            for ours, theirs in zip(getattr(made.gallery, name), getattr(again, name), strict=True):
                assert np.array_equal(ours, theirs)
        for pairs, others in zip(made.gallery.rejected, again.rejected, strict=True):
            assert sorted(reason for reason, _ in pairs) == sorted(reason for reason, _ in others)


def test_real_images_are_judged_by_who_did_not_learn_them(source: ArraySource) -> None:
    judges = Judges(source, 0)
    assert judges.real.features.shape == (100, 256)
    assert (judges.real.probabilities.argmax(1) == source.labels).mean() > 0.8
    new = judges.side(*shapes({"a": 9, "b": 9}, seed=3))
    assert (new.probabilities.argmax(1) == new.labels).mean() > 0.8
    with pytest.raises(UserError, match="no labels"):
        Judges(augan.open(shapes(COUNTS)[0]), 0)


def test_chosen_samples_are_those_of_the_model(tiny_run: augan.Run, bars_npz: Path) -> None:
    model, source = tiny_run.load(), augan.open(bars_npz)
    numbers, rejected = choose_samples(source, model, {"high": 0, "middle": 3, "low": 4}, seed=1)
    again, _ = choose_samples(source, model, {"high": 0, "middle": 3, "low": 4}, seed=1)
    assert list(numbers) == ["high", "middle", "low"]
    assert len(numbers["high"]) == 0
    for name, chosen in numbers.items():
        assert np.array_equal(chosen, again[name])
        assert (np.diff(chosen) > 0).all()
    assert set(rejected) == {"middle", "low"}
    taken = np.concatenate(list(numbers.values()))
    assert len(set(taken.tolist())) == len(taken)

"""Images of another domain in a study: as they are and translated, and what would make it dishonest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from typer.testing import CliRunner

import augan
from augan import translate
from augan.augment import fit_translation, lift
from augan.augment.foreign import ABROAD, Translates, open_foreign
from augan.augment.pictures import CHEAP, PictureTask
from augan.cli.app import app
from augan.core.errors import UserError
from augan.core.item import ItemSpec
from augan.data import ArraySource, Source
from common import shapes

SMALL = ("width=4", "blocks=2", "patch_width=4", "batch=4", "threads=1")
STUDY: dict[str, Any] = {"steps": 3, "folds": 2, "arms": ["translated"]}


class Negative:
    """A translation that is known."""

    def translate(self, images: np.ndarray) -> np.ndarray:
        return 255 - images


def drawn(path: Path, seed: int, negative: bool, counts: dict[str, int] | None = None) -> Path:
    counts = counts or {"a": 24, "b": 20}
    images, labels = shapes(counts, seed=seed)
    np.savez(path, images=255 - images if negative else images, labels=labels, class_names=np.array(list(counts)))
    return path


@pytest.fixture(scope="module")
def data(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> ArraySource:
    return augan.open(drawn(tmp_path_factory.mktemp("here") / "bars.npz", 0, False))


@pytest.fixture(scope="module")
def abroad(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return drawn(tmp_path_factory.mktemp("abroad") / "dark.npz", 1, True, {"b": 10, "a": 8})


def test_the_arms_learn_from_what_they_say(data: ArraySource, abroad: Path) -> None:
    foreign = open_foreign(data, abroad, Negative())
    assert foreign.labels.tolist() == [1] * 10 + [0] * 8  # by name, not by number
    task = PictureTask(data, None, foreign=foreign)
    assert set(task.arms) == {*CHEAP, *ABROAD}
    train = np.arange(0, 44, 2)
    assert data.labels is not None
    images, labels = data.items(train), data.labels[train]
    for arm, added in (("foreign", foreign.images), ("translated", 255 - foreign.images)):
        lesson = task._lesson(arm, images, labels, train, 0, 0)
        assert np.array_equal(lesson.images, np.concatenate([images, added]))
        assert lesson.targets.argmax(1).tolist() == [*labels, *foreign.labels]
        assert lesson.views


def test_a_translation_has_to_beat_the_same_images_untranslated(data: ArraySource, abroad: Path) -> None:
    found = lift(data, foreign=abroad, translate=Negative(), **STUDY)
    assert set(found.record.measured) == {"classical", "foreign", "translated"}
    assert found.verdict.arm == "translated"
    assert found.verdict.rival in ("classical", "foreign")
    assert any("taken on trust" in note for note in found.notes)
    alone = lift(data, foreign=abroad, translate=Negative(), **{**STUDY, "arms": ["foreign"]})
    assert (alone.verdict.word, alone.verdict.arm) == ("NO EVIDENCE", None)


def test_what_is_fitted_sees_training_items_only(data: ArraySource, abroad: Path) -> None:
    seen: list[tuple[Source, int]] = []

    def fit(foreign: Source, train: Source, seed: int) -> Translates:
        assert len(foreign) == 18
        seen.append((train, seed))
        return Negative()

    found = lift(data, foreign=abroad, translate=fit, **STUDY)
    assert [seed for _, seed in seen] == [0, 1]
    images = [train.items(np.arange(len(train))) for train, _ in seen]
    assert sum(map(len, images)) == len(data)  # two folds: each half is once the test
    assert not {image.tobytes() for image in images[0]} & {image.tobytes() for image in images[1]}
    assert any("trained on each training part" in note for note in found.notes)


def test_cut_is_fitted_to_each_training_part(data: ArraySource, abroad: Path) -> None:
    fit = fit_translation(steps=2, settings=SMALL)
    foreign = open_foreign(data, abroad, fit)
    made = foreign.translated(data, 0)
    assert made.shape == (18, 16, 16, 1)
    assert np.array_equal(made, foreign.translated(data, 0))
    assert not np.array_equal(made, foreign.translated(data, 1))
    both = fit_translation(steps=1, recipe="cyclegan", settings=SMALL)
    assert open_foreign(data, abroad, both).translated(data, 0).shape == made.shape


def test_other_channels_and_sizes_are_brought_into_line(data: ArraySource) -> None:
    images, labels = shapes({"0": 6, "1": 6}, side=20, channels=3, seed=2)
    names = ItemSpec(channels=1, height=16, width=16, class_names=("0", "1"))
    here = ArraySource(array=data.items(np.arange(44)), item=names, key="here", labels=data.labels)
    foreign = open_foreign(here, (images, labels), fit_translation(steps=1, settings=SMALL))
    assert foreign.source.item.shape == (3, 16, 16)
    assert foreign.images.shape == (12, 16, 16, 1)
    assert foreign.translated(here, 0).shape == (12, 16, 16, 1)


def test_outcomes_belong_to_their_translation(data: ArraySource, abroad: Path, tmp_path: Path) -> None:
    lift(data, foreign=abroad, translate=Negative(), cells=tmp_path / "cells", **STUDY)
    for other in (fit_translation(steps=1, settings=SMALL), fit_translation(steps=2, settings=SMALL)):
        with pytest.raises(UserError, match="another study"):
            lift(data, foreign=abroad, translate=other, cells=tmp_path / "cells", **STUDY)


def test_what_would_be_dishonest_or_makes_no_sense_is_one_line(data: ArraySource, abroad: Path, tmp_path: Path) -> None:
    class Larger:
        def translate(self, images: np.ndarray) -> np.ndarray:
            return images.repeat(2, 1)

    images, labels = shapes({"a": 24, "b": 20}, seed=0)
    names = ["a", "b"]
    np.savez(tmp_path / "same.npz", images=images, labels=labels, class_names=np.array(names))
    np.savez(tmp_path / "none.npz", images=images)
    drawn(tmp_path / "other.npz", 3, True, {"a": 5, "z": 5})
    run = translate.train(abroad, data, recipe="cut", images=4, out=tmp_path / "run", settings=[*SMALL, "snapshots=1"])
    cases: list[tuple[str, Any, Any]] = [
        ("have no labels", tmp_path / "none.npz", Negative()),
        ("class 'z' that the data has not", tmp_path / "other.npz", Negative()),
        ("44 images of the other domain are in the data", tmp_path / "same.npz", Negative()),
        ("trained on this very data", abroad, run.path),
        ("trained on this very data", abroad, run),
        ("is a run, a model", abroad, 7),
        ("uint8 of", abroad, Larger()),
        ("for pairs or for single", abroad, fit_translation(steps=1, recipe="pix2pix")),
    ]
    for said, foreign, given in cases:
        with pytest.raises(UserError, match=said):
            lift(data, foreign=foreign, translate=given, **STUDY)
    with pytest.raises(UserError, match="in the holdout"):
        lift(data, foreign=abroad, translate=Negative(), holdout=abroad, **STUDY)
    noted = lift(data, foreign=tmp_path / "same.npz", translate=Negative(), force=True, **STUDY)
    assert any("44 images" in note for note in noted.notes)
    with pytest.raises(UserError, match="minutes or steps"):
        fit_translation()
    rows = np.random.default_rng(0).normal(size=(60, 3))
    with pytest.raises(UserError, match="leave foreign out"):
        lift(rows, np.repeat([0, 1], 30), classifier=LogisticRegression(), foreign=abroad)


def test_the_command(abroad: Path, tmp_path: Path) -> None:
    bars = drawn(tmp_path / "bars.npz", 0, False)
    elsewhere = drawn(tmp_path / "elsewhere.npz", 5, False)
    run = translate.train(
        abroad, elsewhere, recipe="cut", images=4, out=tmp_path / "run", settings=[*SMALL, "snapshots=1"]
    )
    small = ["--steps", "2", "--folds", "2", "--quiet", "--arms", "translated", "--json"]
    given = ["lift", str(bars), *small, "--foreign", str(abroad), "--translation", str(run.path)]
    done = CliRunner().invoke(app, given)
    document = json.loads(done.stdout)
    assert done.exit_code == {"HELPS": 0, "NO EVIDENCE": 3, "HURTS": 4}[document["verdict"]["word"]]
    assert {row["arm"] for row in document["arms"]} == {"classical", "foreign", "translated"}

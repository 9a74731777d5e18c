"""Whole studies: of any sampler, of images; what is refused; what is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from imblearn.over_sampling import RandomOverSampler
from sklearn.linear_model import LogisticRegression
from typer.testing import CliRunner

import augan
from augan.augment import lift
from augan.augment.makers import GANMaker, Maker, fit_gan, synthesise, wanted_of
from augan.augment.pictures import ARMS, CHEAP, SWEPT, PictureTask
from augan.augment.report import lift_report
from augan.cli.app import app
from augan.core.errors import UserError
from augan.data import ArraySource, Source
from common import TINY, shapes

COUNTS = {"a": 60, "b": 24}


def table(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    labels = np.repeat([0, 1], (120, 40))
    return random.normal(size=(160, 4)) + labels[:, None], labels


class Liar:
    """A sampler whose new items have the wrong label."""

    def __init__(self, random_state: int | None = None) -> None:
        self.random_state = random_state

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        return {"random_state": self.random_state}

    def set_params(self, **values: Any) -> Liar:
        self.random_state = values.get("random_state")
        return self

    def fit_resample(self, X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.concatenate([X, X, X]), np.concatenate([y, 1 - y, 1 - y])


def test_any_sampler_is_judged_and_a_liar_hurts() -> None:
    rows, labels = table()
    found = lift(rows, labels, classifier=LogisticRegression(), samplers={"liar": Liar()}, repeats=2)
    assert found.verdict.word == "HURTS"
    assert {"real", "control", "oversampling", "weights", "smote", "liar"} == set(found.record.measured)
    document = json.loads(json.dumps(found.to_json()))
    assert document["verdict"]["word"] == "HURTS"
    rows_of = {row["arm"]: row for row in document["arms"]}
    assert rows_of["liar"]["over_rival"]["high"] < 0
    assert rows_of[found.verdict.rival]["over_rival"] is None


def test_repeating_items_is_no_evidence() -> None:
    rows, labels = table()
    found = lift(rows, labels, classifier=LogisticRegression(), samplers={"again": RandomOverSampler()})
    assert found.verdict.word == "NO EVIDENCE"


def test_an_easy_task_leaves_nothing_to_gain() -> None:
    rows, labels = table()
    found = lift(rows + 50 * labels[:, None], labels, classifier=LogisticRegression(), samplers={"liar": Liar()})
    assert (found.verdict.word, found.verdict.arm) == ("NO EVIDENCE", None)
    assert "nothing is left" in found.verdict.reasons[0]
    assert "liar" not in found.record.measured


class Memoriser:
    """Gives its training images back."""

    def __init__(self, train: Source) -> None:
        assert train.labels is not None
        self.images, self.labels = train.items(np.arange(len(train))), train.labels

    def make(self, label: int, count: int, seed: int) -> np.ndarray:
        members = np.flatnonzero(self.labels == label)
        return self.images[np.random.default_rng(seed).choice(members, count)]


def memorise(train: Source, seed: int) -> Maker:
    return Memoriser(train)


@pytest.fixture(scope="module")
def pictures(cache: Path) -> ArraySource:
    source = augan.open(shapes(COUNTS, side=16))
    assert isinstance(source, ArraySource)
    return source


def test_a_memoriser_is_told(pictures: ArraySource) -> None:
    assert pictures.labels is not None
    made = synthesise(pictures, Memoriser(pictures), wanted_of(pictures.labels, 1.0))
    assert "copies" in made.copying.findings()[0]
    assert not len(made.selected()[0])
    assert len(made.raw()[0]) == sum(made.wanted.values())


def test_every_arm_of_pictures(pictures: ArraySource, tmp_path: Path) -> None:
    told: list[str] = []
    found = lift(
        pictures,
        fit=memorise,
        autoencoder=memorise,
        steps=3,
        folds=2,
        cells=tmp_path / "cells",
        tell=lambda outcome: told.append(outcome.arm),
    )
    assert set(found.record.measured) == set(ARMS)
    assert len(told) == 2 * len(ARMS)
    assert found.verdict.word != "HELPS"
    assert "copies" in found.record.about[0]["memorised"][0]
    assert set(found.record.about[0]["kept"]) == {"0", "1"}
    assert found.record.about[0]["use"] in [vars(use) for use in SWEPT]
    assert found.gallery is not None
    again = lift(pictures, fit=memorise, autoencoder=memorise, steps=3, folds=2, cells=tmp_path / "cells")
    assert again.record.outcomes == found.record.outcomes
    assert again.gallery is not None
    assert again.gallery.class_names == ("0", "1")
    page = lift_report(found)
    assert page.index(found.verdict.word) < page.index("Ways of training") < page.index("by heart")
    for said in ("gan-swept", "Recall of each class", "nearest real" if again.gallery.kept[0].size else "copies are"):
        assert said in page
    assert any("24 items" in note for note in found.notes)
    with pytest.raises(UserError, match="another study"):
        lift(pictures, fit=memorise, steps=4, folds=2, cells=tmp_path / "cells")


def test_outcomes_are_kept_for_the_settings_that_decide_them(pictures: ArraySource, tmp_path: Path) -> None:
    rows, labels = table()
    given = {"classifier": LogisticRegression(), "samplers": {"again": RandomOverSampler()}, "cells": tmp_path}
    lift(rows, labels, **given)  # type: ignore[arg-type]
    for other in (
        {"classifier": LogisticRegression(C=2)},
        {"groups": np.arange(160) // 2},
        {"also": {"mine": 1}},
        {"samplers": {"again": RandomOverSampler(sampling_strategy="all")}},
    ):
        with pytest.raises(UserError, match="another study"):
            lift(rows, labels, **{**given, **other})  # type: ignore[arg-type]
    small = {"fit": memorise, "arms": ["gan-classical"], "steps": 2, "folds": 2, "cells": tmp_path / "pictures"}
    lift(pictures, **small)  # type: ignore[arg-type]
    with pytest.raises(UserError, match="another study"):
        lift(pictures, wanted=lambda labels: {0: 3, 1: 4}, **small)  # type: ignore[arg-type]


def test_a_gan_is_fitted_to_each_training_part(pictures: ArraySource) -> None:
    maker = fit_gan(steps=1, settings=TINY, recipe="strided")(pictures, 0)
    assert isinstance(maker, GANMaker)
    assert maker.make(1, 3, 0).shape == (3, 16, 16, 1)
    assert maker.make(1, 0, 0).shape == (0, 16, 16, 1)
    task = PictureTask(pictures, None)
    assert set(task.arms) == set(CHEAP)


def test_how_many_are_wanted() -> None:
    labels = np.repeat([0, 1, 2], (100, 40, 90))
    assert wanted_of(labels, 1.0) == {0: 100, 1: 60, 2: 90}
    assert wanted_of(labels, 0.5) == {0: 50, 1: 30, 2: 45}


def test_what_cannot_be_studied_is_one_line(pictures: ArraySource) -> None:
    rows, labels = table()
    model = LogisticRegression()
    cases: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
        ("needs labels", (rows,), {"classifier": model}),
        ("160 items and 3 labels", (rows, labels[:3]), {"classifier": model}),
        ("one class only", (rows, labels * 0), {"classifier": model}),
        ("fewer than 20", (rows, np.r_[np.zeros(155), np.ones(5)]), {"classifier": model}),
        ("not a number", (rows, np.r_[np.nan, labels[1:]]), {"classifier": model}),
        ("NaN or infinity", (rows * np.inf, labels), {"classifier": model}),
        ("no arm 'nope'", (rows, labels), {"classifier": model, "arms": ["nope"]}),
        ("has no fit_resample", (rows, labels), {"classifier": model, "samplers": {"x": object()}}),
        ("has no fit", (rows, labels), {"classifier": object()}),
        ("another arm", (rows, labels), {"classifier": model, "samplers": {"smote": RandomOverSampler()}}),
        ("160 items and 2 groups", (rows, labels), {"classifier": model, "groups": [0, 1]}),
        ("no labels", (pictures.items(np.arange(9)),), {}),
    ]
    for said, given, options in cases:
        with pytest.raises(UserError, match=said):
            lift(*given, **options)


def test_arms_bring_their_bases(pictures: ArraySource) -> None:
    found = lift(pictures, fit=memorise, steps=2, folds=2, arms=["gan-mixup"])
    assert set(found.record.measured) == {"mixup", "gan-mixup"}


def test_the_command(tmp_path: Path) -> None:
    images, labels = shapes({"a": 24, "b": 20}, side=8)
    np.savez(tmp_path / "bars.npz", images=images, labels=labels)
    small = ["--steps", "2", "--folds", "2", "--minutes", "0.002", "--cells", str(tmp_path / "cells"), "--quiet"]
    runner = CliRunner()
    done = runner.invoke(app, ["lift", str(tmp_path / "bars.npz"), *small, "--json"])
    document = json.loads(done.stdout)
    assert done.exit_code == {"HELPS": 0, "NO EVIDENCE": 3, "HURTS": 4}[document["verdict"]["word"]]
    shown = runner.invoke(app, ["lift", str(tmp_path / "bars.npz"), *small])
    assert shown.exit_code == done.exit_code
    assert document["verdict"]["word"] in shown.stdout
    assert "balanced accuracy" in shown.stdout
    refused = runner.invoke(app, ["lift", str(tmp_path / "nothing.npz")])
    assert refused.exit_code == 2


def test_the_package_is_still_the_function(tiny_run: augan.Run, bars_npz: Path, tmp_path: Path) -> None:
    done = augan.augment(bars_npz, tmp_path / "balanced.npz", run=tiny_run.path)
    assert done.to_json()
    assert callable(augan.augment)

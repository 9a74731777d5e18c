"""A model, or any images, against real ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import augan
from augan.core.errors import UserError
from augan.metrics import Evaluation, InDomainSpace
from common import shapes


def named(count: int, seed: int = 0, side: int = 16) -> tuple[np.ndarray, np.ndarray]:
    """Fresh bars with the names of their classes."""
    images, labels = shapes({"high": count, "middle": count, "low": count}, side=side, seed=seed)
    return images, np.array(["high", "middle", "low"])[labels]


def test_run_against_its_data(tiny_run: augan.Run, bars_folder: Path) -> None:
    found = augan.evaluate(tiny_run.path, bars_folder, count=60)
    assert (found.real.images, found.real.of, found.fake.images, found.fake.of) == (60, 110, 60, None)
    assert 0 <= found["agreement"] <= 1
    again = augan.evaluate(augan.load(tiny_run.path), bars_folder, count=60)
    assert again.measures == found.measures
    assert again.by_class == found.by_class
    assert again.fake.content == found.fake.content


def test_images_against_images(bars_npz: Path, bars_folder: Path) -> None:
    same = augan.evaluate(bars_folder, bars_npz)
    assert same["frechet"] == pytest.approx(0, abs=1e-4)
    assert same["precision"] == same["recall"] == same["coverage"] == 1
    assert same["near_copies"] == 1
    assert same["authenticity"] == 0
    noise = np.random.default_rng(0).integers(0, 256, (80, 16, 16), dtype=np.uint8)
    worse = augan.evaluate(noise, bars_npz)
    assert worse["frechet"] > 10 * same["frechet"] + 1
    assert worse["precision"] < 0.2
    with pytest.raises(UserError, match="'agreement' was not measured: the samples have no labels"):
        worse["agreement"]
    with pytest.raises(UserError, match="there is no such measure"):
        worse["beauty"]


def test_classes_are_matched_by_name(bars_npz: Path) -> None:
    """The other side has two of the three classes, in another order."""
    images, labels = shapes({"high": 20, "middle": 20, "low": 20}, seed=2)
    chosen = labels != 1
    folder = bars_npz.parent / "two"
    if not folder.exists():
        augan.data.write_folder(images[chosen], (labels[chosen] == 0).astype(np.int64), ("low", "high"), folder)
    found = augan.evaluate(folder, bars_npz)
    assert found["agreement"] > 0.9
    assert set(found.by_class) == {"high", "low"}
    assert found.by_class["low"]["agreement"] > 0.9


def test_holdout_gives_copying_and_a_reference(bars_npz: Path) -> None:
    fresh, copied = named(40, 11), np.load(bars_npz)["images"]
    new = augan.evaluate(named(40, 12), bars_npz, holdout=fresh)
    copies = augan.evaluate(copied, bars_npz, holdout=fresh)
    assert copies["copying"] < -3 < new["copying"]
    assert copies["feature_likelihood"] > new["feature_likelihood"] + 100
    assert copies["nearest_ratio"] == 0
    assert new["nearest_ratio"] > 0.3
    assert new.reference["precision"] > 0.5
    assert new.reference["kernel"] < 1
    seen = augan.evaluate(fresh, bars_npz, holdout=bars_npz)
    assert any("are among the real ones" in note for note in seen.notes)


def test_accuracy_scores(bars_npz: Path) -> None:
    good = named(40, 12)
    found = augan.evaluate(good, bars_npz, accuracy_score=True)
    for name in ("accuracy_of_synthetic", "accuracy_of_real", "accuracy_on_synthetic"):
        assert found[name] > 0.8
    swapped = augan.evaluate((good[0], np.roll(good[1], 40)), bars_npz, accuracy_score=True)
    assert swapped["accuracy_of_synthetic"] < 0.3
    assert swapped["accuracy_of_real"] > 0.8
    unlabelled = augan.evaluate(good[0], bars_npz, accuracy_score=True)
    assert "labels on both sides" in unlabelled.omitted["accuracy_of_synthetic"]


def test_accuracy_scores_of_a_run(tiny_run: augan.Run, bars_folder: Path) -> None:
    found = augan.evaluate(tiny_run.path, bars_folder, accuracy_score=True, holdout=bars_folder)
    assert found["accuracy_of_real"] > 0.8
    assert 0 <= found["accuracy_of_synthetic"] <= 1


def test_json_and_back(bars_npz: Path, bars_folder: Path) -> None:
    found = augan.evaluate(bars_folder, bars_npz, count=50, holdout=bars_folder)
    document = json.loads(json.dumps(found.to_json()))
    assert Evaluation.from_json(document) == found
    assert Evaluation.from_json(document | {"target": "a", "against": "b"}).conditions() == found.conditions()
    assert document["features"]["hash"]
    assert document["neighbours"]
    for damage in ({"format": 9}, {"real": {}}, {"measures": []}):
        with pytest.raises(UserError, match="format|not an evaluation"):
            Evaluation.from_json(document | damage)


def test_sizes_that_differ_are_refused_or_resized_openly(bars_npz: Path) -> None:
    other = named(30, side=24)
    with pytest.raises(UserError, match=r"24x24 pixels and the other side 16x16. Give --size 16x16"):
        augan.evaluate(other, bars_npz)
    found = augan.evaluate(other, bars_npz, size=16)
    assert any("resized from 24x24 to 16x16" in note for note in found.notes)
    assert found.fake.stored_size == "24x24"


def test_a_run_opens_the_data_at_its_own_size(tiny_run: augan.Run) -> None:
    other = named(30, side=24)
    found = augan.evaluate(tiny_run.path, other)
    assert any("resized from 24x24 to 16x16" in note for note in found.notes)
    with pytest.raises(UserError, match="--size is for comparing two sets"):
        augan.evaluate(tiny_run.path, other, size=8)


def test_features_are_computed_once(bars_npz: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    original = InDomainSpace.features

    def counted(self: InDomainSpace, images: Any) -> Any:
        calls.append(len(images))
        return original(self, images)

    monkeypatch.setattr(InDomainSpace, "features", counted)
    fresh = named(17, 77)
    first = augan.evaluate(fresh, bars_npz, seed=3)
    assert sum(calls) == 110 + 51
    assert augan.evaluate(fresh, bars_npz, seed=3) == first
    assert sum(calls) == 110 + 51


def test_few_images_constant_images(bars_npz: Path) -> None:
    few = augan.evaluate(shapes({"high": 4, "middle": 4, "low": 4})[0], bars_npz)
    assert any("12 images are not more than the 128 dimensions" in note for note in few.notes)
    assert any("differ in number (110 real, 12 generated)" in note for note in few.notes)
    assert "more than 256 items" in few.omitted["frechet_infinity"]
    constant = augan.evaluate(np.full((20, 16, 16), 128, np.uint8), bars_npz)
    assert "All generated images are the same to the feature space." in constant.notes
    assert constant["diversity"] == pytest.approx(0, abs=1e-3)
    assert constant["ms_ssim"] == pytest.approx(1)
    flat = np.full((20, 16, 16), 128, np.uint8)
    both = augan.evaluate(flat, flat.copy(), features="bundled")
    assert both["frechet"] == pytest.approx(0, abs=1e-6)
    assert both["precision"] == both["coverage"] == 1
    assert "All real images are the same to the feature space." in both.notes
    assert "look the same" in both.omitted["perceptual_diversity"]


def test_labels_of_one_side_are_not_used(bars_npz: Path) -> None:
    found = augan.evaluate(named(20, 2), np.load(bars_npz)["images"])
    assert any("real images have no labels" in note for note in found.notes)
    assert not found.by_class
    assert "agreement" in found.omitted


def test_refusals(bars_npz: Path, tiny_run: augan.Run, tmp_path: Path) -> None:
    rgb = np.zeros((6, 16, 16, 3), dtype=np.uint8)
    with pytest.raises(UserError, match="channels"):
        augan.evaluate(rgb, bars_npz)
    with pytest.raises(UserError, match="channels"):
        augan.evaluate(tiny_run.path, rgb)
    images, labels = shapes({"a": 4, "b": 4})
    with pytest.raises(UserError, match="does not have these classes"):
        augan.evaluate((images, labels + 5), bars_npz)
    with pytest.raises(UserError, match="at least 6 images on each side; there are 5 generated"):
        augan.evaluate(np.zeros((5, 16, 16), np.uint8), bars_npz)
    with pytest.raises(UserError, match="There are 1 usable images"):
        augan.evaluate(np.zeros((1, 16, 16), np.uint8), bars_npz)
    with pytest.raises(UserError, match="NaN"):
        augan.evaluate(np.full((9, 16, 16), np.nan, np.float32), bars_npz)
    with pytest.raises(UserError, match="Unknown feature space 'in-domian'. Did you mean 'in-domain'"):
        augan.evaluate(images, bars_npz, features="in-domian")
    report = tmp_path / "report.html"
    report.write_text("mine")
    with pytest.raises(UserError, match="exists"):
        augan.evaluate(images, bars_npz, html=report)
    assert report.read_text() == "mine"

"""The feature space made from the data, and all measures in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import augan
from augan.core.errors import UserError
from augan.core.item import to_unit
from augan.data import demo_digits
from augan.metrics import (
    InDomainSpace,
    cached_extractor,
    in_domain,
    manifolds,
    measure,
    train_extractor,
)
from common import shapes

COUNTS = {"high": 60, "middle": 60, "low": 60}


@pytest.fixture(scope="module")
def data() -> augan.Source:
    return augan.open(shapes(COUNTS))


@pytest.fixture(scope="module")
def extractor(data: augan.Source) -> InDomainSpace:
    return train_extractor(data, steps=60)


def test_classifier_learns_and_says_how_well(extractor: InDomainSpace, data: augan.Source) -> None:
    assert extractor.name == "in-domain classifier"
    assert extractor.accuracy is not None
    assert extractor.accuracy > 0.9
    fresh, labels = shapes(COUNTS, seed=5)
    features = extractor.features(to_unit(fresh))
    probabilities = extractor.probabilities(features)
    assert features.shape == (180, 128)
    np.testing.assert_allclose(probabilities.sum(1), 1, rtol=1e-4)
    assert (probabilities.argmax(1) == labels).mean() > 0.9


def test_features_do_not_depend_on_the_batch(extractor: InDomainSpace, data: augan.Source) -> None:
    images = to_unit(data.items(np.arange(20)))
    one_by_one = np.concatenate([extractor.features(image[None]) for image in images])
    np.testing.assert_allclose(extractor.features(images), one_by_one, atol=1e-4)
    np.testing.assert_allclose(extractor.features_of(data, np.arange(20)), one_by_one, atol=1e-4)


def test_same_seed_same_space(extractor: InDomainSpace, data: augan.Source) -> None:
    before = torch.get_rng_state()
    assert train_extractor(data, steps=60).hash == extractor.hash
    assert train_extractor(data, steps=60, seed=1).hash != extractor.hash
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(("side", "channels"), [(8, 1), (16, 4), (100, 3)])
def test_without_labels_and_any_shape(side: int, channels: int) -> None:
    images = np.random.default_rng(0).integers(0, 256, (12, side, side, channels), dtype=np.uint8)
    space = train_extractor(augan.open(images), steps=3)
    assert space.name == "in-domain contrastive"
    assert space.accuracy is None
    assert space.features(to_unit(images)).shape == (12, 128)
    with pytest.raises(UserError, match="without labels"):
        space.probabilities(np.zeros((1, 128), np.float32))


def test_contrastive_space_tells_images_apart(data: augan.Source) -> None:
    unlabelled = augan.open(shapes(COUNTS)[0])
    space = train_extractor(unlabelled, steps=60)
    fresh, labels = shapes(COUNTS, seed=3)
    features = space.features(to_unit(fresh))
    centres = np.stack([features[labels == label].mean(0) for label in range(3)])
    nearest = ((features[:, None] - centres) ** 2).sum(2).argmin(1)
    assert (nearest == labels).mean() > 0.8


def test_cache_gives_the_same_space_and_survives_damage(data: augan.Source, tmp_path: Path) -> None:
    first = cached_extractor(data, data.key, tmp_path, steps=5)
    again = cached_extractor(data, data.key, tmp_path, steps=5)
    assert first.hash == again.hash
    assert first.accuracy == again.accuracy
    images = to_unit(data.items(np.arange(4)))
    np.testing.assert_allclose(first.features(images), again.features(images), atol=1e-5)
    (file,) = tmp_path.rglob("extractor.safetensors")
    file.write_bytes(file.read_bytes()[:100])
    assert cached_extractor(data, data.key, tmp_path, steps=5).hash == first.hash


def test_measures_of_good_and_bad_samples(extractor: InDomainSpace, data: augan.Source) -> None:
    labels = np.asarray(data.labels)
    real = extractor.features_of(data, np.arange(len(data)))
    fresh, asked = shapes(COUNTS, seed=7)
    noise = np.random.default_rng(0).integers(0, 256, fresh.shape, dtype=np.uint8)
    one = np.repeat(fresh[:1], 180, axis=0)
    good = measure(extractor, real, extractor.features(to_unit(fresh)), labels, asked)
    bad = measure(extractor, real, extractor.features(to_unit(noise)), labels, asked)
    collapsed = measure(extractor, real, extractor.features(to_unit(one)), labels, asked)
    wrong = measure(extractor, real, extractor.features(to_unit(fresh)), labels, (asked + 1) % 3)
    assert good.agreement is not None
    assert good.agreement > 0.9
    assert good.frechet < min(bad.frechet, collapsed.frechet)
    assert good.precision > bad.precision
    assert collapsed.diversity < 0.05
    assert good.diversity > 0.7
    assert wrong.agreement is not None
    assert wrong.agreement < 0.1
    assert good.class_agreement is not None
    assert set(good.class_agreement) == {"0", "1", "2"}
    assert good.to_json()["features_hash"] == extractor.hash


def test_copies_are_seen(extractor: InDomainSpace, data: augan.Source) -> None:
    real = extractor.features_of(data, np.arange(len(data)))
    assert measure(extractor, real, real.copy()).near_copies > 0.9
    fresh = extractor.features(to_unit(shapes(COUNTS, seed=9)[0]))
    assert measure(extractor, real, fresh).near_copies < 0.2


def test_bad_input(extractor: InDomainSpace) -> None:
    real = np.random.default_rng(0).random((20, 128)).astype(np.float32)
    with pytest.raises(UserError, match="at least 6"):
        measure(extractor, real, real[:5])
    with pytest.raises(UserError, match="not finite"):
        measure(extractor, real, np.full((6, 128), np.nan, np.float32))


@pytest.mark.parametrize("damage", ["cut weights", "no weights", "no document", "wrong document", "list", "other head"])
def test_any_damage_of_the_cache_is_mended(damage: str, data: augan.Source, tmp_path: Path) -> None:
    first = cached_extractor(data, data.key, tmp_path, steps=3)
    (folder,) = (tmp_path / "extractors").iterdir()
    document, weights = folder / "extractor.json", folder / "extractor.safetensors"
    if damage == "cut weights":
        weights.write_bytes(weights.read_bytes()[:-50])
    elif damage == "no weights":
        weights.unlink()
    elif damage == "no document":
        document.unlink()
    elif damage == "other head":
        document.write_text('{"accuracy": null, "labelled": true}')
        save_file({key: value for key, value in first.state().items() if not key.startswith("head.")}, weights)
    else:
        document.write_text("{" if damage == "wrong document" else "[]")
    assert cached_extractor(data, data.key, tmp_path, steps=3).hash == first.hash
    assert in_domain._load(folder, data.item).hash == first.hash  # and it is kept again


def test_a_cache_that_cannot_be_written_stops_nothing(data: augan.Source, tmp_path: Path) -> None:
    (tmp_path / "extractors").write_text("a file stands in the way")
    assert cached_extractor(data, data.key, tmp_path, steps=3).features(torch.zeros(1, 1, 16, 16)).shape == (1, 128)


def test_another_process_that_was_faster_is_no_error(
    data: augan.Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = in_domain.train_extractor

    def slowly(*arguments: Any, **options: Any) -> InDomainSpace:
        monkeypatch.setattr(in_domain, "train_extractor", train)
        cached_extractor(data, data.key, tmp_path, steps=3)
        return train(*arguments, **options)

    monkeypatch.setattr(in_domain, "train_extractor", slowly)
    hashes = {cached_extractor(data, data.key, tmp_path, steps=3).hash for _ in range(2)}
    assert len(hashes) == 1


@pytest.mark.parametrize(
    ("height", "width", "reduced"), [(64, 48, (64, 48)), (256, 128, (64, 32)), (100, 300, (21, 64))]
)
def test_large_images_are_averaged_down(height: int, width: int, reduced: tuple[int, int]) -> None:
    images = torch.rand(2, 3, height, width) * 2 - 1
    small = in_domain.reduced(images)
    assert small.shape[2:] == reduced
    torch.testing.assert_close(small.mean(), images.mean(), atol=5e-3, rtol=0)


def test_features_of_nothing(extractor: InDomainSpace, data: augan.Source) -> None:
    assert extractor.features_of(data, np.arange(0)).shape == (0, 128)


def test_measure_says_which_side_is_wrong(extractor: InDomainSpace) -> None:
    good, bad = np.random.default_rng(0).random((6, 128)), np.full((6, 128), np.inf)
    with pytest.raises(UserError, match="generated images are not finite"):
        measure(extractor, good, bad)
    with pytest.raises(UserError, match="real images are not finite"):
        measure(extractor, bad, good)
    with pytest.raises(UserError, match="there are 3 real ones"):
        measure(extractor, good[:3], good)


@pytest.mark.parametrize("steps", [50, 100])
def test_the_smallest_images_give_finite_features(steps: int) -> None:
    """Maps of 8x8 images shrink to one pixel, where convolutions in bfloat16 gave NaN."""
    tiny = augan.open(shapes(COUNTS), size=8)
    space = train_extractor(tiny, steps=steps)
    assert np.isfinite(space.features_of(tiny, np.arange(len(tiny)))).all()


def test_few_images_are_learnt_in_fewer_steps_and_stronger_changes() -> None:
    most = in_domain.STEPS
    assert [in_domain.steps_for(count) for count in (10, 160, 100_000)] == [60, min(100, most), most]
    assert [in_domain.strength_for(passes) for passes in (1, 5, 15, 25, 100)] == [0, 0, 0.5, 1, 1]


def test_new_real_images_look_real(monkeypatch: pytest.MonkeyPatch) -> None:
    """An extractor that knows its images by heart puts new ones elsewhere: real ones seemed not to be real."""
    images, labels = demo_digits()
    order = np.random.default_rng(0).permutation(len(images))
    known, new = order[:200], to_unit(images[order[200:400]])

    def density() -> float:
        space = train_extractor(augan.open((images[known], labels[known])), steps=200)
        return float(manifolds(space.features(to_unit(images[known])), space.features(new)).density.mean())

    careful = density()
    monkeypatch.setattr(in_domain, "strength_for", lambda passes: 0.0)
    assert 0.7 < careful > density() + 0.05  # processors differ in the second digit

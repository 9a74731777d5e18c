"""The feature space made from the data, and all measures in it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import augan
from augan.core.errors import UserError
from augan.core.item import to_unit
from augan.metrics import Extractor, cached_extractor, measure, train_extractor
from conftest import shapes

COUNTS = {"high": 60, "middle": 60, "low": 60}


@pytest.fixture(scope="module")
def data() -> augan.Source:
    return augan.open(shapes(COUNTS))


@pytest.fixture(scope="module")
def extractor(data: augan.Source) -> Extractor:
    return train_extractor(data, steps=60)


def test_classifier_learns_and_says_how_well(extractor: Extractor, data: augan.Source) -> None:
    assert extractor.name == "in-domain classifier"
    assert extractor.accuracy is not None
    assert extractor.accuracy > 0.9
    fresh, labels = shapes(COUNTS, seed=5)
    features = extractor.features(to_unit(fresh))
    probabilities = extractor.probabilities(features)
    assert features.shape == (180, 128)
    np.testing.assert_allclose(probabilities.sum(1), 1, rtol=1e-4)
    assert (probabilities.argmax(1) == labels).mean() > 0.9


def test_features_do_not_depend_on_the_batch(extractor: Extractor, data: augan.Source) -> None:
    images = to_unit(data.items(np.arange(20)))
    one_by_one = np.concatenate([extractor.features(image[None]) for image in images])
    np.testing.assert_allclose(extractor.features(images), one_by_one, atol=1e-4)
    np.testing.assert_allclose(extractor.features_of(data, np.arange(20)), one_by_one, atol=1e-4)


def test_same_seed_same_space(extractor: Extractor, data: augan.Source) -> None:
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


def test_measures_of_good_and_bad_samples(extractor: Extractor, data: augan.Source) -> None:
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


def test_copies_are_seen(extractor: Extractor, data: augan.Source) -> None:
    real = extractor.features_of(data, np.arange(len(data)))
    assert measure(extractor, real, real.copy()).near_copies > 0.9
    fresh = extractor.features(to_unit(shapes(COUNTS, seed=9)[0]))
    assert measure(extractor, real, fresh).near_copies < 0.2


def test_bad_input(extractor: Extractor) -> None:
    real = np.random.default_rng(0).random((20, 128)).astype(np.float32)
    with pytest.raises(UserError, match="at least 5"):
        measure(extractor, real, real[:4])
    with pytest.raises(UserError, match="not finite"):
        measure(extractor, real, np.full((6, 128), np.nan, np.float32))

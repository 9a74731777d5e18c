"""What is true of every measure that has a name; a new one is tested by being there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

import augan
from augan.core.errors import UserError
from augan.core.item import to_unit
from augan.metrics import MEASURES, Comparison, InDomainSpace, Side, train_extractor
from augan.metrics.accuracy import Part
from augan.metrics.measures import Measured, NotMeasured, measure_all, measure_classes
from common import shapes

COUNTS = {"high": 70, "middle": 70, "low": 70}
NAMES = ("0", "1", "2")
FEATURES = 12


def bars(seed: int) -> tuple[np.ndarray, np.ndarray]:
    images, labels = shapes(COUNTS, seed=seed)
    order = np.random.default_rng(seed).permutation(len(images))
    return images[order], labels[order]


@pytest.fixture(scope="module")
def space() -> InDomainSpace:
    return train_extractor(augan.open(bars(0)), steps=80)


class Few(InDomainSpace):
    """The most telling dimensions of a space, so that the extrapolated distance can be had from few images."""

    def __init__(self, whole: InDomainSpace) -> None:
        super().__init__(whole.item, whole.network, whole.head, whole.accuracy)
        features = whole.features(to_unit(bars(0)[0]))
        self.chosen = np.argsort(-features.std(0), kind="stable")[:FEATURES]
        self.rest = features.mean(0)
        self.dimensions = FEATURES

    def features(self, images: torch.Tensor) -> np.ndarray:
        return super().features(images)[:, self.chosen]

    def probabilities(self, features: np.ndarray) -> np.ndarray:
        whole = np.tile(self.rest, (len(features), 1))
        whole[:, self.chosen] = features
        return super().probabilities(whole)


def side(space: Few, images: np.ndarray, labels: np.ndarray | None) -> Side:
    return Side(features=space.features(to_unit(images)), labels=labels, images=images)


@pytest.fixture(scope="module")
def few(space: InDomainSpace) -> Few:
    return Few(space)


@pytest.fixture(scope="module")
def comparison(few: Few) -> Comparison:
    real, fake, holdout = (side(few, *bars(seed)) for seed in (0, 1, 2))
    return Comparison(space=few, real=real, fake=fake, holdout=holdout, class_names=NAMES)


def measured(comparison: Comparison, images: np.ndarray, labels: np.ndarray | None) -> Measured:
    assert isinstance(comparison.space, Few)
    return measure_all(replace(comparison, fake=side(comparison.space, images, labels), errors=False))


def test_every_measure_has_a_value_here(comparison: Comparison) -> None:
    found = measure_all(comparison)
    assert not found.omitted
    assert list(found.values) == list(MEASURES)


@pytest.mark.parametrize("name", MEASURES)
def test_values_are_finite_and_inside_their_intervals(name: str, comparison: Comparison) -> None:
    found = MEASURES[name].compute(comparison)
    assert np.isfinite(found.value)
    if found.low is not None and found.high is not None:
        assert found.low <= found.value <= found.high
        assert found.error is not None
        assert found.error >= 0


@pytest.mark.parametrize("name", MEASURES)
def test_every_measure_is_explained(name: str) -> None:
    measure = MEASURES[name]
    assert measure.better in ("low", "high", "one", "zero")
    assert measure.title
    assert measure.meaning
    assert measure.source
    assert len(measure.meaning) <= 60  # a terminal's line


ORDER_MATTERS = ("inception_score", "perceptual_diversity", "ms_ssim")
"""Parts or pairs are drawn at random from the order: values agree within their error only."""


@pytest.mark.parametrize("name", MEASURES)
def test_order_does_not_matter(name: str, comparison: Comparison) -> None:
    def mixed(one: Side, seed: int) -> Side:
        order = np.random.default_rng(seed).permutation(len(one))
        assert one.labels is not None
        assert one.images is not None
        return Side(features=one.features[order], labels=one.labels[order], images=one.images[order])

    holdout = comparison.holdout
    assert holdout is not None
    other = replace(
        comparison,
        real=mixed(comparison.real, 1),
        fake=mixed(comparison.fake, 2),
        holdout=mixed(holdout, 3),
    )
    before, after = MEASURES[name].compute(comparison), MEASURES[name].compute(other)
    if name in ORDER_MATTERS:
        assert abs(before.value - after.value) < 5 * np.hypot(before.error or 0, after.error or 0)
    elif name in ("copying", "feature_likelihood", "frechet_infinity"):  # cells, halves and subsets are drawn at random
        assert after.value == pytest.approx(
            before.value, abs=6.0 if name != "frechet_infinity" else 2 * (before.error or 0)
        )
    else:
        assert after.value == pytest.approx(before.value, rel=1e-5, abs=1e-6)


def noise(images: np.ndarray, sigma: float) -> np.ndarray:
    random = np.random.default_rng(9)
    return np.clip(images + random.normal(0, sigma, images.shape), 0, 255).astype(np.uint8)


def blur(images: np.ndarray, times: int) -> np.ndarray:
    values = torch.from_numpy(images).permute(0, 3, 1, 2).float()
    for _ in range(times):
        values = F.avg_pool2d(F.pad(values, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    return values.permute(0, 2, 3, 1).round().to(torch.uint8).numpy()


def direction(comparison: Comparison, kind: str) -> tuple[Measured, Measured]:
    """The measures of fresh images, and of the same made worse."""
    images, labels = bars(1)
    good = measured(comparison, images, labels)
    if kind == "noise":
        return good, measured(comparison, noise(images, 60), labels)
    if kind == "blur":
        return good, measured(comparison, blur(images, 4), labels)
    if kind == "dropped class":
        kept = labels != 1
        again = np.flatnonzero(kept)[np.arange(len(labels)) % kept.sum()]
        return good, measured(comparison, images[again], labels[again])
    few = np.arange(len(images)) % 12
    return good, measured(comparison, images[few], labels[few])


WORSE = {
    "noise": ("frechet", "frechet_infinity", "kernel", "precision", "density", "spectrum_gap", "feature_likelihood"),
    "blur": ("frechet", "frechet_infinity", "kernel", "precision", "spectrum_gap", "feature_likelihood"),
    "dropped class": ("frechet", "frechet_infinity", "kernel", "recall", "coverage"),
    "few images": ("frechet", "kernel", "recall", "coverage", "feature_likelihood"),
}


@pytest.mark.parametrize("kind", WORSE)
def test_worse_images_measure_worse(kind: str, comparison: Comparison) -> None:
    good, bad = direction(comparison, kind)
    for name in WORSE[kind]:
        better = MEASURES[name].better
        sign = 1 if better == "low" else -1
        assert sign * bad.values[name].value > sign * good.values[name].value, name


def test_copies_are_seen_by_every_measure_of_copying(comparison: Comparison) -> None:
    fresh = measured(comparison, *bars(1)).values
    copied = measured(comparison, *bars(0)).values
    assert copied["near_copies"].value > 0.9 > fresh["near_copies"].value
    assert copied["authenticity"].value < 0.05 < fresh["authenticity"].value
    assert copied["nearest_ratio"].value < 0.01 < fresh["nearest_ratio"].value
    assert copied["copying"].value < -3 < fresh["copying"].value
    assert copied["feature_likelihood"].value > fresh["feature_likelihood"].value + 50


def test_wrong_labels_are_seen(comparison: Comparison) -> None:
    images, labels = bars(1)
    right, wrong = measured(comparison, images, labels), measured(comparison, images, (labels + 1) % 3)
    assert right.values["agreement"].value > 0.5
    assert wrong.values["agreement"].value < 0.1
    assert right.values["frechet"].value == wrong.values["frechet"].value


def test_classes(comparison: Comparison, few: Few) -> None:
    found = measure_classes(comparison)
    assert list(found) == list(NAMES)
    expected = {name for name, measure in MEASURES.items() if measure.by_class}
    assert all(set(values) == expected for values in found.values())
    part = comparison.of_class(0)
    assert part is not None
    assert len(part.fake) == 70
    images, labels = bars(1)
    chosen = np.concatenate([np.flatnonzero(labels == 0)[:9], np.flatnonzero(labels == 1)])
    rare = replace(comparison, fake=side(few, images[chosen], labels[chosen]))
    assert list(measure_classes(rare)) == ["1"]


def test_a_comparison_of_features_alone(comparison: Comparison) -> None:
    bare = replace(
        comparison,
        real=Side(features=comparison.real.features),
        fake=Side(features=comparison.fake.features),
        holdout=None,
    )
    found = measure_all(bare)
    assert found.values["frechet"].value == pytest.approx(MEASURES["frechet"].compute(comparison).value)
    for name in ("ms_ssim", "perceptual_diversity", "spectrum_gap", "copying", "feature_likelihood", "agreement"):
        assert found.omitted[name]
    with pytest.raises(NotMeasured):
        MEASURES["copying"].compute(bare)


def test_repeated_real_images_have_no_ratio(comparison: Comparison) -> None:
    twice = Side(features=np.repeat(comparison.real.features[:20], 2, axis=0))
    found = measure_all(replace(comparison, real=twice, holdout=None))
    assert "repeat another one" in found.omitted["nearest_ratio"]
    assert all(np.isfinite(one.value) for one in found.values.values())


def test_not_finite_features_are_refused(comparison: Comparison) -> None:
    for name in ("real", "fake", "holdout"):
        bad = Side(features=np.full((20, FEATURES), np.nan, np.float32))
        with pytest.raises(UserError, match="not finite"):
            replace(comparison, **{name: bad})


def test_a_part_is_a_set_of_its_own() -> None:
    source = augan.open(bars(0))
    part = Part(source, np.array([5, 3]))
    assert source.labels is not None
    assert part.labels is not None
    assert part.labels.tolist() == source.labels[[5, 3]].tolist()
    assert np.array_equal(part.items(np.array([1])), source.items(np.array([3])))
    assert (len(part), part.item) == (2, source.item)

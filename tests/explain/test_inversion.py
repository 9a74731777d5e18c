"""Inversion: own samples are found again, the nearest of the candidates is always beaten, classes, encoders, faults."""

from __future__ import annotations

import pytest
import torch
from drawn import Film, linear, painter

import augan
from augan import explain
from augan.core.item import ItemSpec, to_unit
from augan.explain.intake import decode
from augan.networks import NetworkConfig, build

FEW = explain.InversionConfig(candidates=200, restarts=2, steps=60)


def test_latents_of_a_linear_generator_are_found_again() -> None:
    model = linear(size=3)
    truth = model.latents(5, seed=3)
    config = explain.InversionConfig(candidates=100, restarts=1, steps=400, norm_weight=0)
    found = explain.invert(model, decode(model, truth, None), config=config)
    torch.testing.assert_close(found.latents, truth, atol=0.02, rtol=0)
    assert float(found.errors.max()) < 1e-6
    assert found.to_json()["better_than_nearest"] == 1


def test_sprites_are_inverted_better_than_the_nearest_of_many_samples() -> None:
    model = painter()
    items = decode(model, model.latents(12, seed=99), None)
    found = explain.invert(model, items, config=FEW)
    assert bool((found.errors < found.nearest_errors).all())
    assert float(found.errors.mean()) < 0.2 * float(found.nearest_errors.mean())
    torch.testing.assert_close(found.reconstructions, decode(model, found.latents, None))
    torch.testing.assert_close(found.errors, (found.reconstructions - items).square().mean((1, 2, 3)))
    assert found.seconds > 0


def test_the_nearest_of_the_candidates_is_the_nearest() -> None:
    model = painter()
    items = decode(model, model.latents(4, seed=5), None)
    found = explain.invert(model, items, config=explain.InversionConfig(candidates=300, restarts=1, steps=1))
    from augan.core.rng import derive

    samples = decode(model, model.latents(300, derive(0, "candidates")), None)
    expected = torch.cdist(items.flatten(1), samples.flatten(1)).square().amin(1) / items[0].numel()
    torch.testing.assert_close(found.nearest_errors, expected, atol=1e-5, rtol=1e-3)


def conditional() -> augan.Model:
    item = ItemSpec(channels=1, height=8, width=8, class_names=("a", "b", "c"))
    torch.manual_seed(0)
    return augan.Model(build(NetworkConfig(width=8, latent_size=4), item)[0], item)


def test_classes_are_tried_or_kept() -> None:
    model = conditional()
    labels = torch.tensor([2, 0, 1, 2])
    items = decode(model, model.latents(4, seed=8), labels)
    free = explain.invert(model, items, config=FEW)
    assert free.labels is not None
    kept = explain.invert(model, items, labels, config=FEW)
    assert kept.labels is not None
    assert kept.labels.tolist() == labels.tolist()
    assert bool((kept.errors <= kept.nearest_errors).all())
    torch.testing.assert_close(kept.reconstructions, decode(model, kept.latents, labels))
    wrong = explain.invert(model, items, (labels + 1) % 3, config=FEW)
    assert float(wrong.errors.mean()) > float(kept.errors.mean())


def test_features_and_an_encoder_help_to_look() -> None:
    model = painter()
    items = decode(model, model.latents(3, seed=99), None)
    truth = model.latents(3, seed=99)
    told = explain.invert(
        model,
        items,
        config=explain.InversionConfig(candidates=2, restarts=1, steps=1),
        encoder=lambda images: truth[: len(images)],
    )
    assert float(told.errors.max()) < 1e-6
    looked = explain.invert(model, items, config=FEW, features=lambda x: x.mean((2, 3)))
    assert bool((looked.errors < looked.nearest_errors).all())


def test_an_encoder_learns_latents_of_samples() -> None:
    model = linear(size=3)
    network = explain.train_encoder(model, steps=100)
    truth = model.latents(64, seed=4)
    error = (network(decode(model, truth, None)) - truth).square().mean()
    assert float(error) < 0.5  # 1 for one that knows nothing


def test_films_are_inverted() -> None:
    model = augan.Model(Film(), ItemSpec(channels=1, height=8, width=8))
    items = decode(model, model.latents(2, seed=3), None)
    found = explain.invert(model, items, config=FEW)
    assert found.reconstructions.shape == (2, 1, 3, 8, 8)
    assert bool((found.errors < found.nearest_errors).all())


def test_a_loaded_model_has_methods(tiny_run: augan.Run, bars: augan.data.ArraySource) -> None:
    import numpy as np

    model = augan.load(tiny_run.path)
    pictures = bars.items(np.arange(2))
    found = model.invert(pictures, ["high", "middle"], candidates=64, steps=10, restarts=1)
    assert found.labels is not None
    assert found.labels.tolist() == model.class_indices(["high", "middle"])
    torch.testing.assert_close(found.images, to_unit(pictures))
    (entry,) = model.directions("sefa", 1)
    edited = model.edit(found.latents, entry, 2.0, ["high", "middle"])
    torch.testing.assert_close(edited, explain.edit(model, found.latents, entry, 2.0, found.labels))
    (bright,) = model.directions(lambda items: items.mean((1, 2, 3)), name="bright")
    assert bright.name == "bright"
    assert isinstance(model, augan.Model)


@pytest.mark.parametrize(
    ("shape", "labels", "message"),
    [
        ((0, 1, 8, 8), None, "no images"),
        ((2, 3, 8, 8), None, "the model makes"),
        ((2, 1, 8, 8), [0, 0], "without classes"),
    ],
)
def test_wrong_images_and_labels_are_named(shape: tuple[int, ...], labels: list[int] | None, message: str) -> None:
    with pytest.raises(augan.UserError, match=message):
        explain.invert(linear(), torch.zeros(shape), None if labels is None else torch.tensor(labels), config=FEW)
    with pytest.raises(augan.UserError, match="Labels go from 0 to 2"):
        explain.invert(conditional(), torch.zeros(2, 1, 8, 8), torch.tensor([0, 3]), config=FEW)

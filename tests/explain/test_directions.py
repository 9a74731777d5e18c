"""Directions: closed forms on linear generators, every family of networks, a painter of known factors, own modules."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from drawn import FACTORS, Film, Hidden, Linear, Painter, linear, painter, rotation
from torch import Tensor

import augan
from augan import explain
from augan.core.item import ItemSpec
from augan.explain.intake import decode, intakes
from augan.networks import NETWORKS, NetworkConfig, build
from common import fitting


def family(name: str, classes: int = 0, size: int = 16) -> augan.Model:
    names = tuple(f"c{k}" for k in range(classes)) or None
    item = fitting(name, ItemSpec(channels=3, height=size, width=size, class_names=names))
    torch.manual_seed(0)
    return augan.Model(build(NetworkConfig(name=name, width=8, latent_size=8), item)[0], item)


@pytest.mark.parametrize("method", ["sefa", "jacobian"])
def test_directions_of_a_linear_generator_are_its_singular_vectors(method: str) -> None:
    model = linear()
    found, notes = explain.directions(model, method, 6)
    _, values, vectors = torch.linalg.svd(model.generator.layer.weight, full_matrices=False)
    assert notes == []
    for entry, vector in zip(found, vectors, strict=True):
        assert abs(float(entry.vector @ vector)) == pytest.approx(1, abs=1e-3)
    assert [entry.share for entry in found] == pytest.approx((values**2 / (values**2).sum()).tolist(), rel=1e-2)


def test_principal_components_of_a_linear_generator_are_its_directions_of_largest_variance() -> None:
    matrix = torch.zeros(64, 6)
    matrix[:6] = torch.diag(torch.tensor([1.0, 9, 1, 4, 1, 1])) / 20
    model = augan.Model(Linear(matrix, (1, 8, 8)), ItemSpec(channels=1, height=8, width=8))
    model.generator.after = torch.nn.Conv2d(1, 1, 1)  # what is given to it are the first activations
    inner = model.generator.forward
    model.generator.forward = lambda latents, labels=None: model.generator.after(inner(latents, labels))  # type: ignore[method-assign]
    first, second = explain.directions(model, "pca", 2)[0]
    assert abs(float(first.vector[1])) > 0.99
    assert abs(float(second.vector[3])) > 0.95


@pytest.mark.parametrize("classes", [0, 3])
@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_every_family_shows_its_entry(name: str, classes: int) -> None:
    model = family(name, classes)
    found = intakes(model)
    assert ("style" in found) == (name == "style")
    layers = dict(model.generator.named_modules())
    entry = found["latent"]
    gram = torch.zeros(8, 8).double()
    for layer in entry.layers:
        weight = layers[layer].weight.double() * getattr(layers[layer], "scale", 1.0)
        gram += weight[:, :8].T @ weight[:, :8]
    torch.testing.assert_close(entry.gram, gram, rtol=1e-4, atol=1e-6)
    if name in ("article", "residual", "skip", "strided"):
        assert "dense" in entry.layers
    if name == "style":
        assert set(found["style"].layers) == {key for key in layers if key.endswith("modulation")}


@pytest.mark.parametrize("method", explain.METHODS)
@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_directions_of_every_family_move_items(name: str, method: str) -> None:
    model = family(name, 3)
    (entry,) = explain.directions(model, method, 1)[0]
    latents, labels = model.latents(4), model.labels(4)
    still = explain.edit(model, latents, entry, 0.0, labels)
    torch.testing.assert_close(still, decode(model, latents, labels))
    assert not torch.equal(explain.edit(model, latents, entry, 3.0, labels), still)
    assert float(entry.vector.norm()) == pytest.approx(1)
    assert entry.place == ("style" if name == "style" and method != "jacobian" else "latent")


def test_an_edit_of_a_style_is_the_generator_with_that_style_moved() -> None:
    model = family("style")
    entry = explain.directions(model, "pca", 1)[0][0]
    latents = model.latents(5)
    mapping, inner = model.generator.mapping, model.generator.mapping.forward
    mapping.forward = lambda latents, labels: inner(latents, labels) + 2 * entry.unit * entry.vector
    expected = decode(model, latents, None)
    mapping.forward = inner
    torch.testing.assert_close(explain.edit(model, latents, entry, 2.0), expected)
    some = explain.edit(
        model, latents, explain.on_layers(_with_layers(model, entry), r"^images"), torch.full((5,), 2.0)
    )
    assert not torch.allclose(some, expected)
    assert not torch.allclose(some, decode(model, latents, None))


def _with_layers(model: augan.Model, entry: explain.Direction) -> explain.Direction:
    from dataclasses import replace

    return replace(entry, layers=intakes(model)["style"].layers)


def test_an_edit_of_a_latent_is_the_moved_latent() -> None:
    model = linear()
    entry = explain.directions(model, "sefa", 1)[0][0]
    latents = model.latents(3)
    expected = decode(model, latents + torch.tensor([[-1.0], [0.0], [2.0]]) * entry.vector, None)
    torch.testing.assert_close(explain.edit(model, latents, entry, torch.tensor([-1.0, 0.0, 2.0])), expected)
    torch.testing.assert_close(explain.coordinates(model, latents, entry), latents @ entry.vector)


def test_a_convolution_that_takes_the_latent_is_found_and_films_are_items() -> None:
    model = augan.Model(Film(), ItemSpec(channels=1, height=8, width=8))
    assert intakes(model)["latent"].layers == ("first",)
    found, notes = explain.directions(model, "sefa", 2)
    assert notes == []
    assert explain.edit(model, model.latents(3), found[0], 1.0).shape == (3, 1, 3, 8, 8)


@pytest.mark.parametrize("method", ["sefa", "pca"])
def test_a_generator_that_hides_its_entry_gets_the_jacobian_and_is_told(method: str) -> None:
    model = augan.Model(Hidden(), ItemSpec(channels=1, height=8, width=8))
    found, notes = explain.directions(model, method, 2)
    assert {entry.method for entry in found} == {"jacobian"}
    assert "Jacobian" in notes[0]


def factor(column: int) -> explain.effects.Attribute:
    """Reads a factor off sprites: centres and extent of what is bright, and its redness."""

    def read(items: Tensor) -> Tensor:
        weight = (items + 0.8).clamp_min(0).sum(1)
        mass = weight.sum((1, 2)).clamp_min(1e-6)
        places = torch.arange(16) + 0.5
        if column < 2:
            return (weight.sum(1 + column) * places).sum(1) / mass
        if column == 2:
            return mass / weight.amax((1, 2))
        return ((items[:, 0] - items[:, 2]) * weight).sum((1, 2)) / mass

    return read


READS = {name: factor(column) for column, name in enumerate(FACTORS)}


def test_the_readers_read_the_factors() -> None:
    model = painter()
    latents = model.latents(200)
    truth = model.generator.factors(latents).detach()
    for column, read in enumerate(READS.values()):
        pair = torch.stack([read(decode(model, latents, None)), truth[:, column]])
        assert float(torch.corrcoef(pair)[0, 1]) > 0.9


def test_directions_find_the_factors_of_sprites_and_random_ones_do_not() -> None:
    model = painter()

    def enough(found: list[explain.Direction]) -> int:
        shares = np.array([explain.decided_share(explain.responses(model, entry, READS)) for entry in found])
        return int((shares.max(0) >= 0.8).sum())

    assert enough(explain.directions(model, "sefa", 4)[0]) >= 3
    assert enough(explain.directions(model, "jacobian", 4)[0]) >= 3
    assert enough([explain.supervised(model, read, name) for name, read in READS.items()]) >= 3
    assert enough(explain.directions(model, "random", 4)[0]) == 0


def test_effects_are_greatest_on_what_a_direction_is_for() -> None:
    model = painter()
    found = [explain.supervised(model, read, name) for name, read in READS.items()]
    for entry in explain.with_effects(model, found, READS):
        target, selective = explain.specificity(entry.effects)
        assert target == entry.name
        assert entry.effects[target] > 1.5
        assert selective > 2


def test_a_supervised_direction_is_the_scores_gradient() -> None:
    model = linear(size=6)
    wanted = model.generator.layer.weight[3]
    entry = explain.supervised(model, lambda items: items.flatten(1)[:, 3], "pixel")
    assert float(entry.vector @ wanted / wanted.norm()) > 0.99
    assert entry.fit is not None
    assert entry.fit > 0.99
    truth = explain.supervised(model, lambda items: items.flatten(1)[:, 3] > 0.03, "bright")
    assert float(truth.vector @ wanted / wanted.norm()) > 0.95
    assert truth.fit is not None
    assert truth.fit > 0.8


def test_a_direction_apart_from_another_is_orthogonal_to_it() -> None:
    model = linear()
    one = explain.supervised(model, lambda items: items.flatten(1)[:, 3], "a")
    other = explain.supervised(model, lambda items: items.flatten(1)[:, 9], "b", apart_from=[one])
    assert abs(float(one.vector @ other.vector)) < 1e-5
    with pytest.raises(augan.UserError, match="Nothing is left"):
        explain.supervised(model, lambda items: items.flatten(1)[:, 3], "a", apart_from=[one])


@pytest.mark.parametrize(
    ("score", "message"),
    [
        (lambda items: items, "one number an item"),
        (lambda items: torch.ones(len(items)), "All scores"),
        (lambda items: items.flatten(1)[:, 0] / 0, "not finite"),
    ],
)
def test_scores_that_cannot_be_learnt_from_are_refused(score: explain.effects.Attribute, message: str) -> None:
    with pytest.raises(augan.UserError, match=message):
        explain.supervised(linear(), score, "it")


def test_decided_shares_and_effect_sizes_in_closed_form() -> None:
    strengths = np.linspace(-3, 3, 7)
    random = np.random.default_rng(0)
    noise = random.standard_normal((4_000, 7))
    found = np.stack([np.tile(strengths, (4_000, 1)), noise, strengths + 2 * noise], 2)
    shares = explain.decided_share(found)
    assert shares[0] == pytest.approx(1)
    assert shares[1] < 0.01
    assert shares[2] == pytest.approx(4 / (4 + 4), abs=0.02)
    assert explain.effect_sizes(found, np.array([2.0, 1.0, 1.0])) == pytest.approx([3, 0, 6], abs=0.2)
    assert explain.specificity({"a": -3.0, "b": 1.0, "c": 0.5}) == ("a", 4.0)
    with pytest.raises(augan.UserError):
        explain.specificity({"a": 1.0})


def test_attributes_read_what_they_say() -> None:
    items = torch.full((2, 3, 9, 9), -1.0)
    items[0, :, 1, 7] = 1
    items[1, 0] = 1
    found = {name: read(items) for name, read in explain.attributes_for(3).items()}
    assert float(found["left to right"][0]) == pytest.approx(7.5 / 9 - 0.5)
    assert float(found["top to bottom"][0]) == pytest.approx(1.5 / 9 - 0.5)
    assert float(found["warmth"][1]) == pytest.approx(2)
    assert float(found["saturation"][0]) == 0
    assert "warmth" not in explain.attributes_for(1)


def test_directions_are_written_and_read(tmp_path: Path) -> None:
    model = painter()
    found = explain.with_effects(model, explain.directions(model, "sefa", 3)[0], READS, latents=4)
    explain.save_directions(found, tmp_path / "kept")
    again = explain.load_directions(tmp_path / "kept")
    assert [entry.to_json() for entry in again] == [entry.to_json() for entry in found]
    assert all(torch.equal(a.vector, b.vector) for a, b in zip(again, found, strict=True))
    assert explain.chosen(again, "2").name == explain.chosen(again, "sefa-2").name == "sefa-2"
    with pytest.raises(augan.UserError, match="Did you mean 'sefa-1'"):
        explain.chosen(again, "sefa-11")
    (tmp_path / "kept" / "directions.json").write_text("[{}]")
    with pytest.raises(augan.UserError, match="damaged"):
        explain.load_directions(tmp_path / "kept")


def test_wrong_requests_are_named() -> None:
    model = painter()
    with pytest.raises(augan.UserError, match="Known: jacobian, pca, random, sefa"):
        explain.directions(model, "sfa")
    with pytest.raises(augan.UserError, match="at least 1"):
        explain.directions(model, "sefa", 0)
    other = explain.directions(linear(), "sefa", 1)[0][0]
    with pytest.raises(augan.UserError, match="does not have"):
        explain.edit(model, model.latents(1), other, 1.0)
    with pytest.raises(augan.UserError, match="style"):
        explain.on_layers(other, "x")
    style = explain.directions(family("style"), "sefa", 1)[0][0]
    with pytest.raises(augan.UserError, match="does not have"):
        explain.edit(model, model.latents(1), style, 1.0)


def test_rotations_are_orthogonal() -> None:
    torch.testing.assert_close(rotation(5) @ rotation(5).T, torch.eye(5), atol=1e-5, rtol=0)
    assert Painter().factors(torch.zeros(1, 16)).tolist() == [[0.5] * 4]

"""Attributions: closed forms, completeness, what becomes of them without training; dissection; the critic of a run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from drawn import painter
from torch import Tensor, nn

import augan
from augan import explain
from augan.core.item import to_unit
from augan.networks import NetworkConfig, build
from common import TINY, shapes


def images(count: int = 4, channels: int = 3, size: int = 8, seed: int = 0) -> Tensor:
    return torch.rand(count, channels, size, size, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def kinked(channels: int = 3) -> nn.Module:
    torch.manual_seed(0)
    layers = [nn.Conv2d(channels, 16, 3, padding=1), nn.LeakyReLU(0.2), nn.Conv2d(16, 16, 3, 2), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.LazyLinear(1), nn.Flatten(0))


def test_attributions_of_a_linear_score_are_its_terms() -> None:
    weights = images(1, seed=1)[0]
    baseline = images(1, seed=2)[0]
    items = images()
    found = explain.integrated_gradients(lambda x: (x * weights).sum((1, 2, 3)), items, baseline)
    torch.testing.assert_close(found.values, weights * (items - baseline))
    assert found.complete
    assert set(found.steps) == {32}


def test_attributions_of_a_square_are_exact_at_middles_of_steps() -> None:
    items = images()
    found = explain.integrated_gradients(lambda x: x.square().sum((1, 2, 3)), items)
    torch.testing.assert_close(found.values, items.square(), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(found.change, items.square().sum((1, 2, 3)).double(), atol=1e-4, rtol=1e-5)


def test_attributions_through_kinks_are_complete_within_a_hundredth() -> None:
    found = explain.integrated_gradients(kinked(), images(12), images(1, seed=5)[0])
    assert found.complete
    assert float(found.error.max()) <= 0.01
    torch.testing.assert_close(found.values.sum((1, 2, 3)).double(), found.change, rtol=0.011, atol=1e-5)


def test_what_stays_incomplete_says_so() -> None:
    def stairs(x: Tensor) -> Tensor:
        return 0 * x.sum((1, 2, 3)) + (x.sum((1, 2, 3)) > 1).float()

    found = explain.integrated_gradients(stairs, torch.ones(1, 1, 2, 2), most_steps=64)
    assert not found.complete
    assert float(found.error) == pytest.approx(1)
    assert found.steps.tolist() == [64]


def test_a_baseline_of_another_shape_is_refused() -> None:
    with pytest.raises(augan.UserError, match="baseline has shape"):
        explain.integrated_gradients(lambda x: x.sum((1, 2, 3)), images(), torch.zeros(3, 4, 4))


def test_films_and_sounds_have_attributions() -> None:
    for shape in ((2, 1, 3, 8, 8), (2, 1, 32)):
        items = torch.rand(shape)
        found = explain.integrated_gradients(lambda x: x.flatten(1).square().mean(1), items)
        assert found.values.shape == shape
        assert found.complete


def test_grad_cam_in_closed_form() -> None:
    """score = 2 mean(A_0) - mean(A_1): the map is relu(2 A_0 - A_1) over the number of places."""
    network = nn.Conv2d(2, 2, 1)
    network.weight.data = torch.eye(2)[:, :, None, None]
    network.bias.data.zero_()
    items = images(3, channels=2)
    found = explain.grad_cam(lambda x: (network(x).mean((2, 3)) * torch.tensor([2.0, -1.0])).sum(1), network, items, "")
    torch.testing.assert_close(found, (2 * items[:, 0] - items[:, 1]).relu() / 64, atol=1e-6, rtol=1e-5)


def test_grad_cam_takes_the_last_layer_with_places_and_names_what_is_not_there() -> None:
    network = kinked()
    assert explain.last_maps(network, network, images(1)) == "2"
    assert explain.grad_cam(network, network, images(2)).shape == (2, 8, 8)
    with pytest.raises(augan.UserError, match="no layer 'x'"):
        explain.grad_cam(network, network, images(2), "x")
    flat = nn.Sequential(nn.Flatten(), nn.Linear(192, 1), nn.Flatten(0))
    with pytest.raises(augan.UserError, match="gives maps"):
        explain.grad_cam(flat, flat, images(2))


def test_rank_correlations() -> None:
    a = torch.rand(2, 1, 4, 4)
    assert explain.rank_correlation(a, a.exp()).tolist() == pytest.approx([1, 1])
    assert explain.rank_correlation(a, -a).tolist() == pytest.approx([-1, -1])
    assert explain.rank_correlation(a, torch.zeros_like(a)).tolist() == [0, 0]
    many = explain.rank_correlation(torch.rand(1, 10_000), torch.rand(1, 10_000))
    assert abs(float(many[0])) < 0.05


def test_weights_are_drawn_anew_with_their_mean_and_deviation() -> None:
    network = nn.Linear(200, 100)
    network.weight.data.mul_(3).add_(1)
    before = network.weight.clone()
    other = explain.randomised(network, only=["weight"])
    assert torch.equal(network.weight, before)
    assert torch.equal(other.bias, network.bias)
    other.requires_grad_(False)
    before = before.detach()
    assert float(other.weight.mean()) == pytest.approx(float(before.mean()), abs=0.01)
    assert float(other.weight.std()) == pytest.approx(float(before.std()), rel=0.03)
    assert not torch.equal(other.weight, before)


def test_attributions_do_not_survive_random_weights() -> None:
    found = explain.sanity(kinked(), lambda network: network, images(4), draws=2)
    assert abs(found["integrated_gradients"]) < 0.3
    assert abs(found["grad_cam"]) < 0.7


def test_a_network_whose_weights_do_not_matter_is_found_out() -> None:
    class Same(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Conv2d(3, 1, 1)

        def forward(self, x: Tensor) -> Tensor:
            return x.square().sum((1, 2, 3)) + 0 * self.layer(x).sum((1, 2, 3))

    found = explain.sanity(Same(), lambda network: network, images(2))
    assert found["integrated_gradients"] == pytest.approx(1, abs=1e-3)


# ---------------------------------------------------------------------- the critic of a run


def test_the_critic_of_a_run_is_its_discriminator(tiny_run: augan.Run, bars: augan.data.ArraySource) -> None:
    critic = explain.load_critic(tiny_run.path)
    item = bars.item
    own = build(NetworkConfig(**tiny_run.config["networks"]), item)[1]
    checkpoint = tiny_run.store.best()
    assert checkpoint is not None
    from safetensors.torch import load_file

    saved = load_file(checkpoint / "training.safetensors")
    own.load_state_dict({k[14:]: v for k, v in saved.items() if k.startswith("discriminator.")})
    x, labels = to_unit(bars.items(np.arange(6))).contiguous(), torch.from_numpy(bars.labels[:6])
    torch.testing.assert_close(critic(x, labels), own.eval()(x, labels))
    assert critic.alone


def test_a_discriminator_that_compares_its_batch_judges_one_at_a_time() -> None:
    item = augan.core.item.ItemSpec(channels=3, height=8, width=8)
    torch.manual_seed(0)
    network = build(NetworkConfig(name="style", width=8, latent_size=8), item)[1]
    critic = explain.Critic(network, conditional=False)
    x = images(4)
    logits = critic(x)
    assert critic.alone is False
    torch.testing.assert_close(critic(x[1:3]), logits[1:3])
    assert explain.grad_cam(critic, critic.network, x).shape == (4, 8, 8)
    assert explain.integrated_gradients(critic, x[:1]).complete


def test_spectral_norm_is_put_back(tmp_path: Path) -> None:
    data, _ = shapes({"a": 40})
    settings = [*TINY, "game.spectral_norm=true", "training.measure_images=0"]
    run = augan.train(data, images=64, out=tmp_path / "run", recipe="strided", settings=settings)
    assert explain.load_critic(run.path)(torch.zeros(2, 1, 16, 16)).shape == (2,)


def test_a_checkpoint_without_a_discriminator_is_named(tiny_run: augan.Run, tmp_path: Path) -> None:
    checkpoint = tiny_run.store.best()
    assert checkpoint is not None
    for name in ("model.json", "model.safetensors"):
        (tmp_path / name).write_bytes((checkpoint / name).read_bytes())
    with pytest.raises(augan.UserError, match="generator only"):
        explain.load_critic(tmp_path)
    model, critic, reason = explain.players(tmp_path)
    assert model.conditional
    assert critic is None
    assert "generator only" in (reason or "")
    with pytest.raises(augan.UserError, match="another discriminator"):
        explain.load_critic(tiny_run.path, discriminator=nn.Linear(2, 1))
    document = json.loads((checkpoint / "model.json").read_text())
    (tmp_path / "model.json").write_text(json.dumps(document | {"networks": None}))
    (tmp_path / "training.safetensors").write_bytes((checkpoint / "training.safetensors").read_bytes())
    with pytest.raises(augan.UserError, match="networks of your own"):
        explain.load_critic(tmp_path)


# ---------------------------------------------------------------------- dissection


class Two(nn.Module):
    """Its first unit is the left half, its second the right one, each with a brightness of its own."""

    classes, latent_size = 0, 2

    def __init__(self) -> None:
        super().__init__()
        self.maps = nn.Identity()

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        units = torch.zeros(len(latents), 2, 8, 8)
        units[:, 0, :, :4] = (latents[:, 0] > 0).float()[:, None, None]
        units[:, 1, :, 4:] = (latents[:, 1] > 0).float()[:, None, None]
        return self.maps(units).sum(1, keepdim=True) - 0.5


def test_units_are_found_by_their_masks() -> None:
    model = augan.Model(Two(), augan.core.item.ItemSpec(channels=1, height=8, width=8))
    halves = {
        "left": lambda x: (x[:, 0] > 0) & (torch.arange(8) < 4),
        "right": lambda x: (x[:, 0] > 0) & (torch.arange(8) >= 4),
    }
    assert explain.layers_with_maps(model) == ["maps"]
    found = {unit.unit: unit for unit in explain.dissect(model, halves, "maps")}
    assert (found[0].mask, found[1].mask) == ("left", "right")
    assert found[0].iou == found[1].iou == 1
    assert found[0].chance < 0.6


def test_wrong_masks_and_layers_are_named() -> None:
    model = painter()
    with pytest.raises(augan.UserError, match="no maps at 'x'"):
        explain.dissect(model, {"all": lambda x: x[:, 0] > 0}, "x")
    two = augan.Model(Two(), augan.core.item.ItemSpec(channels=1, height=8, width=8))
    with pytest.raises(augan.UserError, match="at least one mask"):
        explain.dissect(two, {}, "maps")
    with pytest.raises(augan.UserError, match="has shape"):
        explain.dissect(two, {"all": lambda x: x > 0}, "maps")

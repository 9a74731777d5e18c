"""Networks for rows: what comes out is a row, the asked value is in it, packs are judged together."""

from __future__ import annotations

import pytest
import torch

import augan
from augan.core.errors import UserError
from augan.networks import NetworkConfig, build
from augan.networks.build import TABLE_NETWORKS
from mixed_rows import mixed


def built(pack: int = 4, name: str = "ctgan") -> tuple[torch.nn.Module, torch.nn.Module, augan.data.tables.TableSource]:
    source = augan.open(mixed(), label="sex")
    torch.manual_seed(0)
    config = NetworkConfig(name=name, latent_size=8, width=16, blocks=2, pack=pack)
    return *build(config, source.item), source


@pytest.mark.parametrize("name", TABLE_NETWORKS)
def test_in_training_as_in_evaluation_the_asked_value_is_what_comes(name: str) -> None:
    generator, _, source = built(name=name)
    spec = source.spec
    conditions = torch.arange(len(spec.conditions)).repeat(3)
    latents = torch.randn(len(conditions), generator.latent_size)
    for training in (True, False):
        rows = generator.train(training)(latents, conditions)[:, :, 0, 0]
        place = torch.from_numpy(augan.core.table.condition_places(spec))[conditions]
        assert torch.equal(rows[torch.arange(len(rows)), place], torch.ones(len(rows)))
        for block in spec.blocks:
            assert torch.allclose(rows[:, block.hot].sum(1), torch.ones(len(rows)), atol=1e-5)
        assert rows.abs().max() <= 1
    assert set(rows[:, spec.blocks[-1].hot].unique().tolist()) <= {0.0, 1.0}


def test_a_row_is_a_function_of_its_latent() -> None:
    generator, _, _ = built()
    latents = torch.randn(30, generator.latent_size)
    conditions = torch.zeros(30, dtype=torch.int64)
    generator.eval()
    assert torch.equal(generator(latents, conditions), generator(latents, conditions))
    assert torch.equal(generator(latents, conditions)[:7], generator(latents[:7], conditions[:7]))


def test_places_are_drawn_by_the_softmax_of_their_scores() -> None:
    """Gumbel's maximum: with scores log p the largest of score + noise is place i with probability p_i."""
    generator, _, source = built()
    block = next(b for b in source.spec.blocks if source.spec.columns[b.column].name == "city")
    torch.nn.init.zeros_(generator.last.weight)
    with torch.no_grad():
        generator.last.bias[block.hot] = torch.tensor([0.7, 0.2, 0.1]).log()
    generator.eval()
    rows = generator(torch.randn(8_000, generator.latent_size), torch.zeros(8_000, dtype=torch.int64))[:, :, 0, 0]
    assert torch.allclose(rows[:, block.hot].mean(0), torch.tensor([0.7, 0.2, 0.1]), atol=0.02)


def test_a_pack_has_one_verdict_which_every_row_moves() -> None:
    _, discriminator, source = built(pack=4)
    discriminator.eval()
    packs = torch.rand(3, 4 * source.spec.width, 1, 1, requires_grad=True)
    conditions = torch.zeros(3, 4, dtype=torch.int64)
    verdict = discriminator(packs, conditions)
    assert verdict.shape == (3,)
    (slope,) = torch.autograd.grad(verdict[0], packs)
    assert (slope[0].reshape(4, -1).abs().sum(1) > 0).all()
    assert (slope[1:] == 0).all()


def test_plain_networks_judge_and_make_each_row_on_its_own() -> None:
    """Without batch normalisation and dropout a row is the same in training whatever is beside it."""
    generator, discriminator, _ = built(pack=1, name="rows")
    generator.train()
    latents, conditions = torch.randn(6, generator.latent_size), torch.zeros(6, dtype=torch.int64)
    rows = generator(latents, conditions)
    assert torch.allclose(rows[:2], generator(latents[:2], conditions[:2]), atol=1e-6)
    verdict = discriminator.train()(rows, conditions)
    assert torch.allclose(verdict[:2], discriminator(rows[:2], conditions[:2]), atol=1e-6)


def test_families_are_for_what_they_are_for() -> None:
    with pytest.raises(UserError, match="network family for items of kind table 'strided'. Known: ctgan, rows"):
        build(NetworkConfig(name="strided"), augan.open(mixed()).item)
    with pytest.raises(UserError, match="network family for items of kind image 'ctgan'"):
        build(NetworkConfig(name="ctgan"), augan.core.item.ItemSpec(channels=1, height=8, width=8))
    with pytest.raises(ValueError, match=r"networks\.pack"):
        NetworkConfig(name="strided", pack=2)

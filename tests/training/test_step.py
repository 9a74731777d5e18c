"""One round of the game."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from augan.core.item import ItemSpec
from augan.core.rng import Stream
from augan.game import objective
from augan.game.config import GameConfig
from augan.networks import NetworkConfig, build
from augan.training.step import Table, generator_turn, latents_for, other_labels, play_round

CPU = torch.device("cpu")


def table(rules: GameConfig, name: str = "strided", dtype: torch.dtype | None = None) -> Table:
    torch.manual_seed(0)
    item = ItemSpec(channels=1, height=8, width=8, class_names=("a", "b"))
    generator, discriminator = build(NetworkConfig(name=name, width=4, latent_size=4), item)
    return Table(
        generator=generator,
        discriminator=discriminator,
        objective=objective(rules.objective),
        rules=rules,
        classes=2,
        device=CPU,
        dtype=dtype,
    )


def round_of(game: Table, penalise: bool = True) -> dict[str, torch.Tensor]:
    random = Stream(torch.Generator().manual_seed(0))
    optimizers = tuple(torch.optim.SGD(n.parameters(), lr=0.1) for n in (game.generator, game.discriminator))
    real, labels = torch.rand(6, 1, 8, 8) * 2 - 1, torch.tensor([0, 1, 0, 1, 0, 1])
    return play_round(game, optimizers, real, labels, 4, random, float(penalise))


RULES = [
    GameConfig(objective="minimax", r1_gamma=0, r2_gamma=0),
    GameConfig(objective="relativistic"),
    GameConfig(objective="relativistic", reuse=True, matching=0.1),
    GameConfig(objective="hinge", reuse=True),
    GameConfig(objective="wasserstein", r1_gamma=0, r2_gamma=0, gradient_penalty=10.0),
    GameConfig(objective="hinge", r1_gamma=0, r2_gamma=0, augmentation=("translation", "cutout", "colour", "flip")),
    GameConfig(objective="least-squares", matching=0.5),
    GameConfig(objective="non-saturating", r2_gamma=0, adaptive=("blit", "geometry", "palette", "bands", "noise")),
]


@pytest.mark.parametrize("rules", RULES, ids=lambda rules: rules.objective)
@pytest.mark.parametrize("dtype", [None, torch.bfloat16])
def test_both_players_move_and_numbers_are_finite(rules: GameConfig, dtype: torch.dtype | None) -> None:
    game = table(rules, dtype=dtype)
    game.probability = 0.5 if rules.adaptive else 0.0
    before = [[p.detach().clone() for p in n.parameters()] for n in (game.generator, game.discriminator)]
    watched = round_of(game, rules.penalised)
    assert {"loss_discriminator", "loss_generator", "real_logit", "fake_logit"} <= set(watched)
    assert ("penalty" in watched) == rules.penalised
    assert ("mismatch" in watched) == (rules.matching > 0)
    assert all(value.isfinite() for value in watched.values())
    for network, old in zip((game.generator, game.discriminator), before, strict=True):
        moved = [not torch.equal(p, o) for p, o in zip(network.parameters(), old, strict=True)]
        assert any(moved)


def test_logits_are_anchored_once_there_are_anchors() -> None:
    game = table(GameConfig(objective="hinge", lecam=0.3))
    assert "lecam" not in round_of(game)
    game.anchors = (2.0, -1.0)
    assert round_of(game)["lecam"] > 0


def test_reuse_takes_samples_and_verdicts_of_the_discriminators_turn() -> None:
    calls: dict[str, int] = {"generator": 0, "discriminator": 0}

    def count(name: str) -> Callable[..., None]:
        def hook(*_: object) -> None:
            calls[name] += 1

        return hook

    for reuse, expected in ((False, (2, 3)), (True, (1, 2))):
        game = table(GameConfig(objective="relativistic", reuse=reuse))
        calls |= {"generator": 0, "discriminator": 0}
        game.generator.register_forward_hook(count("generator"))
        game.discriminator.down[0].register_forward_hook(count("discriminator"))
        round_of(game)
        assert tuple(calls.values()) == expected


@pytest.mark.parametrize(("objective_name", "moves"), [("relativistic", False), ("hinge", True)])
def test_logits_that_are_only_compared_keep_their_level(objective_name: str, moves: bool) -> None:
    game = table(GameConfig(objective=objective_name, reuse=True))
    level = game.discriminator.head.level
    before = level.detach().clone()
    round_of(game)
    assert torch.equal(level, before) != moves


def test_generator_turn_leaves_the_discriminator_alone() -> None:
    game = table(GameConfig())
    random = Stream(torch.Generator().manual_seed(0))
    optimizer = torch.optim.SGD(game.generator.parameters(), lr=0.1)
    before = [p.detach().clone() for p in game.discriminator.parameters()]
    real, labels = torch.zeros(4, 1, 8, 8), torch.zeros(4, dtype=torch.int64)
    fake = game.generate(latents_for(4, 4, random, CPU), labels)
    generator_turn(game, optimizer, real, labels, fake, random)
    assert all(torch.equal(p, o) for p, o in zip(game.discriminator.parameters(), before, strict=True))
    assert all(p.grad is None and p.requires_grad for p in game.discriminator.parameters())


def test_penalty_is_taken_through_the_augmentation() -> None:
    """With a critic that sums pixels, a cut-out removes its share of the gradient: the penalty falls below the full."""

    class Sum(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(()))

        def forward(self, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
            return self.scale * images.flatten(1).sum(1)

    penalties = []
    for names in ((), ("cutout",)):
        game = table(GameConfig(r1_gamma=2.0, r2_gamma=0.0, augmentation=names))
        game = Table(**{**vars(game), "discriminator": Sum()})
        penalties.append(round_of(game)["penalty"].item())
    assert penalties[0] == pytest.approx(64)  # gamma / 2 times 8x8 pixels of gradient 1
    assert 64 * 0.7 < penalties[1] < 64


def test_other_labels_are_other_and_uniform() -> None:
    labels = torch.arange(5).repeat(400)
    others = other_labels(labels, 5, Stream(torch.Generator().manual_seed(0)))
    assert (others != labels).all()
    assert (torch.bincount(others, minlength=5) / 2000 - 0.2).abs().max() < 0.04
    assert torch.equal(other_labels(labels * 0, 1, Stream()), labels * 0)


class Apart(nn.Module):
    """A discriminator that hides its features: images go through it one batch after the other."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.inner(images, labels)
        return logits


@pytest.mark.parametrize("rules", [GameConfig(matching=0.5), GameConfig(r1_gamma=1.0, r2_gamma=0.2)])
def test_images_at_once_and_one_after_the_other_give_the_same(rules: GameConfig) -> None:
    together, apart = table(rules), table(rules)
    apart.discriminator = Apart(apart.discriminator)
    rounds = []
    for game in (together, apart):
        torch.manual_seed(1)
        rounds.append(round_of(game))
    found, expected = rounds
    assert found.keys() == expected.keys()
    for name in found:
        torch.testing.assert_close(found[name], expected[name], msg=name)
    for one, other in zip(together.discriminator.parameters(), apart.discriminator.parameters(), strict=True):
        torch.testing.assert_close(one, other)


def test_discriminator_of_the_skip_family_also_reconstructs() -> None:
    with_it, without = (table(GameConfig(reconstruction=weight), "skip") for weight in (1.0, 0.0))
    assert round_of(with_it)["reconstruction"] > 0
    assert "reconstruction" not in round_of(without)


def test_auxiliary_class_loss_moves_both_players() -> None:
    item = ItemSpec(channels=1, height=8, width=8, class_names=("a", "b"))
    gradients = []
    for weight in (0.0, 1.0):
        torch.manual_seed(0)
        networks = build(NetworkConfig(name="strided", width=4, latent_size=4, conditioning="auxiliary"), item)
        game = Table(
            **{
                **vars(table(GameConfig(auxiliary=weight, matching=0.0))),
                **dict(zip(("generator", "discriminator"), networks, strict=True)),
            }
        )
        watched = round_of(game)
        assert ("class_loss" in watched) == (weight > 0)
        gradients.append([next(network.parameters()).grad.clone() for network in networks])  # type: ignore[union-attr]
    for one, other in zip(*gradients, strict=True):
        assert not torch.allclose(one, other)


def test_overfitting_is_the_mean_sign_of_real_logits() -> None:
    game = table(GameConfig(objective="hinge", r1_gamma=0, r2_gamma=0))

    class Sign(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(()))

        def forward(self, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
            return self.scale * (labels.float() - 0.5 + 0 * images.flatten(1).sum(1))

    game.discriminator = Sign()
    assert round_of(game, penalise=False)["overfitting"] == 0  # half of the labels are 1

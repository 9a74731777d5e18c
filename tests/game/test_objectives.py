"""Closed forms of the pay-offs."""

import math

import pytest
import torch

from augan.core.errors import UserError
from augan.game import OBJECTIVES, minimax_value, objective

LOGITS = torch.linspace(-6, 6, 25, dtype=torch.float64)


def test_minimax_value_is_the_articles_formula() -> None:
    real, fake = LOGITS, LOGITS.flip(0) * 0.7
    D_real, D_fake = real.sigmoid(), fake.sigmoid()
    expected = D_real.log().mean() + (1 - D_fake).log().mean()
    torch.testing.assert_close(minimax_value(real, fake), expected)


def test_minimax_value_at_the_equilibrium_is_minus_log_4() -> None:
    zeros = torch.zeros(5)
    assert minimax_value(zeros, zeros).item() == pytest.approx(-math.log(4))


def test_minimax_players_are_opposed_in_the_generated_part() -> None:
    """Both play for the same V: the generator's gradient is the negative of the discriminator's at fake logits."""
    game = objective("minimax")
    fake = LOGITS.clone().requires_grad_()
    (d_grad,) = torch.autograd.grad(game.discriminator_loss(LOGITS, fake), fake)
    (g_grad,) = torch.autograd.grad(game.generator_loss(LOGITS, fake), fake)
    torch.testing.assert_close(d_grad, -g_grad)


def test_minimax_is_finite_where_the_probability_rounds_to_one() -> None:
    huge = torch.tensor([1e4, -1e4])
    assert minimax_value(huge, huge).isfinite()


CLOSED_FORMS = {  # name: (discriminator's loss, generator's) at real logits 2, fake logits -1
    "minimax": (math.log(1 + math.exp(-2)) + math.log(1 + math.exp(-1)), -math.log(1 + math.exp(-1))),
    "non-saturating": (math.log(1 + math.exp(-2)) + math.log(1 + math.exp(-1)), math.log(1 + math.exp(1))),
    "hinge": (0.0, 1.0),
    "least-squares": (0.5 * 1 + 0.5 * 1, 0.5 * 4),
    "wasserstein": (-3.0, 1.0),
    "relativistic": (math.log(1 + math.exp(-3)), math.log(1 + math.exp(3))),
}


@pytest.mark.parametrize("name", OBJECTIVES)
def test_closed_form(name: str) -> None:
    real, fake = torch.full((4,), 2.0), torch.full((4,), -1.0)
    for_d, for_g = CLOSED_FORMS[name]
    assert objective(name).discriminator_loss(real, fake).item() == pytest.approx(for_d, abs=1e-6)
    assert objective(name).generator_loss(real, fake).item() == pytest.approx(for_g, abs=1e-6)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_players_pull_apart(name: str) -> None:
    """The discriminator wants real logits up and fake ones down; the generator wants fake ones up."""
    real, fake = (torch.zeros(3, requires_grad=True) for _ in range(2))
    up, down = torch.autograd.grad(objective(name).discriminator_loss(real, fake), (real, fake), allow_unused=True)
    assert (up < 0).all()
    assert (down > 0).all() or name == "least-squares"  # its target for fakes is 0, which they have
    (pull,) = torch.autograd.grad(objective(name).generator_loss(real.detach(), fake), fake)
    assert (pull < 0).all()


@pytest.mark.parametrize("name", OBJECTIVES)
def test_gradcheck(name: str) -> None:
    torch.manual_seed(0)
    real, fake = (torch.randn(6, dtype=torch.float64, requires_grad=True) for _ in range(2))
    assert torch.autograd.gradcheck(objective(name).discriminator_loss, (real, fake))
    assert torch.autograd.gradcheck(objective(name).generator_loss, (real, fake))


def test_unknown_name_lists_the_known() -> None:
    with pytest.raises(UserError, match="Did you mean 'hinge'.*minimax"):
        objective("hing")

"""Penalties of functions whose gradients are known, at every rank."""

import pytest
import torch
from torch import nn

from augan.game import (
    anchored_penalty,
    apply_spectral_norm,
    group_spectral_penalty,
    interpolate,
    one_centered_penalty,
    tail_shares,
    zero_centered_penalty,
)

SHAPES = [(5,), (2, 7), (3, 4, 4), (2, 3, 4, 4)]  # rows, sounds, images, clips


@pytest.mark.parametrize("shape", SHAPES)
def test_linear_critic_has_the_squared_norm_of_its_weights(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    weight = torch.randn(shape, dtype=torch.float64)
    x = torch.randn(6, *shape, dtype=torch.float64, requires_grad=True)
    logits = (x * weight).flatten(1).sum(1)
    norm = weight.norm()
    torch.testing.assert_close(zero_centered_penalty(x, logits), norm.square().expand(6))
    logits = (x * weight).flatten(1).sum(1)
    torch.testing.assert_close(one_centered_penalty(x, logits), (norm - 1).square().expand(6))


def test_quadratic_critic() -> None:
    """D(x) = |x|^2 / 2 has the gradient x: the penalty of each item is its own squared norm."""
    x = torch.randn(4, 3, 5, requires_grad=True)
    logits = x.square().flatten(1).sum(1) / 2
    torch.testing.assert_close(zero_centered_penalty(x, logits), x.detach().square().flatten(1).sum(1))


@pytest.mark.parametrize("penalty", [zero_centered_penalty, one_centered_penalty])
@pytest.mark.parametrize("shape", SHAPES)
def test_second_gradient(penalty: object, shape: tuple[int, ...]) -> None:
    """The penalty's gradient with respect to the critic's weights, against finite differences."""
    torch.manual_seed(1)
    x = torch.randn(3, *shape, dtype=torch.float64)
    first = torch.randn(4, x[0].numel(), dtype=torch.float64, requires_grad=True)
    second = torch.randn(4, dtype=torch.float64, requires_grad=True)

    def value(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        points = x.clone().requires_grad_()
        return penalty(points, (points.flatten(1) @ first.T).tanh() @ second)  # type: ignore[operator]

    assert torch.autograd.gradcheck(value, (first, second))


def test_interpolation_lies_between_the_pairs() -> None:
    real, fake = torch.zeros(50, 2, 3), torch.ones(50, 2, 3)
    between = interpolate(real, fake, torch.Generator().manual_seed(0))
    assert ((between >= 0) & (between <= 1)).all()
    assert (between.flatten(1).std(1) < 1e-7).all()  # one share for the whole item
    assert between[:, 0, 0].std() > 0.2


def test_spectral_norm_limits_every_layer() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv1d(2, 8, 3), nn.Conv2d(2, 8, 3), nn.Linear(8, 4), nn.Embedding(5, 4))
    for parameter in network.parameters():
        parameter.data.mul_(10)
    apply_spectral_norm(network)
    for layer in network:
        for _ in range(30):
            weight = layer.weight
        largest = torch.linalg.matrix_norm(weight.detach().flatten(1), 2)
        assert largest.item() == pytest.approx(1.0, abs=0.02)


def test_spectral_norm_twice_is_once() -> None:
    network = apply_spectral_norm(apply_spectral_norm(nn.Sequential(nn.Linear(3, 3))))
    assert len(network[0].parametrizations.weight) == 1


def test_spectral_norm_goes_with_a_gradient_penalty() -> None:
    network = apply_spectral_norm(nn.Sequential(nn.Linear(3, 8), nn.Softplus(), nn.Linear(8, 1)))
    x = torch.randn(4, 3, requires_grad=True)
    zero_centered_penalty(x, network(x).squeeze(1)).mean().backward()
    gradients = [p.grad for name, p in network.named_parameters() if name != "2.bias"]  # it moves no gradient
    assert all(gradient is not None and gradient.isfinite().all() for gradient in gradients)


def test_anchored_penalty_holds_each_side_to_the_others_level() -> None:
    real, fake = torch.tensor([1.0, 3.0]), torch.tensor([-1.0, -2.0])
    assert anchored_penalty(real, fake, (2.0, -1.0)) == pytest.approx((4 + 16) / 2 + (9 + 16) / 2)
    assert anchored_penalty(torch.full((3,), -1.0), torch.full((3,), 2.0), (2.0, -1.0)) == 0


def test_small_classes_pay_for_their_largest_direction() -> None:
    even, lone = torch.eye(3).flatten(), torch.diag(torch.tensor([3.0, 0.0, 0.0])).flatten()
    codes = torch.stack([even, lone])
    assert float(group_spectral_penalty(codes, torch.tensor([1.0, 0.0]))) == pytest.approx(1)
    assert float(group_spectral_penalty(codes, torch.tensor([0.5, 1.0]))) == pytest.approx(0.5 + 9)
    random = torch.randn(2, 11, generator=torch.Generator().manual_seed(0), dtype=torch.float64).float()
    expected = sum(float(torch.linalg.svdvals(row[:9].reshape(3, 3))[0]) ** 2 for row in random)
    assert float(group_spectral_penalty(random, torch.ones(2))) == pytest.approx(expected, rel=1e-5)


def test_shares_fall_with_the_effective_number_of_items() -> None:
    shares = tail_shares([1, 100, 10_000, 0])
    assert shares.tolist() == pytest.approx([1.0, 0.01 / (1 - 0.99**100), 0.01, 0.0], rel=1e-5)

"""Penalties that keep a discriminator smooth. Each works on tensors of any rank: images, sounds, clips, rows."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize

from augan.core.rng import Stream

Items = Float[Tensor, "b *dims"]
PerItem = Float[Tensor, " b"]


def gradient(x: Items, logits: PerItem) -> Items:
    """d logits_i / d x_i for every item i, itself differentiable; `x` must require gradients beforehand."""
    (result,) = torch.autograd.grad(logits.sum(), x, create_graph=True)
    return result


def zero_centered_penalty(x: Items, logits: PerItem) -> PerItem:
    """|grad_x D(x)|^2 of every item: R1 on real items, R2 on generated ones (arXiv:1801.04406, equations 9 and 10).

    The loss is gamma / 2 times its mean.
    """
    return gradient(x, logits).flatten(1).square().sum(1)


def one_centered_penalty(x: Items, logits: PerItem) -> PerItem:
    """(|grad_x D(x)| - 1)^2 of every item (WGAN-GP, arXiv:1704.00028, equation 3); `x` comes from `interpolate`."""
    squared = gradient(x, logits).flatten(1).square().sum(1)
    return ((squared + 1e-12).sqrt() - 1).square()


def anchored_penalty(real: PerItem, fake: PerItem, anchors: tuple[float, float]) -> Float[Tensor, ""]:
    """E (D(x) - a_F)^2 + E (D(G(z)) - a_R)^2 (LeCam, arXiv:2104.03310, equation 4).

    `anchors` are (a_R, a_F), moving averages of the real and of the generated items' logits: each side is held near the
    other's, which keeps a discriminator of few items from being too sure.
    """
    anchor_real, anchor_fake = anchors
    return (real - anchor_fake).square().mean() + (fake - anchor_real).square().mean()


def group_spectral_penalty(codes: Float[Tensor, "k d"], shares: Float[Tensor, " k"]) -> Float[Tensor, ""]:
    """Sum over classes of share_y times the largest squared singular value of class y's code, as a square matrix.

    A class's code is what its maps are scaled or shifted by; one direction that outgrows all others comes before a
    small class's collapse (after gSR, arXiv:2208.09932). The matrix is as nearly square as `d` allows, which is cut to
    a multiple of its rows.
    """
    rows = max(1, int(codes.shape[1] ** 0.5))
    matrices = codes[:, : codes.shape[1] // rows * rows].float().unflatten(1, (rows, -1))
    return (shares * torch.linalg.matrix_norm(matrices, ord=2).square()).sum()


def tail_shares(counts: Sequence[int], alpha: float = 0.99) -> Float[Tensor, " k"]:
    """What each class counts in it: the inverse of its effective number (1 - alpha^n) / (1 - alpha) of items.

    The largest is 1 (effective numbers: arXiv:1901.05555, equation 2). Classes of no items count 0.
    """
    sizes = torch.tensor(counts, dtype=torch.float64)
    inverse = torch.where(sizes > 0, (1 - alpha) / (1 - alpha ** sizes.clamp_min(1)), 0.0)
    return (inverse / inverse.max().clamp_min(1e-12)).float()


def interpolate(real: Items, fake: Items, generator: torch.Generator | Stream | None = None) -> Items:
    """Uniformly random points between pairs of real and generated items, one on each line (arXiv:1704.00028)."""
    share = Stream.of(generator).rows(
        len(real), lambda count, random: torch.rand(count, generator=random, device=real.device, dtype=real.dtype)
    )
    share = share.view(-1, *[1] * (real.dim() - 1))
    return share * real + (1 - share) * fake


_NORMED = (
    nn.Linear,
    nn.Conv1d,
    nn.Conv2d,
    nn.Conv3d,
    nn.ConvTranspose1d,
    nn.ConvTranspose2d,
    nn.ConvTranspose3d,
    nn.Embedding,
)


def apply_spectral_norm(network: nn.Module) -> nn.Module:
    """Divides every weight matrix in `network` by its largest singular value (arXiv:1802.05957), in place.

    Works by a parametrisation, one power iteration a forward pass in training mode. Applying it twice changes nothing.
    """
    for module in list(network.modules()):
        if isinstance(module, _NORMED) and not parametrize.is_parametrized(module, "weight"):
            parametrizations.spectral_norm(module)
    return network

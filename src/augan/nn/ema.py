"""Exponential moving average of a network's weights."""

from __future__ import annotations

import copy

import torch
from torch import nn


def averaged_copy(network: nn.Module) -> nn.Module:
    """A copy of `network` to be updated by `update_average`; it needs no gradients."""
    return copy.deepcopy(network).requires_grad_(False).eval()


@torch.no_grad()
def update_average(average: nn.Module, network: nn.Module, decay: float) -> None:
    """average = decay * average + (1 - decay) * network, for weights and floating-point buffers; counters are copied.

    Running statistics of batch normalisation are averaged with the weights that they belong to.
    """
    ours, theirs = average.state_dict(keep_vars=True), network.state_dict(keep_vars=True)
    floating = [name for name, value in ours.items() if value.is_floating_point()]
    torch._foreach_lerp_([ours[name].data for name in floating], [theirs[name].data for name in floating], 1 - decay)
    for name in ours.keys() - set(floating):
        ours[name].copy_(theirs[name])


def decay_for(half_life_images: float, batch: int, seen_images: int, ramp: float = 0.05) -> float:
    """The decay of one step: an old weight counts half after `half_life_images` images.

    Early on the half-life is at most `ramp` of the images seen, so that the random start is forgotten
    (arXiv:2006.06676, section "EMA ramp-up").
    """
    half_life = max(min(half_life_images, seen_images * ramp), 1e-8)
    return float(0.5 ** (batch / half_life))

"""Batch normalisation over the batches of several processes."""

from __future__ import annotations

from typing import Any, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn


class _Sum(torch.autograd.Function):
    """The sum over all processes, whose gradient is that of the sum of all their losses. Any number of times."""

    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        total = value.contiguous().clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return cast(Tensor, _Sum.apply(gradients[0]))


def gathered(value: Tensor) -> Tensor:
    """(...) of each process -> (processes, ...), differentiable."""
    slots = torch.zeros(dist.get_world_size(), *value.shape, dtype=value.dtype, device=value.device)
    own = torch.arange(len(slots), device=value.device) == dist.get_rank()
    return cast(Tensor, _Sum.apply(torch.where(own.view(-1, *[1] * value.dim()), value, slots)))


class _Synced(nn.modules.batchnorm._BatchNorm):
    """Normalises by the mean and variance of all processes' items, all of which have equally many."""

    def _check_input_dim(self, input: Tensor) -> None:
        pass

    def forward(self, input: Tensor) -> Tensor:
        if not self.training:
            return super().forward(input)
        others = [axis for axis in range(input.dim()) if axis != 1]
        wide = input.float()
        own_variance, own_mean = torch.var_mean(wide, others, correction=0)
        variances, means = gathered(torch.stack([own_variance, own_mean])).unbind(1)
        mean = means.mean(0)
        variance = variances.mean(0) + (means - mean).square().mean(0)
        self._remember(mean.detach(), variance.detach(), input.numel() // input.shape[1] * len(means))
        scale = (variance + self.eps).rsqrt()
        shift = -mean * scale
        if self.affine:
            scale, shift = scale * self.weight, shift * self.weight + self.bias
        shape = [1, -1] + [1] * (input.dim() - 2)
        return (wide * scale.view(shape) + shift.view(shape)).to(input.dtype)

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor, count: int) -> None:
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked += 1
        share = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, share)
        self.running_var.lerp_(variance * count / max(1, count - 1), share)


def synchronise_batch_norm(network: nn.Module) -> None:
    """Lets every batch normalisation in a network see all processes' items; in place, names of weights stay."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d):
            module.__class__ = cast(Any, _Synced)  # keeps its weights, buffers, hooks and place


__all__ = ["gathered", "synchronise_batch_norm"]

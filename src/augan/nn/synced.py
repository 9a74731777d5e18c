"""Batch normalisation over the batches of several processes."""

from __future__ import annotations

from typing import Any, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional as F


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


def _statistics(own_mean: Tensor, own_variance: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance of all processes' items, of which each has equally many."""
    means, variances = gathered(torch.stack([own_mean, own_variance])).unbind(1)
    mean = means.mean(0)
    return mean, variances.mean(0) + (means - mean).square().mean(0)


def _plain(input: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
    """Normalised in operations that can be differentiated any number of times."""
    shape = [1, -1] + [1] * (input.dim() - 2)
    wide = input.to(weight.dtype)
    own_variance, own_mean = torch.var_mean(wide, [axis for axis in range(input.dim()) if axis != 1], correction=0)
    mean, variance = _statistics(own_mean, own_variance)
    scale = weight * (variance + eps).rsqrt()
    return (wide * scale.view(shape) + (bias - mean * scale).view(shape)).to(input.dtype)


class _Normalise(torch.autograd.Function):
    """The same in torch's own kernels, several times as fast; a second derivative goes through `_plain`."""

    @staticmethod
    def forward(ctx: Any, input: Tensor, weight: Tensor, bias: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor]:
        unused = torch.zeros_like(weight), torch.zeros_like(weight)  # their type is that of the statistics
        own_mean, own_variance = torch.batch_norm_update_stats(input, *unused, 0.0)
        mean, variance = _statistics(own_mean, own_variance)
        ctx.save_for_backward(input, weight, bias, mean, variance)
        ctx.eps = eps
        ctx.mark_non_differentiable(mean, variance)
        return F.batch_norm(input, mean, variance, weight, bias, False, 0.0, eps), mean, variance

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        input, weight, bias, mean, variance = ctx.saved_tensors
        gradient = gradients[0]
        if torch.is_grad_enabled():
            output = _plain(input, weight, bias, ctx.eps)
            found = torch.autograd.grad(output, (input, weight, bias), gradient, create_graph=True)
            return found[0], found[1], found[2], None
        # As if mean and variance were constants; then what they add, through the sums over all processes' items.
        direct, of_weight, of_bias = torch.ops.aten.native_batch_norm_backward(
            gradient, input, weight, mean, variance, None, None, False, ctx.eps, [True, True, True]
        )
        total = torch.stack([of_weight, of_bias])
        dist.all_reduce(total)
        total *= weight * (variance + ctx.eps).rsqrt() / (input.numel() // input.shape[1] * dist.get_world_size())
        direct -= F.batch_norm(input, mean, variance, total[0], total[1], False, 0.0, ctx.eps)
        return direct, of_weight, of_bias, None


class _Synced(nn.modules.batchnorm._BatchNorm):
    """Normalises by the mean and variance of all processes' items, all of which have equally many."""

    def _check_input_dim(self, input: Tensor) -> None:
        pass

    def forward(self, input: Tensor) -> Tensor:
        if not self.training:
            return super().forward(input)
        wide = torch.promote_types(input.dtype, torch.float32)
        channels = input.shape[1]
        weight = torch.ones(channels, dtype=wide, device=input.device) if self.weight is None else self.weight
        bias = torch.zeros(channels, dtype=wide, device=input.device) if self.bias is None else self.bias
        output, mean, variance = _Normalise.apply(input, weight, bias, self.eps)
        self._remember(mean, variance, input.numel() // channels * dist.get_world_size())
        return cast(Tensor, output)

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

"""Anti-aliased resampling by two, with the filter [1, 3, 3, 1] / 8 on both axes (arXiv:1912.04958), zeros beyond the
border.

On processors both are computed in float32 and by the library's two fast routines, the forward pass of a strided
convolution and its input's gradient: others of its routines for single channels, and for bfloat16, are ten to a hundred
times slower (docs/experiments.md). Under `torch.export` (and `torch.compile`) both are plain convolutions, which other
runtimes know.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

Maps = Float[Tensor, "b c h w"]
Resampled = Float[Tensor, "b c H W"]


class Downsample(nn.Module):
    """(b, c, h, w) -> (b, c, h/2, w/2)."""

    def forward(self, maps: Maps) -> Resampled:
        if torch.compiler.is_compiling():
            return F.conv2d(maps, _kernel(maps, 1.0), stride=2, padding=1, groups=maps.shape[1])
        return _like(maps, _Halve.apply(_exact(maps), 1.0))


class Upsample(nn.Module):
    """(b, c, h, w) -> (b, c, 2h, 2w); the filter's gain is 4, so that a constant stays what it is inside."""

    def forward(self, maps: Maps) -> Resampled:
        if torch.compiler.is_compiling():
            return F.conv_transpose2d(maps, _kernel(maps, 4.0), stride=2, padding=1, groups=maps.shape[1])
        return _like(maps, _Double.apply(_exact(maps), 4.0))


def _exact(maps: Tensor) -> Tensor:
    return maps.float() if maps.device.type == "cpu" and maps.dtype == torch.bfloat16 else maps


def _like(maps: Tensor, result: Tensor) -> Tensor:
    return result.to(maps.dtype)


def _kernel(maps: Tensor, gain: float) -> Tensor:
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0], device=maps.device, dtype=maps.dtype) / 8
    return (gain * torch.outer(taps, taps)).expand(maps.shape[1], 1, 4, 4)


class _Halve(torch.autograd.Function):
    """The filter at every second place."""

    @staticmethod
    def forward(ctx: Any, maps: Tensor, gain: float) -> Tensor:
        ctx.gain = gain
        with torch.autocast(maps.device.type, enabled=False):
            return F.conv2d(maps, _kernel(maps, gain), stride=2, padding=1, groups=maps.shape[1])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        return _Double.apply(gradients[0], ctx.gain), None


class _Double(torch.autograd.Function):
    """The transpose of `_Halve`."""

    @staticmethod
    def forward(ctx: Any, maps: Tensor, gain: float) -> Tensor:
        ctx.gain = gain
        batch, channels, height, width = maps.shape
        kernel = _kernel(maps, gain)
        with torch.autocast(maps.device.type, enabled=False):
            if maps.device.type != "cpu":
                return F.conv_transpose2d(maps, kernel, stride=2, padding=1, groups=channels)
            large = torch.empty(
                (batch, channels, 2 * height, 2 * width), dtype=maps.dtype, memory_format=torch.channels_last
            )
            sizes = ((2, 2), (1, 1), (1, 1), False, (0, 0), channels, (True, False, False))
            found: Tensor = torch.ops.aten.convolution_backward(maps, large, kernel, None, *sizes)[0]
            return found

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        return _Halve.apply(gradients[0], ctx.gain), None

"""Convolutions with a 4x4 kernel, stride 2 and padding 1, and their transposes, on the fastest way that is there.

Processors with matrix units multiply bfloat16 matrices several times faster than their library computes the weights'
gradient of such a convolution (docs/benchmarks.md). There, the gradient is one matrix product over patches, and where
maps are small and weights many, so are the forward passes. Everywhere else PyTorch's own convolutions are called. All
ways compute the same sums, and can be differentiated any number of times.
"""

from __future__ import annotations

import functools
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx
from torch.nn import functional as F

Maps = Float[Tensor, "_ _ _ _"]


class StridedConv(nn.Conv2d):
    """(b, c, h, w) -> (b, out, h/2, w/2) for even h and w: a 4x4 convolution with stride 2 and padding 1."""

    def __init__(self, inputs: int, outputs: int, bias: bool = True) -> None:
        super().__init__(inputs, outputs, 4, 2, 1, bias=bias)

    def forward(self, input: Maps) -> Maps:
        maps, weight = _cast(input, self.weight)
        if not products_pay(maps.device, maps.dtype):
            return F.conv2d(maps, weight, None if self.bias is None else self.bias.to(maps.dtype), 2, 1)
        return _biased(_Down.apply(maps, weight), self.bias)


class TransposedConv(nn.ConvTranspose2d):
    """(b, c, h, w) -> (b, out, 2h, 2w): the transpose of a 4x4 convolution with stride 2 and padding 1."""

    def __init__(self, inputs: int, outputs: int, bias: bool = True) -> None:
        super().__init__(inputs, outputs, 4, 2, 1, bias=bias)

    def forward(self, input: Maps, output_size: list[int] | None = None) -> Maps:
        maps, weight = _cast(input, self.weight)
        if not products_pay(maps.device, maps.dtype):
            return F.conv_transpose2d(maps, weight, None if self.bias is None else self.bias.to(maps.dtype), 2, 1)
        return _biased(_Up.apply(maps, weight), self.bias)


def _cast(maps: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Both in autocast's dtype, where that is on: functions of our own are not known to it."""
    kind = maps.device.type
    if not torch.is_autocast_enabled(kind):
        return maps, weight
    dtype = torch.get_autocast_dtype(kind)
    return maps.to(dtype), weight.to(dtype)


def _biased(maps: Tensor, bias: Tensor | None) -> Tensor:
    return maps if bias is None else maps + bias.to(maps.dtype).view(1, -1, 1, 1)


def products_pay(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether the weights' gradient is faster as a matrix product: bfloat16 on processors with matrix tiles (AMX).

    There it takes half to a sixth of the library's time (docs/experiments.md). A property of the machine and no
    timing, so that a resumed run computes as it did before.
    """
    return device.type == "cpu" and dtype == torch.bfloat16 and _has_matrix_tiles()


@functools.cache
def _has_matrix_tiles() -> bool:
    ask = getattr(torch.cpu, "_is_amx_tile_supported", None)
    return bool(ask and ask())


def _rows(maps: Tensor) -> Tensor:
    """(b, c, h, w) -> (b h w, c)."""
    return maps.permute(0, 2, 3, 1).reshape(-1, maps.shape[1])


def _maps(rows: Tensor, batch: int, height: int, width: int) -> Tensor:
    """(b h w, c) -> (b, c, h, w), channels last in memory."""
    return rows.view(batch, height, width, -1).permute(0, 3, 1, 2)


def _matrix(weight: Tensor) -> Tensor:
    """(n, c, 4, 4) -> (n, 16 c); a view where channels are last in memory."""
    return weight.permute(0, 2, 3, 1).reshape(len(weight), -1)


def _weight_gradient(big: Tensor, small: Tensor) -> Tensor:
    """The gradient of a weight (n, c, 4, 4) that joins maps (b, c, 2h, 2w) with maps (b, n, h, w)."""
    product = _rows(small).t() @ Patches.apply(big)
    return product.view(small.shape[1], 4, 4, big.shape[1]).permute(0, 3, 1, 2)


def _products_forward(cells: int, weight: Tensor) -> bool:
    """Whether forward passes over so many cells of the smaller map are matrix products, too.

    Where cells are few and weights many, convolutions spend their time on rearranging weights.
    """
    return cells <= weight[0].numel()


class Patches(torch.autograd.Function):
    """(b, c, 2h, 2w) -> (b h w, 16 c): for every cell its 4x4 patch, zeros beyond the border, channels fastest."""

    @staticmethod
    def forward(ctx: Any, maps: Tensor) -> Tensor:
        batch, channels, height, width = ctx.shape = maps.shape
        padded = F.pad(maps.permute(0, 2, 3, 1), (0, 0, 1, 1, 1, 1)).contiguous()
        image, row, column, _ = padded.stride()
        size = (batch, height // 2, width // 2, 4, 4 * channels)
        strides = (image, 2 * row, 2 * column, row, 1)
        return padded.as_strided(size, strides).reshape(-1, 16 * channels)

    @staticmethod
    def backward(ctx: FunctionCtx, *gradients: Tensor) -> Any:
        return Overlay.apply(gradients[0], ctx.shape)  # type: ignore[attr-defined]


class Overlay(torch.autograd.Function):
    """The transpose of `Patches`: patches are added up where they overlap."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, shape: torch.Size) -> Tensor:
        batch, channels, height, width = shape
        h, w = height // 2, width // 2
        padded = rows.new_zeros(batch, h + 1, 2, w + 1, 2 * channels)
        pairs = rows.reshape(batch, h, w, 2, 2, 2, 2 * channels)  # rows by 2 and 1, columns by 2, two pixels at a time
        for i in (0, 1):
            for j in (0, 1):
                padded[:, i : i + h, :, j : j + w] += pairs[:, :, :, i, :, j].transpose(2, 3)
        inner = padded.view(batch, height + 2, width + 2, channels)[:, 1:-1, 1:-1]
        return inner.contiguous().permute(0, 3, 1, 2)

    @staticmethod
    def backward(ctx: FunctionCtx, *gradients: Tensor) -> Any:
        return Patches.apply(gradients[0]), None


class _Down(torch.autograd.Function):
    """conv2d(maps, weight, stride 2, padding 1)."""

    @staticmethod
    def forward(ctx: Any, maps: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(maps, weight)
        batch, _, height, width = maps.shape
        if not _products_forward(batch * height * width // 4, weight):
            return F.conv2d(maps, weight, None, 2, 1)
        return _maps(Patches.apply(maps) @ _matrix(weight).t(), batch, height // 2, width // 2)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        maps, weight = ctx.saved_tensors
        small = gradients[0]
        to_maps = _Up.apply(small, weight) if ctx.needs_input_grad[0] else None
        return to_maps, _weight_gradient(maps, small) if ctx.needs_input_grad[1] else None


class _Up(torch.autograd.Function):
    """conv_transpose2d(maps, weight, stride 2, padding 1)."""

    @staticmethod
    def forward(ctx: Any, maps: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(maps, weight)
        batch, _, height, width = maps.shape
        if not _products_forward(batch * height * width, weight):
            return F.conv_transpose2d(maps, weight, None, 2, 1)
        shape = torch.Size((batch, weight.shape[1], 2 * height, 2 * width))
        return Overlay.apply(_rows(maps) @ _matrix(weight), shape)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        maps, weight = ctx.saved_tensors
        big = gradients[0]
        to_maps = _Down.apply(big, weight) if ctx.needs_input_grad[0] else None
        return to_maps, _weight_gradient(big, maps) if ctx.needs_input_grad[1] else None

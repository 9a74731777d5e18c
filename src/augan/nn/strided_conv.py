"""Convolutions with a 4x4 kernel, stride 2 and padding 1, and their transposes, on the fastest way that is there.

On processors, some of the sums are faster as one matrix product over patches than in PyTorch's own convolutions: which
ones, `ways` knows (docs/experiments.md has the times). Both compute the same sums, and can be differentiated any number
of times.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

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
        maps, weight, bias = _cast(input, self.weight, self.bias)
        if torch.compiler.is_compiling():  # for another runtime, and batches of any size
            return F.conv2d(maps, weight, bias, 2, 1)
        chosen = ways(maps.device, maps.dtype, self.in_channels, len(maps), maps.shape[2] * maps.shape[3] // 4)
        if not any(chosen):
            return F.conv2d(maps, weight, bias, 2, 1)
        return _Down.apply(maps, weight, bias, chosen)


class TransposedConv(nn.ConvTranspose2d):
    """(b, c, h, w) -> (b, out, 2h, 2w): the transpose of a 4x4 convolution with stride 2 and padding 1."""

    def __init__(self, inputs: int, outputs: int, bias: bool = True) -> None:
        super().__init__(inputs, outputs, 4, 2, 1, bias=bias)

    def forward(self, input: Maps, output_size: list[int] | None = None) -> Maps:
        maps, weight, bias = _cast(input, self.weight, self.bias)
        if torch.compiler.is_compiling():
            return F.conv_transpose2d(maps, weight, bias, 2, 1)
        chosen = ways(maps.device, maps.dtype, self.out_channels, len(maps), maps.shape[2] * maps.shape[3])
        if not any(chosen):
            return F.conv_transpose2d(maps, weight, bias, 2, 1)
        return _Up.apply(maps, weight, bias, chosen)


def _cast(maps: Tensor, weight: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor, Tensor | None]:
    """All in autocast's dtype, where that is on: functions of our own are not known to it."""
    kind = maps.device.type
    if not torch.is_autocast_enabled(kind):
        return maps, weight, bias
    dtype = torch.get_autocast_dtype(kind)
    return maps.to(dtype), weight.to(dtype), None if bias is None else bias.to(dtype)


class Ways(NamedTuple):
    """Which sums are matrix products: to the smaller maps, to the larger ones, to the weights."""

    down: bool
    up: bool
    weights: bool


LIBRARY = Ways(False, False, False)


def ways(device: torch.device, dtype: torch.dtype, channels: int, batch: int, cells: int) -> Ways:
    """For `channels` of the larger maps and `cells` of each smaller one.

    A property of machine and shape and no timing, so that a resumed run computes as it did before. In bfloat16 with
    matrix tiles (AMX), the weights' gradient takes half to a sixth of the library's time, and the rest gains where
    cells are few and weights many, as the library then spends its time on rearranging weights. In float32 products gain
    on maps of 4x4 with many channels, and where there are hardly any channels, as of images.
    """
    if device.type != "cpu":
        return LIBRARY
    if dtype == torch.bfloat16 and _has_matrix_tiles():
        few = batch * cells <= 16 * channels
        return Ways(few, few, True)
    if dtype == torch.float32:
        wide = channels >= 192 and cells <= 16
        return Ways(wide, wide or channels <= 4, wide)
    return LIBRARY


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


def _product(rows: Tensor, matrix: Tensor, bias: Tensor | None) -> Tensor:
    return rows @ matrix if bias is None else torch.addmm(bias, rows, matrix)


def _weight_gradient(big: Tensor, small: Tensor, chosen: Ways) -> Tensor:
    """The gradient of a weight (n, c, 4, 4) that joins maps (b, c, 2h, 2w) with maps (b, n, h, w)."""
    if not chosen.weights:
        return _Joint.apply(big, small, chosen)
    product = _rows(small).t() @ Patches.apply(big)
    return product.view(small.shape[1], 4, 4, big.shape[1]).permute(0, 3, 1, 2)


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
    """conv2d(maps, weight, bias, stride 2, padding 1)."""

    @staticmethod
    def forward(ctx: Any, maps: Tensor, weight: Tensor, bias: Tensor | None, chosen: Ways) -> Tensor:
        ctx.save_for_backward(maps, weight)
        ctx.chosen = chosen
        if not chosen.down:
            return F.conv2d(maps, weight, bias, 2, 1)
        batch, _, height, width = maps.shape
        return _maps(_product(Patches.apply(maps), _matrix(weight).t(), bias), batch, height // 2, width // 2)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        maps, weight = ctx.saved_tensors
        (small,) = gradients
        to_maps = _Up.apply(small, weight, None, ctx.chosen) if ctx.needs_input_grad[0] else None
        to_weight = _weight_gradient(maps, small, ctx.chosen) if ctx.needs_input_grad[1] else None
        return to_maps, to_weight, small.sum((0, 2, 3)) if ctx.needs_input_grad[2] else None, None


class _Up(torch.autograd.Function):
    """conv_transpose2d(maps, weight, bias, stride 2, padding 1)."""

    @staticmethod
    def forward(ctx: Any, maps: Tensor, weight: Tensor, bias: Tensor | None, chosen: Ways) -> Tensor:
        ctx.save_for_backward(maps, weight)
        ctx.chosen = chosen
        if not chosen.up:
            return F.conv_transpose2d(maps, weight, bias, 2, 1)
        batch, _, height, width = maps.shape
        shape = torch.Size((batch, weight.shape[1], 2 * height, 2 * width))
        result: Tensor = Overlay.apply(_rows(maps) @ _matrix(weight), shape)
        return result if bias is None else result.add_(bias.view(1, -1, 1, 1))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        maps, weight = ctx.saved_tensors
        (big,) = gradients
        to_maps = _Down.apply(big, weight, None, ctx.chosen) if ctx.needs_input_grad[0] else None
        to_weight = _weight_gradient(big, maps, ctx.chosen) if ctx.needs_input_grad[1] else None
        return to_maps, to_weight, big.sum((0, 2, 3)) if ctx.needs_input_grad[2] else None, None


class _Joint(torch.autograd.Function):
    """The gradient of a weight by the library: (b, c, 2h, 2w) and (b, n, h, w) -> (n, c, 4, 4)."""

    @staticmethod
    def forward(ctx: Any, big: Tensor, small: Tensor, chosen: Ways) -> Tensor:
        ctx.save_for_backward(big, small)
        ctx.chosen = chosen
        weight = big.new_empty(small.shape[1], big.shape[1], 4, 4)
        sizes = ((2, 2), (1, 1), (1, 1), False, (0, 0), 1, (False, True, False))
        found: Tensor = torch.ops.aten.convolution_backward(small, big, weight, None, *sizes)[1]
        return found

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        big, small = ctx.saved_tensors
        (weight,) = gradients
        to_big = _Up.apply(small, weight, None, ctx.chosen) if ctx.needs_input_grad[0] else None
        to_small = _Down.apply(big, weight, None, ctx.chosen) if ctx.needs_input_grad[1] else None
        return to_big, to_small, None

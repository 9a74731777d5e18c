"""Convolutions as matrix products give what PyTorch's give, and can be differentiated as often."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from augan.nn import StridedConv, TransposedConv, strided_conv

PAYS = "augan.nn.strided_conv.products_pay"
SHAPES = [(2, 3, 5, 8, 8), (1, 16, 4, 4, 6), (3, 1, 2, 10, 4)]


@pytest.fixture(params=[True, False], ids=["products", "library"])
def path(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    monkeypatch.setattr(PAYS, lambda device, dtype: request.param)
    return bool(request.param)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("forward_too", [True, False])
def test_sums_are_the_librarys(
    shape: tuple[int, ...], forward_too: bool, path: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch, inputs, outputs, height, width = shape
    monkeypatch.setattr(strided_conv, "_products_forward", lambda cells, weight: forward_too)
    torch.manual_seed(0)
    down, up = StridedConv(inputs, outputs).double(), TransposedConv(outputs, inputs).double()
    maps = torch.randn(batch, inputs, height, width, dtype=torch.float64)
    small = torch.randn(batch, outputs, height // 2, width // 2, dtype=torch.float64)
    torch.testing.assert_close(down(maps), F.conv2d(maps, down.weight, down.bias, 2, 1))
    torch.testing.assert_close(up(small), F.conv_transpose2d(small, up.weight, up.bias, 2, 1))


@pytest.mark.parametrize("forward_too", [True, False])
def test_gradients_of_both_orders(forward_too: bool, path: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strided_conv, "_products_forward", lambda cells, weight: forward_too)
    torch.manual_seed(0)
    down, up = StridedConv(2, 3, bias=False).double(), TransposedConv(3, 2, bias=False).double()
    maps = torch.randn(1, 2, 4, 4, dtype=torch.float64, requires_grad=True)
    small = torch.randn(1, 3, 2, 2, dtype=torch.float64, requires_grad=True)

    def call(layer: torch.nn.Module) -> Callable[[Tensor, Tensor], Tensor]:
        return lambda x, weight: torch.func.functional_call(layer, {"weight": weight}, (x,))

    for layer, x in ((down, maps), (up, small)):
        weight = layer.weight.detach().requires_grad_()
        assert torch.autograd.gradcheck(call(layer), (x, weight))
        assert torch.autograd.gradgradcheck(call(layer), (x, weight))


def test_patches_and_overlay_are_transposes() -> None:
    torch.manual_seed(0)
    maps = torch.randn(2, 3, 6, 8, dtype=torch.float64)
    rows = torch.randn(2 * 3 * 4, 48, dtype=torch.float64)
    there = (strided_conv.Patches.apply(maps) * rows).sum()
    back = (maps * strided_conv.Overlay.apply(rows, maps.shape)).sum()
    torch.testing.assert_close(there, back)


def test_half_precision_follows_autocast(path: bool) -> None:
    torch.manual_seed(0)
    layer, maps = StridedConv(8, 16), torch.randn(4, 8, 8, 8).contiguous(memory_format=torch.channels_last)
    exact = layer(maps)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rough = layer(maps)
    assert (exact.dtype, rough.dtype) == (torch.float32, torch.bfloat16)
    torch.testing.assert_close(rough.float(), exact, atol=0.03, rtol=0.03)
    rough.float().square().sum().backward()
    assert layer.weight.grad is not None
    assert layer.weight.grad.dtype == torch.float32


def test_state_is_that_of_plain_convolutions() -> None:
    plain = torch.nn.Conv2d(3, 5, 4, 2, 1)
    layer = StridedConv(3, 5)
    layer.load_state_dict(plain.state_dict())
    maps = torch.randn(2, 3, 8, 8)
    torch.testing.assert_close(layer(maps), plain(maps))

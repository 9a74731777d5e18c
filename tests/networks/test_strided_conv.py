"""Convolutions as matrix products give what PyTorch's give, and can be differentiated as often."""

import itertools
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from augan.nn import StridedConv, TransposedConv, strided_conv
from augan.nn.strided_conv import LIBRARY, Ways, ways

WAYS = [Ways(*chosen) for chosen in itertools.product([True, False], repeat=3)]
SHAPES = [(2, 3, 5, 8, 8), (1, 16, 4, 4, 6), (3, 1, 2, 10, 4)]


@pytest.fixture(
    params=WAYS, ids=lambda chosen: "-".join(name for name in Ways._fields if getattr(chosen, name)) or "no"
)
def path(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Ways:
    monkeypatch.setattr(strided_conv, "ways", lambda *facts: request.param)
    chosen: Ways = request.param
    return chosen


@pytest.mark.parametrize("shape", SHAPES)
def test_sums_are_the_librarys(shape: tuple[int, ...], path: Ways) -> None:
    batch, inputs, outputs, height, width = shape
    torch.manual_seed(0)
    down, up = StridedConv(inputs, outputs).double(), TransposedConv(outputs, inputs).double()
    maps = torch.randn(batch, inputs, height, width, dtype=torch.float64)
    small = torch.randn(batch, outputs, height // 2, width // 2, dtype=torch.float64)
    torch.testing.assert_close(down(maps), F.conv2d(maps, down.weight, down.bias, 2, 1))
    torch.testing.assert_close(up(small), F.conv_transpose2d(small, up.weight, up.bias, 2, 1))


@pytest.mark.parametrize("biased", [True, False])
def test_gradients_of_both_orders(biased: bool, path: Ways) -> None:
    torch.manual_seed(0)
    down, up = StridedConv(2, 3, biased).double(), TransposedConv(3, 2, biased).double()
    maps = torch.randn(1, 2, 4, 4, dtype=torch.float64, requires_grad=True)
    small = torch.randn(1, 3, 2, 2, dtype=torch.float64, requires_grad=True)

    def call(layer: torch.nn.Module) -> Callable[..., Tensor]:
        return lambda x, *given: torch.func.functional_call(
            layer, dict(zip(("weight", "bias"), given, strict=False)), (x,)
        )

    for layer, x in ((down, maps), (up, small)):
        given = [value.detach().requires_grad_() for value in (layer.weight, layer.bias) if value is not None]
        assert torch.autograd.gradcheck(call(layer), (x, *given))
        assert torch.autograd.gradgradcheck(call(layer), (x, *given))


def test_patches_and_overlay_are_transposes() -> None:
    torch.manual_seed(0)
    maps = torch.randn(2, 3, 6, 8, dtype=torch.float64)
    rows = torch.randn(2 * 3 * 4, 48, dtype=torch.float64)
    there = (strided_conv.Patches.apply(maps) * rows).sum()
    back = (maps * strided_conv.Overlay.apply(rows, maps.shape)).sum()
    torch.testing.assert_close(there, back)


def test_half_precision_follows_autocast(path: Ways) -> None:
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


def test_ways_follow_machine_and_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu, bf16 = torch.device("cpu"), torch.bfloat16
    monkeypatch.setattr(strided_conv, "_has_matrix_tiles", lambda: True)
    assert ways(cpu, bf16, 64, 64, 64) == Ways(False, False, True)
    assert ways(cpu, bf16, 256, 64, 16) == Ways(True, True, True)
    monkeypatch.setattr(strided_conv, "_has_matrix_tiles", lambda: False)
    assert ways(cpu, bf16, 256, 64, 16) == LIBRARY
    assert ways(cpu, torch.float32, 256, 64, 16) == Ways(True, True, True)
    assert ways(cpu, torch.float32, 3, 64, 256) == Ways(False, True, False)
    assert ways(cpu, torch.float32, 128, 64, 16) == LIBRARY
    assert ways(torch.device("cuda"), torch.float32, 256, 64, 16) == LIBRARY

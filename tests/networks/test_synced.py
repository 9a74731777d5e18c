"""Batch normalisation over processes, in a world of one: what torch's own gives, with both derivatives."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch import nn

from augan.nn import synchronise_batch_norm
from augan.nn.synced import _Normalise, _plain


@pytest.fixture
def one_process(tmp_path: Path) -> Iterator[None]:
    dist.init_process_group("gloo", store=dist.FileStore(str(tmp_path / "store"), 1), rank=0, world_size=1)
    yield
    dist.destroy_process_group()


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_same_as_one_process(one_process: None, affine: bool, dtype: torch.dtype) -> None:
    random = torch.Generator().manual_seed(0)
    images = (3 + 2 * torch.randn(6, 4, 5, 3, generator=random)).to(dtype).to(memory_format=torch.channels_last)
    weights = torch.randn(6, 4, 5, 3, generator=random)
    found = []
    for synchronised in (False, True):
        norm = nn.BatchNorm2d(4, affine=affine)
        if synchronised:
            synchronise_batch_norm(norm)
        inputs = images.clone().requires_grad_()
        output = norm(inputs)
        assert output.dtype == dtype
        (output * weights).sum().backward()
        gradients = [inputs.grad, *(parameter.grad for parameter in norm.parameters())]
        found.append([output, *gradients, norm.running_mean, norm.running_var])
    tolerance = 1e-5 if dtype == torch.float32 else 0.03
    for ours, theirs in zip(*found, strict=True):
        assert torch.allclose(ours.float(), theirs.float(), rtol=tolerance, atol=tolerance)
    norm.eval()
    assert norm(images).isfinite().all()


def test_derivatives(one_process: None) -> None:
    random = torch.Generator().manual_seed(0)
    inputs = torch.randn(5, 2, 3, 2, generator=random, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(2, generator=random, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(2, generator=random, dtype=torch.float64, requires_grad=True)

    def normalise(x: torch.Tensor, w: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return _Normalise.apply(x, w, b, 1e-5)[0]

    assert torch.allclose(normalise(inputs, weight, bias), _plain(inputs, weight, bias, 1e-5))
    assert torch.autograd.gradcheck(normalise, (inputs, weight, bias))
    assert torch.autograd.gradgradcheck(normalise, (inputs, weight, bias))

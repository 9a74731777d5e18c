"""The InceptionV3 (arXiv:1512.00567) of the published Fréchet inception distance (arXiv:1706.08500): the TensorFlow
graph of 2015-12-05.

It differs from other InceptionV3s: images are resized as TensorFlow 1 did it, average pools do not count their padding,
and the last block pools by the maximum.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from augan.core.errors import UserError

SIDE = 299
FEATURES = 2048
OUTPUTS = 1008

Kernel = int | tuple[int, int]
Step = tuple[str, int, Kernel, int]
"""Name, width, kernel, stride. Stride 2 goes without padding, all else keeps the size."""
Path = tuple[tuple[Step, ...], ...]
"""One after another; several steps in one place stand side by side, and are joined."""


def _chain(prefix: str, *steps: tuple[str, int, Kernel], stride: int = 1) -> Path:
    """Steps one after another; the stride is that of the last."""
    last = len(steps) - 1
    return tuple(
        ((f"{prefix}{name}", width, kernel, stride if index == last else 1),)
        for index, (name, width, kernel) in enumerate(steps)
    )


def _fork(prefix: str, *names: str) -> Path:
    """A row and a column side by side."""
    return (((f"{prefix}{names[0]}", 384, (1, 3), 1), (f"{prefix}{names[1]}", 384, (3, 1), 1)),)


def _wide(pool: int) -> dict[str, Path]:
    return {
        "1x1": _chain("branch1x1", ("", 64, 1)),
        "5x5": _chain("branch5x5", ("_1", 48, 1), ("_2", 64, 5)),
        "3x3": _chain("branch3x3dbl", ("_1", 64, 1), ("_2", 96, 3), ("_3", 96, 3)),
        "average": _chain("branch_pool", ("", pool, 1)),
    }


def _factored(middle: int) -> dict[str, Path]:
    row, column = (1, 7), (7, 1)
    return {
        "1x1": _chain("branch1x1", ("", 192, 1)),
        "7x7": _chain("branch7x7", ("_1", middle, 1), ("_2", middle, row), ("_3", 192, column)),
        "7x7 twice": _chain(
            "branch7x7dbl",
            ("_1", middle, 1),
            ("_2", middle, column),
            ("_3", middle, row),
            ("_4", middle, column),
            ("_5", 192, row),
        ),
        "average": _chain("branch_pool", ("", 192, 1)),
    }


def _forked(pool: str) -> dict[str, Path]:
    return {
        "1x1": _chain("branch1x1", ("", 320, 1)),
        "3x3": _chain("branch3x3", ("_1", 384, 1)) + _fork("branch3x3", "_2a", "_2b"),
        "3x3 twice": _chain("branch3x3dbl", ("_1", 448, 1), ("_2", 384, 3)) + _fork("branch3x3dbl", "_3a", "_3b"),
        pool: _chain("branch_pool", ("", 192, 1)),
    }


BLOCKS: dict[str, dict[str, Path]] = {
    "Mixed_5b": _wide(32),
    "Mixed_5c": _wide(64),
    "Mixed_5d": _wide(64),
    "Mixed_6a": {
        "3x3": _chain("branch3x3", ("", 384, 3), stride=2),
        "3x3 twice": _chain("branch3x3dbl", ("_1", 64, 1), ("_2", 96, 3), ("_3", 96, 3), stride=2),
        "halve": (),
    },
    "Mixed_6b": _factored(128),
    "Mixed_6c": _factored(160),
    "Mixed_6d": _factored(160),
    "Mixed_6e": _factored(192),
    "Mixed_7a": {
        "3x3": _chain("branch3x3", ("_1", 192, 1), ("_2", 320, 3), stride=2),
        "7x7": _chain(
            "branch7x7x3", ("_1", 192, 1), ("_2", 192, (1, 7)), ("_3", 192, (7, 1)), ("_4", 192, 3), stride=2
        ),
        "halve": (),
    },
    "Mixed_7b": _forked("average"),
    "Mixed_7c": _forked("maximum"),
}
"""For each block its paths, joined in this order; a path's name says what it pools by, if it does."""


class _Convolution(nn.Module):
    def __init__(self, narrow: int, wide: int, kernel: Kernel, stride: int, padded: bool) -> None:
        super().__init__()
        sides = (kernel, kernel) if isinstance(kernel, int) else kernel
        padding = (sides[0] // 2, sides[1] // 2) if padded else (0, 0)
        self.conv = nn.Conv2d(narrow, wide, sides, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(wide, eps=0.001)

    def forward(self, maps: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(maps)))


class _Block(nn.Module):
    def __init__(self, narrow: int, paths: dict[str, Path]) -> None:
        super().__init__()
        self.paths, self.width = paths, 0
        for path in paths.values():
            width = narrow
            for forks in path:
                for name, wide, kernel, stride in forks:
                    self.add_module(name, _Convolution(width, wide, kernel, stride, padded=stride == 1))
                width = sum(wide for _, wide, _, _ in forks)
            self.width += width

    def forward(self, maps: Tensor) -> Tensor:
        return torch.cat([self._walk(_pooled(maps, name), path) for name, path in self.paths.items()], 1)

    def _walk(self, maps: Tensor, path: Path) -> Tensor:
        for forks in path:
            maps = torch.cat([self.get_submodule(name)(maps) for name, _, _, _ in forks], 1)
        return maps


def _pooled(maps: Tensor, path: str) -> Tensor:
    """What a path begins with."""
    if path == "average":
        return F.avg_pool2d(maps, 3, stride=1, padding=1, count_include_pad=False)
    if path == "maximum":
        return F.max_pool2d(maps, 3, stride=1, padding=1)
    return F.max_pool2d(maps, 3, stride=2) if path == "halve" else maps


class Inception(nn.Module):
    """(b, 3, h, w), values from 0 to 255, any size -> pooled features (b, 2048), not negative."""

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = _Convolution(3, 32, 3, 2, padded=False)
        self.Conv2d_2a_3x3 = _Convolution(32, 32, 3, 1, padded=False)
        self.Conv2d_2b_3x3 = _Convolution(32, 64, 3, 1, padded=True)
        self.Conv2d_3b_1x1 = _Convolution(64, 80, 1, 1, padded=False)
        self.Conv2d_4a_3x3 = _Convolution(80, 192, 3, 1, padded=False)
        width = 192
        for name, paths in BLOCKS.items():
            block = _Block(width, paths)
            self.add_module(name, block)
            width = block.width
        self.fc = nn.Linear(FEATURES, OUTPUTS)

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b d"]:
        """Features (b, 2048)."""
        maps = resized_like_tensorflow(images, SIDE).sub(128).div(128)
        maps = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(maps)))
        maps = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(F.max_pool2d(maps, 3, stride=2)))
        maps = F.max_pool2d(maps, 3, stride=2)
        for name in BLOCKS:
            maps = self.get_submodule(name)(maps)
        return maps.mean((2, 3))

    def logits(self, features: Float[Tensor, "b d"]) -> Float[Tensor, "b k"]:
        """The 1,008 outputs without their bias, as published inception scores take them."""
        return F.linear(features, self.fc.weight)


def resized_like_tensorflow(images: Float[Tensor, "b c h w"], side: int) -> Float[Tensor, "b c s s"]:
    """Bilinear, as TensorFlow 1's resize_bilinear: pixel i of the result is read at i * (old / new), with no half pixel
    added and nothing averaged. Columns before rows, in float32, so that it is the same to the last bit."""
    return _read_between(_read_between(images, 3, side), 2, side)


def _read_between(images: Tensor, axis: int, new: int) -> Tensor:
    """One axis resized."""
    old = images.shape[axis]
    places = torch.arange(new, dtype=torch.float32, device=images.device) * (old / new)
    before = places.long().clamp_max(old - 1)
    first = images.index_select(axis, before)
    step = images.index_select(axis, (before + 1).clamp_max(old - 1)) - first
    share = (places - before).to(images.dtype)
    return first + step * (share if axis == 3 else share[:, None])


def inception(state: Mapping[str, Tensor]) -> Inception:
    """The network with published weights, in evaluation mode.

    Raises:
        UserError: `state` does not hold this network.
    """
    network = Inception()
    try:
        network.load_state_dict(dict(state))
    except (RuntimeError, AttributeError, TypeError, ValueError) as error:
        raise UserError("The weights are not those of the FID's InceptionV3 (pt_inception-2015-12-05).") from error
    return network.eval().requires_grad_(False)

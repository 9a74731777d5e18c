"""EfficientNet-Lite0: inverted bottlenecks with ReLU6 and no squeeze-and-excitation (arXiv:1905.11946)."""

from __future__ import annotations

from collections.abc import Mapping

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from augan.core.errors import UserError
from augan.nn import channels_last

STAGES = (
    # repeats, kernel, stride, expansion, width
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
STEM = 32
HEAD = 1280
CLASSES = 1000
EPSILON = 1e-3
TAPS = (0, 2, 4, 10, 15)
"""The blocks after which the size halves next, and the last."""


class _Convolution(nn.Module):
    """A convolution with padding as in TensorFlow ('same': the odd pixel right and below) and its batch
    normalisation folded into weight and bias."""

    def __init__(self, narrow: int, wide: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(narrow, wide, kernel, stride, groups=groups)
        self.kernel, self.stride = kernel, stride

    def forward(self, maps: Tensor) -> Tensor:
        pads: list[int] = []
        for side in (maps.shape[3], maps.shape[2]):
            missing = max(0, (-(-side // self.stride) - 1) * self.stride + self.kernel - side)
            pads += [missing // 2, missing - missing // 2]
        return self.convolution(F.pad(maps, pads) if any(pads) else maps)

    def load(self, state: Mapping[str, Tensor], convolution: str, norm: str) -> None:
        """Takes over a convolution and the batch normalisation behind it."""
        scale = state[f"{norm}.weight"] / (state[f"{norm}.running_var"] + EPSILON).sqrt()
        weight = state[f"{convolution}.weight"] * scale[:, None, None, None]
        bias = state[f"{norm}.bias"] - state[f"{norm}.running_mean"] * scale
        self.convolution.load_state_dict({"weight": weight, "bias": bias})


class _Block(nn.Module):
    def __init__(self, narrow: int, wide: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        middle = narrow * expansion
        self.expand = _Convolution(narrow, middle, 1) if expansion > 1 else None
        self.depthwise = _Convolution(middle, middle, kernel, stride, groups=middle)
        self.project = _Convolution(middle, wide, 1)
        self.skip = stride == 1 and narrow == wide

    def forward(self, maps: Tensor) -> Tensor:
        inner = maps if self.expand is None else F.relu6(self.expand(maps))
        inner = self.project(F.relu6(self.depthwise(inner)))
        return inner + maps if self.skip else inner

    def load(self, state: Mapping[str, Tensor], prefix: str) -> None:
        """Takes over the block of the published weights that has this prefix."""
        if self.expand is not None:
            self.expand.load(state, f"{prefix}._expand_conv", f"{prefix}._bn0")
        self.depthwise.load(state, f"{prefix}._depthwise_conv", f"{prefix}._bn1")
        self.project.load(state, f"{prefix}._project_conv", f"{prefix}._bn2")


class EfficientNetLite0(nn.Module):
    """(b, 3, h, w), values (x - 127) / 128 for x in 0 to 255 -> features (b, 1280)."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = _Convolution(3, STEM, 3, stride=2)
        blocks, narrow = [], STEM
        for repeats, kernel, stride, expansion, wide in STAGES:
            for index in range(repeats):
                blocks.append(_Block(narrow, wide, kernel, stride if index == 0 else 1, expansion))
                narrow = wide
        self.blocks = nn.ModuleList(blocks)
        self.head = _Convolution(narrow, HEAD, 1)
        self.classifier = nn.Linear(HEAD, CLASSES)

    def maps(self, images: Float[Tensor, "b 3 h w"]) -> list[Tensor]:
        """The maps after blocks `TAPS`, and those that the features are the means of."""
        found, maps = [], F.relu6(self.stem(images))
        for index, block in enumerate(self.blocks):
            maps = block(maps)
            if index in TAPS:
                found.append(maps)
        return [*found, F.relu6(self.head(maps))]

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b d"]:
        """Features (b, 1280), not negative."""
        return self.maps(images)[-1].mean((2, 3))


def efficientnet_lite0(state: Mapping[str, Tensor]) -> EfficientNetLite0:
    """The network with published weights, in evaluation mode.

    Raises:
        UserError: `state` does not hold EfficientNet-Lite0.
    """
    network = EfficientNetLite0()
    try:
        network.stem.load(state, "_conv_stem", "_bn0")
        for index, block in enumerate(network.blocks):
            assert isinstance(block, _Block)
            block.load(state, f"_blocks.{index}")
        network.head.load(state, "_conv_head", "_bn1")
        network.classifier.load_state_dict({"weight": state["_fc.weight"], "bias": state["_fc.bias"]})
    except (KeyError, RuntimeError) as error:
        raise UserError("The weights are not those of EfficientNet-Lite0.") from error
    return channels_last(network).eval().requires_grad_(False)

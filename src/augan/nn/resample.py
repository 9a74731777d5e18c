"""Anti-aliased resampling by two, with the filter [1, 3, 3, 1] / 8 on both axes (arXiv:1912.04958)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

Maps = Float[Tensor, "b c h w"]
Resampled = Float[Tensor, "b c H W"]


class _Filter(nn.Module):
    kernel: Tensor

    def __init__(self, gain: float) -> None:
        super().__init__()
        taps = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
        self.register_buffer("kernel", gain * torch.outer(taps, taps)[None, None], persistent=False)

    def weight(self, maps: Tensor) -> Tensor:
        return self.kernel.to(maps.dtype).expand(maps.shape[1], 1, 4, 4)


class Downsample(_Filter):
    """(b, c, h, w) -> (b, c, h/2, w/2), zeros beyond the border."""

    def __init__(self) -> None:
        super().__init__(gain=1.0)

    def forward(self, maps: Maps) -> Resampled:
        return F.conv2d(maps, self.weight(maps), stride=2, padding=1, groups=maps.shape[1])


class Upsample(_Filter):
    """(b, c, h, w) -> (b, c, 2h, 2w); the filter's gain is 4, so that a constant stays what it is inside."""

    def __init__(self) -> None:
        super().__init__(gain=4.0)

    def forward(self, maps: Maps) -> Resampled:
        return F.conv_transpose2d(maps, self.weight(maps), stride=2, padding=1, groups=maps.shape[1])

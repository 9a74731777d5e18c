"""What one item of a data set is, and how its tensor relates to its file."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class ItemSpec:
    """The contract between data, networks and files.

    An item is stored as (height, width, channels) uint8, and reaches networks as (channels, height, width) float in
    [-1, 1]. `value_range` is what 0 and 255 stood for in the user's file: (0, 255) for 8-bit images, (0, 4095) for
    12 bits in a 16-bit file, (0, 1) for floats.
    """

    channels: int
    height: int
    width: int
    class_names: tuple[str, ...] | None = None
    value_range: tuple[float, float] = (0.0, 255.0)
    kind: str = "image"

    @property
    def classes(self) -> int:
        """How many classes there are; 0 where items have no label."""
        return len(self.class_names) if self.class_names else 0

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width)."""
        return (self.channels, self.height, self.width)

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON; `from_json` is its inverse."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> ItemSpec:
        """The spec that `to_json` wrote."""
        names = value.get("class_names")
        low, high = value["value_range"]
        known = {**value, "class_names": tuple(names) if names else None, "value_range": (low, high)}
        return cls(**known)


def to_unit(items: UInt8[np.ndarray, "b h w c"]) -> Float[Tensor, "b c h w"]:
    """Stored items to what networks see: (b, c, h, w) float32 in [-1, 1], channels last in memory."""
    return torch.from_numpy(items).permute(0, 3, 1, 2).to(torch.float32).div_(127.5).sub_(1)


def from_unit(images: Float[Tensor, "b c h w"]) -> UInt8[np.ndarray, "b h w c"]:
    """The inverse of `to_unit`, rounded and clipped to [0, 255]."""
    levels = images.detach().float().add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8)
    return np.ascontiguousarray(levels.permute(0, 2, 3, 1).cpu().numpy())

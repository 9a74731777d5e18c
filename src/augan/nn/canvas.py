"""Any height and width on a grid that can be doubled."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class Canvas:
    """The grid on which networks work: a base of 4 to 7 cells on the shorter side, doubled `levels` times.

    It is at least as large as the image. Generators crop its middle; discriminators pad the image with black (-1)
    to it. Sides that are 4 to 7 times a power of two (8, 16, 20, 24, 28, 32, 64, 96, 112, 256...) need neither,
    or little: 28x28 stands on 32x32, 100x100 on 112x112.
    """

    image_height: int
    image_width: int
    levels: int

    @classmethod
    def fit(cls, height: int, width: int) -> Canvas:
        """The canvas with the most doublings whose base is at least 4x4 cells."""
        levels = 0
        while -(-min(height, width) // 2 ** (levels + 1)) >= 4:
            levels += 1
        return cls(height, width, levels)

    @property
    def base(self) -> tuple[int, int]:
        """(height, width) of the coarsest grid, in cells."""
        return -(-self.image_height // 2**self.levels), -(-self.image_width // 2**self.levels)

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the finest grid, in pixels."""
        return self.base[0] * 2**self.levels, self.base[1] * 2**self.levels

    @property
    def _border(self) -> tuple[int, int]:
        return (self.size[0] - self.image_height) // 2, (self.size[1] - self.image_width) // 2

    def crop(self, canvas: Float[Tensor, "b c H W"]) -> Float[Tensor, "b c h w"]:
        """The image in the middle of the canvas."""
        top, left = self._border
        return canvas[:, :, top : top + self.image_height, left : left + self.image_width]

    def pad(self, image: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c H W"]:
        """The image on a black canvas."""
        if self.size == (self.image_height, self.image_width):
            return image
        top, left = self._border
        height, width = self.size
        around = (left, width - self.image_width - left, top, height - self.image_height - top)
        return F.pad(image, around, value=-1.0)

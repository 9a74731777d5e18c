"""Operations of adaptive discriminator augmentation (arXiv:2006.06676, appendix B), each part with its probability.

`blit`, `geometry` and `palette` are the paper's default set, bgc. Mirrored, turned and recoloured items may be of
another class than their label says (a turned 6, a mirrored letter): `scale` is the part of `geometry` that keeps
things upright, and recipes choose from what keeps labels true.
"""

from __future__ import annotations

import functools
import math

import torch
from torch import Tensor
from torch.nn import functional as F

from augan.game.draw import Draw, Images, over

SYM2 = (-0.12940952255092145, 0.22414386804185735, 0.836516303737469, 0.48296291314469025)
SYM6 = (
    0.015404109327027373,
    0.0034907120842174702,
    -0.11799011114819057,
    -0.048311742585633,
    0.4910559419267466,
    0.787641141030194,
    0.3379294217276218,
    -0.07263752278646252,
    -0.021060292512300564,
    0.04472490177066578,
    0.0017677118642428036,
    -0.007800708325034148,
)
"""Low-pass filters of Daubechies' least asymmetric wavelets with 2 and 6 vanishing moments."""
MARGIN = (len(SYM6) - 2) // 2
"""How far the longer filter reaches beyond a pixel."""


def blit(images: Images, draw: Draw) -> Images:
    """Mirrored (half of the time), turned by a random quarter, shifted by whole pixels up to an eighth of each side.

    Where sides differ, quarters are half turns. What a shift brings in is the mirrored image.
    """
    _, _, height, width = images.shape
    images = torch.where(over(draw.happens(0.5)), images.flip(3), images)
    turns = draw.integers(0, 3) * draw.happens()
    images = torch.where(over(turns >= 2), images.flip(2, 3), images)
    if height == width:
        images = torch.where(over(turns % 2 == 1), images.transpose(2, 3).flip(2), images)
    reach_y, reach_x = int(height * 0.125 + 0.5), int(width * 0.125 + 0.5)
    moves = draw.happens()
    shift_y = draw.integers(-reach_y, reach_y) * moves
    shift_x = draw.integers(-reach_x, reach_x) * moves
    rows = _reflect(torch.arange(height, device=images.device)[None] + shift_y[:, None], height)
    columns = _reflect(torch.arange(width, device=images.device)[None] + shift_x[:, None], width)
    batch = torch.arange(len(images), device=images.device)[:, None, None]
    return images.permute(0, 2, 3, 1)[batch, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def geometry(images: Images, draw: Draw) -> Images:
    """Scaled, turned by any angle, stretched, turned again, and shifted by parts of a pixel."""
    probability = torch.as_tensor(draw.probability, dtype=torch.float32, device=images.device)
    share = (1 - (1 - probability).clamp_min(0).sqrt()) / probability.clamp_min(1e-8)  # of being turned at least once
    matrix = _scaling(draw, anisotropic=False)
    matrix = matrix @ _rotation(draw, share) @ _scaling(draw, anisotropic=True) @ _rotation(draw, share)
    return warp(images, matrix @ _shift(images, draw))


def scale(images: Images, draw: Draw) -> Images:
    """Scaled, stretched along the axes, and shifted by parts of a pixel: `geometry` without turns."""
    matrix = _scaling(draw, anisotropic=False) @ _scaling(draw, anisotropic=True)
    return warp(images, matrix @ _shift(images, draw))


def palette(images: Images, draw: Draw) -> Images:
    """Brightness, contrast, luma flip; with several channels saturation, with three hue: linear maps of colours."""
    brightness = draw.where(draw.happens(), draw.normal(0.2), 0.0)
    contrast = draw.where(draw.happens(), 2 ** draw.normal(0.5), 1.0)
    images = (images + over(brightness)) * over(contrast)
    luma = images.mean(1, keepdim=True)
    images = torch.where(over(draw.happens(0.5)), images - 2 * luma, images)
    channels = images.shape[1]
    if channels == 3:
        images = _turn_hue(images, draw.where(draw.happens(), draw.uniform(-math.pi, math.pi), 0.0))
    if channels > 1:
        saturation = over(draw.where(draw.happens(), 2 ** draw.normal(1.0), 1.0))
        grey = images.mean(1, keepdim=True)
        images = (images - grey) * saturation + grey
    return images


def bands(images: Images, draw: Draw) -> Images:
    """Four frequency bands made stronger or weaker by 2^N(0, 1), at the usual spectrum's whole power."""
    bank = _filter_bank().to(images)
    expected = torch.tensor([10.0, 1.0, 1.0, 1.0], device=images.device, dtype=images.dtype) / 13
    gains = torch.ones(len(images), len(bank), device=images.device, dtype=images.dtype)
    for band in range(len(bank)):
        step = torch.ones_like(gains)
        step[:, band] = draw.where(draw.happens(), 2 ** draw.normal(1.0), 1.0)
        gains = gains * step / (expected * step.square()).sum(1, keepdim=True).sqrt()
    kernels = gains @ bank  # (b, taps)
    count, channels, height, width = images.shape
    kernels = kernels.repeat_interleave(channels, 0)
    reach = bank.shape[1] // 2
    flat = images.reshape(1, count * channels, height, width)
    pad_y, pad_x = _mirrored(height, reach, images.device), _mirrored(width, reach, images.device)
    flat = F.conv2d(flat[:, :, pad_y], kernels[:, None, :, None], groups=count * channels)
    flat = F.conv2d(flat[:, :, :, pad_x], kernels[:, None, None, :], groups=count * channels)
    return flat.reshape(count, channels, height, width)


def noise(images: Images, draw: Draw) -> Images:
    """Gaussian noise whose deviation is |N(0, 0.1^2)|."""
    deviation = draw.where(draw.happens(), draw.normal(0.1).abs(), 0.0)
    return images + over(deviation) * draw.noise(images.shape)


# ---------------------------------------------------------------------- maps of the plane


def _identity(draw: Draw, like: Tensor) -> Tensor:
    return torch.eye(3, device=like.device, dtype=like.dtype).repeat(draw.items * draw.frames, 1, 1)


def _scaling(draw: Draw, anisotropic: bool) -> Tensor:
    """Matrices that scale both axes alike, or one up and the other down, by 2^N(0, 0.2)."""
    factor = draw.where(draw.happens(), 2 ** draw.normal(0.2), 1.0)
    matrix = _identity(draw, factor)
    matrix[:, 0, 0] = factor
    matrix[:, 1, 1] = 1 / factor if anisotropic else factor
    return matrix


def _rotation(draw: Draw, share: Tensor) -> Tensor:
    angle = draw.where(draw.happens(share), draw.uniform(-math.pi, math.pi), 0.0)
    matrix = _identity(draw, angle)
    matrix[:, 0, 0] = matrix[:, 1, 1] = angle.cos()
    matrix[:, 0, 1], matrix[:, 1, 0] = -angle.sin(), angle.sin()
    return matrix


def _shift(images: Tensor, draw: Draw) -> Tensor:
    """By N(0, 0.125) of each side."""
    moves = draw.happens()
    x, y = (draw.where(moves, draw.normal(0.125), 0.0) for _ in range(2))
    matrix = _identity(draw, x)
    matrix[:, 0, 2], matrix[:, 1, 2] = x * images.shape[3], y * images.shape[2]
    return matrix


def warp(images: Images, matrix: Tensor) -> Images:
    """Every output pixel p, measured from the centre, takes the value at matrix @ p (b, 3, 3); mirrored beyond borders.

    Images are doubled in size and halved again with the wavelet's low-pass filter around a bilinear look-up, which
    keeps the identity exact and details sharp. The look-up is written with gathers: it can be differentiated twice.
    """
    _, _, height, width = images.shape
    large = _double(images)
    device, dtype = images.device, images.dtype
    y = torch.arange(-MARGIN, 2 * height + MARGIN, device=device, dtype=dtype) + 0.5 - height
    x = torch.arange(-MARGIN, 2 * width + MARGIN, device=device, dtype=dtype) + 0.5 - width
    points = torch.stack([x.expand(len(y), -1), y[:, None].expand(-1, len(x))], -1).reshape(-1, 2)
    at = points @ matrix[:, :2, :2].transpose(1, 2) + 2 * matrix[:, None, :2, 2]
    border = 2 * MARGIN - 0.5
    values = _look_up(large, at[..., 0] + width + border, at[..., 1] + height + border)
    return _halve(values.view(*values.shape[:2], len(y), len(x)))


def _look_up(images: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Bilinear values (b, c, n) at points (b, n) in pixels."""
    count, channels, height, width = images.shape
    left, top = x.floor(), y.floor()
    flat = images.reshape(count, channels, -1)
    result = torch.zeros_like(flat[:, :, : x.shape[1]])
    for dy in (0, 1):
        for dx in (0, 1):
            weight = (1 - (x - left - dx).abs()) * (1 - (y - top - dy).abs())
            index = _reflect(top.long() + dy, height) * width + _reflect(left.long() + dx, width)
            result = result + flat.gather(2, index[:, None].expand(-1, channels, -1)) * weight[:, None]
    return result


def _reflect(index: Tensor, size: int) -> Tensor:
    """Indices beyond the border mirrored back, the border's own pixel not repeated."""
    if size == 1:
        return torch.zeros_like(index)
    period = 2 * (size - 1)
    index = index.remainder(period)
    return torch.where(index >= size, period - index, index)


def _mirrored(size: int, reach: int, device: torch.device) -> Tensor:
    return _reflect(torch.arange(-reach, size + reach, device=device), size)


def _double(images: Tensor) -> Tensor:
    """(b, c, h, w) -> (b, c, 2 (h + 2 MARGIN), 2 (w + 2 MARGIN)): twice as large, with a mirrored border."""
    reach = MARGIN + len(SYM6) // 4
    rows, columns = (_mirrored(size, reach, images.device) for size in images.shape[2:])
    padded = images[:, :, rows][:, :, :, columns]
    taps = torch.tensor(SYM6, device=images.device, dtype=images.dtype) * math.sqrt(2)
    flat = padded.flatten(0, 1)[:, None]
    for axis in (2, 3):
        kernel = taps.view(1, 1, *((-1, 1) if axis == 2 else (1, -1)))
        flat = F.conv_transpose2d(flat, kernel, stride=(2, 1) if axis == 2 else (1, 2))
    crop = MARGIN + len(SYM6) // 2
    return flat[:, 0, crop:-crop, crop:-crop].unflatten(0, images.shape[:2])


def _halve(images: Tensor) -> Tensor:
    """(b, c, 2h + 2 MARGIN, 2w + 2 MARGIN) -> (b, c, h, w); undoes `_double` but for its wider border."""
    taps = torch.tensor(SYM6, device=images.device, dtype=images.dtype) / math.sqrt(2)
    flat = images.flatten(0, 1)[:, None]
    for axis in (2, 3):
        kernel = taps.view(1, 1, *((-1, 1) if axis == 2 else (1, -1)))
        flat = F.conv2d(flat, kernel, stride=(2, 1) if axis == 2 else (1, 2))
    return flat[:, 0].unflatten(0, images.shape[:2])


# ---------------------------------------------------------------------- colours and frequencies


def _turn_hue(images: Tensor, angle: Tensor) -> Tensor:
    """Colours turned about the axis of greys (Rodrigues' formula)."""
    axis = 1 / math.sqrt(3)
    cosine, sine = over(angle.cos()), over(angle.sin())
    along = images.sum(1, keepdim=True) * axis * axis
    across = axis * (images.roll(1, 1) - images.roll(-1, 1))
    return images * cosine - across * sine + along * (1 - cosine)


@functools.cache
def _filter_bank() -> Tensor:
    """(4, taps): from coarse to fine, four bands whose sum is the identity; an octave each."""
    low = torch.tensor(SYM2, dtype=torch.float64)
    high = low.flip(0) * torch.tensor([1.0, -1.0] * (len(SYM2) // 2), dtype=torch.float64)

    def convolve(one: Tensor, other: Tensor) -> Tensor:
        return F.conv1d(one[None, None], other.flip(0)[None, None], padding=len(other) - 1)[0, 0]

    low_low, high_high = (convolve(one, one.flip(0)) / 2 for one in (low, high))
    found = [torch.ones(1, dtype=torch.float64)]
    for _ in range(3):
        spread = []
        for taps in found:
            wide = torch.zeros(2 * len(taps) - 1, dtype=torch.float64)
            wide[::2] = taps
            spread.append(convolve(wide, low_low))
        found = [*spread, high_high]
    size = max(len(taps) for taps in found)
    return torch.stack([F.pad(taps, ((size - len(taps)) // 2,) * 2) for taps in found]).float()

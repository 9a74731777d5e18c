"""Measures of pixels, in no feature space: structural similarity, and the spectrum."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional as F

from augan.core.errors import UserError

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
WINDOW = 11
SIGMA = 1.5


def scales_for(height: int, width: int) -> int:
    """How many scales of MS-SSIM the images have room for: 5 from 176 pixels on, 2 at 32, 0 below 11."""
    return sum(min(height, width) >> scale >= WINDOW for scale in range(len(WEIGHTS)))


def ms_ssim(a: Float[Tensor, "n c h w"], b: Float[Tensor, "n c h w"]) -> Float[Tensor, " n"]:
    """Multi-scale structural similarity of pairs in [0, 1] (Wang, Simoncelli and Bovik 2003), (n,); 1 is equal.

    Gaussian window of 11 pixels, sigma 1.5. Images below 176 pixels have no room for all 5 scales: the first
    `scales_for` of them are used, with their weights scaled to the sum 1.

    Raises:
        UserError: images of fewer than 11 pixels a side.
    """
    scales = scales_for(*a.shape[2:])
    if not scales:
        raise UserError(f"MS-SSIM needs images of {WINDOW} pixels a side or more, not {a.shape[3]}x{a.shape[2]}.")
    weights = np.array(WEIGHTS[:scales]) / sum(WEIGHTS[:scales])
    result = torch.ones(len(a), dtype=a.dtype)
    for scale, weight in enumerate(weights):
        luminance, contrast = _ssim_terms(a, b)
        term = contrast if scale < scales - 1 else luminance * contrast
        result = result * term.mean((1, 2, 3)).clamp_min(0) ** float(weight)
        a, b = F.avg_pool2d(a, 2), F.avg_pool2d(b, 2)
    return result


def ssim(a: Float[Tensor, "n c h w"], b: Float[Tensor, "n c h w"]) -> Float[Tensor, " n"]:
    """Structural similarity of pairs in [0, 1] (Wang et al. 2004), (n,), over places where the whole window fits.

    Raises:
        UserError: images of fewer than 11 pixels a side.
    """
    if min(a.shape[2:]) < WINDOW:
        raise UserError(f"SSIM needs images of {WINDOW} pixels a side or more, not {a.shape[3]}x{a.shape[2]}.")
    luminance, contrast = _ssim_terms(a, b)
    return (luminance * contrast).mean((1, 2, 3))


def _ssim_terms(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """The luminance and the contrast-structure term of SSIM at each place where the whole window fits."""
    mean_a, mean_b = _blurred(a), _blurred(b)
    variance_a, variance_b = _blurred(a * a) - mean_a**2, _blurred(b * b) - mean_b**2
    covariance = _blurred(a * b) - mean_a * mean_b
    c1, c2 = 0.01**2, 0.03**2
    luminance = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    return luminance, (2 * covariance + c2) / (variance_a.clamp_min(0) + variance_b.clamp_min(0) + c2)


def _blurred(images: Tensor) -> Tensor:
    offsets = torch.arange(WINDOW, dtype=images.dtype) - WINDOW // 2
    window = torch.exp(-(offsets**2) / (2 * SIGMA**2))
    window = (window / window.sum()).repeat(images.shape[1], 1, 1, 1)
    down = F.conv2d(images, window.transpose(2, 3), groups=images.shape[1])
    return F.conv2d(down, window, groups=images.shape[1])


PAIRS = 500


def random_pairs(
    labels: Int64[np.ndarray, " n"] | None, count: int, seed: int = 0, limit: int = PAIRS
) -> tuple[Int64[np.ndarray, " p"], Int64[np.ndarray, " p"]]:
    """Random pairs of different items; of the same class where there are labels. Empty where there are none."""
    random = np.random.default_rng(seed)
    groups = [np.arange(count)] if labels is None else [np.flatnonzero(labels == value) for value in np.unique(labels)]
    groups = [group for group in groups if len(group) > 1]
    if not groups:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    sizes = np.array([len(group) for group in groups], dtype=np.float64)
    drawn = random.choice(len(groups), limit, p=sizes / sizes.sum())
    first = np.array([random.integers(len(groups[k])) for k in drawn])
    other = np.array([random.integers(len(groups[k]) - 1) for k in drawn])
    other += other >= first
    pairs = zip(drawn, first, other, strict=True)
    i, j = zip(*((groups[k][p], groups[k][q]) for k, p, q in pairs), strict=True)
    return np.array(i, dtype=np.int64), np.array(j, dtype=np.int64)


class Spectrum:
    """The mean power of each spatial frequency, gathered in parts.

    The power of the two-dimensional discrete Fourier transform of the grey image (mean over channels), averaged over
    images and over rings of equal frequency, from the lowest but the constant up to half a cycle a pixel
    (arXiv:2003.01826, section 3).
    """

    def __init__(self, height: int, width: int) -> None:
        vertical, horizontal = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None]
        frequency = np.sqrt(vertical**2 + horizontal**2)
        self.rings = max(1, min(height, width) // 2)
        ring = np.clip((frequency * 2 * self.rings + 0.5).astype(np.int64), 0, self.rings + 1)
        self._ring = torch.from_numpy(ring.reshape(-1))
        self._power = torch.zeros(height, width // 2 + 1, dtype=torch.float64)
        self.count = 0

    def add(self, images: Float[Tensor, "n c h w"]) -> Spectrum:
        """Takes in some more images in [-1, 1]."""
        grey = images.double().mean(1)
        self._power += torch.fft.rfft2(grey, norm="ortho").abs().square().sum(0)
        self.count += len(images)
        return self

    def decibels(self) -> Float[np.ndarray, " rings"]:
        """10 log10 of the mean power in each ring, from low to high; floored at what 8 bits can show."""
        power = (self._power / max(1, self.count)).reshape(-1)
        sums = torch.zeros(self.rings + 2, dtype=torch.float64).index_add_(0, self._ring, power)
        sizes = torch.bincount(self._ring, minlength=self.rings + 2)
        mean = (sums / sizes.clamp_min(1))[1 : self.rings + 1]
        quantisation = (2 / 255) ** 2 / 12
        return (10 * mean.clamp_min(quantisation).log10()).numpy()


def spectrum_gap(real: Float[np.ndarray, " r"], fake: Float[np.ndarray, " r"]) -> float:
    """Mean absolute difference of two spectra in decibels; 0 is best. Checkerboards and blur show here first."""
    return float(np.abs(real - fake).mean())

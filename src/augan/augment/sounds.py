"""Ways to change sounds that keep their class, on log spectrograms: pitch, tempo, speed, shift, noise; SpecAugment."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from augan.augment.study import Arm
from augan.baselines import Change
from augan.core.errors import UserError

Spectrograms = Float[Tensor, "b c h w"]
RANGE_DB = 80.0
"""What -1 to 1 stands for in spectrograms."""
SEMITONES = 2.0
TEMPO = 1.25
SPEED = 1.1
SHIFT = 0.1
"""Up to so much of the length earlier or later."""
GAIN_DB = 6.0
NOISE_DB = (20.0, 60.0)
"""Noise lies between so much below the loudest frequency, in half of the cases."""
MASKS = 2
MASKED = 0.2
"""Each mask covers up to so much of the frequencies, or of the time."""


def plain_view(images: Spectrograms, random: np.random.Generator) -> Spectrograms:
    """Each sound at another pitch (2 semitones), tempo (a quarter), speed (a tenth) and time, with gain and noise.

    Pitch stretches frequencies from the lowest one on, tempo stretches time, speed does both at once; what comes in at
    the borders is as loud as the border is.
    """
    count = len(images)

    def uniform(most: float) -> Tensor:
        return torch.from_numpy(random.uniform(-1, 1, count).astype(np.float32) * np.float32(most))

    pitch, tempo, speed = uniform(SEMITONES / 12), uniform(float(np.log2(TEMPO))), uniform(float(np.log2(SPEED)))
    theta = torch.zeros(count, 2, 3)
    along, up = 2 ** (tempo + speed), 2 ** -(pitch + speed)
    theta[:, 0, 0], theta[:, 1, 1] = along, up
    theta[:, 0, 2] = along - 1 + uniform(2 * SHIFT)  # the first frame stays the first one, up to the shift
    theta[:, 1, 2] = 1 - up  # the lowest frequency, the last row, stays where it is
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    moved = F.grid_sample(images, grid, padding_mode="border", align_corners=False)
    moved = moved + (moved > -0.99) * (uniform(GAIN_DB) * 2 / RANGE_DB)[:, None, None, None]
    return _with_noise(moved.clamp(-1, 1), random).contiguous(memory_format=torch.channels_last)


def _with_noise(images: Spectrograms, random: np.random.Generator) -> Spectrograms:
    """White noise added to powers; |noise|^2 of each frequency is exponential."""
    count = len(images)
    levels = (
        images.amax((1, 2, 3)) - torch.from_numpy(random.uniform(*NOISE_DB, count).astype(np.float32)) * 2 / RANGE_DB
    )
    drawn = torch.from_numpy(random.exponential(1, images.shape).astype(np.float32)).clamp_min(1e-6)
    scale = RANGE_DB / 20  # [-1, 1] in powers of ten
    power = 10 ** (scale * images) + 10 ** (scale * levels)[:, None, None, None] * drawn
    noisy = torch.from_numpy(random.random(count) < 0.5)[:, None, None, None]
    return torch.where(noisy, power.log10() / scale, images).clamp(-1, 1)


def spec_augment(images: Spectrograms, random: np.random.Generator) -> Spectrograms:
    """Two bands of frequencies and two of time, each up to a fifth, made silent (arXiv:1904.08779, without warping)."""
    count, _, height, width = images.shape
    hidden = torch.zeros(count, 1, height, width, dtype=torch.bool)
    for side, shape in ((height, (count, 1, height, 1)), (width, (count, 1, 1, width))):
        places = torch.arange(side)[None]
        for _ in range(MASKS):
            size = torch.from_numpy(random.uniform(0, MASKED * side, (count, 1)))
            start = torch.from_numpy(random.random((count, 1))) * (side - size)
            hidden |= ((places >= start) & (places < start + size)).view(shape)
    return images.masked_fill(hidden, -1.0)


def both(images: Spectrograms, random: np.random.Generator) -> Spectrograms:
    """`spec_augment` of a `plain_view`."""
    return spec_augment(plain_view(images, random), random).contiguous(memory_format=torch.channels_last)


CHANGES: Mapping[str, Change] = {"classical": plain_view, "specaugment": spec_augment, "plain-specaugment": both}
"""How each arm changes sounds."""


def sound_arms(arms: Mapping[str, Arm]) -> dict[str, Arm]:
    """The arms for images as those for sounds, and two more."""
    changed = {
        "real": Arm(meaning="the real sounds as they are"),
        "classical": Arm(meaning="another pitch, tempo, speed, time and loudness, and noise, at random"),
        "specaugment": Arm(meaning="bands of frequencies and of time made silent (SpecAugment)"),
        "plain-specaugment": Arm(meaning="'classical' and then SpecAugment"),
    }
    return {**changed, **{name: arm for name, arm in arms.items() if name not in changed}}


def require_no_flip(flip: bool) -> None:
    """Raises UserError where sounds were to be mirrored."""
    if flip:
        raise UserError("A sound played backwards is another sound. Leave --flip out.")
